"""``alas models``, and ``alas doctor``: subcommands of the console script ``alas``."""

from __future__ import annotations

import argparse
import sys
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.table import Table

from model_patches.doctor import command as doctor
from model_patches.registry import FAMILIES, Family

_FILE_WIDTH = 160
"""Columns of a table that goes to a file or a pipe, which has no width of its own."""


def add_parsers(subparsers: Any) -> None:
    """Add the subcommand; it sets ``func``, which takes the arguments and returns the exit status."""
    models = subparsers.add_parser(
        "models",
        help="list the model ids, what each reads and whether the packages it needs are installed",
        description="The model ids that run ALAS tasks, with what was shown to work on each; see docs/models.md.",
    )
    models.set_defaults(func=run_models)
    doctor.add_parser(subparsers)


def run_models(_args: argparse.Namespace) -> int:
    """Print the table of models."""
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    console.print(models_table())
    console.print(
        "alas_hf reads other models of transformers too, if they put a placeholder into the prompt for each position "
        "of audio: it measures what it is not told, checks itself on the first document, and says what it misses."
    )
    return 0


def models_table() -> Table:
    """Return one row per kind of checkpoint."""
    table = Table(title=f"transformers {metadata.version('transformers')}, lmms-eval {metadata.version('lmms-eval')}")
    for name in ("--model", "model type", "pretrained", "positions/s", "hears", "tried with", "needs"):
        table.add_column(name, justify="right" if name == "positions/s" else "left", overflow="fold")
    for family in FAMILIES:
        for place, checkpoint in enumerate(family.checkpoints):
            table.add_row(
                family.model_id if place == 0 else "",
                checkpoint.model_type,
                checkpoint.pretrained,
                f"{checkpoint.rate:.4g}",
                checkpoint.longest,
                checkpoint.tried,
                ", ".join([*map(state, checkpoint.needs), *(_of_other_tasks(family) if place == 0 else [])]),
            )
    return table


def _of_other_tasks(family: Family) -> list[str]:
    return [f"{state(package)} for other tasks" for package in family.others_need]


def state(package: str) -> str:
    """Return a package's name and whether it is installed."""
    return f"{package} ({'installed' if find_spec(package) else 'not installed'})"
