"""Where the data sets come from: files of the Hugging Face hub through one function, or local copies.

Everything wrong with the data ends the run with `FatalError`, which the harness neither retries nor swallows; see
`model_patches.harness.failures`.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_dir

from alas_metric.errors import FatalError, UnobtainableError
from alas_metric.files import write_atomically
from alas_metric.results.runs import LOCAL_COPY

if TYPE_CHECKING:
    import pyarrow as pa

_commits: dict[str, str] = {}
"""The commit that was read last of each data set, in this process."""


@dataclass(frozen=True)
class HubSource:
    """Files of one data set on the hub, and the environment variables that replace them.

    Args:
        repo_id: the data set on the hub.
        revision: the commit, branch or tag that the tasks were made for.
        pattern: which files are needed; ``*`` also matches slashes.
        folder_variable: names a local copy.
        revision_variable: names another revision.
        local_patterns: which files, one at least, a local copy holds; by default those of ``pattern``.
    """

    repo_id: str
    revision: str
    pattern: str
    folder_variable: str
    revision_variable: str
    local_patterns: tuple[str, ...] = ()

    @property
    def chosen_revision(self) -> str:
        """The revision to read, now."""
        return os.environ.get(self.revision_variable) or self.revision

    def files(self, pattern: str | None = None) -> list[Path]:
        """Return the files, downloaded where necessary; see `hub_files`."""
        advice = f"Or set {self.folder_variable} to a folder with a local copy."
        return hub_files(self.repo_id, self.chosen_revision, pattern or self.pattern, advice)

    @property
    def stated(self) -> str:
        """What is read, for results: the data set and the revision asked for, or that it is a local copy."""
        return f"{self.repo_id} {LOCAL_COPY}" if self.folder() else f"{self.repo_id}@{self.chosen_revision}"

    def is_in(self, folder: Path) -> bool:
        """Tell whether a local copy's folder holds a file of this data set."""
        if not self.local_patterns:
            return bool(matching_files(folder, [self.pattern]))
        return any(next(folder.glob(pattern), None) for pattern in self.local_patterns)

    def folder(self) -> Path | None:
        """Return the local copy's folder, or None where the environment names none."""
        return env_folder(self.folder_variable)


LIBRISQA = HubSource(
    repo_id="ZihanZhao/LibriSQA",
    revision="75a39e781262d3e5e59af904892427e0f0618240",
    pattern="LibriSQA-Part*/LibriSQA-Part*-test.json",
    folder_variable="ALAS_LIBRISQA_DIR",
    revision_variable="ALAS_LIBRISQA_REVISION",
    local_patterns=("LibriSQA-Part*-test.json", "*/LibriSQA-Part*-test.json"),
)
LIBRISPEECH = HubSource(
    repo_id="openslr/librispeech_asr",
    revision="refs/convert/parquet",  # one folder of files for each split, so that only the test is loaded
    pattern="clean/test/*.parquet",
    folder_variable="ALAS_LIBRISPEECH_DIR",
    revision_variable="ALAS_LIBRISPEECH_REVISION",
    local_patterns=("*/*/*.flac", "*/*/*/*.flac", "LibriSpeech/*/*/*/*.flac"),
)
LIBRISPEECH_WORDS = HubSource(
    repo_id="gilkeyio/librispeech-alignments",
    revision="main",  # commit 0daa1eb when it was looked at; results state the one that was read
    pattern="data/test_clean-*.parquet",
    folder_variable="ALAS_LIBRISPEECH_WORDS_DIR",
    revision_variable="ALAS_LIBRISPEECH_WORDS_REVISION",
)
IEMOCAP = HubSource(
    repo_id="AbstractTTS/IEMOCAP",
    revision="9f1696a135a65ce997d898d4121c952269a822ca",
    pattern="*train*.parquet",
    folder_variable="ALAS_IEMOCAP_DIR",
    revision_variable="ALAS_IEMOCAP_REVISION",
    local_patterns=("*.json", "*/*.json"),
)
MMAU = HubSource(
    repo_id="lmms-lab-audio/mmau",
    revision="main",  # its commits were not at hand; the variable pins one
    pattern="*test_mini*.parquet",
    folder_variable="ALAS_MMAU_DIR",
    revision_variable="ALAS_MMAU_REVISION",
)

SOURCES = {source.repo_id: source for source in (LIBRISQA, LIBRISPEECH, LIBRISPEECH_WORDS, IEMOCAP, MMAU)}
"""The data sets that tasks name in ``metadata.reads``."""


def hub_files(repo_id: str, revision: str, pattern: str | Sequence[str], advice: str = "") -> list[Path]:
    """Return the local paths of a data set's files, downloading what the cache lacks, with a progress bar.

    Args:
        repo_id: the data set on the hub.
        revision: a commit, branch or tag.
        pattern: one or more patterns of the files' names.
        advice: what else the user can do, for the message.

    Raises:
        UnobtainableError: If the files are neither in the cache nor to be had.
    """
    from huggingface_hub import snapshot_download

    patterns = [pattern] if isinstance(pattern, str) else list(pattern)
    try:
        folder = snapshot_download(repo_id, repo_type="dataset", revision=revision, allow_patterns=patterns)
    except Exception as error:
        raise UnobtainableError(
            f"the data set {repo_id} ({revision}) cannot be had from the Hugging Face hub: {_reason(error)}\n"
            "Check the connection, or log in (hf auth login) and accept the data set's terms on its page. "
            f"{advice}"
        ) from error
    files = matching_files(Path(folder), patterns)
    if not files:
        raise UnobtainableError(
            f"the data set {repo_id} ({revision}) has no file {' or '.join(patterns)}, or the cache's copy "
            f"({folder}) lacks it and the hub cannot be reached. {advice}"
        )
    _commits[repo_id] = Path(folder).name  # .../snapshots/<commit>
    return files


def hub_columns_read(source: HubSource, columns: Sequence[str]) -> pa.Table:
    """Return some columns of a data set's parquet files; of files with audio that is a few megabytes of hundreds.

    Files that the cache holds are read; otherwise the hub is asked for the columns' ranges alone.

    Raises:
        Exception: Whatever the hub's library raises, if they are neither in the cache nor to be had.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from huggingface_hub import HfApi, HfFileSystem

    repo, revision = source.repo_id, source.chosen_revision
    cached = cached_files(repo, revision, source.pattern)
    if cached:
        _commits[repo] = next(path.name for path in cached[0].parents if path.parent.name == "snapshots")
        return pa.concat_tables([pq.read_table(path, columns=list(columns)) for path in cached])
    commit = HfApi().dataset_info(repo, revision=revision, timeout=20).sha
    filesystem, tables = HfFileSystem(), []
    for path in sorted(filesystem.glob(f"datasets/{repo}@{commit}/{source.pattern}")):
        with filesystem.open(path, "rb") as file:
            tables.append(pq.read_table(file, columns=list(columns)))
    _commits[repo] = str(commit)
    return pa.concat_tables(tables)


def commits_read(configs: Mapping[str, Any]) -> dict[str, str]:
    """Return the commit that was read of each data set on the hub; a branch alone does not tell.

    Args:
        configs: of the tasks, by name, with the ``data`` that their metadata states.
    """
    stated = " ".join(str((config.get("metadata") or {}).get("data")) for config in configs.values())
    return {repo: commit for repo, commit in sorted(_commits.items()) if repo in stated}


def cached_files(repo_id: str, revision: str, pattern: str | Sequence[str]) -> list[Path]:
    """Return those files of a data set that the cache holds; never asks the hub."""
    from huggingface_hub import snapshot_download

    patterns = [pattern] if isinstance(pattern, str) else list(pattern)
    try:
        folder = snapshot_download(repo_id, repo_type="dataset", revision=revision, local_files_only=True)
    except Exception:  # not in the cache; the hub's library says so in several ways
        return []
    return matching_files(Path(folder), patterns)


def literal(path: Path | str) -> str:
    """Return a path as a pattern that means this file alone: the datasets library takes names for patterns."""
    return str(path).translate({ord(character): f"[{character}]" for character in "[*?"})


def matching_files(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files below ``folder`` whose relative name fits a pattern as the hub reads it, sorted."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [folder / name for name in sorted(names) if any(fnmatch.fnmatch(name, p) for p in patterns)]


def _reason(error: Exception) -> str:
    text = str(error).strip() or "no further explanation"
    return f"{type(error).__name__}: {text[:600]}"


def env_folder(variable: str) -> Path | None:
    """Return the folder that an environment variable names, or None where it is not set.

    Raises:
        UnobtainableError: If there is no such folder.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        return None
    folder = Path(value).expanduser().absolute()
    if not folder.is_dir():
        raise UnobtainableError(f"{variable}={value}: there is no such folder")
    return folder


def cache_folder(name: str) -> Path:
    """Return a folder for files that we make ourselves; ``ALAS_CACHE_DIR`` chooses where."""
    base = os.environ.get("ALAS_CACHE_DIR") or user_cache_dir("lmms-eval-alas")
    folder = Path(base).expanduser().absolute() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FatalError(f"{folder} cannot be made: {error}. Set ALAS_CACHE_DIR to a folder of yours.") from error
    return folder


def write_manifest(rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as JSON lines to the cache and return the file, whose name is the hash of what it holds.

    Many processes may do so at once.

    Raises:
        FatalError: If it cannot be written.
    """
    text = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    content = text.encode()
    path = cache_folder("manifests") / f"{hashlib.sha256(content).hexdigest()[:32]}.jsonl"
    try:
        if not (path.is_file() and path.read_bytes() == content):
            write_atomically(path, content)
    except OSError as error:
        raise FatalError(f"{path} cannot be written: {error}. Set ALAS_CACHE_DIR to a folder with room.") from error
    return path
