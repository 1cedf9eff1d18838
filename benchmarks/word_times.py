"""How far word times from Whisper are from known ones: this plugin beside Whisper's own and other packages'.

    pip install --no-deps --target PEERS stable-ts torchaudio whisper-timestamped dtw-python
    PYTHONPATH=PEERS python benchmarks/word_times.py SPEECH.jsonl CHECKPOINT --official NAME [--limit N]

Each line of SPEECH.jsonl is ``{"audio": path relative to it, "transcript": text, "words": [[word, start, end], ...]}``
as in a manifest of `alas new-task`. What is compared is where words meet: the middle between the end of one and the
start of the next, which the reference path is made of. Some aligners are given the transcript, others recognise it
first: words that come out otherwise than they are written have no time there, and a border counts where the words on
both sides have one. So there are two pairs of numbers: over an aligner's own borders, and over those that all have.

``--official`` names the checkpoint whose published heads the others look at. Packages that are not installed are left
out, and named. ``--words`` prints every border that this plugin has more than so many ms off.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import whisper

from alas_metric.document.paths import WordTiming
from alas_metric.document.units import split_units
from model_patches.reference.matching import Span, match_words, normalise
from model_patches.reference.whisper_reference import WhisperReference

Align = Callable[[np.ndarray, str], list[WordTiming]]


def aligners(checkpoint: str, official: str | None) -> Iterator[tuple[str, Align]]:
    """Yield the aligners by name: the first two are given the text."""
    reference = WhisperReference(checkpoint, device="cpu")
    yield "this plugin", lambda audio, text: reference.words(audio, text, split_units(text))
    model = _model(checkpoint, official)
    if stable_whisper := _installed("stable_whisper", "stable-ts"):
        stable = _model(checkpoint, official)
        stable_whisper.modify_model(stable)
        yield _named("stable-ts", "align"), lambda audio, text: stable_alignment(stable, audio, text)
    yield _named("openai-whisper", "word_timestamps"), lambda audio, text: recognised(model, audio)
    if timestamped := _installed("whisper_timestamped", "whisper-timestamped"):
        yield _named("whisper-timestamped", "transcribe"), lambda audio, text: by_timestamped(timestamped, model, audio)


def _model(checkpoint: str, official: str | None) -> whisper.Whisper:
    model = whisper.load_model(checkpoint, device="cpu")
    if official:
        model.set_alignment_heads(whisper._ALIGNMENT_HEADS[official])
    return model


def _installed(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        print(f"{package} is left out: {error}")
        return None


def _named(package: str, function: str) -> str:
    return f"{package} {importlib.metadata.version(package)}, {function}"


def stable_alignment(model: whisper.Whisper, audio: np.ndarray, text: str) -> list[WordTiming]:
    """Align by stable-ts."""
    result = model.align(audio, text, language="en", verbose=None)
    return [WordTiming(word.word, word.start, word.end) for word in result.all_words()]


def recognised(model: whisper.Whisper, audio: np.ndarray) -> list[WordTiming]:
    """Recognise by openai-whisper with its own word timestamps."""
    result = model.transcribe(audio, language="en", word_timestamps=True, temperature=0.0, fp16=False)
    words = [word for segment in result["segments"] for word in segment["words"]]
    return [WordTiming(word["word"], word["start"], word["end"]) for word in words]


def by_timestamped(package: Any, model: whisper.Whisper, audio: np.ndarray) -> list[WordTiming]:
    """Recognise by whisper-timestamped."""
    result = package.transcribe(model, audio, language="en", temperature=0.0, fp16=False, verbose=None)
    words = [word for segment in result["segments"] for word in segment["words"]]
    return [WordTiming(word["text"], word["start"], word["end"]) for word in words]


def spans_of(words: Sequence[str], found: Sequence[WordTiming]) -> list[Span | None]:
    """Return when words are spoken by an aligner; None for those that it spells otherwise.

    Example:
        >>> spans_of(["Well,", "I", "know"], [WordTiming(" well", 0, 1), WordTiming(" no.", 1, 2)])
        [(0, 1), None, None]
    """
    reference, hypothesis = [normalise(word) for word in words], [normalise(word.word) for word in found]
    matched = match_words(reference, hypothesis)
    return [
        (found[j].start, found[j].end) if j >= 0 and hypothesis[j] == word else None
        for word, j in zip(reference, matched, strict=True)
    ]


def border_errors(spans: Sequence[Span | None], truth: Sequence[Span]) -> np.ndarray:
    """Return how much too late each border between two words is, in ms, shape ``(len(truth) - 1,)``; NaN if unknown.

    Example:
        >>> border_errors([(0, 1), (1.5, 2), None], [(0, 1), (1, 2), (2, 3)])
        array([250.,  nan])
    """
    times = np.array([span or (np.nan, np.nan) for span in spans], dtype=np.float64)
    known = np.array(truth, dtype=np.float64)
    return np.asarray(500 * (times[:-1, 1] + times[1:, 0] - known[:-1, 1] - known[1:, 0]))


def measure(align: Align, rows: Sequence[dict], folder: Path) -> tuple[np.ndarray, int, float]:
    """Return the errors of all borders one after the other, how many words have a time, and seconds of processor."""
    errors, num_words, seconds = [], 0, 0.0
    for row in rows:
        audio, _ = soundfile.read(folder / row["audio"], dtype="float32")
        begin = time.process_time()
        found = align(audio, row["transcript"])
        seconds += time.process_time() - begin
        spans = spans_of([word for word, *_ in row["words"]], found)
        errors.append(border_errors(spans, [(start, end) for _, start, end in row["words"]]))
        num_words += sum(span is not None for span in spans)
    return np.concatenate(errors), num_words, seconds / len(rows)


def summary(errors: np.ndarray) -> str:
    """Return median and 95 % of the absolute errors that are known."""
    known = np.abs(errors[~np.isnan(errors)])
    if not len(known):
        return "no border"
    return f"median {np.median(known):4.0f} ms, 95 % {np.percentile(known, 95):4.0f} ms, {len(known):4} borders"


def show_worst(errors: np.ndarray, rows: Sequence[dict], least: float) -> None:
    """Print the borders that are further off than ``least`` ms, worst first."""
    between = [
        f"{row['audio']}: {a[0]} | {b[0]}" for row in rows for a, b in zip(row["words"], row["words"][1:], strict=False)
    ]
    for k in np.argsort(-np.abs(np.nan_to_num(errors))):
        if abs(errors[k]) > least:
            print(f"{errors[k]:+6.0f} ms  {between[k]}")


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line for each aligner."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path)
    parser.add_argument("checkpoint")
    parser.add_argument("--official")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--every", type=int, default=1, help="take each so many-th line only")
    parser.add_argument("--words", type=float, metavar="MS")
    arguments = parser.parse_args(argv)
    lines = arguments.speech.read_text(encoding="utf-8").splitlines()[:: arguments.every][: arguments.limit]
    rows = [json.loads(line) for line in lines]
    total = sum(len(row["words"]) for row in rows)
    print(f"{len(rows)} utterances, {total} words, {total - len(rows)} borders", flush=True)
    found: dict[str, np.ndarray] = {}
    for name, align in aligners(arguments.checkpoint, arguments.official):
        found[name], num_words, seconds = measure(align, rows, arguments.speech.parent)
        print(f"{name:48} {num_words} words, {summary(found[name])}, {seconds:.1f} s of processor each", flush=True)
        if arguments.words is not None and len(found) == 1:
            show_worst(found[name], rows, arguments.words)
    everywhere = ~np.isnan(list(found.values())).any(axis=0)
    print("on the borders that all have:")
    for name, errors in found.items():
        print(f"{name:48} {summary(errors[everywhere])}")


if __name__ == "__main__":
    main()
