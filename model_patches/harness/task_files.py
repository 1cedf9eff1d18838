"""``lmms-eval --tasks NAME.yaml``, which lmms-eval 0.7.3 documents and then refuses.

It looks the path up among the names of tasks after having read it ("Tasks not found"), and a configuration
read from a file loses its name and is always loaded for simple requests. Both are avoided by registering the
file like a task folder's before names are looked up. Only files with ``alas: true`` in their metadata are
registered; for all others nothing changes. What such a file says of its data is relative to it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from alas_tasks.custom import process_docs
from alas_tasks.sources import literal


def with_task_files(wrapped: Callable[..., Any], manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``TaskManager.match_tasks`` (in wrapt's manner): register those tasks that are YAML files of ours.

    The harness's list is changed in place, from path to name: it compares that list with what is returned.
    """
    tasks = args[0] if args else kwargs.get("task_list")
    asked = tasks if isinstance(tasks, list) else []
    for place, entry in enumerate(asked):
        if isinstance(entry, str) and (name := register_task_file(manager, entry)):
            asked[place] = name
    return wrapped(*args, **kwargs)


def register_task_file(manager: Any, path: str) -> str | None:
    """Make a TaskManager know the task of a YAML file; return its name, or None where it is not ours."""
    config = read_task_file(path)
    if config is None:
        return None
    name: str = config["task"]
    manager.task_index[name] = {"type": "task", "yaml_path": str(Path(path).absolute())}
    manager._all_tasks = sorted({*manager._all_tasks, name})
    manager._all_subtasks = sorted({*manager._all_subtasks, name})
    return name


def with_own_place(wrapped: Callable[..., Any], _module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``lmms_eval.utils.load_yaml_config``: tell the tasks that ``alas new-task`` writes where their file lies.

    Paths in it are relative to that, so that folders with it can be moved; and it is its own data set, under whatever
    name and in whatever folder, whose brackets the datasets library would take for a pattern.
    """
    config = wrapped(*args, **kwargs)
    path = args[0] if args else kwargs.get("yaml_path")
    if not path or not isinstance(config, dict) or config.get("process_docs") is not process_docs:
        return config
    file = Path(path).absolute()
    data = {**(config.get("dataset_kwargs") or {}), "data_files": {"test": literal(file)}}
    return {**config, "process_docs": partial(process_docs, folder=file.parent), "dataset_kwargs": data}


def read_task_file(path: str) -> dict[str, Any] | None:
    """Return the content of a YAML file with an ALAS task, None for any other file."""
    if not path.endswith((".yaml", ".yml")) or not Path(path).is_file():
        return None
    from lmms_eval.utils import load_yaml_config

    try:
        config = load_yaml_config(path, mode="simple")  # follows `include`, imports nothing
    except Exception:
        return None  # the harness says what is wrong with it
    metadata = config.get("metadata") if isinstance(config, dict) else None
    ours = isinstance(metadata, dict) and metadata.get("alas") and isinstance(config.get("task"), str)
    return config if ours else None
