"""Word timestamps from Whisper: seconds per minute of audio, and what the cache leaves of it.

Run by hand::

    python benchmarks/whisper_reference.py

The demo's Whisper on the demo's speech, and the shapes of ``tiny`` and ``base`` with random weights on noise: their
word times mean nothing but take as long as real ones. That holds for aligning alone; recognising ends with the text,
which random weights do not know. The baseline is one pass of Whisper's encoder over its 30 s window, without which no
time can be found, however short the utterance.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
import whisper
from loguru import logger
from timing import in_turns, show

from alas_metric.document.units import split_units
from alas_tasks.audio import SAMPLE_RATE, load_audio
from alas_tasks.demo.files import TEST_SPLIT, WHISPER
from model_patches.reference.cache import AlignmentCache
from model_patches.reference.whisper_reference import WhisperReference

WORDS_PER_SECOND = 2.7
SHAPES = {"tiny": (384, 6, 4), "base": (512, 8, 6)}
Utterance = tuple[np.ndarray, str]


def random_whisper(shape: str, folder: Path) -> Path:
    """Save random weights in an official shape, in openai-whisper's format."""
    width, heads, layers = SHAPES[shape]
    size = {"state": width, "head": heads, "layer": layers}
    audio = {f"n_audio_{name}": value for name, value in size.items()}
    text = {f"n_text_{name}": value for name, value in size.items()}
    dims = whisper.ModelDimensions(n_mels=80, n_audio_ctx=1500, n_vocab=51865, n_text_ctx=448, **audio, **text)
    torch.manual_seed(0)
    weights = whisper.model.Whisper(dims).state_dict()
    path = folder / f"{shape}.pt"
    torch.save({"dims": asdict(dims), "model_state_dict": weights}, path)
    return path


def demo_speech(count: int) -> list[Utterance]:
    """Return utterances of the demo's test split."""
    rows = pq.read_table(TEST_SPLIT, columns=["audio", "transcript"]).slice(0, count).to_pylist()
    return [(load_audio(row["audio"]), row["transcript"]) for row in rows]


def noise(seconds: float) -> list[Utterance]:
    """Return an utterance of noise that sounds like speech to the search for silence."""
    audio = np.random.default_rng(0).normal(0, 0.1, int(seconds * SAMPLE_RATE)).astype(np.float32)
    return [(audio, " ".join(["word"] * max(1, int(seconds * WORDS_PER_SECOND))))]


def align(reference: WhisperReference, utterances: Sequence[Utterance]) -> None:
    """Place the words of every utterance."""
    for audio, transcript in utterances:
        reference.words(audio, transcript, split_units(transcript))


def encode(reference: WhisperReference, utterances: Sequence[Utterance]) -> None:
    """Pass every utterance through Whisper's encoder, and nothing else."""
    model = reference._load()
    for audio, _ in utterances:
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(audio), model.dims.n_mels, device=model.device)
        with torch.no_grad():
            model.embed_audio(mel[None])


def compare(name: str, checkpoint: Path, utterances: Sequence[Utterance], rounds: int, recognise: bool) -> None:
    """Time one checkpoint."""
    minutes = sum(len(audio) for audio, _ in utterances) / SAMPLE_RATE / 60
    with tempfile.TemporaryDirectory() as folder:
        aligning = WhisperReference(str(checkpoint), device="cpu")
        cached = WhisperReference(str(checkpoint), device="cpu", cache=AlignmentCache(folder))
        align(cached, utterances)
        actions: dict[str, Callable[[], None]] = {
            "encoder alone": partial(encode, aligning, utterances),
            "align": partial(align, aligning, utterances),
        }
        if recognise:
            recognising = WhisperReference(str(checkpoint), mode="transcribe", device="cpu")
            actions["transcribe"] = partial(align, recognising, utterances)
        actions["from the cache"] = partial(align, cached, utterances)
        print(f"{name}: {len(utterances)} utterances, {60 * minutes:.0f} s of audio")
        times = in_turns(actions, rounds)
        show(times, "encoder alone")
        print(
            "  CPU seconds per minute of audio:",
            "; ".join(f"{action} {found.median() / minutes:.3f}" for action, found in times.items()),
            flush=True,
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table for each checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="*", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--seconds", type=float, nargs="+", default=[7.4, 30.0])
    parser.add_argument("--utterances", type=int, default=16, help="of the demo")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    logger.remove()
    compare("the demo's Whisper", WHISPER, demo_speech(arguments.utterances), arguments.rounds, recognise=True)
    with tempfile.TemporaryDirectory() as folder:
        for shape in arguments.shapes:
            checkpoint = random_whisper(shape, Path(folder))
            for seconds in arguments.seconds:
                compare(f"{shape}, random weights", checkpoint, noise(seconds), arguments.rounds, recognise=False)


if __name__ == "__main__":
    main()
