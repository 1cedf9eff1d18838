"""Every finished record on disk at once, so that a run that was killed goes on where it stopped.

One file per process, only ever appended to, a line per record: its key, a tab, the record. Every process looks through
all files at the start, so a run may go on with another number of processes. The key holds all that can change a record.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger

from alas_metric.errors import FatalError
from alas_metric.record import AlignmentRecord

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
            name = f"records-{socket.gethostname()}-{os.getpid()}.tsv"
            self._file = (self.folder / name).open("ab")
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> FatalError:
        return FatalError(f"alas_journal={self.folder} cannot be used: {error}. Name a folder that can be written.")

    @cached_property
    def _places(self) -> dict[str, tuple[Path, int]]:
        """Where each record is, looked up at first need; the records of all models may be more than memory holds."""
        try:
            return _index(self.folder)
        except OSError as error:
            raise self._unusable(error) from error

    def get(self, key: str) -> str | None:
        """Return the record stored under ``key`` as JSON, or None if there is none that can be read."""
        if key not in self._places:
            return None
        path, offset = self._places[key]
        try:
            with path.open("rb") as file:
                file.seek(offset)
                record = file.readline().decode().rstrip("\n")
            AlignmentRecord.from_json(record)
        except (OSError, ValueError):
            return None
        return record

    def put(self, key: str, record: str) -> None:
        """Store a record and make sure that it is on disk before the next document starts."""
        try:
            # Led by a line break: what a killed process left unfinished spoils no other line.
            self._file.write(f"\n{key}\t{record}\n".encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            logger.warning(f"the journal {self.folder} cannot be written ({error}); the run goes on without it")

    def close(self) -> None:
        """Close this process's file."""
        self._file.close()


def _index(folder: Path) -> dict[str, tuple[Path, int]]:
    """Return where the record of each key starts, passing over what a killed process left unfinished."""
    places: dict[str, tuple[Path, int]] = {}
    for path in sorted(folder.glob("records-*.tsv")):
        with path.open("rb") as file:
            offset = 0
            for line in file:
                if line.endswith(b"\n") and line[_KEY_LENGTH : _KEY_LENGTH + 1] == b"\t":
                    places[line[:_KEY_LENGTH].decode("ascii", "replace")] = (path, offset + _KEY_LENGTH + 1)
                offset += len(line)
    return places


def record_key(**parts: Any) -> str:
    """Return the SHA-256 of all that can change a record."""
    canonical = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def audio_digest(audio: np.ndarray) -> str:
    """Return the SHA-256 of the samples."""
    return hashlib.sha256(np.ascontiguousarray(audio).tobytes()).hexdigest()
