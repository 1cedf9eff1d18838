"""Every finished record on disk at once, so that a run that was killed goes on where it stopped.

One JSON-lines file per process, only ever appended to; every process reads all of them at the start, so a run may go on
with another number of processes. The key of a record holds all that can change it.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger

from alas_metric.errors import FatalError
from alas_metric.record import AlignmentRecord


class Journal:
    """The records of finished documents, by key.

    Args:
        folder: where the files are; made if missing.

    Raises:
        FatalError: If the folder cannot be made or written to.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        name = f"records-{socket.gethostname()}-{os.getpid()}.jsonl"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.records = _read(self.folder)
            self._file = (self.folder / name).open("a", encoding="utf-8")
        except OSError as error:
            raise FatalError(
                f"alas_journal={folder} cannot be used: {error}. Name a folder that can be written."
            ) from error

    def get(self, key: str) -> str | None:
        """Return the record stored under ``key``, as JSON."""
        return self.records.get(key)

    def put(self, key: str, record: str) -> None:
        """Store a record and make sure that it is on disk before the next document starts."""
        self.records[key] = record
        try:
            # One write per line, led by a line break: what a killed process left unfinished spoils no other line.
            self._file.write("\n" + json.dumps({"key": key, "record": record}) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            logger.warning(f"the journal {self.folder} cannot be written ({error}); the run goes on without it")

    def close(self) -> None:
        """Close this process's file."""
        self._file.close()


def _read(folder: Path) -> dict[str, str]:
    records: dict[str, str] = {}
    for path in sorted(folder.glob("records-*.jsonl")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            entry = _parse(line) if line else None
            if entry:
                records[entry[0]] = entry[1]
    return records


def _parse(line: str) -> tuple[str, str] | None:
    """Return key and record of a line, or None for what a killed process left behind."""
    try:
        entry = json.loads(line)
        AlignmentRecord.from_json(entry["record"])
        return str(entry["key"]), entry["record"]
    except (ValueError, KeyError, TypeError):
        return None


def record_key(**parts: Any) -> str:
    """Return the SHA-256 of all that can change a record."""
    canonical = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def audio_digest(audio: np.ndarray) -> str:
    """Return the SHA-256 of the samples."""
    return hashlib.sha256(np.ascontiguousarray(audio).tobytes()).hexdigest()


def weights_fingerprint(pretrained: str, config: Any) -> str:
    """Return what tells one set of weights from another.

    A hub checkpoint is known by its commit. A local file or folder is known by the names, sizes and times of its files
    and the content of the small ones: hashing 15 GB at every start would take minutes.
    """
    folder = Path(pretrained)
    if not folder.exists():
        return f"{pretrained}@{getattr(config, '_commit_hash', None)}"
    files: dict[str, Mapping[str, Any]] = {}
    for path in sorted(p for p in [folder, *folder.rglob("*")] if p.is_file()):
        state = path.stat()
        small = state.st_size < 1_000_000
        content = hashlib.sha256(path.read_bytes()).hexdigest() if small else state.st_mtime_ns
        files[str(path.relative_to(folder))] = {"size": state.st_size, "content": content}
    return record_key(files=files)
