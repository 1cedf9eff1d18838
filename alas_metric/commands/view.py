"""``alas view``: documents of a run to be looked at and heard, in one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from alas_metric.commands.shared import (
    add_selection_options,
    add_task_option,
    output_folder,
    report,
    selected,
    write_files,
)
from alas_metric.errors import FatalError
from alas_metric.results.runs import Run, find_runs, read_documents


def add_parser(subparsers: Any) -> None:
    """Add the command to the ``alas`` command."""
    view = subparsers.add_parser(
        "view",
        help="look at documents and hear them: one HTML file that opens from disk",
        description="Write one HTML file a model and task, in which each document can be looked at layer by layer and "
        "heard; of two folders one a task, with both models side by side. Similarities and speech are there where the "
        "run kept them: --model_args alas_dump=N,alas_dump_audio=true.",
    )
    view.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="lmms-eval's --output_path, or a model's folder")
    view.add_argument("other", type=Path, nargs="?", metavar="RUN_DIR", help="another one, to stand beside it")
    view.add_argument("--run", dest="date", metavar="DATE_ID", help="the run of this date id instead of the newest")
    add_task_option(view)
    add_selection_options(view)
    view.add_argument("--output", type=Path, metavar="FOLDER", help="default: alas_view in the first RUN_DIR")
    view.set_defaults(func=_view)


def _view(arguments: argparse.Namespace) -> int:
    """Write the pages and print where they are."""
    from alas_metric.viewer.page import viewer_page
    from alas_metric.viewer.reading import view_run

    output = arguments.output or output_folder(arguments.run_dir, "alas_view")
    selection, written = selected(arguments), 0
    for name, runs in _pages(arguments).items():
        try:
            found = [read_documents(run, selection) for run in runs]
            viewed = [view_run(each.run, each.documents, selection, len(runs)) for each in found]
        except (OSError, ValueError) as error:
            report([f"{name}: {error}"])
            continue
        for scored, shown in zip(found, viewed, strict=True):
            report(f"{shown.run.model}: {message}" for message in (*scored.messages, *shown.messages))
        write_files(output, {f"{name}.html": viewer_page(viewed)})
        written += 1
    if not written:
        raise FatalError(f"no page could be made of {arguments.run_dir}; the messages above say why")
    return 0


def _pages(arguments: argparse.Namespace) -> dict[str, list[Run]]:
    """Return which runs each page shows, by the file's name.

    Raises:
        FatalError: If there are none, or it is not plain which two are to stand side by side.
    """
    try:
        first = find_runs(arguments.run_dir, arguments.date, arguments.task)
        other = None if arguments.other is None else find_runs(arguments.other, None, arguments.task)
    except ValueError as error:
        raise FatalError(str(error)) from None
    if other is None:
        return {f"{run.model}-{run.task}": [run] for run in first}
    firsts, others = _by_task(first, arguments.run_dir), _by_task(other, arguments.other)
    pages = {task: [run, others[task]] for task, run in firsts.items() if task in others}
    if not pages:
        found = f"{arguments.run_dir} holds {', '.join(firsts)} and {arguments.other} {', '.join(others)}"
        raise FatalError(f"{found}: no task in common")
    return pages


def _by_task(runs: list[Run], folder: Path) -> dict[str, Run]:
    if len(models := sorted({run.model for run in runs})) > 1:
        raise FatalError(f"{folder} holds {', '.join(models)}: name the folder of one model, to stand beside another")
    return {run.task: run for run in runs}
