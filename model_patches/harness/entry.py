"""The entry point ``lmms_eval.models``: our model ids, and our task folder for the harness's TaskManager.

The harness calls `manifests` while it imports its model registry. An exception here would be swallowed and end the
loading of every plugin after us, so this module imports nothing heavy and raises nothing: where the harness is not
what we expect, it says so once and registers nothing.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import wrapt
from loguru import logger

from model_patches.registry import FAMILIES, MODEL_IDS

TASK_FOLDER = Path(__file__).resolve().parents[2] / "alas_tasks"
NEEDED_HARNESS = ">=0.7.3,<0.8"
_MAIN = "lmms_eval.__main__"
# How a record begins its reason for being left out; see AlignmentRecord.to_json.
_PASSING = tuple(f'"skipped":{{"cause":"{cause}"' for cause in ("out_of_memory", "io_error", "error"))


def manifests() -> list[Any]:
    """Return the manifests of our model ids and arrange that the tasks are registered.

    Source: ``ModelManifest`` and ``load_entrypoint_manifests`` of lmms-eval 0.7.3, ``models/registry_v2.py``.
    """
    try:
        manifest = import_module("lmms_eval.models.registry_v2").ModelManifest
        found = [
            manifest(
                model_id=family.model_id,
                simple_class_path=family.simple_class,
                chat_class_path=family.chat_class,
            )
            for family in FAMILIES
        ]
    except (ImportError, AttributeError, TypeError) as error:
        _report_harness(f"its model registry is not the expected one ({error})")
        return []
    # lmms_eval.tasks imports torch; wait until the harness needs it, so that `lmms-eval models` stays quick.
    wrapt.register_post_import_hook(register_tasks, "lmms_eval.tasks")
    wrapt.register_post_import_hook(guard_cache, "lmms_eval.caching.response_cache")
    wrapt.register_post_import_hook(remember_runs, "lmms_eval.evaluator")
    wrapt.register_post_import_hook(add_figures, "lmms_eval.loggers.wandb_logger")
    watch_runs()
    return found


def watch_runs() -> None:
    """Watch the runs of `_MAIN` for failures; it imports this entry point before it defines them."""
    main = sys.modules.get(_MAIN)
    if main is None:
        wrapt.register_post_import_hook(_watch, _MAIN)
    elif type(main) is ModuleType:
        main.__class__ = _Incomplete


def _watch(main: Any) -> None:
    from model_patches.harness.failures import watch

    watch(main)


class _Incomplete(ModuleType):
    """`_MAIN` while it is being executed; what it is asked for first is its main function."""

    @property
    def cli_evaluate(self) -> Any:
        self.__class__ = ModuleType  # type: ignore[assignment]
        _watch(self)
        return self.cli_evaluate


def register_tasks(tasks_module: Any) -> None:
    """Make every TaskManager of ``lmms_eval.tasks`` know our tasks, and refuse models that cannot run them."""
    manager = getattr(tasks_module, "TaskManager", None)
    parameters = getattr(manager, "initialize_tasks", None)
    if parameters is None or "include_path" not in inspect.signature(parameters).parameters:
        _report_harness("TaskManager.initialize_tasks takes no include_path")
        return
    wrapt.wrap_function_wrapper(tasks_module, "TaskManager.initialize_tasks", _with_task_folder)
    if hasattr(manager, "match_tasks"):
        wrapt.wrap_function_wrapper(tasks_module, "TaskManager.match_tasks", _with_task_files)
    utils = getattr(tasks_module, "utils", None)
    if hasattr(utils, "load_yaml_config"):
        wrapt.wrap_function_wrapper(utils, "load_yaml_config", _with_own_place)
    for method in ("load_task_or_group", "load_config"):
        if hasattr(manager, method):
            wrapt.wrap_function_wrapper(tasks_module, f"TaskManager.{method}", _with_model_check)


def guard_cache(cache_module: Any) -> None:
    """Keep the harness's ``--use_cache`` from remembering records of failures that pass."""
    if hasattr(getattr(cache_module, "ResponseCache", None), "_is_valid_response"):
        wrapt.wrap_function_wrapper(cache_module, "ResponseCache._is_valid_response", _unless_passing_failure)


def _unless_passing_failure(wrapped: Any, _cache: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    response = args[0] if args else kwargs.get("response")
    passing = isinstance(response, str) and any(mark in response for mark in _PASSING)
    return bool(not passing and wrapped(*args, **kwargs))


def remember_runs(evaluator: Any) -> None:
    """Let models know where ``lmms_eval.evaluator`` has its results written, and add what models tell of these."""
    evaluate = getattr(evaluator, "simple_evaluate", None)
    if evaluate is not None and not isinstance(evaluate, wrapt.FunctionWrapper):
        wrapt.wrap_function_wrapper(evaluator, "simple_evaluate", _remembered)


def _remembered(wrapped: Any, _module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from model_patches.run.harness_run import running

    call = inspect.signature(wrapped).bind(*args, **kwargs)
    call.apply_defaults()
    with running(call.arguments.get("evaluation_tracker"), call.arguments.get("datetime_str")) as run:
        results = wrapped(*args, **kwargs)
    if run.facts and isinstance(results, dict):
        from alas_tasks.sources import commits_read

        results["alas"] = {**run.facts, "data": commits_read(results.get("configs") or {})}
    return results


def add_figures(logger_module: Any) -> None:
    """Have the harness's ``WandbLogger`` log our figures after its table."""
    if hasattr(getattr(logger_module, "WandbLogger", None), "log_eval_result"):
        wrapt.wrap_function_wrapper(logger_module, "WandbLogger.log_eval_result", _with_figures)


def _with_figures(wrapped: Any, wandb_logger: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from model_patches.harness.wandb_figures import log_figures

    done = wrapped(*args, **kwargs)
    log_figures(wandb_logger)
    return done


def _report_harness(problem: str) -> None:
    try:
        installed = version("lmms-eval")
    except PackageNotFoundError:
        installed = "none"
    logger.error(
        f"lmms-eval-alas is switched off: it needs lmms-eval {NEEDED_HARNESS}, installed is {installed}: {problem}. "
        f'Install a matching version: pip install "lmms-eval{NEEDED_HARNESS}"'
    )


def _with_task_folder(wrapped: Any, _manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from model_patches.harness.failures import retry_no_errors_of_ours

    # The evaluator may have loaded our entry point from within its own import, too early to be wrapped.
    remember_runs(sys.modules.get("lmms_eval.evaluator"))
    retry_no_errors_of_ours()
    call = inspect.signature(wrapped).bind(*args, **kwargs)
    call.apply_defaults()
    if call.arguments.get("include_defaults", True):
        given = call.arguments["include_path"] or []
        paths = [given] if isinstance(given, str) else list(given)
        if not any(Path(path).resolve() == TASK_FOLDER for path in paths):
            paths.append(str(TASK_FOLDER))
        call.arguments["include_path"] = paths
    return wrapped(*call.args, **call.kwargs)


def _with_task_files(wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from model_patches.harness.task_files import with_task_files

    return with_task_files(wrapped, manager, args, kwargs)


def _with_own_place(wrapped: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from model_patches.harness.task_files import with_own_place

    return with_own_place(wrapped, module, args, kwargs)


def _with_model_check(wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    wanted = args[0] if args else next(iter(kwargs.values()), None)
    names = _alas_tasks(manager, wanted)
    if names:
        from model_patches.harness.failures import tasks_loaded

        tasks_loaded.update(names)
        require_hidden_states(getattr(manager, "model_name", None), names)
    return wrapped(*args, **kwargs)


def _alas_tasks(manager: Any, wanted: Any) -> list[str]:
    """Return those of the wanted tasks (names or configurations) that are ours."""
    tasks = wanted if isinstance(wanted, list) else [wanted]
    return [_name_of(task) for task in tasks if _is_ours(manager, task)]


def _is_ours(manager: Any, task: Any) -> bool:
    from model_patches.harness.task_files import read_task_file

    if isinstance(task, dict):
        metadata = task.get("metadata")
        return isinstance(metadata, dict) and bool(metadata.get("alas"))
    path = manager.task_index.get(task, {}).get("yaml_path", -1) if isinstance(task, str) else -1
    if not isinstance(path, str):
        return False
    # A group names its tasks and has no metadata; ours lies in our folder.
    return TASK_FOLDER in Path(path).resolve().parents or read_task_file(path) is not None


def _name_of(task: Any) -> str:
    return task if isinstance(task, str) else str(task.get("task", "?"))


def require_hidden_states(model: Any, tasks: list[str]) -> None:
    """Stop the run when ``model`` cannot give hidden states for the ALAS tasks.

    Args:
        model: a model id of the harness, a model object, or None where no model is chosen yet.
        tasks: the names of the ALAS tasks asked for.

    Raises:
        FatalError: naming the model ids that work.
    """
    from alas_metric.errors import FatalError
    from model_patches.harness.wrapper import AlasModel

    if model is None:
        return
    if isinstance(model, str):
        from lmms_eval.models import MODEL_REGISTRY_V2

        try:
            model_class = MODEL_REGISTRY_V2.get_model_class(model)
        except Exception:  # no such model: the harness says so itself
            return
    else:
        model_class = type(model)
    if not issubclass(model_class, AlasModel):
        shown = model if isinstance(model, str) else model_class.__name__
        raise FatalError(
            f"{', '.join(tasks)} needs the hidden states of every layer, and the model {shown!r} does not expose "
            f"them (an API, a server such as vLLM, or a wrapper that is not patched). "
            f"Model ids that work: {', '.join(MODEL_IDS)}. Of these, alas_hf reads any checkpoint of transformers that "
            "puts audio into its prompt: --model alas_hf --model_args pretrained=<hub id or folder>."
        )
