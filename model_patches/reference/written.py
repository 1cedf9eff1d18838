"""Written words and the pieces that are spoken for them: ``well-known`` is well and known, ``1999`` three words.

Equal words are matched first, by edit distance. What lies between two matches is a block of a few written and a few
spoken words; in it every written word takes the run of spoken ones that is closest by characters, or several written
words share one. A number is spoken in words that share no character with it, so that it rather takes all that nobody
else takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from alas_metric.document.paths import WordTiming
from alas_metric.document.units import Unit, split_units
from model_patches.reference.matching import Span, fill_gaps, match_words, normalise, ordered

_MAX_RUN = 20  # spoken words for one written
_MAX_SHARED = 6  # written words for one spoken
_ALIKE = 0.25  # edits for each character with which several written words may be one spoken
_MAX_BLOCK = 400  # pairs; in larger blocks the texts differ too much for anything but pairs
_LEFT_OUT = {True: 1.05, False: 0.9}
"""What a character costs of a spoken word that no written one takes, with and without numbers in the block."""

Run = tuple[int, int, int, int]
"""Written words [first, last) that are spoken as the words [first, last)."""


SILENCES = frozenset({"", "sil", "sp", "spn", "nsn", "ssil", "pau", "eps", "h#", "#", "_", "silence", "!sil", "-sil-"})
"""What aligners call what is no word, in lower case; between brackets they do not count as words anyway."""


def times_of_units(words: Sequence[WordTiming], units: Sequence[Unit], duration: float) -> list[Span] | None:
    """Give a data set's word timestamps to the units of the transcript.

    Entries without a unit (``--``) and labels of silence are passed over, and an entry of several units is divided
    evenly. A unit for which several entries stand has the time from the first one's start to the last one's end; units
    without any lie between their neighbours.

    Args:
        words: word timestamps, finite, in order.
        units: the transcript's units.
        duration: length of the audio in seconds.

    Returns:
        (start, end) of each unit; None where fewer than half of the units that have no digits stand among the words:
        those are the timestamps of something else.
    """
    parts = [part for word in without_silences(words, units) for part in _parts(word)]
    reference = [normalise(unit.text) or "\0reference" for unit in units]
    hypothesis = [normalise(part.word) or "\0hypothesis" for part in parts]
    if reference == hypothesis:
        return [(part.start, part.end) for part in parts]
    spans = ordered([(part.start, part.end) for part in parts], duration)
    found, num_equal = spans_of_written(reference, hypothesis, spans)
    if 2 * num_equal < sum(not is_number(unit.text) for unit in units) or not any(found):
        return None
    return fill_gaps(found, duration)


def without_silences(words: Sequence[WordTiming], units: Sequence[Unit] = ()) -> list[WordTiming]:
    """Return the entries that are no label of silence, unless the transcript has that very word."""
    said = {normalise(unit.text) for unit in units}
    return [word for word in words if word.word.strip().lower() not in SILENCES or normalise(word.word) in said]


def _parts(word: WordTiming) -> list[WordTiming]:
    """Return the units of one entry, its time divided evenly."""
    texts = [unit.text for unit in split_units(word.word)]
    step = (word.end - word.start) / max(1, len(texts))
    return [WordTiming(text, word.start + i * step, word.start + (i + 1) * step) for i, text in enumerate(texts)]


def spans_of_written(
    written: Sequence[str], spoken: Sequence[str], spans: Sequence[Span]
) -> tuple[list[Span | None], int]:
    """Return when written words are spoken.

    Args:
        written: words of a transcript.
        spoken: words as they were timed, in order.
        spans: (start, end) of each of these.

    Returns:
        (start, end) of each written word, from the start of its first piece to the end of its last, None where nothing
        is spoken for it; and how many of them are spelled as they are spoken.

    Example:
        >>> spans_of_written(["a", "well-known", "year,", "1999"], "a well known year nineteen ninety nine".split(),
        ...                  [(i, i + 1) for i in range(7)])
        ([(0, 1), (1, 3), (3, 4), (4, 7)], 3)
    """
    reference = [normalise(word) or "\0written" for word in written]
    hypothesis = [normalise(word) or "\0spoken" for word in spoken]
    found: list[Span | None] = [None] * len(written)
    num_equal = 0
    for first, last, begin, end in _runs(reference, hypothesis):
        shared = _shares(reference[first:last], (spans[begin][0], spans[end - 1][1]))
        found[first:last] = shared
        if "".join(reference[first:last]) == "".join(hypothesis[begin:end]):
            num_equal += last - first
    return found, num_equal


def is_number(word: str) -> bool:
    """Tell whether a word holds digits, so that how it is spoken cannot be told by its characters."""
    return any(character.isdigit() for character in word)


def _shares(written: Sequence[str], span: Span) -> list[Span]:
    """Divide a span among written words by their characters."""
    if len(written) == 1:
        return [span]
    edges = list(itertools.accumulate((len(word) for word in written), initial=0))
    scale = (span[1] - span[0]) / edges[-1]
    return [(span[0] + a * scale, span[0] + b * scale) for a, b in itertools.pairwise(edges)]


def _runs(reference: Sequence[str], hypothesis: Sequence[str]) -> Iterator[Run]:
    """Yield what is spoken for what: equal words, and the runs of the blocks between them."""
    matched = match_words(reference, hypothesis)
    equal = [(i, j) for i, j in enumerate(matched) if j >= 0 and reference[i] == hypothesis[j]]
    for (i, j), (after, behind) in itertools.pairwise([(-1, -1), *equal, (len(reference), len(hypothesis))]):
        if i >= 0:
            yield i, i + 1, j, j + 1
        first, begin = i + 1, j + 1
        if (after - first) * (behind - begin) > _MAX_BLOCK:
            yield from ((k, k + 1, matched[k], matched[k] + 1) for k in range(first, after) if matched[k] >= 0)
        elif first < after and begin < behind:
            block = _block(reference[first:after], hypothesis[begin:behind])
            yield from ((first + a, first + b, begin + c, begin + d) for a, b, c, d in block)


def _block(written: Sequence[str], spoken: Sequence[str]) -> list[Run]:
    """Return the runs of a block with the fewest edits, by dynamic programming over both."""
    left_out = _LEFT_OUT[any(map(is_number, written))]
    ratio = sum(map(len, spoken)) / sum(map(len, written))
    costs: dict[tuple[int, int], tuple[float, Run | None, tuple[int, int]]] = {(0, 0): (0.0, None, (0, 0))}

    def offer(place: tuple[int, int], cost: float, run: Run | None, origin: tuple[int, int]) -> None:
        if place not in costs or cost < costs[place][0]:
            costs[place] = (cost, run, origin)

    for i, j in itertools.product(range(len(written) + 1), range(len(spoken) + 1)):
        cost = costs[i, j][0]
        if j < len(spoken):
            offer((i, j + 1), cost + left_out * len(spoken[j]), None, (i, j))
        if i == len(written):
            continue
        offer((i + 1, j), cost + len(written[i]) + 0.5, None, (i, j))
        for end, edits, length in _distances(written[i], spoken[j : j + _MAX_RUN]):
            uneven = 1e-3 * abs(length - ratio * len(written[i]))
            offer((i + 1, j + end), cost + edits + uneven, (i, i + 1, j, j + end), (i, j))
        if j < len(spoken):
            for end, edits, length in _distances(spoken[j], written[i : i + _MAX_SHARED]):
                if end > 1 and edits <= _ALIKE * length:  # else one of them is what was heard
                    offer((i + end, j + 1), cost + edits, (i, i + end, j, j + 1), (i, j))
    runs, place = [], (len(written), len(spoken))
    while place != (0, 0):
        _, run, place = costs[place]
        runs += [run] if run else []
    return runs[::-1]


def _distances(whole: str, pieces: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Yield, for one piece, two, ...: how many, how many edits from them to ``whole``, how many characters."""
    row, length = list(range(len(whole) + 1)), 0
    for number, piece in enumerate(pieces, 1):
        for character in piece:
            diagonal, row[0] = row[0], row[0] + 1
            for k, wanted in enumerate(whole, 1):
                diagonal, row[k] = row[k], min(row[k] + 1, row[k - 1] + 1, diagonal + (character != wanted))
        length += len(piece)
        yield number, row[-1], length
