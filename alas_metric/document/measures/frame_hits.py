"""Frame identification: over the positions inside a word, is the most similar word the one being spoken?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from alas_metric.document.measure import Layers, Measure
from alas_metric.document.metric import GUESSING, Metric, ratio, skill
from alas_metric.document.similarity import FORMS
from alas_metric.document.timeline import Timeline


class FrameHits(Measure):
    """Hits by form of similarity, see `frame_hits`."""

    name = "frame_hits"
    needs_times = True

    def __call__(self, layers: Layers, timeline: Timeline) -> dict[str, Any]:
        """Return hits, float ``(layers,)``."""
        return dict(zip(FORMS, frame_hits(layers.similarity_on_host, timeline).T, strict=True))

    def columns(self, found: Mapping[str, np.ndarray], timeline: Timeline) -> dict[str, Any]:
        """Return frame hits and, with more than one word, what they are above guessing."""
        count, guess = float(timeline.spoken.sum()), 1 / timeline.num_words
        columns: dict[str, Any] = {f"frame_hits_{form}": hits for form, hits in found.items()}
        columns["frame_positions"] = count
        if timeline.num_words > 1:
            columns |= {f"frame_gain_{form}": hits - count * guess for form, hits in found.items()}
            columns["frame_gain_possible"] = count * (1 - guess)
        return columns

    def limits(self, num_words: int, num_frames: int) -> tuple[float, float]:
        """Return 0 and the number of positions."""
        return 0.0, float(num_frames)


def frame_hits(similarity: npt.ArrayLike, timeline: Timeline) -> np.ndarray:
    """Return over how many positions the most similar word is the one being spoken.

    Args:
        similarity: shape ``(..., N, T)``.
        timeline: of the document.

    Returns:
        Sum over the positions whose centre lies inside a word, shape ``(...)``. A position gives 1 if the
        word is the only most similar one and 1 / n if it is one of n.
    """
    values = np.asarray(similarity)
    inside, owners = timeline.spoken, timeline.owners
    best = values.max(axis=-2)
    ties = (values == best[..., None, :]).sum(axis=-2, dtype=np.int32)
    # Selected only now: selecting positions from all words would copy everything, and in an order that is slow to read.
    chosen = values[..., owners[inside], np.flatnonzero(inside)]
    return np.where(chosen == best[..., inside], 1.0 / np.maximum(ties[..., inside], 1), 0.0).sum(axis=-1)


MEASURE = FrameHits()
ROWS = (
    Metric(
        "frame_accuracy",
        "Frame accuracy",
        ratio("frame_hits_{form}", "frame_positions"),
        "positions whose most similar word is the one being spoken",
        direction="higher",
        unit="share",
        form="standardised",
        curve=True,
        baselines={GUESSING: skill("frame_gain_possible", "frame_positions")},
        shown=True,
    ),
    Metric(
        "frame_skill",
        "Frame skill",
        ratio("frame_gain_{form}", "frame_gain_possible"),
        "frame_accuracy above guessing: 1 perfect, 0 guessing",
        direction="higher",
        form="standardised",
        curve=True,
        zero=GUESSING,
        column="Frame skill",
        headline=True,
        shown=True,
    ),
)
