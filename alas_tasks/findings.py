"""What a run needs, whether it is there, and how to get it: the rows of ``alas doctor`` and ``alas tasks``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """How it stands with something that a run needs."""

    THERE = "there"
    REACHABLE = "to be had"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        subject: what it is.
        state: how it stands with it.
        found: what was found, in words.
        advice: how to get or mend it.
        download: its size in bytes where it is to be fetched and known, else 0.
    """

    subject: str
    state: State
    found: str
    advice: str = ""
    download: int = 0


def size(count: float) -> str:
    """Return a number of bytes in words.

    Example:
        >>> size(3_087_000_000), size(90_900_000), size(1200)
        ('3.1 GB', '91 MB', '1 kB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}" if unit == "GB" else f"{count / scale:.0f} {unit}"
    return f"{count / 1e3:.0f} kB"
