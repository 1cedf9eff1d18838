"""Speech with exact word times, by which the heads of a checkpoint are chosen: some of the demo's."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import soundfile

from alas_metric.document.paths import WordTiming
from alas_tasks.audio import SAMPLE_RATE
from alas_tasks.demo.files import TEST_SPLIT


@dataclass(frozen=True)
class KnownSpeech:
    """An utterance that needs no aligner.

    Args:
        audio: 16 kHz mono, shape ``(num_samples,)``.
        transcript: what is said.
        words: when each of its words is.
    """

    audio: np.ndarray
    transcript: str
    words: tuple[WordTiming, ...]


@cache
def known_speech() -> tuple[KnownSpeech, ...]:
    """Return neutrally spoken utterances, the first of each speaker, then the second of each."""
    columns = ["audio", "transcript", "words", "speaker"]
    rows = pq.read_table(TEST_SPLIT, columns=columns, filters=pc.field("emotion") == "neutral").to_pylist()
    speakers = sorted({row["speaker"] for row in rows})
    of_each = [[row for row in rows if row["speaker"] == speaker] for speaker in speakers]
    return tuple(_utterance(row) for turn in itertools.zip_longest(*of_each) for row in turn if row is not None)


def in_one(speech: Sequence[KnownSpeech], max_seconds: float = 29.0) -> KnownSpeech:
    """Return utterances one after the other, as sentences, as many as one pass of Whisper takes."""
    audio, sentences, words, now = [], [], [], 0.0
    for known in speech:
        seconds = len(known.audio) / SAMPLE_RATE
        if now + seconds > max_seconds:
            break
        audio.append(known.audio)
        sentences.append(known.transcript.capitalize() + ".")
        words += [WordTiming(word.word, word.start + now, word.end + now) for word in known.words]
        now += seconds
    return KnownSpeech(np.concatenate(audio), " ".join(sentences), tuple(words))


def _utterance(row: dict[str, Any]) -> KnownSpeech:
    audio, _ = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
    words = tuple(WordTiming(word["word"], word["start"], word["end"]) for word in row["words"])
    return KnownSpeech(audio, row["transcript"], words)
