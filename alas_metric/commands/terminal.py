"""What the commands print tables on."""

from __future__ import annotations

import os
import sys
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

_FRAME = 3
"""What a column takes beside its content: a line and a space on both sides."""
_FOLDED = 12
"""Columns of the terminal that suffice for what may be broken anywhere."""


def console(file_width: int = 150, **options: Any) -> Console:
    """Return standard output; with ``NO_COLOR`` in the environment nothing but text is written to it.

    Args:
        file_width: columns of what goes to a file or a pipe, which has no width of its own.
        **options: of rich's ``Console``.
    """
    plain = bool(os.environ.get("NO_COLOR"))  # rich itself leaves bold and the like
    width = None if sys.stdout.isatty() else file_width
    return Console(width=width, force_terminal=False if plain else None, **options)


def show_table(place: Console, table: Table) -> None:
    """Print a table, or one block a row where it does not fit: columns of cut numbers tell nothing."""
    if sum(_least(column) + _FRAME for column in table.columns) < place.width:
        place.print(table)
    else:
        place.print(*blocks(table), sep="\n")


def _least(column: Column) -> int:
    """Return the fewest columns of the terminal that show a column of a table whole."""
    lines = [line for cell in (column.header, *column.cells) for line in _text(cell).splitlines()]
    pieces = lines if column.no_wrap else [word for line in lines for word in line.split()]
    longest = max(map(cell_len, pieces), default=0)
    return min(longest, _FOLDED) if column.overflow == "fold" else longest


def blocks(table: Table) -> list[Text]:
    """Return the rows of a table one after the other, a line for each cell that says something."""
    headers = [_plain(column.header) for column in table.columns]
    rows = zip(*([_plain(cell) for cell in column.cells] for column in table.columns), strict=True)
    found = [Text(_plain(table.title), style="italic")] if table.title else []
    for name, *cells in rows:
        found.append(Text(name, style="bold"))
        shown = zip(headers[1:], cells, strict=True)
        found += [Text(f"  {header}: {cell}" if header else f"  {cell}") for header, cell in shown if cell.strip()]
    return found


def _plain(content: Any) -> str:
    """Return what a cell says, on one line."""
    return " ".join(_text(content).split())


def _text(content: Any) -> str:
    return (content if isinstance(content, Text) else Text.from_markup(str(content))).plain
