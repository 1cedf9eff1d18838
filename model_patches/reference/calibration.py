"""Speech with exact word times, by which the heads of a checkpoint are chosen: half a minute of the demo's."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import soundfile

from alas_metric.document.paths import WordTiming
from alas_tasks.demo.files import TEST_SPLIT

MAX_SECONDS = 29.0
"""Of one pass of Whisper, whose window is 30 s."""


@dataclass(frozen=True)
class KnownSpeech:
    """Speech that needs no aligner.

    Args:
        audio: 16 kHz mono, shape ``(num_samples,)``.
        transcript: as sentences.
        words: when each of its words is spoken.
    """

    audio: np.ndarray
    transcript: str
    words: tuple[WordTiming, ...]


@cache
def known_speech() -> KnownSpeech:
    """Return utterances of all speakers in turn, one after the other, as many as one pass takes."""
    audio, sentences, words, now = [], [], [], 0.0
    for row in _in_turn():
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
        if now + len(samples) / rate > MAX_SECONDS:
            break
        audio.append(samples)
        sentences.append(row["transcript"].capitalize() + ".")
        words += [WordTiming(w["word"], w["start"] + now, w["end"] + now) for w in row["words"]]
        now += len(samples) / rate
    return KnownSpeech(np.concatenate(audio), " ".join(sentences), tuple(words))


def _in_turn() -> list[dict]:
    """Return the utterances spoken neutrally: the first of each speaker, then the second of each."""
    columns = ["audio", "transcript", "words", "speaker"]
    rows = pq.read_table(TEST_SPLIT, columns=columns, filters=pc.field("emotion") == "neutral").to_pylist()
    speakers = sorted({row["speaker"] for row in rows})
    of_each = [[row for row in rows if row["speaker"] == speaker] for speaker in speakers]
    return [row for turn in itertools.zip_longest(*of_each) for row in turn if row is not None]
