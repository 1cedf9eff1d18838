"""How far word times from Whisper are from known ones: this plugin beside Whisper's own alignment and other packages.

    python benchmarks/word_times.py SPEECH.jsonl CHECKPOINT [--official NAME] [--limit N]

Each line of SPEECH.jsonl is ``{"audio": path relative to it, "transcript": text, "words": [[word, start, end], ...]}``,
as a manifest of `alas new-task`. What is compared is where words meet: the middle between the end of one and the start
of the next, which is what the reference path is made of. All aligners are given the transcript. ``--official`` names the
checkpoint whose published heads are tried too; stable-ts is tried where it is installed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import whisper
import whisper.timing

from alas_metric.document.paths import WordTiming, word_boundaries
from alas_metric.document.units import split_units
from model_patches.reference.whisper_reference import WhisperReference

Align = Callable[[np.ndarray, str], list[WordTiming]]


def aligners(checkpoint: str, official: str | None) -> Iterator[tuple[str, Align]]:
    """Yield the aligners by name."""
    reference = WhisperReference(checkpoint, device="cpu")
    yield "this plugin", lambda audio, text: reference.words(audio, text, split_units(text))
    model = whisper.load_model(checkpoint, device="cpu")
    yield "openai-whisper, heads of the upper half", lambda audio, text: own_alignment(model, audio, text)
    if official:
        known = whisper.load_model(checkpoint, device="cpu")
        known.set_alignment_heads(whisper._ALIGNMENT_HEADS[official])
        yield "openai-whisper, official heads", lambda audio, text: own_alignment(known, audio, text)
    try:
        import stable_whisper
    except ImportError:
        return
    stable_whisper.modify_model(model)
    yield "stable-ts align", lambda audio, text: stable_alignment(model, audio, text)


def own_alignment(model: whisper.Whisper, audio: np.ndarray, text: str) -> list[WordTiming]:
    """Align by `whisper.timing.find_alignment`, punctuation merged as Whisper does for its word timestamps."""
    tokenizer = whisper.tokenizer.get_tokenizer(
        model.is_multilingual, num_languages=model.num_languages, language="en", task="transcribe"
    )
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(audio), model.dims.n_mels)
    tokens = tokenizer.encode(" " + text)
    found = whisper.timing.find_alignment(model, tokenizer, tokens, mel, len(audio) // 160)
    whisper.timing.merge_punctuations(found, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
    return [WordTiming(word.word, word.start, word.end) for word in found if word.word]


def stable_alignment(model: whisper.Whisper, audio: np.ndarray, text: str) -> list[WordTiming]:
    """Align by stable-ts."""
    result = model.align(audio, text, language="en", verbose=None)
    return [WordTiming(word.word, word.start, word.end) for word in result.all_words()]


def measure(align: Align, rows: list[dict], folder: Path) -> str:
    """Return median, 95 % and number of the distances in ms; utterances that come back in other words are left out."""
    distances, left_out = [], 0
    begin = time.process_time()
    for row in rows:
        audio, _ = soundfile.read(folder / row["audio"], dtype="float32")
        truth = [WordTiming(*word) for word in row["words"]]
        found = align(audio, row["transcript"])
        if len(found) == len(truth):
            distances.append(np.abs(word_boundaries(found) - word_boundaries(truth)) * 1000)
        else:
            left_out += 1
    errors = np.concatenate(distances)
    seconds = (time.process_time() - begin) / len(rows)
    return (
        f"median {np.median(errors):4.0f} ms, 95 % within {np.percentile(errors, 95):4.0f} ms, {len(errors)} borders, "
        f"{left_out} left out, {seconds:.1f} s of processor each"
    )


def main() -> None:
    """Print a line for each aligner."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path)
    parser.add_argument("checkpoint")
    parser.add_argument("--official")
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in arguments.speech.read_text(encoding="utf-8").splitlines()][: arguments.limit]
    for name, align in aligners(arguments.checkpoint, arguments.official):
        print(f"{name:40} {measure(align, rows, arguments.speech.parent)}", flush=True)


if __name__ == "__main__":
    main()
