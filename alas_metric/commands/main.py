"""The ``alas`` command."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from importlib import metadata

from alas_metric import __version__
from alas_metric.commands import compare, completion, export, leaderboard, lens, picture, report, score, view
from alas_metric.errors import FatalError, last_words

_COMMANDS = (score, report, picture, lens, view, leaderboard, compare, export, completion)
_OTHERS = "alas.commands"
"""Entry points by which the packages that build on this one add theirs: modules with ``add_parsers``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments, those of the process by default.

    Returns:
        The exit status.

    Raises:
        SystemExit: If nothing could be done, with the reason for standard error; after ``--help``; for wrong arguments.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal can show every name, or an arrow
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.func is None:
        parser.print_help()
        return 0
    try:
        return int(arguments.func(arguments) or 0)
    except FatalError as error:
        raise last_words(error) from None


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands, those of the packages that build on this one too."""
    parser = argparse.ArgumentParser(prog="alas", description="Alignment of speech and words inside speech LLMs.")
    parser.add_argument("--version", action="version", version=f"alas {_version()}")
    parser.set_defaults(func=None)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(subparsers)
    for entry in metadata.entry_points(group=_OTHERS):
        entry.load().add_parsers(subparsers)
    return parser


def _version() -> str:
    try:
        return metadata.version("lmms-eval-alas")
    except metadata.PackageNotFoundError:
        return __version__
