"""The ``alas`` command."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from importlib import metadata

from alas_metric import __version__
from alas_metric.commands import compare, leaderboard, picture, report, score

_COMMANDS = (score, report, picture, leaderboard, compare)
_OTHERS = "alas.commands"
"""Entry points by which the packages that build on this one add theirs: modules with ``add_parsers``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments, those of the process by default.

    Returns:
        The exit status.

    Raises:
        FatalError: If nothing could be done; its message goes to standard error.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal can show every name, or an arrow
    arguments = _parser().parse_args(argv)
    return int(arguments.func(arguments) or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="alas", description="Alignment of speech and words inside speech LLMs.")
    parser.add_argument("--version", action="version", version=f"alas {_version()}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
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


if __name__ == "__main__":
    sys.exit(main())
