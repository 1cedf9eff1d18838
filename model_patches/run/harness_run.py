"""Where the harness will write the results of the run that is going on; models are not told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_current: list[HarnessRun] = []
_ended: list[HarnessRun] = []


@dataclass(frozen=True)
class HarnessRun:
    """One call of the harness's ``simple_evaluate``.

    Args:
        tracker: its ``EvaluationTracker``, or None.
        date: its id in file names; processes of one run may differ by a second.
        facts: what its results are to say of how they came about, besides what the harness tells.
    """

    tracker: Any
    date: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """Whether there is an ``--output_path``."""
        return bool(getattr(self.tracker, "output_path", None))

    @property
    def folder(self) -> Path:
        """The model's folder in ``--output_path``; the harness names it once the model is loaded."""
        return Path(self.tracker.output_path, self.tracker.general_config_tracker.model_name_sanitized)

    @property
    def results_file(self) -> Path:
        """Where the harness writes the results."""
        return self.folder / f"{self.date}_results.json"

    def samples_file(self, task: str) -> Path:
        """Where the harness writes the samples of a task, with ``--log_samples``."""
        return self.folder / f"{self.date}_samples_{task}.jsonl"


def current_run() -> HarnessRun | None:
    """Return the run that is going on, None outside of the harness's evaluator."""
    return _current[-1] if _current else None


def last_run() -> HarnessRun | None:
    """Return the run that ended last, None if there was none in this process."""
    return _ended[-1] if _ended else None


@contextmanager
def running(tracker: Any, date: str | None) -> Iterator[HarnessRun]:
    """Remember a run while it is going on."""
    # As EvaluationTracker.save_results_aggregated of lmms-eval 0.7.3 names its files.
    run = HarnessRun(tracker, (date or "").replace(":", "-"))
    _current.append(run)
    try:
        yield run
    finally:
        _ended[:] = [_current.pop()]
