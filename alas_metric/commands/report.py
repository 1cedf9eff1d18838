"""``alas report``: figures, tables and a summary of a finished run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from alas_metric.commands.shared import (
    add_run_options,
    add_selection_options,
    chosen_runs,
    output_folder,
    report,
    selected,
    show_files,
    writing,
)
from alas_metric.errors import FatalError


def add_parser(subparsers: Any) -> None:
    """Add the command to the ``alas`` command."""
    parser = subparsers.add_parser(
        "report",
        help="figures, tables and a summary of a finished run",
        description="Write figures (PNG and SVG), tables (CSV) and a Markdown summary of finished runs from their "
        "logged records; no model and no GPU is needed.",
    )
    add_run_options(parser)
    add_selection_options(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: RUN_DIR/alas_report")
    parser.set_defaults(func=_report)


def _report(arguments: argparse.Namespace) -> int:
    """Write a report for each run and print where it is."""
    from alas_metric.report.folder import write_report
    from alas_metric.report.run_report import make_report

    runs = chosen_runs(arguments)
    output = arguments.output or output_folder(arguments.run_dir, "alas_report")
    written = 0
    for run in runs:
        try:
            made = make_report(run, selected(arguments))
        except (OSError, ValueError) as error:
            report([f"{run.model}: {error}"])
            continue
        with writing(output):
            show_files([write_report(made, output / run.model / run.task)])
        report(f"{run.model}: {message}" for message in made.messages)
        written += 1
    if not written:
        raise FatalError(f"no report could be made of {arguments.run_dir}; the messages above say why")
    return 0
