"""``alas models --check``: of one loaded model, what the tests show of tiny checkpoints of its family.

Each check is a function of a `Trial`. What it returns is shown; what it raises is how it failed. The tests of the
families run the same functions.
"""

from __future__ import annotations

import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import torch

from alas_metric.document.paths import WordTiming
from alas_metric.document.similarity import similarities
from alas_metric.document.units import Unit, split_units
from alas_metric.errors import FatalError, SkipDocument
from alas_tasks.audio import SAMPLE_RATE, load_audio
from alas_tasks.demo.files import TEST_SPLIT
from model_patches.adapters.adapter import Prompts, SpeechAdapter
from model_patches.adapters.capture import LayerVectors, WordPooling, capture_prefill, verify_capture
from model_patches.adapters.loading import load_pretrained
from model_patches.adapters.stride import noise
from model_patches.probing import probe
from model_patches.registry import adapter_for, checkpoint_of
from model_patches.run.provenance import software

DURATIONS = (1, 7.3, 29, 35)
"""Seconds of audio whose positions are counted: two that are no whole number of any window, and both sides of 30 s."""

BATCH_TOLERANCE = 5e-6
"""How far a batch may move a similarity; float32 and another order of sums move it by less."""

_ANSWER_TOKENS = 30


class Utterance(NamedTuple):
    """What a model is tried on.

    Args:
        audio: samples, 16 kHz mono.
        transcript: what is said.
        words: when, where it is known.
    """

    audio: np.ndarray
    transcript: str
    words: Sequence[WordTiming] | None = None


class NotApplicable(Exception):
    """What a check raises that says nothing of this model, with the reason."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        check: its name.
        outcome: ``passed``, ``failed`` or ``not applicable``.
        detail: what was seen.
    """

    check: str
    outcome: str
    detail: str


@dataclass
class Trial:
    """A model and one utterance to try it on.

    Args:
        adapter: the model.
        audio: samples, 16 kHz mono.
        transcript: what is said.
        words: when, where it is known; else the words are taken to be evenly spaced.
        instruction: what the model is asked.
    """

    adapter: SpeechAdapter
    audio: np.ndarray
    transcript: str
    words: Sequence[WordTiming] | None = None
    instruction: str = "What is said?"

    @cached_property
    def units(self) -> Sequence[Unit]:
        """The words of the transcript."""
        return split_units(self.adapter.clean_text(self.transcript))

    @cached_property
    def heard(self) -> Prompts:
        """The prompt of the audio run."""
        return self.adapter.audio_prompts([self.audio], [self.instruction])

    @cached_property
    def read(self) -> Prompts:
        """The prompt of the text run."""
        transcript = self.adapter.clean_text(self.transcript)
        return self.adapter.text_prompts([transcript], [self.instruction], [self.units])

    @property
    def timings(self) -> Sequence[WordTiming]:
        """One timing for each word."""
        if self.words is not None:
            return self.words
        each = len(self.audio) / SAMPLE_RATE / len(self.units)
        return [WordTiming(unit.text, i * each, (i + 1) * each) for i, unit in enumerate(self.units)]


def placeholder(trial: Trial) -> str:
    """The prompt of the audio run holds one placeholder for the audio, that of the text run none."""
    adapter = trial.adapter
    token = adapter.tokenizer.decode([adapter.audio_token_id])
    audio, text = adapter.render(trial.instruction, 1), adapter.render_text(trial.transcript, trial.instruction)
    counts = audio.count(token), text.count(token)
    if counts != (1, 0):
        raise ValueError(f"{token!r} stands {counts[0]} times in the audio prompt and {counts[1]} in the text prompt")
    return f"{token!r}, id {adapter.audio_token_id}"


def rate(trial: Trial) -> str:
    """Audio positions per second are those that the table of models names."""
    measured = 1 / trial.adapter.seconds_per_position
    known = checkpoint_of(trial.adapter.model.config.model_type)
    if known is not None and abs(measured / known.rate - 1) > 1e-3:
        raise ValueError(f"{measured:.6g}, and {known.rate:.6g} were expected of {known.model_type}")
    return f"{measured:.6g}" + ("" if known else ", of a model type that is not in the table")


def positions(trial: Trial) -> str:
    """The number of positions follows the audio's duration, up to what the model hears."""
    return ", ".join(f"{seconds} s: {_positions(trial.adapter, seconds)}" for seconds in DURATIONS)


def _positions(adapter: SpeechAdapter, seconds: float) -> str:
    try:
        prompts = adapter.audio_prompts([noise(int(seconds * SAMPLE_RATE))], ["?"])
    except SkipDocument as skip:
        return f"left out, {skip.detail}"
    adapter.check_audio(prompts, [seconds])
    return str(len(prompts.positions[0]))


def layers(trial: Trial) -> str:
    """The language model's layers and final norm are found."""
    decoder = trial.adapter.decoder
    kinds = Counter(type(layer).__name__ for layer in decoder.layers)
    config = trial.adapter.model.config.get_text_config()
    types = getattr(config, "layer_types", None) or []
    if len(types) == len(decoder.layers):
        kinds = Counter(types)
    shown = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"{len(decoder.layers)} ({shown}), then {type(decoder.norm).__name__}"


def states_of_audio(trial: Trial) -> str:
    """What the hooks read of the audio run equals the model's own ``output_hidden_states``."""
    return _states(trial.adapter, trial.heard)


def states_of_text(trial: Trial) -> str:
    """What the hooks read of the text run equals the model's own ``output_hidden_states``."""
    return _states(trial.adapter, trial.read)


def _states(adapter: SpeechAdapter, prompts: Prompts) -> str:
    verify_capture(adapter.decoder, partial(adapter.generate, prompts.inputs))
    return f"{adapter.decoder.num_entries} entries of {prompts.length} positions, number for number"


def audio_arrives(trial: Trial) -> str:
    """Other audio of the same length changes what enters the first layer at the audio positions, and nowhere else."""
    adapter = trial.adapter
    other = adapter.audio_prompts([trial.audio[::-1].copy()], [trial.instruction])
    first, second = (_entering(adapter, prompts) for prompts in (trial.heard, other))
    if first.shape != second.shape:
        raise ValueError(f"audio played backwards gets another prompt: {tuple(first.shape)}, {tuple(second.shape)}")
    changed = (first != second).any(dim=-1).nonzero()[:, 0]
    audio = (trial.heard.inputs["input_ids"][0] == adapter.audio_token_id).nonzero()[:, 0]
    outside = sorted(set(changed.tolist()) - set(audio.tolist()))
    if outside:
        raise ValueError(f"other audio changes {len(outside)} positions that hold no placeholder, {outside[0]} first")
    if not len(changed):
        raise ValueError("other audio changes nothing: the model answers from the prompt alone")
    return f"audio played backwards changes {len(changed)} of {len(audio)} audio positions and no other"


def _entering(adapter: SpeechAdapter, prompts: Prompts) -> torch.Tensor:
    kept: list[torch.Tensor] = []
    with capture_prefill(adapter.decoder, lambda entry, states: kept.append(states[0].cpu()) if entry == 0 else None):
        adapter.generate(prompts.inputs, max_new_tokens=1, do_sample=False, num_beams=1)
    return kept[0]


def words(trial: Trial) -> str:
    """The tokens of each word, decoded, hold the word; what a word has of punctuation may be tokens of its own."""
    transcript = trial.adapter.clean_text(trial.transcript)
    tokens = [trial.read.inputs["input_ids"][0][found] for found in trial.read.words[0]]
    for unit, found in zip(trial.units, tokens, strict=True):
        decoded = trial.adapter.tokenizer.decode(found)
        # A token may end within a character of several bytes, which then decodes to the replacement character.
        if transcript[unit.start : unit.end] not in decoded and "\ufffd" not in decoded:
            raise ValueError(f"the tokens of the word {unit.text!r} read {decoded!r}")
    return f"{len(tokens)} words on {sum(map(len, tokens))} tokens"


def batches(trial: Trial) -> str:
    """A batch of three gives the similarities of its documents alone."""
    adapter = trial.adapter
    if not adapter.batches:
        raise NotApplicable("run one by one whatever --batch_size says")
    if adapter.dtype != torch.float32:
        raise NotApplicable(f"run one by one in {adapter.dtype}; with dtype=float32 this is checked")
    audios = [trial.audio, trial.audio[: len(trial.audio) // 2], trial.audio[: len(trial.audio) // 3]]
    together = _similarities(trial, audios)
    furthest = max(
        float(np.abs(together[row] - _similarities(trial, [audio])[0]).max()) for row, audio in enumerate(audios)
    )
    if furthest > BATCH_TOLERANCE:
        raise ValueError(f"a similarity moves by {furthest:.1e}: keep --batch_size 1")
    return f"no similarity moves by more than {furthest:.1e}"


def _similarities(trial: Trial, audios: Sequence[np.ndarray]) -> list[np.ndarray]:
    adapter, count = trial.adapter, len(audios)
    transcript = adapter.clean_text(trial.transcript)
    read = adapter.text_prompts([transcript] * count, [trial.instruction] * count, [trial.units] * count)
    heard = adapter.audio_prompts(list(audios), [trial.instruction] * count)
    pooling = WordPooling(read.words)
    with capture_prefill(adapter.decoder, pooling):
        adapter.generate(read.inputs, max_new_tokens=1, do_sample=False)
    kept: list[list[torch.Tensor]] = [[] for _ in audios]
    frames = LayerVectors(heard.positions, pooling.vectors, [partial(_keep_similarity, row) for row in kept])
    with capture_prefill(adapter.decoder, frames):
        adapter.generate(heard.inputs, max_new_tokens=1, do_sample=False)
    return [torch.stack(row).numpy() for row in kept]


def _keep_similarity(row: list[torch.Tensor], _layer: int, words: torch.Tensor, frames: torch.Tensor) -> None:
    row.append(similarities(words, frames).cpu())


def document(trial: Trial) -> str:
    """One document goes all the way to its record; time and memory are shown."""
    adapter = trial.adapter
    start = time.perf_counter()
    record = probe(adapter.model, adapter.processor, trial.audio, trial.transcript, words=trial.timings)
    seconds = time.perf_counter() - start
    return (
        f"{len(trial.audio) / SAMPLE_RATE:.1f} s of audio, {len(record.words)} words, {record.num_frames} positions, "
        f"{record.num_layers} entries: {seconds:.1f} s without answers, {peak_memory(adapter.device)}"
    )


def peak_memory(device: torch.device) -> str:
    """Return the most memory that was taken so far, of the device or, on the CPU, of the process."""
    if device.type == "cuda":
        return f"at most {torch.cuda.max_memory_allocated(device) / 1e9:.1f} GB of {torch.cuda.get_device_name(device)}"
    try:
        import resource
    except ImportError:  # Windows
        return "memory not known"
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f"at most {taken / 1e9:.1f} GB in the process"


CHECKS: Mapping[str, Callable[[Trial], str]] = {
    "placeholder": placeholder,
    "positions per second": rate,
    "positions follow the duration": positions,
    "layers": layers,
    "hidden states, audio": states_of_audio,
    "hidden states, text": states_of_text,
    "the audio arrives": audio_arrives,
    "words are found": words,
    "a batch of three": batches,
    "one document": document,
}
"""What is checked, in the order in which it is shown."""


def findings(trial: Trial, checks: Mapping[str, Callable[[Trial], str]] = CHECKS) -> list[Finding]:
    """Run the checks, one after the other, whatever the others find."""
    return [finding(name, partial(check, trial)) for name, check in checks.items()]


def finding(name: str, check: Callable[[], str]) -> Finding:
    """Run one check."""
    try:
        return Finding(name, "passed", check())
    except NotApplicable as reason:
        return Finding(name, "not applicable", str(reason))
    except Exception as error:  # models are programs; what they raise is anything
        return Finding(name, "failed", f"{type(error).__name__}: {error}")


# What is tried, and on what.


def load(
    pretrained: str, utterance: Utterance, *, device: str | None = None, **loading: Any
) -> tuple[Finding, Trial | None]:
    """Load a checkpoint, and say so or why it cannot be.

    Args:
        pretrained: a hub id or a folder.
        utterance: what to try it on.
        device: where it goes; default: CUDA where there is one.
        **loading: as `model_patches.adapters.loading.LoadOptions`.
    """
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    trials: list[Trial] = []

    def attempt() -> str:
        start = time.perf_counter()
        model, processor = load_pretrained(pretrained, device_map=place, **loading)
        adapter = adapter_for(model.config.model_type)(model, processor)
        adapter.require()
        trials.append(Trial(adapter, *utterance))
        weights = sum(parameter.numel() for parameter in model.parameters())
        return (
            f"{type(model).__name__}, {weights / 1e9:.3g} billion weights, {adapter.dtype} on {adapter.device}, "
            f"read by {type(adapter).__name__}, {time.perf_counter() - start:.0f} s"
        )

    return finding("loads", attempt), next(iter(trials), None)


def demo_utterance() -> Utterance:
    """Return the first utterance of the demo: synthetic speech, whose words' times are known."""
    import pyarrow.parquet

    (row,) = pyarrow.parquet.read_table(TEST_SPLIT).slice(0, 1).to_pylist()
    return Utterance(load_audio(row["audio"]), row["transcript"], [WordTiming(**word) for word in row["words"]])


def utterance_of(path: str, transcript: str) -> Utterance:
    """Return a user's own utterance.

    Raises:
        FatalError: If the file cannot be read, or nothing is said.
    """
    if not split_units(transcript):
        raise FatalError(f"--transcript {transcript!r} has no word")
    try:
        return Utterance(load_audio(path), transcript)
    except (SkipDocument, OSError) as error:
        raise FatalError(f"--audio {path}: {error}") from error


def prompts_and_answers(trial: Trial) -> dict[str, str]:
    """Return both prompts and what the model answers to them, for people to look at; nothing of it is judged."""
    adapter, question = trial.adapter, trial.instruction
    answers = partial(adapter.answers, max_new_tokens=_ANSWER_TOKENS, do_sample=False)
    shown = {
        "prompt of the audio run": lambda: adapter.render(question, 1),
        "answer to the audio": lambda: answers(trial.heard.inputs)[0],
        "prompt of the text run": lambda: adapter.render_text(adapter.clean_text(trial.transcript), question),
        "answer to the text": lambda: answers(trial.read.inputs)[0],
    }
    return {title: finding(title, show).detail for title, show in shown.items()}


def surroundings() -> str:
    """Return what else decides what is found: versions, Python and machine."""
    versions = ", ".join(f"{name} {number}" for name, number in software().items())
    return f"{versions}, Python {platform.python_version()} on {platform.system()} {platform.machine()}"
