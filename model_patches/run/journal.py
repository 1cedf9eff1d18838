"""Every finished record on disk at once, so that a run that was killed goes on where it stopped.

One file per process, only ever appended to, a line per record: its key, a tab, the record. Every process looks through
all files at the start, so a run may go on with another number of processes. The key holds all that can change a record.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import tempfile
import uuid
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger

from alas_metric.document.record import AlignmentRecord
from alas_metric.errors import FatalError

_KEY_LENGTH = 64


class Journal:
    """The records of finished documents, by key.

    Args:
        folder: where the files are; made if missing.

    Raises:
        FatalError: If the folder cannot be made or written to.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()  # shows now whether it can be written
        except OSError as error:
            raise self._unusable(error) from error
        self._waiting: list[bytes] = []

    def _unusable(self, error: OSError) -> FatalError:
        return FatalError(f"alas_journal={self.folder} cannot be used: {error}. Name a folder that can be written.")

    @cached_property
    def _file(self) -> FileIO:
        """This process's file, made for its first record."""
        # Host and process say whose it is; they need not be unique where containers share a folder.
        name = f"records-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tsv"
        # Unbuffered: a failed write then leaves nothing over that would fail again at the end.
        return (self.folder / name).open("xb", buffering=0)

    @cached_property
    def _places(self) -> dict[str, list[tuple[Path, int]]]:
        """Where each record is, looked up at first need; the records of all models may be more than memory holds."""
        try:
            return _index(self.folder)
        except OSError as error:
            raise self._unusable(error) from error

    def get(self, key: str) -> str | None:
        """Return the record stored under ``key`` as JSON, or None if there is none that can be read."""
        records = (_record_at(path, offset) for path, offset in self._places.get(key, []))
        return next((record for record in records if record is not None), None)

    def put(self, key: str, record: str) -> None:
        """Store a record and make sure that it is on disk before the next document starts.

        Where the disk is full the run goes on, and the record waits for the next one, and for room.
        """
        # Led by a line break: what a killed process left unfinished spoils no other line.
        self._waiting.append(f"\n{key}\t{record}\n".encode())
        try:
            self._write()
        except OSError as error:
            if len(self._waiting) == 1:
                logger.warning(f"the journal {self.folder} cannot be written: {error}. Its records wait for room.")

    def _write(self) -> None:
        while self._waiting:
            self._append(self._waiting[0])
            self._waiting.pop(0)

    def _append(self, line: bytes) -> None:
        start = self._file.tell()
        try:
            while line:
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
        except OSError:
            self._file.seek(start)
            self._file.truncate()
            raise

    def close(self) -> None:
        """Write what is waiting and close this process's file; a warning says what is not in it."""
        try:
            self._write()
        except OSError as error:
            logger.warning(f"{len(self._waiting)} records are not in the journal {self.folder}: {error}")
        if "_file" in vars(self):
            self._file.close()


def _record_at(path: Path, offset: int) -> str | None:
    """Return the record that starts there, None where it is damaged."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            record = file.readline().decode().rstrip("\n")
        AlignmentRecord.from_json(record)
    except (OSError, ValueError):
        return None
    return record


def _index(folder: Path) -> dict[str, list[tuple[Path, int]]]:
    """Return where the records of each key start, passing over what a killed process left unfinished.

    There may be several, of two runs at once.
    """
    places: dict[str, list[tuple[Path, int]]] = {}
    for path in sorted(folder.glob("records-*.tsv")):
        with path.open("rb") as file:
            offset = 0
            for line in file:
                if line.endswith(b"\n") and line[_KEY_LENGTH : _KEY_LENGTH + 1] == b"\t":
                    key = line[:_KEY_LENGTH].decode("ascii", "replace")
                    places.setdefault(key, []).append((path, offset + _KEY_LENGTH + 1))
                offset += len(line)
    return places


def record_key(**parts: Any) -> str:
    """Return the SHA-256 of all that can change a record."""
    canonical = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def audio_digest(audio: np.ndarray) -> str:
    """Return the SHA-256 of the samples."""
    return hashlib.sha256(np.ascontiguousarray(audio).tobytes()).hexdigest()
