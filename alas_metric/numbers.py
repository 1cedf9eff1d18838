"""Numbers for people: the same in every table of the terminal, of Markdown and of pages."""

from __future__ import annotations

import math
from typing import Any

UNDEFINED = "N/A"
ARROWS = {"higher": "↑", "lower": "↓", "none": ""}
"""Which direction is better."""


def number(value: Any, digits: int = 3) -> str:
    """Return a number; whole ones, and what is no number, as they are.

    Example:
        >>> [number(value) for value in (0.12345, 7, None, float("nan"))]
        ['0.123', '7', 'N/A', 'N/A']
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return UNDEFINED
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def signed(value: float | None, digits: int = 3) -> str:
    """Return a difference, with its sign.

    Example:
        >>> [signed(value) for value in (0.1, -0.1, None)]
        ['+0.100', '-0.100', 'N/A']
    """
    return UNDEFINED if value is None else f"{value:+.{digits}f}"


def span(low: float | None, high: float | None, digits: int = 3) -> str:
    """Return an interval, nothing where it is undefined.

    Example:
        >>> [span(0.1, 0.25), span(None, None)]
        ['0.100 to 0.250', '']
    """
    return "" if low is None or high is None else f"{number(low, digits)} to {number(high, digits)}"


def signed_span(low: float | None, high: float | None) -> str:
    """Return the interval of a difference, nothing where it is undefined."""
    return "" if low is None or high is None else f"{signed(low)} to {signed(high)}"


def p_value(p: float | None) -> str:
    """Return a p-value.

    Example:
        >>> [p_value(p) for p in (0.0123, 0.0001, None)]
        ['0.012', '< 0.001', 'N/A']
    """
    return UNDEFINED if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def of_unit(value: Any, unit: str, digits: int = 3) -> str:
    """Return a value by its unit: a p-value as such, all others as numbers.

    Example:
        >>> [of_unit(value, unit) for value, unit in ((0.0001, "p"), (0.0001, "s"), (7, ""))]
        ['< 0.001', '0.000', '7']
    """
    return p_value(value) if unit == "p" else number(value, digits)


def with_unit(unit: str) -> str:
    """Return a unit as it stands behind a name, nothing where there is none.

    Example:
        >>> [with_unit(unit) for unit in ("words", "1", "")]
        [', words', '', '']
    """
    return f", {unit}" if unit not in ("", "1") else ""
