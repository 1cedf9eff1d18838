"""Sentences to be spoken: plain ones of Debian's fortunes and WordNet's examples.

Their order and split depend on their text alone: fortunes come first, and only they are in the test split.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from parts import unpacked

SHORTEST, LONGEST = 4, 12
"""Words of a sentence that is kept."""

_EXAMPLE = re.compile(r'"([^"]+)"')
_PLAIN = re.compile(r"[A-Z][a-z']*(,? [A-Za-z][a-z']*)*[.!?]")
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")
_NOT_TEXT = re.compile(r"^\s+-- .*", re.MULTILINE | re.DOTALL)


def sentences(work: Path, split: str) -> list[str]:
    """Return the sentences of one split, always in the same order.

    Args:
        work: the work folder.
        split: ``train``, or ``test`` for the sixteenth that nothing is ever fitted to.
    """
    fortunes = {text for folder in unpacked("sentences", work) for book in _books(folder) for text in plain(book)}
    if split == "test":
        return [text for text in _sorted(fortunes) if _held_out(text)]
    read = {text for folder in unpacked("examples", work) for text in examples(_glosses(folder))}
    return [text for text in (*_sorted(fortunes), *_sorted(read - fortunes)) if not _held_out(text)]


def _sorted(texts: set[str]) -> list[str]:
    return sorted(texts, key=_digest)


def _held_out(text: str) -> bool:
    return _digest(text)[0] % 16 == 0


def _books(folder: Path) -> list[str]:
    files = sorted((folder / "usr/share/games/fortunes").glob("*.u8"))
    return [file.read_text(errors="replace") for file in files]


def _glosses(folder: Path) -> str:
    files = sorted((folder / "usr/share/wordnet").glob("data.*"))
    return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)


def plain(book: str) -> list[str]:
    r"""Return the sentences of a book of fortunes that are plain words, without who said them.

    Example:
        >>> plain("It is 5 o'clock.  All is well that ends well!\n\t\t-- Anon\n%\nYes.\n")
        ['All is well that ends well!']
    """
    entries = (_NOT_TEXT.sub("", entry) for entry in re.split(r"^%$", book, flags=re.MULTILINE))
    candidates = (" ".join(part.split()) for entry in entries for part in _END.split(" ".join(entry.split())))
    return [text for text in candidates if _is_plain(text)]


def examples(glosses: str) -> list[str]:
    """Return the examples that WordNet's glosses quote, as sentences, where they are plain words.

    Example:
        >>> examples('say aloud | utter; "he could not read it out"; "say!"')
        ['He could not read it out.']
    """
    quoted = (text.strip() for line in glosses.splitlines() for text in _EXAMPLE.findall(line))
    candidates = (text[:1].upper() + text[1:] for text in quoted)
    ended = (text if text.endswith((".", "!", "?")) else text + "." for text in candidates)
    return [text for text in ended if _is_plain(text)]


def _is_plain(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and SHORTEST <= len(text.split()) <= LONGEST


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.lower().encode()).digest()
