"""What the subcommands of ``alas`` share: options, runs, messages and writing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from alas_metric.commands.terminal import console, show_table
from alas_metric.corpus.selection import USUAL, Selection
from alas_metric.errors import FatalError
from alas_metric.leaderboard.board import Board
from alas_metric.results.runs import Run, find_runs
from alas_metric.texts import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the folder, and what chooses runs in it."""
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="lmms-eval's --output_path, or a model's folder")
    parser.add_argument("--run", dest="date", metavar="DATE_ID", help="the run of this date id instead of the newest")
    add_task_option(parser)


def add_task_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--task``."""
    parser.add_argument("--task", metavar="NAME", help="only this task")


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add which documents count, and which word times; `selected` reads them."""
    group = parser.add_argument_group("which documents count, and which word times; the run is scored anew by them")
    group.add_argument(
        "--threshold",
        type=float,
        default=USUAL.threshold,
        metavar="S",
        help="similarity of the two answers from which a document is kept; default: %(default)s",
    )
    group.add_argument(
        "--contained",
        action="store_true",
        help="also keep documents one of whose free answers is contained in the other (Boston; it goes to Boston)",
    )
    add_reference_option(group)
    group.add_argument(
        "--min-confidence",
        type=float,
        metavar="P",
        help="leave out documents whose word times are less sure than this, 0 to 1, or do not say how sure they are",
    )


def selected(arguments: argparse.Namespace) -> Selection:
    """Return what the options of `add_selection_options` select."""
    return Selection(arguments.threshold, arguments.reference, arguments.min_confidence, arguments.contained)


def add_reference_option(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add ``--reference``."""
    parser.add_argument("--reference", metavar="NAME", help="word timestamps to compare with, by their name")


def chosen_runs(arguments: argparse.Namespace) -> list[Run]:
    """Return the runs that the options of `add_run_options` choose.

    Raises:
        FatalError: If there are none.
    """
    try:
        return find_runs(arguments.run_dir, arguments.date, arguments.task)
    except ValueError as error:
        raise FatalError(str(error)) from None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write into an error that ends the command."""
    try:
        yield
    except OSError as error:
        raise FatalError(f"could not write {path}: {error.strerror or error}") from None


def report(messages: Iterable[str]) -> None:
    """Print messages on standard error."""
    for message in messages:
        print(printable(f"alas: {message}"), file=sys.stderr)


def show_files(paths: Iterable[Path]) -> None:
    """Print the paths of files that were written."""
    for path in paths:
        print(printable(str(path)))


def output_folder(run_dir: Path, name: str) -> Path:
    """Return the folder in a results folder that a command writes to by default.

    Raises:
        FatalError: If it is or holds a link: whoever made the results would choose which files are overwritten.
    """
    folder = run_dir / name
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            raise FatalError(f"{path} is a link, and nothing is written through it: remove it, or name an --output")
    return folder


def add_board_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides which runs stand side by side, and how they are scored."""
    parser.add_argument("--mix", action="store_true", help="also show what cannot be compared, and say so")
    add_task_option(parser)
    add_selection_options(parser)


def show_board(board: Board, lines: Iterable[str], tables: Iterable[Table]) -> None:
    """Print messages on standard error, lines and tables on standard output."""
    report(f"mixed: {text}" for text in board.mixed)
    report(board.messages)
    place = console()
    for line in lines:
        place.print(Text(line), soft_wrap=True)
    for table in tables:
        show_table(place, table)


def draw_figure(stem: Path, draw: Callable[..., Figure], *arguments: Any) -> None:
    """Draw a figure, write it and print its paths; one that is undefined is reported."""
    from alas_metric.figures.style import save

    try:
        figure = draw(*arguments)
    except ValueError as error:
        report([f"{stem.name}: {error}"])
        return
    with writing(stem.parent):
        show_files(save(figure, stem))


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write text files and print their paths."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
            show_files([folder / name])
