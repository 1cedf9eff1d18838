"""The commands that put runs side by side: ``alas leaderboard`` and ``alas compare``."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from alas_metric.commands import add_scoring_options, add_task_option, report, show_files, writing
from alas_metric.comparison import HEADLINES
from alas_metric.corpus import THRESHOLD
from alas_metric.errors import FatalError
from alas_metric.leaderboard import COLUMNS, DEFAULT_SORT, Board, board_data, build_board, pair_rows
from alas_metric.texts import csv_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FILE_WIDTH = 150
"""Columns of a table that goes to a file or a pipe, which has no width of its own."""


def add_parsers(subparsers: Any) -> None:
    """Add the commands to the ``alas`` command."""
    _add_leaderboard(subparsers)
    _add_compare(subparsers)


def _add_leaderboard(subparsers: Any) -> None:
    leaderboard = subparsers.add_parser(
        "leaderboard",
        help="put runs side by side: tables and one HTML page",
        description="Put finished runs side by side, ranked by a paired bootstrap; no model and no GPU is needed. "
        "Runs that differ in reference, unit, data, prompts or settings are refused.",
    )
    leaderboard.add_argument("run_dirs", type=Path, nargs="+", metavar="RUN_DIR", help="lmms-eval's --output_path")
    leaderboard.add_argument(
        "--sort",
        default=DEFAULT_SORT,
        metavar="COLUMN",
        help=f"one of {', '.join(column.key for column in COLUMNS)}, of another than the first task as TASK:COLUMN; "
        "default: %(default)s",
    )
    leaderboard.add_argument("--output", type=Path, metavar="FOLDER", help="write Markdown, CSV, JSON, LaTeX and HTML")
    _add_scoring(leaderboard)
    leaderboard.set_defaults(func=_leaderboard)


def _add_scoring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mix", action="store_true", help="also show what cannot be compared, and say so")
    add_task_option(parser)
    add_scoring_options(parser)


def _add_compare(subparsers: Any) -> None:
    compare = subparsers.add_parser(
        "compare",
        help="compare two runs: every layer, and the documents that changed most",
        description="Compare two runs, such as a fine-tuned model with its base or two checkpoints, on the documents "
        "that both kept: headline metrics with p-values, every layer with 95 % intervals, documents that changed most.",
    )
    compare.add_argument("first", type=Path, metavar="A", help="lmms-eval's --output_path, or a model's folder")
    compare.add_argument("second", type=Path, metavar="B", help="what to compare it with")
    compare.add_argument("--output", type=Path, metavar="FOLDER", help="write CSV, JSON and figures")
    _add_scoring(compare)
    compare.set_defaults(func=_compare)


def _leaderboard(arguments: argparse.Namespace) -> int:
    """Print the leaderboard and write its files."""
    from alas_metric.board_figures import model_curves
    from alas_metric.board_page import board_page, dump_pictures
    from alas_metric.board_tables import csv_table, latex, markdown, terminal_tables

    board = _board(arguments)
    _show(board, terminal_tables(board))
    if arguments.output is not None:
        data = board_data(board) | {"command": _command(arguments)}
        messages: list[str] = []
        pictures = dump_pictures(data, messages)
        report(messages)
        files = {
            "leaderboard.md": markdown(board),
            "leaderboard.csv": csv_table(board),
            "leaderboard_pairs.csv": csv_text(pair_rows(board)),
            "leaderboard.json": json.dumps(data, indent=2, allow_nan=False) + "\n",
            "leaderboard.tex": latex(board),
            "leaderboard.html": board_page(data, pictures),
        }
        _write(arguments.output, files)
        for task in board.tasks:
            _draw(arguments.output / f"curves-{task}", model_curves, board.of_task(task), board.ranked_by, task)
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    """Print the comparison of two runs and write its files."""
    from alas_metric import run_comparison
    from alas_metric.board_figures import layer_differences

    options = (arguments.task, arguments.threshold, arguments.reference, arguments.mix)
    try:
        found, board = run_comparison.compare_folders((arguments.first, arguments.second), *options)
    except ValueError as error:
        raise FatalError(str(error)) from None
    _show(board, [table for each in found for table in run_comparison.terminal_tables(each)])
    if arguments.output is None:
        return 0
    files = {
        f"compare_{name}.csv": csv_text([row for each in found for row in make(each)])
        for name, make in run_comparison.ROWS.items()
    }
    files["compare.json"] = json.dumps(run_comparison.comparison_data(found, board), indent=2, allow_nan=False) + "\n"
    _write(arguments.output, files)
    for each in found:
        for key in HEADLINES:
            stem = arguments.output / f"difference-{each.task}-{key}"
            _draw(stem, layer_differences, each.differences[key], each.first, each.second)
    return 0


def _show(board: Board, tables: Iterable[Table]) -> None:
    """Print messages on standard error and tables on standard output."""
    report(f"mixed: {text}" for text in board.mixed)
    report(board.messages)
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    for table in tables:
        console.print(table)


def _draw(stem: Path, draw: Callable[..., Figure], *arguments: Any) -> None:
    """Draw a figure, write it and print its paths; one that is undefined is reported."""
    from alas_metric.figure_style import save

    try:
        figure = draw(*arguments)
    except ValueError as error:
        report([f"{stem.name}: {error}"])
        return
    with writing(stem.parent):
        show_files(save(figure, stem))


def _command(arguments: argparse.Namespace) -> str:
    """Return the command that makes the leaderboard again."""
    parts = ["alas", "leaderboard", *map(str, arguments.run_dirs), "--sort", arguments.sort]
    for name in ("task", "reference", "output"):
        value = getattr(arguments, name)
        parts += [] if value is None else [f"--{name}", str(value)]
    parts += ["--threshold", f"{arguments.threshold:g}"] if arguments.threshold != THRESHOLD else []
    return shlex.join(parts + ["--mix"] * arguments.mix)


def _board(arguments: argparse.Namespace) -> Board:
    try:
        return build_board(
            arguments.run_dirs,
            arguments.sort,
            arguments.task,
            arguments.threshold,
            arguments.reference,
            arguments.mix,
        )
    except ValueError as error:
        raise FatalError(str(error)) from None


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write text files and print their paths."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
            show_files([folder / name])
