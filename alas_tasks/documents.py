"""The standard columns that every ALAS task's documents have, made without decoding or copying any audio.

======================  =============================================================================
``uid``                 the utterance's name, unique within the task
``audio``               ``{"bytes", "path"}``, or null where there is none
``transcript``          what is said, or null: Whisper then recognises it
``instruction``         what the model is asked, or null where the task asks every document the same
``target``              the gold answer, or null
``speaker``             who speaks, or null
``language``            the language spoken, or null: that of the task
``words``               ``[{"word", "start", "end"}, ...]``, gold timestamps in seconds, or null
``part``                ``{"begin", "end", "unit", "channel"}``, the part of the recording that the row is
                        about (`alas_tasks.audio.Part`), or null: all of it
======================  =============================================================================
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import pyarrow as pa

from alas_metric.errors import FatalError

ENCODED_AUDIO = datasets.Audio(decode=False)
"""Audio as it is stored: ``datasets`` decodes with torchcodec and FFmpeg, which a fresh machine lacks."""

TEXT_COLUMNS = ("uid", "transcript", "instruction", "target", "speaker", "language")

_WORDS = [{"word": datasets.Value("string"), "start": datasets.Value("float64"), "end": datasets.Value("float64")}]
_PART = {
    "begin": datasets.Value("float64"),
    "end": datasets.Value("float64"),
    "unit": datasets.Value("string"),
    "channel": datasets.Value("int64"),
}
FEATURES = datasets.Features(
    {
        **{name: datasets.Value("string") for name in TEXT_COLUMNS},
        "words": _WORDS,
        "part": _PART,
        "audio": ENCODED_AUDIO,
    }
)
AUDIO_TYPE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def with_encoded_audio(dataset: datasets.Dataset) -> datasets.Dataset:
    """Return the data set with every audio column left as stored; do this before any row is read."""
    for name, feature in dataset.features.items():
        if isinstance(feature, datasets.Audio):
            dataset = dataset.cast_column(name, ENCODED_AUDIO)
    return dataset


def make_documents(
    columns: Mapping[str, Sequence[Any]], audio: pa.ChunkedArray | Sequence[Any], task: str
) -> datasets.Dataset:
    """Join text columns and audio to documents.

    Args:
        columns: the standard columns but ``audio``, each with a value per row; missing ones become null.
        audio: a value per row: ``{"bytes", "path"}`` or None, or the same in Arrow's memory, which is not
            copied.
        task: the task's name, for messages.

    Raises:
        FatalError: If no row is left. The harness would fail on that with an index error.
    """
    num_rows = len(columns["uid"])
    if num_rows == 0:
        raise FatalError(f"{task}: no document is left; is the data set's folder or split the right one?")
    if not isinstance(audio, pa.ChunkedArray):
        audio = pa.chunked_array([pa.array(audio, type=AUDIO_TYPE)])
    rows = {name: list(columns.get(name) or [None] * num_rows) for name in FEATURES if name != "audio"}
    rows["uid"] = unique_names(rows["uid"])
    texts = {name: feature for name, feature in FEATURES.items() if name != "audio"}
    table = datasets.Dataset.from_dict(rows, features=datasets.Features(texts)).data.table
    table = table.append_column("audio", audio.cast(AUDIO_TYPE)).select(list(FEATURES))
    info = datasets.DatasetInfo(features=FEATURES)
    # A fingerprint of our own: the library's would hash the audio, hundreds of megabytes on every rank.
    fingerprint = hashlib.sha256("\n".join([task, *rows["uid"]]).encode()).hexdigest()[:16]
    return datasets.Dataset(table, info=info, fingerprint=fingerprint)


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names, a repeated one as ``name#2``, ``name#3``: scores are joined by them.

    Example:
        >>> unique_names(["a", "b", "a"])
        ['a', 'b', 'a#2']
    """
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return result
