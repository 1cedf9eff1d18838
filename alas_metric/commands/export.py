"""``alas export``: finished runs as a data set for others, on the hub if wanted."""

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
        "export",
        help="finished runs as a data set for others, on the hub if wanted",
        description="Write finished runs as the folder of a data set: Parquet, a card with the numbers and figures. "
        "The other commands read it as they read runs. With --hub it is uploaded, private unless --public.",
    )
    add_run_options(parser)
    add_selection_options(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: RUN_DIR/alas_export")
    parser.add_argument("--hub", metavar="USER/NAME", help="upload it as this data set of the Hugging Face hub")
    parser.add_argument("--public", action="store_true", help="a new data set on the hub is for everybody to see")
    parser.add_argument(
        "--no-text",
        action="store_true",
        help="leave out transcripts, words, questions and answers; scores stay the same",
    )
    parser.set_defaults(func=_export)


def _export(arguments: argparse.Namespace) -> int:
    """Write the folder, and upload it if asked."""
    from alas_metric.report.run_report import Report, make_report
    from alas_metric.sharing.folder import write_export
    from alas_metric.sharing.upload import upload

    if arguments.public and not arguments.hub:
        raise FatalError("--public says how it is uploaded: add --hub USER/NAME")
    reports: list[Report] = []
    for run in chosen_runs(arguments):
        try:
            reports.append(make_report(run, selected(arguments)))
        except (OSError, ValueError) as error:
            report([f"{run.model}: {error}"])
    if not reports:
        raise FatalError(f"nothing to export in {arguments.run_dir}; the messages above say why")
    report(f"{made.run.model}: {message}" for made in reports for message in made.messages)
    output = arguments.output or output_folder(arguments.run_dir, "alas_export")
    with writing(output):
        show_files([write_export(reports, output, not arguments.no_text)])
    if arguments.hub:
        print(upload(output, arguments.hub, arguments.public))
    return 0
