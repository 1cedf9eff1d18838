"""``alas score``: a finished run, scored again from its logged records."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from alas_metric.commands.shared import add_run_options, add_scoring_options, chosen_runs, report, writing
from alas_metric.commands.terminal import console, show_table
from alas_metric.corpus.aggregate import Brief
from alas_metric.corpus.metrics import METRICS
from alas_metric.errors import FatalError
from alas_metric.results.runs import Run, RunScores, score_run

_ARROWS = {"higher": "↑", "lower": "↓", "none": ""}


def add_parser(subparsers: Any) -> None:
    """Add the command to the ``alas`` command."""
    score = subparsers.add_parser(
        "score",
        help="score a finished run again from its logged records",
        description="Score a finished run again from its logged records; no model and no GPU is needed.",
    )
    add_run_options(score)
    add_scoring_options(score)
    score.add_argument("--json", type=Path, metavar="FILE", help="write all values, layers included, to this file")
    score.set_defaults(func=_score)


def _score(arguments: argparse.Namespace) -> int:
    """Score runs, print a table for each, and write them all."""
    found = [scores for run in chosen_runs(arguments) if (scores := _try_run(run, arguments)) is not None]
    if not found:
        raise FatalError(f"nothing to score in {arguments.run_dir}; the messages above say why")
    place = console(110)
    for scores in found:
        show_table(place, _table(scores))
    if arguments.json is not None:
        _write(arguments.json, [_entry(scores, arguments) for scores in found])
    return 0


def _try_run(run: Run, arguments: argparse.Namespace) -> RunScores | None:
    """Score one run; a broken file is reported and does not stop the others."""
    try:
        scores = score_run(run, arguments.threshold, arguments.reference)
    except (OSError, ValueError) as error:
        report([f"{run.model}: {error}"])
        return None
    report(f"{run.model}: {message}" for message in scores.messages)
    return scores


def _table(scores: RunScores) -> Table:
    """Return the table of one run: scalars, and short forms of the rest."""
    run = scores.run
    table = Table(title=Text(f"{run.model}  {run.task}  {run.date}  ({scores.documents} documents)"))
    table.add_column("metric", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right", no_wrap=True)
    table.add_column("unit")
    curves = scores.values.get("layers") or {}
    for key, value in scores.values.items():
        metric = METRICS[key]
        arrow = _ARROWS[metric.direction]
        table.add_row(key, arrow, _shown(value), _shown_interval(curves.get(key)), metric.unit)
    return table


def _shown(value: Any) -> str:
    if value is None:
        return "N/A"
    if isinstance(value, Brief):
        counts = {name: count for name, count in value.items() if isinstance(count, int)}
        return "\n".join(f"{name} {count}" for name, count in (counts or value.summary).items())
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _shown_interval(curve: Any) -> str:
    if curve is None:
        return ""
    low, high = (curve.get(f"headline_{end}", curve.get(end)) for end in ("low", "high"))
    return "" if low is None or high is None else f"{_shown(low)} to {_shown(high)}"


def _entry(scores: RunScores, arguments: argparse.Namespace) -> dict[str, Any]:
    run = scores.run
    return {
        "model": run.model,
        "task": run.task,
        "run": run.date,
        "threshold": arguments.threshold,
        "reference": arguments.reference,
        "documents": scores.documents,
        "values": scores.values,
        "messages": scores.messages,
    }


def _write(path: Path, entries: list[dict[str, Any]]) -> None:
    with writing(path):
        path.write_text(json.dumps({"runs": entries}, indent=2, allow_nan=False) + "\n", encoding="utf-8")
