"""One utterance, some, or one step of a training loop, without the harness."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from alas_metric.document.paths import WordTiming
from alas_metric.document.record import AlignmentRecord
from alas_metric.errors import SkipDocument
from alas_tasks.audio import SAMPLE_RATE, Audio, load_audio
from alas_tasks.speech import SpeechSample
from model_patches.adapters.adapter import SpeechAdapter
from model_patches.adapters.generation import generation_arguments
from model_patches.adapters.lens import Lens
from model_patches.reference.aligner import Aligner
from model_patches.registry import adapter_for
from model_patches.run.comparison import AnswerComparison
from model_patches.run.options import AlasOptions, Aligners
from model_patches.run.paired import PairedRuns
from model_patches.run.preparation import Preparation, Prepared


@dataclass(frozen=True, eq=False)
class Utterance:
    """What is said, and what the model is asked about it.

    Args:
        audio: samples, shape ``(num_samples,)`` or ``(num_samples, channels)``, or the path of an audio file.
        transcript: what is said; None lets Whisper recognise it.
        words: word timestamps, one per word of the transcript; they are the reference where they are given.
        sampling_rate: of ``audio`` given as samples, in Hz.
        instruction: what the model is asked in both runs.
        language: of the speech.
        uid: names the utterance; default: a hash of its samples. It seeds the control of `alas_chance`.
        speaker: who speaks, where known.
    """

    audio: np.ndarray | str
    transcript: str | None = None
    words: Sequence[WordTiming] | None = None
    sampling_rate: int = SAMPLE_RATE
    instruction: str = ""
    language: str = "en"
    uid: str | None = None
    speaker: str | None = None


class Probe:
    """A few utterances on which models are probed, as often as wanted; audio and word times are made ready once.

    Args:
        utterances: what is probed.
        reference: as the model argument ``alas_reference``, or an aligner that is already loaded, such as a
            `WhisperReference`; not needed where every utterance has its words.
        responses: whether the answers are generated too; otherwise two prefills are all that is run.
        sbert: Sentence-BERT model that compares the answers.
        generation: keyword arguments as in a task's ``generation_kwargs``.
        layer_map: compare every audio layer with every text layer too.
        lens: among how many of the largest tokens at the audio positions of every layer a word is looked for; what each
            stretch of audio reads as is then ``record.lens``. 0: not at all.

    Example:
        >>> probe = Probe([Utterance("a.wav", "the quick brown fox")])  # doctest: +SKIP
        >>> for step in range(steps):  # doctest: +SKIP
        ...     train(model, step)
        ...     records = probe(model, processor)
    """

    def __init__(
        self,
        utterances: Iterable[Utterance],
        *,
        reference: Any = "whisper:large-v3",
        responses: bool = False,
        sbert: str | None = None,
        generation: Mapping[str, Any] | None = None,
        layer_map: bool = False,
        lens: int = 0,
    ) -> None:
        self.utterances = list(utterances)
        self._reference, self._responses = reference, responses
        self._comparison = AnswerComparison(sbert)
        self._generation = generation_arguments(generation or {}, responses)
        self._layer_map, self._lens = layer_map, lens
        self._ready: list[_Ready | AlignmentRecord] | None = None
        self._proven = False

    def __call__(self, model: Any, processor: Any) -> list[AlignmentRecord]:
        """Run every utterance on its audio and on its transcript and return the records, in order.

        Model, processor and random numbers are left as they were found: the same mode, no hooks, no gradients.

        Args:
            model: a transformers model of a known family, on any device.
            processor: its processor.

        Returns:
            An utterance that cannot be scored has a record that says why.

        Raises:
            FatalError: If the audio does not reach the model.
            ValueError: If no adapter knows the model.
        """
        adapter: SpeechAdapter = adapter_for(model.config.model_type)(model, processor)
        with random_numbers_kept(adapter.device), evaluation_mode(model):
            if self._ready is None:
                self._ready = self._prepared(adapter)
            runs = PairedRuns(
                adapter,
                self._responses,
                self._comparison,
                layer_map=self._layer_map,
                lens=Lens.of(adapter, self._lens) if self._lens else None,
                proven=self._proven,
            )
            records = [self._run(runs, each) for each in self._ready]
            self._proven = runs.proven
            return records

    def _prepared(self, adapter: SpeechAdapter) -> list[_Ready | AlignmentRecord]:
        """Return each utterance that is ready, or the record that says why it cannot be; aligners are put away then."""
        known = all(each.words is not None for each in self.utterances)
        sources = [] if known else as_sources(self._reference, adapter)
        ready = [_prepare(adapter, utterance, sources) for utterance in self.utterances]
        if isinstance(self._reference, str):
            for aligner in sources:
                if aligner is not None:
                    aligner.close()  # a large one takes gigabytes
        return ready

    def _run(self, runs: PairedRuns, ready: _Ready | AlignmentRecord) -> AlignmentRecord:
        if isinstance(ready, AlignmentRecord):
            return ready
        try:
            [record] = runs([ready.document], [ready.samples], self._generation)
        except SkipDocument as skip:
            sample = ready.document.sample
            return AlignmentRecord.skip(sample.uid, skip.cause, skip.detail, sample.speaker)
        return record


@dataclass(frozen=True)
class _Ready:
    document: Prepared
    samples: np.ndarray


def _prepare(
    adapter: SpeechAdapter, utterance: Utterance, sources: Sequence[Aligner | None]
) -> _Ready | AlignmentRecord:
    audio = utterance.audio
    name = utterance.uid or (audio if isinstance(audio, str) else "audio")
    try:
        source: Audio = (
            {"path": audio, "bytes": None}
            if isinstance(audio, str)
            else {"array": audio, "sampling_rate": utterance.sampling_rate}
        )
        samples = load_audio(source)
        name = utterance.uid or hashlib.sha256(samples.tobytes()).hexdigest()[:16]
        sample = SpeechSample(
            uid=name,
            audio=source,
            transcript=utterance.transcript,
            words=None if utterance.words is None else list(utterance.words),
            speaker=utterance.speaker,
            language=utterance.language,
        )
        own = sources if utterance.words is None else [None]
        return _Ready(Preparation(adapter, lambda _: own)(sample, utterance.instruction, samples), samples)
    except SkipDocument as skip:
        return AlignmentRecord.skip(name, skip.cause, skip.detail, utterance.speaker)


def probe(
    model: Any,
    processor: Any,
    audio: np.ndarray | str,
    transcript: str | None = None,
    *,
    sampling_rate: int = SAMPLE_RATE,
    instruction: str = "",
    words: Sequence[WordTiming] | None = None,
    reference: Any = "whisper:large-v3",
    responses: bool = False,
    sbert: str | None = None,
    generation: Mapping[str, Any] | None = None,
    language: str = "en",
    uid: str | None = None,
    layer_map: bool = False,
    lens: int = 0,
) -> AlignmentRecord:
    """Run one utterance on its audio and on its transcript and return the alignment record.

    For several, or one in a loop, see `probe_all` and `Probe`. Model, processor and random numbers are left as they
    were found: the same mode, no hooks, no gradients.

    Args:
        model: a transformers model of a known family, on any device.
        processor: its processor.
        audio: see `Utterance`, as ``transcript``, ``sampling_rate``, ``instruction``, ``words``, ``language``, ``uid``.
        transcript: what is said; None lets Whisper recognise it.
        sampling_rate: of ``audio`` given as samples, in Hz.
        instruction: what the model is asked in both runs.
        words: word timestamps, one per word of the transcript; they are the reference where they are given.
        reference: see `Probe`, as ``responses``, ``sbert``, ``generation``, ``layer_map``, ``lens``.
        responses: whether the answers are generated too.
        sbert: Sentence-BERT model that compares the answers.
        generation: keyword arguments as in a task's ``generation_kwargs``.
        language: of the speech.
        uid: names the utterance.
        layer_map: compare every audio layer with every text layer too.
        lens: read what every stretch of audio reads as, too.

    Returns:
        The record, as the harness's tasks make it; `alas_metric.score_record` scores it.

    Raises:
        SkipDocument: If this utterance cannot be scored, with the cause.
        FatalError: If the audio does not reach the model, or ``lens`` cannot be had of it.
        ValueError: If no adapter knows the model.

    Example:
        >>> record = probe(model, processor, "speech.wav", "the quick brown fox")  # doctest: +SKIP
        >>> alas_metric.score_record(record).columns["alas_raw"]  # one value per layer  # doctest: +SKIP
    """
    utterance = Utterance(audio, transcript, words, sampling_rate, instruction, language, uid)
    options: dict[str, Any] = {"responses": responses, "sbert": sbert, "generation": generation}
    made = Probe([utterance], reference=reference, layer_map=layer_map, lens=lens, **options)
    [record] = made(model, processor)
    if record.skipped is not None:
        raise SkipDocument(**record.skipped)
    return record


def probe_all(model: Any, processor: Any, utterances: Iterable[Utterance], **options: Any) -> list[AlignmentRecord]:
    """Run several utterances, see `Probe`, which takes the options.

    One that cannot be scored has a record that says why.

    Example:
        >>> records = probe_all(model, processor, [Utterance("a.wav", "the quick fox"), ...])  # doctest: +SKIP
        >>> alas_metric.summarise(map(alas_metric.score_record, records))["alas_skill"]  # doctest: +SKIP
    """
    return Probe(utterances, **options)(model, processor)


def as_sources(reference: Any, adapter: SpeechAdapter) -> Sequence[Aligner | None]:
    """Return the sources of word times that a text names; an aligner that is given is the only one."""
    if isinstance(reference, str):
        return Aligners(AlasOptions(reference=reference), adapter.device).of(None)
    return [reference]


@contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """Switch dropout off and put the model's mode back afterwards."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


@contextmanager
def random_numbers_kept(device: torch.device) -> Iterator[None]:
    """Put the states of random number generators back afterwards: Python's, NumPy's, torch's on the CPU and a GPU."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = [device] if device.type in ("cuda", "xpu") else []  # what torch offers elsewhere is another kind of state
    with torch.random.fork_rng(devices=devices, device_type=device.type if devices else "cuda"):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
