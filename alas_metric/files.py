"""Files that are there as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees all of it or none, however many write it and whenever one is killed.

    Args:
        path: the file; replaced if it exists. Its folder is made if missing.
        data: what it shall hold.

    Raises:
        OSError: If it cannot be written; nothing unfinished is left then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The same folder, hence the same file system: only there is os.replace atomic.
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        # mkstemp makes files private to the user; those of a shared folder must be readable by the others.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
