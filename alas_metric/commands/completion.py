"""``alas completion``: lets a shell complete commands, options and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import shtab


def add_parser(subparsers: Any) -> None:
    """Add the command to the ``alas`` command."""
    completion = subparsers.add_parser(
        "completion",
        help="print what lets your shell complete commands, options and files",
        description="Print a script for your shell. For bash: alas completion bash > "
        "~/.local/share/bash-completion/completions/alas. For zsh: into a folder of $fpath, as _alas.",
    )
    completion.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    completion.set_defaults(func=_completion)


def _completion(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from alas_metric.commands.main import make_parser

    parser = make_parser()
    for action in actions_of(parser):
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell=arguments.shell))
    return 0


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of its subcommands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from actions_of(command)
