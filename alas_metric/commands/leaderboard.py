"""``alas leaderboard``: runs side by side, as tables and one HTML page."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from alas_metric.commands.shared import (
    add_board_options,
    draw_figure,
    report,
    selected,
    show_board,
    write_files,
)
from alas_metric.corpus.metrics import RANKING
from alas_metric.errors import FatalError
from alas_metric.leaderboard.board import Board, board_data, build_board, pair_rows
from alas_metric.leaderboard.entry import COLUMNS
from alas_metric.texts import csv_text


def add_parser(subparsers: Any) -> None:
    """Add the command to the ``alas`` command."""
    leaderboard = subparsers.add_parser(
        "leaderboard",
        help="put runs side by side: tables and one HTML page",
        description="Put finished runs side by side, ranked by a paired bootstrap; no model and no GPU is needed. "
        "Runs that differ in reference, unit, data, prompts or settings are refused.",
    )
    leaderboard.add_argument("run_dirs", type=Path, nargs="+", metavar="RUN_DIR", help="lmms-eval's --output_path")
    leaderboard.add_argument(
        "--sort",
        default=RANKING,
        metavar="COLUMN",
        help=f"one of {', '.join(column.key for column in COLUMNS)}, of another than the first task as TASK:COLUMN; "
        "default: %(default)s",
    )
    leaderboard.add_argument("--output", type=Path, metavar="FOLDER", help="write Markdown, CSV, JSON, LaTeX and HTML")
    add_board_options(leaderboard)
    leaderboard.set_defaults(func=_leaderboard)


def _leaderboard(arguments: argparse.Namespace) -> int:
    """Print the leaderboard and write its files."""
    from alas_metric.leaderboard.figures import alignment_and_gap, alignment_key, has_both, model_curves
    from alas_metric.leaderboard.page import board_page, dump_pictures, entries_of_task
    from alas_metric.leaderboard.tables import csv_table, latex, markdown, terminal_tables, verdict_lines
    from alas_metric.leaderboard.views import task_views

    board = _board(arguments)
    show_board(board, verdict_lines(board), terminal_tables(board))
    if arguments.output is not None:
        data = board_data(board) | {"command": _command(arguments)}
        messages: list[str] = []
        pictures = dump_pictures(data, messages)
        views = task_views(board, messages)
        report(messages)
        files = {
            "leaderboard.md": markdown(board),
            "leaderboard.csv": csv_table(board),
            "leaderboard_pairs.csv": csv_text(pair_rows(board)),
            "leaderboard.json": json.dumps(data, indent=2, allow_nan=False) + "\n",
            "leaderboard.tex": latex(board),
            "leaderboard.html": board_page(data, pictures, views),
            **{view.name: view.page for view in views.values()},
        }
        write_files(arguments.output, files)
        for task in board.tasks:
            key, models = alignment_key(board.ranked_by), dict(entries_of_task(data, task))
            draw_figure(arguments.output / f"curves-{task}", model_curves, board.of_task(task), key, task)
            if has_both(models.values(), key):
                draw_figure(arguments.output / f"gap-{task}", alignment_and_gap, models, key, task)
    return 1 if any(gives_nothing(folder, board) for folder in arguments.run_dirs) else 0


def gives_nothing(folder: Path, board: Board) -> bool:
    """Tell whether no run of a folder stands in the leaderboard; the messages say why."""
    return not any(folder.resolve() in entry.run.samples.resolve().parents for entry in board.entries.values())


def _command(arguments: argparse.Namespace) -> str:
    """Return the command that makes the leaderboard again."""
    parts = ["alas", "leaderboard", *map(str, arguments.run_dirs), "--sort", arguments.sort]
    for name in ("task", "output"):
        value = getattr(arguments, name)
        parts += [] if value is None else [f"--{name}", str(value)]
    return shlex.join([*parts, *selected(arguments).options, *["--mix"] * arguments.mix])


def _board(arguments: argparse.Namespace) -> Board:
    try:
        return build_board(arguments.run_dirs, arguments.sort, arguments.task, selected(arguments), arguments.mix)
    except ValueError as error:
        raise FatalError(str(error)) from None
