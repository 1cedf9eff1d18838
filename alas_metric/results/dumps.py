"""The similarities of one document on disk, for pictures; the record itself holds paths only.

One compressed ``.npz`` per document, in ``<date>_dump_<task>/`` beside the samples of the run. It carries the record
too, so that a picture needs this one file; the speech itself lies beside it as FLAC where the run was to keep it.
Dumps are also read from the runs of others: nothing is unpickled, and sizes are checked before anything is allocated.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from alas_metric.document.record import AlignmentRecord
from alas_metric.files import write_atomically
from alas_metric.results.runs import model_name
from alas_metric.texts import printable

ENVELOPE_SECONDS = 0.01
"""Length of the stretches of audio of which the lowest and highest sample are kept."""
_FOLDER = re.compile(r"(?P<date>.+?)_dump_(?P<task>.+)", re.DOTALL)
_HEADER_BYTES = 2**16
_MAX_ENVELOPE_BYTES = 2**24
MAX_RECORD_BYTES = 2**26
MAX_SIMILARITY_BYTES = 2**31
"""About eight minutes of speech in 33 layers."""
_FULL_SCALE = 32767
_FLAC = b"fLaC"
_MAX_AUDIO_BYTES = 2**26
"""Half an hour of speech and more."""


@dataclass(frozen=True)
class Dump:
    """What a picture is drawn from.

    Args:
        record: of the document.
        similarity: raw at 0 and centred at 1, float16, shape ``(L + 1, 2, N, T)``.
        envelope: lowest and highest sample of each `ENVELOPE_SECONDS` of audio, from -1 to 1, shape ``(M, 2)``.
    """

    record: AlignmentRecord
    similarity: np.ndarray
    envelope: np.ndarray


@dataclass(frozen=True)
class DumpFile:
    """Where a dump lies.

    Args:
        model: name of the model's folder.
        task: name of the task.
        path: the file.
    """

    model: str
    task: str
    path: Path

    @property
    def name(self) -> str:
        """The document's id as far as it is safe; other ids may share it."""
        return self.path.stem.partition("-")[2]

    def may_be(self, name: str) -> bool:
        """Return whether a name may mean this document: its id, or what commands print of its files."""
        return safe_name(name) in self.printed

    @property
    def printed(self) -> tuple[str, ...]:
        """The names that commands print for it."""
        return self.name, self.path.stem, f"{self.task}-{self.path.stem}"


def dump_folder(folder: Path, date: str, task: str) -> Path:
    """Return where the dumps of a task lie.

    Args:
        folder: the model's folder in the harness's output path.
        date: the run's id in its file names.
        task: name of the task.
    """
    return folder / f"{date}_dump_{task}"


def find_dumps(folder: Path, date: str | None = None, task: str | None = None) -> list[DumpFile]:
    """Return the dumps in a folder, of several runs those of the newest for each model and task.

    Args:
        folder: the harness's output path, or the folder of one model in it.
        date: only the run of this id.
        task: only this task.

    Raises:
        ValueError: If the folder does not exist.
    """
    if not folder.is_dir():
        raise ValueError(f"expected the output folder of lmms-eval, got {folder}, which is not a folder")
    found: dict[tuple[str, str], list[DumpFile]] = {}
    # Sorted by date within a model's folder: the newest run replaces the others.
    for place in sorted(path for pattern in ("*", "*/*") for path in folder.glob(f"{pattern}_dump_*")):
        match = _FOLDER.fullmatch(place.name)
        if match is None or match["task"] in (".", ".."):
            continue
        if date not in (None, match["date"]) or task not in (None, match["task"]):
            continue
        model, name = model_name(place.parent), printable(match["task"])
        files = [DumpFile(model, name, path) for path in dump_files(place)]
        if files:
            found[model, name] = files
    return [file for key in sorted(found) for file in found[key]]


def dump_files(folder: Path) -> list[Path]:
    """Return the files of dumps in a folder, in the order of their documents."""
    return sorted(path for path in folder.glob("*.npz") if path.is_file())


def dump_name(number: int, uid: str) -> str:
    """Return the file name of a document: its number in the data set, for the order, and its id as far as it is safe.

    Example:
        >>> dump_name(7, "a/b:c")
        '00000007-a_b_c.npz'
    """
    return f"{number:08d}-{safe_name(uid)}.npz"


def safe_name(uid: str) -> str:
    """Return an id as a part of file names, as far as it is safe."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", uid)[:80]


def audio_envelope(audio: npt.ArrayLike, sample_rate: int) -> np.ndarray:
    """Return the lowest and highest sample of each `ENVELOPE_SECONDS`.

    Args:
        audio: mono samples from -1 to 1, shape ``(num_samples,)``.
        sample_rate: samples per second.

    Returns:
        Shape ``(M, 2)``; the last stretch may be shorter than the others.
    """
    samples = np.asarray(audio, dtype=np.float32).ravel()
    starts = np.arange(0, max(len(samples), 1), max(1, round(sample_rate * ENVELOPE_SECONDS)))
    if not len(samples):
        return np.zeros((0, 2), np.float32)
    return np.stack([np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)], axis=-1)


def write_dump(
    path: Path, record: AlignmentRecord, similarity: npt.ArrayLike, audio: npt.ArrayLike, sample_rate: int = 16_000
) -> int:
    """Write the dump of one document.

    Args:
        path: the file; replaced as a whole if it exists.
        record: of the document.
        similarity: what `score_pair` got, shape ``(L + 1, 2, N, T)``.
        audio: mono samples from -1 to 1.
        sample_rate: samples per second.

    Returns:
        The size of the file in bytes.

    Raises:
        OSError: If it cannot be written.
        ValueError: If it would be too large to be read again.
    """
    values = np.asarray(similarity).astype(np.float16)
    if values.nbytes > MAX_SIMILARITY_BYTES:
        raise ValueError(f"similarities of {values.nbytes} bytes; dumps hold at most {MAX_SIMILARITY_BYTES}")
    envelope = np.clip(np.rint(audio_envelope(audio, sample_rate) * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE)
    content = io.BytesIO()
    np.savez_compressed(
        content,
        record=np.frombuffer(record.to_json().encode("ascii"), np.uint8),
        similarity=values,
        envelope=envelope.astype(np.int16),
    )
    write_atomically(path, content.getvalue())
    return len(content.getvalue())


def audio_file(path: Path) -> Path:
    """Return where the speech of a dump lies, if the run kept it."""
    return path.with_suffix(".flac")


def write_audio(path: Path, audio: npt.ArrayLike, sample_rate: int = 16_000) -> int:
    """Write the speech of one document as FLAC of 16 bits.

    Args:
        path: the file; replaced as a whole if it exists.
        audio: mono samples; beyond -1 to 1 they are clipped.
        sample_rate: samples per second.

    Returns:
        The size of the file in bytes.

    Raises:
        OSError: If it cannot be written.
        ValueError: If it would be too large to be read again.
    """
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, np.asarray(audio, np.float32).ravel(), sample_rate, "PCM_16", format="FLAC")
    if (size := len(content.getvalue())) > _MAX_AUDIO_BYTES:
        raise ValueError(f"speech of {size} bytes; at most {_MAX_AUDIO_BYTES} are kept")
    write_atomically(path, content.getvalue())
    return size


def read_audio(path: Path) -> bytes | None:
    """Return the FLAC file of a document's speech as it is, None where none was kept.

    Raises:
        ValueError: If it is no FLAC, or too large.
        OSError: If it cannot be read.
    """
    if not path.is_file():
        return None
    if (size := path.stat().st_size) > _MAX_AUDIO_BYTES:
        raise ValueError(f"{path.name}: speech of {size} bytes; at most {_MAX_AUDIO_BYTES} are read")
    content = path.read_bytes()
    if not content.startswith(_FLAC):
        raise ValueError(f"{path.name} is no FLAC; it begins with {content[:4]!r}")
    return content


def read_dump(path: Path) -> Dump:
    """Return the dump that a file holds.

    Raises:
        ValueError: If it is no dump, or damaged; says what was found.
        OSError: If it cannot be opened.
    """
    with NpzReader.opened(path, "dump of similarities") as archive:
        return _read(archive)


def _read(archive: NpzReader) -> Dump:
    text = archive.array("record", np.uint8, 1, MAX_RECORD_BYTES)
    record = AlignmentRecord.from_json(text.tobytes().decode("ascii"))
    shape = (record.num_layers, 2, record.num_words, record.num_frames)
    most = min(np.dtype(np.float16).itemsize * math.prod(shape), MAX_SIMILARITY_BYTES)
    similarity = archive.array("similarity", np.float16, 4, most)
    envelope = archive.array("envelope", np.int16, 2, _MAX_ENVELOPE_BYTES)
    if similarity.shape != shape or not similarity.size:
        raise ValueError(f"similarities of shape {similarity.shape} where its record needs {shape}")
    if not np.isfinite(similarity).all():
        raise ValueError("it holds similarities that are NaN or infinite")
    if envelope.shape[1] != 2:
        raise ValueError(f"an envelope of shape {envelope.shape}, expected (stretches, 2)")
    return Dump(record, similarity, envelope.astype(np.float32) / _FULL_SCALE)


class NpzReader:
    """Arrays of an ``.npz`` of others.

    Not by `numpy.load`: that takes memory for what a header claims, and prefers a file ``record`` of any size to
    ``record.npy``. At most as many bytes are unpacked as the archive's directory says and as are expected.

    Args:
        archive: the file.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._files = {info.filename: info for info in archive.infolist()}

    @classmethod
    @contextmanager
    def opened(cls, path: Path, kind: str) -> Iterator[NpzReader]:
        """Open a file; whatever is wrong with it becomes one error that names it.

        Args:
            path: the file.
            kind: what it is expected to be.

        Raises:
            ValueError: If it is none, or damaged; says what was found.
            OSError: If it cannot be opened.
        """
        with path.open("rb") as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    yield cls(archive)
            except Exception as error:  # damage reaches every corner of the parsers of zip archives and array headers
                raise ValueError(f"{path.name} is no {kind}, or damaged: {error}") from None

    def array(self, name: str, dtype: type, ndim: int, most: int) -> np.ndarray:
        """Return an array.

        Args:
            name: its name.
            dtype: that it must have.
            ndim: number of axes, likewise.
            most: bytes that it may take.

        Raises:
            ValueError: If it is missing, or another.
        """
        info = self._files.get(f"{name}.npy")
        if info is None:
            raise ValueError(f"it holds no {name}")
        if info.file_size > most + _HEADER_BYTES:
            raise ValueError(f"{name} takes {info.file_size} bytes, expected at most {most}")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name} is encrypted, or packed in another way than deflated")
        with self._archive.open(info) as file:
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError(f"{name} is no array of version 1.0 of NumPy's format")
            shape, fortran, found = np.lib.format.read_array_header_1_0(file)
            if found != dtype or len(shape) != ndim or found.itemsize * math.prod(shape) > most:
                raise ValueError(
                    f"{name} is an array of {found} of shape {shape}, expected {dtype.__name__}, {ndim} axes"
                )
            return np.frombuffer(file.read(), found).reshape(shape, order="F" if fortran else "C")
