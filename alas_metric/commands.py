"""What the subcommands of ``alas`` share: options, runs, messages and writing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alas_metric.corpus import THRESHOLD
from alas_metric.errors import FatalError
from alas_metric.runs import Run, find_runs
from alas_metric.texts import printable


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the folder, and what chooses runs in it."""
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="lmms-eval's --output_path, or a model's folder")
    parser.add_argument("--run", dest="date", metavar="DATE_ID", help="the run of this date id instead of the newest")
    add_task_option(parser)


def add_task_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--task``."""
    parser.add_argument("--task", metavar="NAME", help="only this task")


def add_scoring_options(parser: argparse.ArgumentParser) -> None:
    """Add what records can be scored with anew."""
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="answer similarity from which to keep")
    add_reference_option(parser)


def add_reference_option(parser: argparse.ArgumentParser) -> None:
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
