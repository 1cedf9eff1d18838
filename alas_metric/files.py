"""Files that are there as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


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


def write_parquet(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    path: Path,
    texts: Collection[str] = (),
    group: int | None = None,
) -> None:
    """Write rows as Parquet.

    Args:
        rows: with these keys; what is undefined is None.
        columns: their names.
        path: the file; replaced if it exists.
        texts: columns of text; another in which everything is undefined becomes one of numbers, so that files with the
            same columns have the same types.
        group: rows that are read at once, where they are large.

    Raises:
        OSError: If it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    values: dict[str, list[Any]] = {name: [] for name in columns}
    for row in rows:
        for name, column in values.items():
            column.append(row[name])
    arrays = {name: pa.array(column, pa.string() if name in texts else None) for name, column in values.items()}
    whole = {
        name: array.cast(pa.float64()) if pa.types.is_null(array.type) else array for name, array in arrays.items()
    }
    pq.write_table(pa.table(whole), path, compression="zstd", row_group_size=group)
