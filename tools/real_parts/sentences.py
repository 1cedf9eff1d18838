"""Sentences to be spoken: plain ones of Debian's fortunes, in an order and a split that depend on their text alone."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from parts import unpacked

SHORTEST, LONGEST = 4, 12
"""Words of a sentence that is kept."""

_PLAIN = re.compile(r"[A-Z][a-z']*(,? [A-Za-z][a-z']*)*[.!?]")
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")
_NOT_TEXT = re.compile(r"^\s+-- .*", re.MULTILINE | re.DOTALL)


def sentences(work: Path, split: str) -> list[str]:
    """Return the sentences of one split, always in the same order.

    Args:
        work: the work folder.
        split: ``train``, or ``test`` for the sixteenth that nothing is ever fitted to.
    """
    return [text for text in _all(work) if (_digest(text)[0] % 16 == 0) == (split == "test")]


def _all(work: Path) -> list[str]:
    found = {text for folder in unpacked("sentences", work) for file in _books(folder) for text in plain(file)}
    return sorted(found, key=_digest)


def _books(folder: Path) -> list[str]:
    files = sorted((folder / "usr/share/games/fortunes").glob("*.u8"))
    return [file.read_text(errors="replace") for file in files]


def plain(book: str) -> list[str]:
    r"""Return the sentences of a book of fortunes that are plain words, without who said them.

    Example:
        >>> plain("It is 5 o'clock.  All is well that ends well!\n\t\t-- Anon\n%\nYes.\n")
        ['All is well that ends well!']
    """
    entries = (_NOT_TEXT.sub("", entry) for entry in re.split(r"^%$", book, flags=re.MULTILINE))
    candidates = (" ".join(part.split()) for entry in entries for part in _END.split(" ".join(entry.split())))
    return [text for text in candidates if _PLAIN.fullmatch(text) and SHORTEST <= len(text.split()) <= LONGEST]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.lower().encode()).digest()
