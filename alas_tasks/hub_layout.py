"""Which parquet files hold a split of a data set on the hub, and which columns they have.

Asking the datasets library for a split downloads all splits of its configuration; we name the files instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alas_metric.errors import FatalError
from alas_tasks.manifests import parquet_schema
from alas_tasks.sources import cached_files

_CONVERTED = "refs/convert/parquet"


def find_hub_files(repo_id: str, split: str, config_name: str | None, revision: str | None) -> tuple[str, list[str]]:
    """Return the commit and the patterns of a split's parquet files.

    The data set's own files are preferred; the hub's converted branch stands in where it has no parquet
    files.

    Raises:
        FatalError: If the split is not found or the hub cannot be reached and the cache lacks the data set.
    """
    problem, listed = None, False
    for branch in [revision] if revision else ["main", _CONVERTED]:
        try:
            commit, names = _list_hub(repo_id, branch)
        except Exception as error:
            problem = problem or error
            continue
        listed = True
        if patterns := split_patterns(names, split, config_name):
            return commit, patterns
    if problem and not listed:
        reason = f"{type(problem).__name__}: {problem}"[:500]
        raise FatalError(
            f"there is no file {repo_id}, and the hub and its cache give no data set of that name: {reason}"
        ) from problem
    where = f"configuration {config_name}, " if config_name else ""
    raise FatalError(
        f"the data set {repo_id} has no parquet files of {where}split {split!r}; name others with "
        "--split and --config-name, or write a manifest"
    )


def _list_hub(repo_id: str, revision: str) -> tuple[str, list[str]]:
    """Return the commit and file names of a data set, from the hub or else from the cache."""
    from huggingface_hub import HfApi, snapshot_download

    try:
        info = HfApi().dataset_info(repo_id, revision=revision, timeout=20)
        return info.sha or revision, [file.rfilename for file in info.siblings or []]
    except Exception:
        if not cached_files(repo_id, revision, "*"):
            raise
        folder = Path(snapshot_download(repo_id, repo_type="dataset", revision=revision, local_files_only=True))
        return folder.name, [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def split_patterns(names: Sequence[str], split: str, config_name: str | None) -> list[str]:
    """Return patterns of a split's parquet files: ``test-*.parquet``, ``test.parquet`` or ``test/*.parquet``.

    Raises:
        FatalError: If several configurations have the split and none is chosen.
    """
    pattern = re.compile(rf"(?P<folder>(?:[^/]+/)*)(?P<file>{re.escape(split)}(?:-\d[^/]*|/[^/]+)?\.parquet)")
    matches = [match for name in names if (match := pattern.fullmatch(name))]
    if config_name:
        matches = [match for match in matches if config_name in match["folder"].split("/")]
    folders = sorted({match["folder"] for match in matches})
    if len(folders) > 1:
        known = ", ".join(folder.rstrip("/") or "." for folder in folders)
        raise FatalError(f"the split {split!r} is in several configurations ({known}): choose with --config-name")
    return sorted({match["folder"] + _as_pattern(match["file"], split) for match in matches})


def _as_pattern(file: str, split: str) -> str:
    rest = file.removeprefix(split)
    return f"{split}/*.parquet" if rest.startswith("/") else f"{split}-*.parquet" if rest[0] == "-" else file


def hub_schema(repo_id: str, revision: str, files: Sequence[str]) -> Any:
    """Return the Arrow schema of a data set on the hub, from the cache or from the end of its first file."""
    if cached := cached_files(repo_id, revision, files):
        return parquet_schema(cached[0])
    from huggingface_hub import HfFileSystem

    try:
        filesystem = HfFileSystem()
        base = f"datasets/{repo_id}@{revision.replace('/', '%2F')}"
        found = sorted(path for pattern in files for path in filesystem.glob(f"{base}/{pattern}"))
        with filesystem.open(found[0], "rb") as file:
            return parquet_schema(file)
    except FatalError:
        raise
    except Exception as error:
        raise FatalError(f"the columns of {repo_id} cannot be read: {type(error).__name__}: {error}") from error
