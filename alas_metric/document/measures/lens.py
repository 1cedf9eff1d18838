"""Lens: can a word be read off its stretch of audio, in a layer, by the model's own output head?

What the final norm and the output head make of the hidden states at the audio positions (the logit lens,
nostalgebraist 2020, https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru) is a ranking of the vocabulary at each
position. A word counts as read where its first token, as the text prompt has it, is among the k largest at some
position of its stretch; the chance control looks at the positions shifted circularly. Given by option, since it takes
the head's product for every layer and position.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from alas_metric.document.measure import Layers, Measure
from alas_metric.document.metric import SHIFTED, Metric, Sums, ratio
from alas_metric.document.similarity import on_host
from alas_metric.document.timeline import Timeline


class Lens(Measure):
    """Words that are read off their own stretches, and off those that the shifted positions make of them."""

    name = "lens"
    needs_times = True
    needed = ("hits", "shifted")

    def __call__(self, layers: Layers, timeline: Timeline) -> dict[str, Any]:
        """Return both counts, float ``(layers,)``; nothing where a single position cannot be shifted."""
        if layers.readable is None or not timeline.shift:
            return {}
        readable = on_host(layers.readable)
        shifted = np.roll(readable, timeline.shift, axis=-1)
        pairs = zip(self.needed, (readable, shifted), strict=True)
        return {name: words_read(found, timeline).sum(axis=-1, dtype=np.float64) for name, found in pairs}

    def columns(self, found: Mapping[str, np.ndarray], timeline: Timeline) -> dict[str, Any]:
        """Return the counts and the number of words."""
        return {
            "lens_hits": found["hits"],
            "lens_shifted": found["shifted"],
            "lens_words": float(timeline.num_words),
        }

    def limits(self, num_words: int, num_frames: int) -> tuple[float, float]:
        """Return 0 and the number of words."""
        return 0.0, float(num_words)


def words_read(readable: npt.ArrayLike, timeline: Timeline) -> np.ndarray:
    """Return whether each word can be read at some position of its stretch.

    Args:
        readable: whether each position reads as each word, bool ``(..., N, T)``.
        timeline: when the words are spoken.

    Returns:
        Bool, ``(..., N)``.
    """
    return np.asarray((np.asarray(readable) & (timeline.averaging > 0)).any(axis=-1))


def _above(hits: Any, shifted: Any, words: Any) -> Any:
    return (hits - shifted) / words


MEASURE = Lens()
_CHANCE = ratio("lens_shifted", "lens_words")
_OPTION = "alas_lens=k"
ROWS = (
    Metric(
        "lens_recall",
        "Lens recall",
        ratio("lens_hits", "lens_words"),
        "words whose first token is among the k largest that final norm and output head give at a position of their "
        "stretch; asked for by alas_lens",
        direction="higher",
        unit="share",
        curve=True,
        baselines={SHIFTED: _CHANCE},
        option=_OPTION,
    ),
    Metric(
        "lens_recall_chance",
        "Lens recall on shifted audio",
        _CHANCE,
        "lens_recall on circularly shifted audio",
        unit="share",
        option=_OPTION,
    ),
    Metric(
        "lens_evidence",
        "Lens evidence",
        Sums(("lens_hits", "lens_shifted", "lens_words"), _above),
        "lens_recall minus lens_recall_chance: 0 no more than on shifted audio",
        direction="higher",
        unit="share",
        curve=True,
        zero=SHIFTED,
        option=_OPTION,
    ),
)
