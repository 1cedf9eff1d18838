"""What each task reads, and where that is; nothing is downloaded."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from alas_metric.errors import FatalError
from alas_tasks.custom import read_description, read_task
from alas_tasks.findings import Finding, State, size
from alas_tasks.sources import SOURCES, HubSource, cached_files

Ask = Callable[[HubSource], tuple[str, int]]
"""Asks the hub for a source: what it says in words, and the files' size in bytes. Raises where there is no answer."""

FOLDER = Path(__file__).parent


def _contents(pattern: str) -> list[dict[str, Any]]:
    return [read_task(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob(pattern))]


@cache
def _tasks() -> dict[str, dict[str, Any]]:
    """Return what the YAML file of each task says."""
    return {str(content["task"]): content for content in _contents("*/alas_*.yaml")}


@cache
def reads() -> dict[str, tuple[HubSource, ...]]:
    """Return what each task reads, as ``metadata.reads`` of its YAML file says."""
    return {name: tuple(SOURCES[repo_id] for repo_id in task["metadata"]["reads"]) for name, task in _tasks().items()}


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """Return the tasks of each group."""
    return {str(content["group"]): tuple(content["task"]) for content in _contents("*.yaml")}


def of_group(names: Iterable[str]) -> list[str]:
    """Return tasks, those of a group in its place."""
    return [task for name in names for task in groups().get(name, (name,))]


def of_source(source: HubSource, ask: Ask | None = None) -> Finding:
    """Return where a source's files are.

    Args:
        source: what is needed.
        ask: asks the hub; by default the hub itself.
    """
    subject = source.repo_id
    advice = f"check the connection, or set {source.folder_variable} to a folder with a local copy"
    try:
        folder = source.folder()
    except FatalError as error:
        return Finding(subject, State.MISSING, str(error), advice)
    if folder is not None:
        if source.is_in(folder):
            return Finding(subject, State.THERE, f"local: {folder}")
        return Finding(subject, State.MISSING, f"local, but nothing usable in {folder}", advice)
    if cached_files(source.repo_id, source.chosen_revision, source.pattern):
        return Finding(subject, State.THERE, "in the cache")
    try:
        said, download = (ask or ask_hub)(source)
    except Exception as error:  # no connection, offline mode, no access, no such revision
        return Finding(subject, State.MISSING, f"not reachable: {type(error).__name__}", advice)
    return Finding(subject, State.REACHABLE, said, f"downloaded at the first run: {size(download)}", download)


def ask_hub(source: HubSource) -> tuple[str, int]:
    """Return in words that the hub has a source, and the size of the files in bytes."""
    from huggingface_hub import HfApi

    info = HfApi().dataset_info(source.repo_id, revision=source.chosen_revision, timeout=5, files_metadata=True)
    files = [file for file in info.siblings or [] if fnmatch.fnmatch(file.rfilename, source.pattern)]
    download = sum(file.size or 0 for file in files)
    return "on the hub, terms to accept there" if info.gated else "on the hub", download


def of_tasks(names: Iterable[str], ask: Ask | None = None) -> list[Finding]:
    """Return what the tasks read and where it is: each source once, files of one's own tasks too."""
    asked, known = of_group(names), reads()
    sources = dict.fromkeys(source for task in asked for source in known.get(task, ()))
    inside = [Finding(task, State.THERE, "in the package") for task in asked if known.get(task) == ()]
    own = [of_task_file(task) for task in asked if task not in known]
    return [*inside, *(of_source(source, ask) for source in sources), *own]


def of_task_file(name: str) -> Finding:
    """Return where the data of a YAML file of ``alas new-task`` is."""
    from alas_tasks.description import find_data, is_hub_id

    path = Path(name)
    if not (name.endswith((".yaml", ".yml")) and path.is_file()):
        return Finding(name, State.MISSING, "no such task or file", f"one of {', '.join(reads())}, or a YAML file")
    try:
        _, description = read_description(path.read_text(encoding="utf-8"))
        data = find_data(description.data, description.split, path.parent)
    except (FatalError, OSError, UnicodeError) as error:
        return Finding(name, State.MISSING, str(error), "see alas new-task --help")
    if not is_hub_id(data):
        return Finding(name, State.THERE, data)
    if cached_files(data, description.revision or "main", description.files):
        return Finding(name, State.THERE, f"{data} in the cache")
    return Finding(name, State.NOTE, f"{data} is not in the cache", "downloaded at the first run")


def references(names: Iterable[str]) -> list[str | None]:
    """Return the word timestamps that each task asks for, see `alas_tasks.speech`; None for one that asks for none."""
    return [_settings(task).get("reference") for task in of_group(names)]


def languages(names: Iterable[str]) -> list[str]:
    """Return the language of each task whose answers are compared by their meaning."""
    return [_settings(task).get("language") or "en" for task in of_group(names) if _is_free(task)]


def _settings(task: str) -> dict[str, Any]:
    """Return what a task's YAML file says in ``lmms_eval_specific_kwargs``, nothing where there is no such file."""
    try:
        content = _tasks()[task] if task in _tasks() else read_task(Path(task).read_text(encoding="utf-8"))
        return dict(content["lmms_eval_specific_kwargs"]["default"])
    except (OSError, UnicodeError, KeyError, TypeError, ValueError, yaml.YAMLError):
        return {}


def free_answers(names: Iterable[str]) -> bool:
    """Tell whether answers of a task are compared by their meaning, which takes Sentence-BERT."""
    return any(map(_is_free, of_group(names)))


def _is_free(name: str) -> bool:
    if name in _tasks():
        return str(_tasks()[name]["process_results"]).endswith(".process_results_free")
    try:
        return read_description(Path(name).read_text(encoding="utf-8"))[1].labels is None
    except (FatalError, OSError, UnicodeError):
        return False
