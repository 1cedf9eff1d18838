"""Texts of others on their way to terminals, tables and figures."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Controls (a terminal obeys them), line separators, marks that turn the direction of writing, halves of surrogate
# pairs (UTF-8 has none; names of files that are not UTF-8 come as such).
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


_HALF_PAIR = re.compile("[\ud800-\udfff]")


def whole_characters(text: str) -> str:
    """Return a text that UTF-8 can hold: JSON can name halves of surrogate pairs, which become U+FFFD."""
    return _HALF_PAIR.sub("\ufffd", text)


def printable(text: str) -> str:
    r"""Return a text with everything but tabs and line feeds that could control a terminal shown as an escape.

    Example:
        >>> printable("red: \x1b[31m")
        'red: \\x1b[31m'
    """
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """Return a text on one line, `printable`, with single spaces."""
    return printable(" ".join(text.split()))


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """Return rows as CSV (RFC 4180); what is undefined is empty.

    Args:
        rows: with the same keys.
        columns: their keys, those of the first row by default.

    Returns:
        Text whose lines end in CR LF: write it without translating them. NUL, which no reader of CSV agrees on and
        Python 3.10 does not write, becomes U+FFFD.
    """
    if not columns:
        rows = list(rows)
        columns = list(rows[0]) if rows else []
    if not columns:
        return ""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
