"""A run that fails says so: exit status 1, and one last line that says what failed.

lmms-eval 0.7.3 catches whatever its evaluation raises, prints it and exits with 0, and only warns when results cannot
be written; other ranks then wait at a collective for hours. Runs with an ALAS task end here instead, by ``SystemExit``:
the launcher stops every rank, and the shell sees a failure. Called from Python, the harness raises as ever.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import wrapt

from alas_metric.errors import FatalError, UnobtainableError
from alas_metric.texts import one_line

tasks_loaded: set[str] = set()
"""The names of the ALAS tasks that this process was asked to load."""
_LONGEST = 600
"""Characters that an exception of others gets in the last line."""


def import_error() -> Exception | None:
    """Return what importing the harness raises, None where it can be imported."""
    try:
        import_module("lmms_eval.evaluator")
    except Exception as error:  # whatever a package that was released since may raise
        return error
    return None


def watch(main: Any) -> None:
    """Let every run of the module end the process where it fails."""
    if hasattr(main, "cli_evaluate_single"):
        wrapt.wrap_function_wrapper(main, "cli_evaluate_single", _ending_failures)


def _ending_failures(run: Callable[..., Any], _main: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    arguments = args[0] if args else kwargs.get("args")
    try:
        results, samples = run(*args, **kwargs)
        if results is not None and asks_for_alas(arguments):
            require_written(results, samples)
        return results, samples
    except Exception as error:
        if not asks_for_alas(arguments):
            raise
        sys.stdout.flush()
        if fatal_cause(error) is None:
            traceback.print_exception(error)
        raise SystemExit(last_line(error, arguments)) from error


def retry_no_errors_of_ours() -> None:
    """Let errors of ours end the loading of a task at once; the harness tries five times, whatever is wrong."""
    import tenacity
    from lmms_eval.api.task import ConfigurableTask

    retried = getattr(ConfigurableTask.download, "retry", None)  # what tenacity keeps beside the function
    if retried is not None:
        retried.retry = tenacity.retry_if_not_exception_type(FatalError)


def asks_for_alas(arguments: Any) -> bool:
    """Tell whether a run has an ALAS task; one that is not found, or fails before it is loaded, counts by its name."""
    from model_patches.harness.task_files import read_task_file

    names = str(getattr(arguments, "tasks", None) or "").split(",")
    return bool(tasks_loaded) or any("alas" in name or read_task_file(name) is not None for name in names)


def fatal_cause(error: BaseException) -> FatalError | None:
    """Return our own error behind one of the harness: its loader of YAML files, for one, raises another from it."""
    return next((each for each in _causes(error) if isinstance(each, FatalError)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def last_line(error: Exception, arguments: Any) -> str:
    """Return what the process says last.

    Args:
        error: what ended the run.
        arguments: of the run.
    """
    from alas_tasks.installation import complaints

    ours = fatal_cause(error)
    broken = complaints()
    said = [str(ours) if ours else f"{_of_others(error)}. The traceback is in the log above", *broken]
    if broken or isinstance(ours or error, (UnobtainableError, ImportError)):
        said.append("alas doctor, with the same --tasks, --model and --model_args, says what is missing")
    return one_line(f"alas: error: {arguments.tasks} on {arguments.model}: {'. '.join(said)}.")


def _of_others(error: Exception) -> str:
    *_, innermost = _causes(error)
    *_, (frame, line) = traceback.walk_tb(innermost.__traceback__)
    place = f"{Path(frame.f_code.co_filename).name}, line {line}"
    return f"{type(innermost).__name__}: {str(innermost)[:_LONGEST]} ({place})"


def require_written(results: Mapping[str, Any], samples: Mapping[str, Sequence[Any]] | None) -> None:
    """Check that the run which ended last left its results and samples in ``--output_path``, whole.

    Raises:
        FatalError: If it did not; the harness itself only warns.
    """
    from model_patches.run.harness_run import last_run

    run = last_run()
    if run is None or not run.writes:
        return
    lost = [] if _holds_json(run.results_file) else [run.results_file]
    counts = {run.samples_file(task): len(rows) for task, rows in (samples or {}).items() if task in results["configs"]}
    lost += [path for path, count in counts.items() if not _holds_lines(path, count)]
    if lost:
        raise FatalError(
            f"{' and '.join(map(str, lost))} was not written, or not to its end. The reason is in the log above, "
            "after 'Could not save'"
        )


def _holds_json(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except (OSError, ValueError):
        return False


def _holds_lines(path: Path, count: int) -> bool:
    try:
        with path.open("rb") as file:
            return sum(line.endswith(b"\n") for line in file) >= count
    except OSError:
        return False
