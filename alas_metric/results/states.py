"""The hidden states of one document on disk, for people's own analyses: of its words, and of what is heard of them.

One ``.npz`` per document, in ``<date>_states_<task>/`` beside the samples of the run. Hidden states can leave the range
of float16, so that each layer is divided by its largest magnitude, which is kept beside it. The record is there too. As
with dumps of similarities nothing is unpickled, and sizes are checked before anything is allocated.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alas_metric.document.record import AlignmentRecord
from alas_metric.files import write_atomically
from alas_metric.results.dumps import MAX_RECORD_BYTES, NpzReader

MAX_STATES_BYTES = 2**30
"""Of either modality in one document: a thousand words in 64 layers of 8192."""
_MODALITIES = ("words", "audio")


@dataclass(frozen=True)
class States:
    """The hidden states of one document.

    Args:
        record: of the document: words, their times, speaker, answers, what was measured.
        words: of each word in the text run, the mean of its tokens, float32 ``(L + 1, N, D)``.
        audio: of each word in the audio run, the mean of the positions where it is spoken by the primary reference,
            float32 ``(L + 1, N, D)``.
    """

    record: AlignmentRecord
    words: np.ndarray
    audio: np.ndarray


def states_folder(folder: Path, date: str, task: str) -> Path:
    """Return where the states of a task lie.

    Args:
        folder: the model's folder in the harness's output path.
        date: the run's id in its file names.
        task: name of the task.
    """
    return folder / f"{date}_states_{task}"


def bytes_per_word(num_layers: int, hidden_size: int) -> int:
    """Return what a word takes on disk, for ``L + 1`` layers of ``D``."""
    return len(_MODALITIES) * np.dtype(np.float16).itemsize * num_layers * hidden_size


def write_states(path: Path, record: AlignmentRecord, words: npt.ArrayLike, audio: npt.ArrayLike) -> int:
    """Write the states of one document.

    Args:
        path: the file; replaced as a whole if it exists.
        record: of the document.
        words: see `States`.
        audio: likewise.

    Returns:
        The size of the file in bytes.

    Raises:
        OSError: If it cannot be written.
        ValueError: If it would be too large to be read again.
    """
    arrays: dict[str, Any] = {}
    for name, states in zip(_MODALITIES, (words, audio), strict=True):
        values = np.asarray(states, np.float32)
        if values.nbytes > 2 * MAX_STATES_BYTES:
            raise ValueError(f"states of {values.nbytes // 2} bytes; files hold at most {MAX_STATES_BYTES}")
        scale = np.maximum(np.abs(values).max(axis=(1, 2)), np.finfo(np.float32).tiny)
        arrays |= {name: (values / scale[:, None, None]).astype(np.float16), f"{name}_scale": scale}
    content = io.BytesIO()
    np.savez(content, record=np.frombuffer(record.to_json().encode("ascii"), np.uint8), **arrays)
    write_atomically(path, content.getvalue())
    return len(content.getvalue())


def read_states(path: Path) -> States:
    """Return the states that a file holds.

    Raises:
        ValueError: If it holds none, or is damaged; says what was found.
        OSError: If it cannot be opened.
    """
    with NpzReader.opened(path, "file of hidden states") as archive:
        text = archive.array("record", np.uint8, 1, MAX_RECORD_BYTES)
        record = AlignmentRecord.from_json(text.tobytes().decode("ascii"))
        return States(record, *(_states(archive, record, name) for name in _MODALITIES))


def _states(archive: NpzReader, record: AlignmentRecord, name: str) -> np.ndarray:
    values = archive.array(name, np.float16, 3, MAX_STATES_BYTES)
    scale = archive.array(f"{name}_scale", np.float32, 1, 4 * record.num_layers)
    shape = (record.num_layers, record.num_words)
    if values.shape[:2] != shape or scale.shape != shape[:1] or not values.size:
        raise ValueError(f"{name} of shape {values.shape} where its record needs {shape} and a size")
    if not (np.isfinite(values).all() and np.isfinite(scale).all()):
        raise ValueError("it holds states that are NaN or infinite")
    return np.asarray(values.astype(np.float32) * scale[:, None, None])
