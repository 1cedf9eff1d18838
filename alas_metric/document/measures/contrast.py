"""Contrast: how much more similar a word is to its own stretch of audio than to the other words' stretches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alas_metric.document.measure import Layers, Measure, brief
from alas_metric.document.metric import Metric, mean
from alas_metric.document.similarity import FORMS
from alas_metric.document.timeline import Timeline


class Contrast(Measure):
    """The mean similarity over the cells of the stretches minus that over all other cells of the spoken positions."""

    name = "contrast"
    needs_times = True

    def __call__(self, layers: Layers, timeline: Timeline) -> dict[str, Any]:
        """Return differences, float ``(layers,)``; nothing where there is no other cell."""
        words, positions = timeline.cells
        spoken = np.zeros(timeline.num_frames, np.float32)
        spoken[positions] = 1
        others = timeline.num_words * np.count_nonzero(spoken) - len(words)
        if not others:
            return {}
        values = layers.similarity_on_host
        own = values[..., words, positions].sum(axis=-1, dtype=np.float64)
        every = (values @ spoken).sum(axis=-1, dtype=np.float64)
        return dict(zip(FORMS, brief(own / len(words) - (every - own) / others).T, strict=True))

    def columns(self, found: Mapping[str, np.ndarray], timeline: Timeline) -> dict[str, Any]:
        """Return the differences as they are."""
        return {f"contrast_{form}": found[form] for form in FORMS if form in found}


MEASURE = Contrast()
ROWS = (
    Metric(
        "contrast",
        "Contrast",
        mean("contrast_{form}"),
        "similarity of words to the positions where they are spoken, minus that to the other words' positions",
        direction="higher",
        unit="cosine",
        form="raw",
        curve=True,
    ),
)
