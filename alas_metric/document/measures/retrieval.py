"""Retrieval: is a word's own stretch of audio the most similar of all stretches, and the other way round?

Word i is compared with the mean audio vector of each word's stretch of positions (`Timeline.stretches`), by the cosine
of centred vectors, N x N. Works with fewer positions than words too, where paths swap roles. A guess finds one word of
N.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from alas_metric.document.measure import Layers, Measure
from alas_metric.document.metric import GUESSING, Metric, ratio, skill
from alas_metric.document.similarity import ROUNDING
from alas_metric.document.timeline import Timeline


class Retrieval(Measure):
    """Hits of words and of stretches of audio, see `retrieval_hits`."""

    name = "retrieval"
    needs_times = True
    needs_vectors = True
    needed = ("hits",)

    def __call__(self, layers: Layers, timeline: Timeline) -> dict[str, Any]:
        """Return hits, float ``(layers,)``."""
        if timeline.num_words < 2:
            return {}
        return {"hits": retrieval_hits(layers.cosines(timeline)[:, 0, 1])}

    def columns(self, found: Mapping[str, np.ndarray], timeline: Timeline) -> dict[str, Any]:
        """Return hits, what they are above the one that a guess finds, and how many there can be."""
        num_words = float(timeline.num_words)
        return {
            "retrieval_hits": found["hits"],
            "retrieval_gain": found["hits"] - 1,
            "retrieval_words": num_words,
            "retrieval_gain_possible": num_words - 1,
        }

    def limits(self, num_words: int, num_frames: int) -> tuple[float, float]:
        """Return 0 and the number of words."""
        return 0.0, float(num_words)


def retrieval_hits(cosines: npt.ArrayLike) -> np.ndarray:
    """Return half of the words whose best stretch is their own plus half of the stretches whose best word is their own.

    Args:
        cosines: of each word with each stretch, shape ``(..., N, N)``.

    Returns:
        Shape ``(...)``, 0 to N. One of n that are best, but for `ROUNDING`, counts 1 / n.

    Example:
        >>> retrieval_hits([[0.9, 0.1], [0.8, 0.2]]).tolist()  # both words want the first stretch; stretches are right
        1.5
    """
    values = np.asarray(cosines)
    own = np.diagonal(values, axis1=-2, axis2=-1)
    halves = [
        np.where(own >= best, 1 / ties, 0.0).sum(axis=-1)
        for best, ties in map(_best, (values, np.swapaxes(values, -1, -2)))
    ]
    return np.asarray((halves[0] + halves[1]) / 2)


def _best(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return from where on an entry of each row counts as its best, and how many do."""
    best = values.max(axis=-1) - ROUNDING
    return best, (values >= best[..., None]).sum(axis=-1)


MEASURE = Retrieval()
ROWS = (
    Metric(
        "retrieval_accuracy",
        "Retrieval accuracy",
        ratio("retrieval_hits", "retrieval_words"),
        "words whose own stretch of audio is the most similar of all words' stretches, and stretches whose word is",
        direction="higher",
        unit="share",
        curve=True,
        baselines={GUESSING: skill("retrieval_gain_possible", "retrieval_words")},
    ),
    Metric(
        "retrieval_skill",
        "Retrieval skill",
        ratio("retrieval_gain", "retrieval_gain_possible"),
        "retrieval_accuracy above guessing: 1 perfect, 0 guessing; needs no path",
        direction="higher",
        curve=True,
        zero=GUESSING,
        column="Retrieval",
        headline=True,
        shown=True,
    ),
)
