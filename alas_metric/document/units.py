"""Which stretches of a transcript count as words.

A unit is a word between white space, or one character in scripts that are written without spaces. Words
without a letter or digit (``--``, ``...``) and bracketed events (``[LAUGHTER]``) are no units: nothing that
is spoken corresponds to them, although they stay in the prompt.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_EVENT = re.compile(r"\[[^\[\]]*\]")
_WORD = re.compile(r"\S+")
# Scripts written without spaces between words; Hangul has them.
_SPACELESS = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"  # ideographic marks and numerals
    "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\u3100-\u312f\u31a0-\u31bf"  # bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # ideographs
    "\U0001aff0-\U0001b16f"  # kana, supplements
    "\U00020000-\U0003ffff"  # ideographs, supplements
    "]"
)


@dataclass(frozen=True)
class Unit:
    """One word of a transcript.

    Args:
        text: the word with its punctuation, as in the transcript.
        start: index of its first letter or digit in the transcript.
        end: index after its last letter or digit, combining marks included.
    """

    text: str
    start: int
    end: int


def split_units(transcript: str) -> list[Unit]:
    """Return the words of a transcript that the metric scores.

    Args:
        transcript: any text.

    Returns:
        The units in order. Their spans do not overlap; the list is empty when nothing is spoken.

    Example:
        >>> [unit.text for unit in split_units("Well -- [LAUGHTER] I don't know.")]
        ['Well', 'I', "don't", 'know.']
        >>> split_units('"Well,"')
        [Unit(text='"Well,"', start=1, end=5)]
        >>> [unit.text for unit in split_units("我爱你, Ada!")]
        ['我', '爱', '你', 'Ada!']
    """
    # Events become as many spaces, so that every index below is one into the transcript.
    text = _EVENT.sub(lambda event: " " * len(event.group()), transcript)
    pieces = [piece for word in _WORD.finditer(text) for piece in _pieces(text, *word.span())]
    spans = [(start, end, _core(text, start, end)) for start, end in pieces]
    return [Unit(text[start:end], *core) for start, end, core in spans if core is not None]


def _pieces(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Cut a word into characters of scripts without spaces and the stretches between them."""
    pieces, begin, position = [], start, start
    while position < end:
        if _SPACELESS.match(text, position) and _is_alphanumeric(text[position]):
            after = _after_marks(text, position + 1, end)
            pieces += [(begin, position), (position, after)]
            begin = position = after
        else:
            position += 1
    return [(a, b) for a, b in [*pieces, (begin, end)] if a < b]


def _core(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the span from the first to the last letter or digit, None if there is none."""
    letters = [index for index in range(start, end) if _is_alphanumeric(text[index])]
    return (letters[0], _after_marks(text, letters[-1] + 1, end)) if letters else None


def _after_marks(text: str, index: int, end: int) -> int:
    """Return the first index from ``index`` on that holds no combining mark."""
    while index < end and unicodedata.category(text[index]).startswith("M"):
        index += 1
    return index


def _is_alphanumeric(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"
