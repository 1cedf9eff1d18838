"""Windows of at most 30 s, cut in pauses."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from model_patches.reference.matching import Span

# ---- windows -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """Words [first, last), to be found between `start` and `end` seconds."""

    first: int
    last: int
    start: float
    end: float


def windows(
    spans: Sequence[Span],
    sizes: Sequence[int],
    duration: float,
    *,
    max_size: int,
    max_seconds: float = 25.0,
    reach: float = 2.0,
) -> list[Window]:
    """Group roughly placed words into windows that one alignment can take, cut at the pauses between words.

    Args:
        spans: rough (start, end) of every word, ordered.
        sizes: number of tokens of every word.
        duration: length of the audio.
        max_size: largest number of tokens in a window.
        max_seconds: longest time from the start of a window's first word to the end of its last.
        reach: seconds of audio taken before the first and after the last word, at most up to the next cut.

    Returns:
        Windows that hold every word once and whose audio does not overlap. A word that alone is larger or
        longer than allowed has a window of its own, with at most ``max_seconds + 2 * reach`` of audio.
    """
    cuts = [0]
    while cuts[-1] < len(spans):
        cuts.append(_cut(spans, sizes, cuts[-1], max_size, max_seconds))
    borders = [0.0, *(_pause(spans, cut)[0] for cut in cuts[1:-1]), duration]
    result = []
    for k, (first, last) in enumerate(itertools.pairwise(cuts)):
        start = max(borders[k], spans[first][0] - reach)
        end = min(borders[k + 1], spans[last - 1][1] + reach, start + max_seconds + 2 * reach)
        result.append(Window(first, last, start, max(start, end)))
    return result


def _cut(spans: Sequence[Span], sizes: Sequence[int], first: int, max_size: int, max_seconds: float) -> int:
    """Return the word before which the window that starts at word `first` ends."""
    last, size = first + 1, sizes[first]
    while last < len(spans) and size + sizes[last] <= max_size:
        if spans[last][1] - spans[first][0] > max_seconds:
            break
        size += sizes[last]
        last += 1
    if last == len(spans):
        return last
    # In the first half a cut would leave windows small; of equal pauses the latest leaves them large.
    return max(range(first + max(1, (last - first + 1) // 2), last + 1), key=lambda k: (_pause(spans, k)[1], k))


def _pause(spans: Sequence[Span], word: int) -> tuple[float, float]:
    """Return middle and length of the pause before a word."""
    end, start = spans[word - 1][1], spans[word][0]
    return (end + start) / 2, start - end
