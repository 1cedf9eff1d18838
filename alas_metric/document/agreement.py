"""How far two sources of word times are apart: by the borders where one word ends and the next one begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from alas_metric.document.paths import WordTiming, word_boundaries

FAR = 0.1
"""Seconds by which a border is far from another: two to five positions of usual speech LLMs."""


def border_distances(first: Sequence[WordTiming], second: Sequence[WordTiming]) -> np.ndarray:
    """Return how far each border between two words is from the other source's, in seconds, shape ``(N - 1,)``.

    Args:
        first: times of N words.
        second: times of the same words.

    Raises:
        ValueError: If the numbers of words differ.

    Example:
        >>> one = [WordTiming("a", 0.0, 0.4), WordTiming("b", 0.6, 1.0)]
        >>> border_distances(one, [WordTiming("a", 0.0, 0.75), WordTiming("b", 0.75, 1.0)])
        array([0.25])
    """
    if len(first) != len(second):
        raise ValueError(f"expected times of the same words, got {len(first)} and {len(second)} words")
    return np.abs(word_boundaries(first) - word_boundaries(second))


def far_words(distances: np.ndarray, limit: float = FAR) -> np.ndarray:
    """Return which words have a border that is far from the other source's, shape ``(N,)``.

    Args:
        distances: of the borders, ``(N - 1,)``.
        limit: in seconds.

    Example:
        >>> far_words(np.array([0.01, 0.2, 0.01]))
        array([False,  True,  True, False])
    """
    far = distances > limit
    return np.append(far, False) | np.append(False, far)


def disagreement(references: Mapping[str, Sequence[WordTiming]], name: str) -> float | None:
    """Return how far the borders of one source are from those of all others, the mean in seconds.

    Args:
        references: word times of one document by the name of their source.
        name: the one.

    Returns:
        None where there is no other source, or no border.
    """
    others = [border_distances(references[name], words) for other, words in references.items() if other != name]
    distances = np.concatenate(others) if others else np.zeros(0)
    return float(distances.mean()) if len(distances) else None
