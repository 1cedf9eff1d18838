"""``alas compare``: two runs, every layer, and the documents that changed most."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from alas_metric.commands.shared import (
    add_board_options,
    draw_figure,
    selected,
    show_board,
    write_files,
)
from alas_metric.corpus.metrics import METRICS
from alas_metric.corpus.significance import HEADLINES
from alas_metric.errors import FatalError
from alas_metric.texts import csv_text


def add_parser(subparsers: Any) -> None:
    """Add the command to the ``alas`` command."""
    compare = subparsers.add_parser(
        "compare",
        help="compare two runs: every layer, and the documents that changed most",
        description="Compare two runs, such as a fine-tuned model with its base or two checkpoints, on the documents "
        "that both kept: headline metrics with p-values, every layer with 95 % intervals, documents that changed most.",
    )
    compare.add_argument("first", type=Path, metavar="A", help="lmms-eval's --output_path, or a model's folder")
    compare.add_argument("second", type=Path, metavar="B", help="what to compare it with")
    compare.add_argument("--output", type=Path, metavar="FOLDER", help="write CSV, JSON and figures")
    add_board_options(compare)
    compare.set_defaults(func=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    """Print the comparison of two runs and write its files."""
    from alas_metric.leaderboard import run_differences
    from alas_metric.leaderboard.figures import layer_differences

    options = (arguments.task, selected(arguments), arguments.mix)
    try:
        found, board = run_differences.compare_folders((arguments.first, arguments.second), *options)
    except ValueError as error:
        raise FatalError(str(error)) from None
    told = [line for each in found for line in run_differences.verdict_lines(each)]
    show_board(board, told, [table for each in found for table in run_differences.terminal_tables(each)])
    if arguments.output is None:
        return 0
    files = {
        f"compare_{name}.csv": csv_text([row for each in found for row in make(each)])
        for name, make in run_differences.ROWS.items()
    }
    files["compare.json"] = json.dumps(run_differences.comparison_data(found, board), indent=2, allow_nan=False) + "\n"
    write_files(arguments.output, files)
    for each in found:
        for key in (key for key in HEADLINES if METRICS[key].curve):
            stem = arguments.output / f"difference-{each.task}-{key}"
            draw_figure(stem, layer_differences, each.differences[key], each.first, each.second)
    return 0
