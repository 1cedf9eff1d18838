"""``alas score``: a finished run, scored again from its logged records."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from alas_metric.commands.shared import (
    add_run_options,
    add_selection_options,
    chosen_runs,
    report,
    selected,
    writing,
)
from alas_metric.commands.terminal import console, show_table
from alas_metric.corpus.aggregate import Brief
from alas_metric.corpus.metrics import ROWS, caution
from alas_metric.corpus.selection import Selection
from alas_metric.document.similarity import FORMS
from alas_metric.errors import FatalError
from alas_metric.numbers import ARROWS, number, of_unit, span
from alas_metric.results.runs import Run, RunScores, score_run


def add_parser(subparsers: Any) -> None:
    """Add the command to the ``alas`` command."""
    score = subparsers.add_parser(
        "score",
        help="score a finished run again from its logged records",
        description="Score a finished run again from its logged records; no model and no GPU is needed.",
    )
    add_run_options(score)
    add_selection_options(score)
    score.add_argument("--all", action="store_true", help="print every metric, not only the most wanted")
    score.add_argument("--json", type=Path, metavar="FILE", help="write all values, layers included, to this file")
    score.set_defaults(func=_score)


def _score(arguments: argparse.Namespace) -> int:
    """Score runs, print a table for each, and write them all."""
    selection = selected(arguments)
    found = [scores for run in chosen_runs(arguments) if (scores := _try_run(run, selection)) is not None]
    if not found:
        raise FatalError(f"nothing to score in {arguments.run_dir}; the messages above say why")
    place = console(110)
    for scores in found:
        place.print(Text(f"{scores.run.model}, {scores.run.task}: {scores.verdict}"), soft_wrap=True)
        show_table(place, _table(scores, arguments.all))
    if arguments.json is not None:
        _write(arguments.json, [_entry(scores, selection) for scores in found])
    return 0


def _try_run(run: Run, selection: Selection) -> RunScores | None:
    """Score one run; a broken file is reported and does not stop the others."""
    try:
        scores = score_run(run, selection)
    except (OSError, ValueError) as error:
        report([f"{run.model}: {error}"])
        return None
    report(f"{run.model}: {message}" for message in scores.messages)
    return scores


def _table(scores: RunScores, every: bool) -> Table:
    """Return the table of one run: a line a metric, in the form of similarity that it is read in, and in all three."""
    run = scores.run
    curves = dict((scores.values.get("layers") or {}).items())
    table = Table(
        title=Text(f"{run.model}  {run.task}  {run.date}  ({scores.documents} documents)"),
        caption=Text("\n".join(filter(None, (scores.unkept or caution(curves), scores.values["signature"])))),
    )
    table.add_column("metric", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("value", "95 % interval", *FORMS):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("unit")
    for row in ROWS:
        undefined = scores.unkept and scores.values.get(row.key) is None  # the caption says why, once for all
        if row.key in scores.values and (row.shown or every) and not undefined:
            forms = [number(scores.values[f"{row.key}_{form}"]) if row.form else "" for form in FORMS]
            value, ends = _shown(scores.values[row.key], row.unit), _interval(curves.get(row.key))
            table.add_row(row.key, ARROWS[row.direction], value, ends, *forms, row.unit)
    return table


def _shown(value: Any, unit: str) -> str:
    if isinstance(value, Brief):
        counts = {name: count for name, count in value.items() if isinstance(count, int)}
        return "\n".join(f"{name} {count}" for name, count in (counts or value.summary).items())
    return of_unit(value, unit)


def _interval(curve: Any) -> str:
    """Return the interval of a metric of layers, or of the best layer."""
    return "" if curve is None else span(*(curve.get(f"headline_{end}", curve.get(end)) for end in ("low", "high")))


def _entry(scores: RunScores, selection: Selection) -> dict[str, Any]:
    run = scores.run
    return {
        "model": run.model,
        "task": run.task,
        "run": run.date,
        **asdict(selection),
        "documents": scores.documents,
        "verdict": scores.verdict,
        "values": scores.values,
        "messages": scores.messages,
    }


def _write(path: Path, entries: list[dict[str, Any]]) -> None:
    with writing(path):
        path.write_text(json.dumps({"runs": entries}, indent=2, allow_nan=False) + "\n", encoding="utf-8")
