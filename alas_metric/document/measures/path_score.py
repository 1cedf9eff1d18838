"""Path score: how similar words and audio positions are along the path that was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alas_metric.document.measure import Layers, Measure, brief
from alas_metric.document.metric import Metric, mean
from alas_metric.document.similarity import FORMS
from alas_metric.document.timeline import Timeline


class PathScore(Measure):
    """The mean similarity along the path, by form."""

    name = "path_score"
    needs_times = False

    def __call__(self, layers: Layers, timeline: Timeline) -> dict[str, Any]:
        """Return means, float ``(layers,)``."""
        axis = -1 if timeline.swapped else -2
        along = np.take_along_axis(layers.similarity_on_host, np.expand_dims(layers.paths, axis), axis)
        return dict(zip(FORMS, brief(along.mean(axis=(-2, -1), dtype=np.float64)).T, strict=True))

    def columns(self, found: Mapping[str, np.ndarray], timeline: Timeline) -> dict[str, Any]:
        """Return the means as they are."""
        return {f"path_score_{form}": found[form] for form in FORMS if form in found}


MEASURE = PathScore()
ROWS = (
    Metric(
        "path_score",
        "Path score",
        mean("path_score_{form}"),
        "mean similarity of words and positions along the path that was found",
        direction="higher",
        unit="cosine",
        form="raw",
        curve=True,
    ),
)
