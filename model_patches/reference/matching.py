"""Word times as pure functions: silence, maps between times, characters to times, matching and windows.

Times are seconds, audio is mono at 16 kHz, spans are half-open pairs (start, end). "Packed" time runs over
the speech regions alone, one after the other, as if the silence between them were cut out of the recording.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alas_metric.document.units import Unit

SAMPLE_RATE = 16_000
FRAME = 400  # samples, 25 ms
HOP = 160  # samples, 10 ms

MIN_PAUSE = 0.3
"""Shorter silences belong to the speech: closures of plosives, hesitations, the ends of words."""
MARGIN = 0.035
"""Kept on both sides of a speech region; with half a frame of 25 ms this leaves about 50 ms of silence."""
MIN_SPEECH_FRAMES = 5
SILENCE_DB = -80.0
"""Below this level, in dB of full scale, there is nothing but the rounding noise of 16-bit samples."""

Span = tuple[float, float]

_SPOKEN = frozenset(
    "%\u2030&@#+=\u00d7\u00f7\u00b1\u00b0\u2103\u2109\u00a7\u2116\u2212\uff05\uff06\uff0b\uff1d\uff20\uff03"
)
"""Symbols that are read aloud, beside those of currencies."""
_MINUS = re.compile(r"-(?=\d)")
_WORD = re.compile(r"\S+")


def ordered(spans: Sequence[Span], duration: float) -> list[Span]:
    """Clip spans into [0, duration], make the starts non-decreasing and no end earlier than its start."""
    if not spans:
        return []
    times = np.clip(np.asarray(spans, dtype=np.float64), 0.0, duration)
    starts = np.maximum.accumulate(times[:, 0])
    ends = np.maximum(times[:, 1], starts)
    return [(float(a), float(b)) for a, b in zip(starts, ends, strict=True)]


# ---- characters and times ----------------------------------------------------------------------------------


def alignment_pieces(transcript: str, units: Sequence[Unit]) -> list[str]:
    """Return each unit's text as it enters the alignment, after a space where the transcript has one.

    All-capitals transcripts are lower-cased, since Whisper spells capitals out letter by letter. Characters
    that Whisper's tokenizer cannot give back become question marks. Both keep the length of every unit. Symbols that
    are spoken but stand alone (``2 + 2``) stay behind the unit before them, so that their time is nobody else's.

    Args:
        transcript: the text that the units' spans refer to.
        units: in order of the text.

    Returns:
        One string per unit; joined they are the alignment text.

    Example:
        >>> alignment_pieces("SO -- HELP!", [Unit("SO", 0, 2), Unit("HELP!", 6, 10)])
        ['so', ' help!']
        >>> alignment_pieces("2 + 2 -- ok", [Unit("2", 0, 1), Unit("2", 4, 5), Unit("ok", 9, 11)])
        ['2 +', ' 2', ' ok']
    """
    texts = ["".join("?" if c == "\ufffd" or "\ud800" <= c <= "\udfff" else c for c in u.text) for u in units]
    if "".join(texts).isupper():
        texts = [_lower(text) for text in texts]
    gaps = [transcript[a.end : b.start] for a, b in itertools.pairwise(units)]
    spaces = ["", *(" " if any(map(str.isspace, gap)) else "" for gap in gaps)]
    if not units:
        return []
    before, *behind = map(_standing, [" " + transcript[: units[0].start], *gaps, transcript[units[-1].end :] + " "])
    pieces = [space + text + symbols for space, text, symbols in zip(spaces, texts, behind, strict=True)]
    return [f"{before} {pieces[0]}".lstrip(), *pieces[1:]]


def _standing(gap: str) -> str:
    """Return the symbols that are spoken and stand between spaces in what lies between two units."""
    words = gap.split()
    # What no space parts from a unit belongs to its text.
    apart = words[not gap[:1].isspace() : len(words) - (not gap[-1:].isspace())]
    return "".join(f" {word}" for word in apart if all(map(is_spoken_symbol, word)))


def is_spoken_symbol(character: str) -> bool:
    """Tell whether a character that is no letter or digit is read aloud, as % and $ are.

    Example:
        >>> [is_spoken_symbol(c) for c in "%€+,-~"]
        [True, True, True, False, False, False]
    """
    return character in _SPOKEN or unicodedata.category(character) == "Sc"


def _lower(text: str) -> str:
    """Lower-case character by character, keeping those that would change the length."""
    return "".join(low if len(low := c.lower()) == 1 else c for c in text)


def join_pieces(pieces: Sequence[str], leading: str) -> tuple[str, list[tuple[int, int]]]:
    """Join pieces to one text and find the core of each, from the first to the last character that is spoken.

    Args:
        pieces: at least one, as `alignment_pieces` returns, or a part of it.
        leading: what the text starts with, in place of the first piece's own space.

    Returns:
        The text and the character span of each piece's core in it, punctuation excluded.
    """
    text = leading
    spans = []
    for i, piece in enumerate(pieces):
        piece = piece.lstrip() if i == 0 else piece
        start, end = _core(piece)
        spans.append((len(text) + start, len(text) + end))
        text += piece
    return text, spans


def _core(text: str) -> tuple[int, int]:
    """Return the span of what is spoken of a piece's unit: the word with letters or digits; others stand beside it."""
    words = list(_WORD.finditer(text))
    word = next((w for w in words if any(map(str.isalnum, w.group()))), None)
    if word is None:
        return len(text) - len(text.lstrip()), len(text)
    found = [i for i in range(*word.span()) if text[i].isalnum() or is_spoken_symbol(text[i])]
    if _MINUS.match(text, word.start()):
        found.insert(0, word.start())
    end = found[-1] + 1
    while end < len(text) and unicodedata.category(text[end]).startswith("M"):
        end += 1
    return found[0], end


@dataclass(frozen=True)
class Piece:
    """Characters [first, last) of a text, spoken from `start` to `end` seconds, and how sure that is, 0 to 1."""

    first: int
    last: int
    start: float
    end: float
    confidence: float | None = None


def place_pieces(
    text: str, timed: Sequence[tuple[int, float, float]], confidences: Sequence[float] | None = None
) -> list[Piece]:
    """Lay timed pieces, which cover a text without gaps, over its characters.

    Lengths are counted in bytes because Whisper's tokens are bytes: a piece of one may be part of a
    character.

    Args:
        text: the whole text.
        timed: (length in UTF-8 bytes, start, end) of every piece in order.
        confidences: of every piece, None where they are not known.

    Returns:
        The pieces without the white space around them, which has no time of its own; empty ones left out.
    """
    char_ends = np.cumsum([len(c.encode("utf-8")) for c in text])
    edges = np.searchsorted(char_ends, np.cumsum([0, *(n for n, _, _ in timed)]), side="right")
    pieces = []
    sure = confidences if confidences is not None else [None] * len(timed)
    for (_, start, end), confidence, first, last in zip(
        timed, sure, edges[:-1].tolist(), edges[1:].tolist(), strict=True
    ):
        part = text[first:last]
        first += len(part) - len(part.lstrip())
        last -= len(part) - len(part.rstrip())
        if first < last:
            pieces.append(Piece(first, last, float(start), float(max(start, end)), confidence))
    return pieces


def span_times(spans: Sequence[tuple[int, int]], pieces: Sequence[Piece]) -> list[Span]:
    """Return when each character span is spoken, time running evenly through the characters of a piece.

    Args:
        spans: character spans, not empty ones.
        pieces: at least one, as `place_pieces` returns.

    Returns:
        (start, end) per span: from the start of its first character to the end of its last.

    Example:
        >>> span_times([(0, 2), (2, 4), (5, 6)], [Piece(0, 4, 1.0, 2.0), Piece(5, 6, 3.0, 4.0)])
        [(1.0, 1.5), (1.5, 2.0), (3.0, 4.0)]
    """
    firsts = [piece.first for piece in pieces]

    def time(char: int, edge: int) -> float:
        piece = pieces[max(0, int(np.searchsorted(firsts, char, side="right")) - 1)]
        share = min(1.0, max(0.0, (edge - piece.first) / (piece.last - piece.first)))
        return piece.start + share * (piece.end - piece.start)

    return [(time(first, first), time(last - 1, last)) for first, last in spans]


def span_confidences(spans: Sequence[tuple[int, int]], pieces: Sequence[Piece]) -> list[float | None]:
    """Return how sure each character span is: the mean of the pieces that have a part in it, rounded to 4 decimals.

    Args:
        spans: character spans.
        pieces: as `place_pieces` returns.

    Returns:
        None for a span without a piece that has a confidence.

    Example:
        >>> span_confidences([(0, 4), (5, 6)], [Piece(0, 2, 0, 1, 0.5), Piece(2, 4, 1, 2, 1.0), Piece(5, 6, 2, 3)])
        [0.75, None]
    """
    found = []
    for first, last in spans:
        inside = [p.confidence for p in pieces if p.first < last and first < p.last and p.confidence is not None]
        found.append(round(sum(inside) / len(inside), 4) if inside else None)
    return found


# ---- matching recognised words with the transcript's -------------------------------------------------------


def normalise(word: str) -> str:
    """Reduce a word to what must agree: its letters and digits, without case and width."""
    return "".join(c for c in unicodedata.normalize("NFKC", word).casefold() if c.isalnum())


def match_words(reference: Sequence[str], hypothesis: Sequence[str]) -> list[int]:
    """Match words by edit distance.

    Among the alignments with the fewest edits the one with the fewest substitutions is taken, hence with the
    most equal words: "a b c d" and "a x d e" are three edits apart in two ways, and only one joins d with d.

    Args:
        reference: words of the transcript, normalised.
        hypothesis: recognised words, normalised.

    Returns:
        For every reference word the index of the hypothesis word that it equals or is substituted by, else
        -1.

    Example:
        >>> match_words("a b c d".split(), "a x d e".split())
        [0, -1, 1, 2]
    """
    num_ref, num_hyp = len(reference), len(hypothesis)
    gap = num_ref + num_hyp + 1  # one edit outweighs any number of substitutions, which cost 1 more each
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys([*reference, *hypothesis]))}
    hyp = np.array([vocabulary[word] for word in hypothesis], dtype=np.int64)
    columns = np.arange(num_hyp + 1) * gap
    cost = np.empty((num_ref + 1, num_hyp + 1), dtype=np.int64)
    cost[0] = columns
    for i, word in enumerate(reference, start=1):
        row = cost[i - 1] + gap
        row[1:] = np.minimum(row[1:], cost[i - 1, :-1] + np.where(hyp == vocabulary[word], 0, gap + 1))
        # Insertions run along the row: the cheapest start plus `gap` per step, as one running minimum.
        cost[i] = np.minimum.accumulate(row - columns) + columns
    return _backtrace(cost, [vocabulary[word] for word in reference], hyp.tolist(), gap)


def _backtrace(cost: np.ndarray, reference: Sequence[int], hypothesis: Sequence[int], gap: int) -> list[int]:
    matched = [-1] * len(reference)
    i, j = len(reference), len(hypothesis)
    while i and j:
        step = 0 if reference[i - 1] == hypothesis[j - 1] else gap + 1
        if cost[i, j] == cost[i - 1, j - 1] + step:
            i, j = i - 1, j - 1
            matched[i] = j
        elif cost[i, j] == cost[i - 1, j] + gap:
            i -= 1
        else:
            j -= 1
    return matched


def fill_gaps(spans: Sequence[Span | None], duration: float) -> list[Span]:
    """Give words without times the free time between their neighbours, in equal shares.

    Args:
        spans: (start, end) of every word, None where unknown.
        duration: end of the time that the last words may take.

    Returns:
        A span for every word.

    Example:
        >>> fill_gaps([None, (2.0, 3.0), None, None], 4.0)
        [(0.0, 2.0), (2.0, 3.0), (3.0, 3.5), (3.5, 4.0)]
    """
    known = [i for i, span in enumerate(spans) if span is not None]
    filled: list[Span] = []
    for a, b in zip([-1, *known], [*known, len(spans)], strict=True):
        before, after = (None if a < 0 else spans[a]), (None if b == len(spans) else spans[b])
        if before is not None:
            filled.append(before)
        start = before[1] if before is not None else 0.0
        end = max(start, after[0] if after is not None else duration)
        edges = np.linspace(start, end, b - a)
        filled.extend((float(x), float(y)) for x, y in itertools.pairwise(edges))
    return filled


def spread(pieces: Sequence[str], duration: float) -> list[Span]:
    """Share the time from 0 to `duration` among pieces of text in proportion to their characters."""
    edges = np.concatenate([[0], np.cumsum([max(1, len(piece.strip())) for piece in pieces])])
    times = (edges * (duration / edges[-1])).tolist()
    return list(itertools.pairwise(times))
