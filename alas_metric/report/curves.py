"""Layer curves of one run with their baselines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from alas_metric.corpus.metrics import METRICS
from alas_metric.document.scores import DocumentScores
from alas_metric.figures.figures import (
    GUESSING,
    LINEAR,
    RANDOM,
    SHIFTED,
    Baseline,
    layer_curves,
)
from alas_metric.figures.style import metric_name

CURVES = (
    "alas",
    "alas_swapped",
    "alas_seconds",
    "alas_matrix",
    "alas_skill",
    "alas_evidence",
    "frame_accuracy",
    "frame_skill",
)
"""Metrics that are drawn over layers, each also on centred states; the others are baselines of these."""
UNFILTERED = ("alas_all", "alas_skill_all")
Documents = Mapping[str, Sequence[DocumentScores]]
"""Documents by population of `METRICS`: ``kept`` and ``scorable``."""
ZERO = {
    "alas_skill": RANDOM,
    "alas_skill_all": RANDOM,
    "alas_evidence": SHIFTED,
    "frame_skill": GUESSING,
}
"""What a value of 0 means."""


def curve_figures(
    curves: Mapping[str, Any], documents: Documents | None = None, best_layer: int | None = None
) -> Iterator[tuple[str, str, Figure]]:
    """Yield the name, the caption and the figure of every layered metric that has values.

    Args:
        curves: the value of ``layers``, see `summarise`.
        documents: by population; some baselines are drawn only with them.
        best_layer: is marked.
    """
    for key in [name for plain in CURVES for name in (plain, f"{plain}_centred")] + list(UNFILTERED):
        curve = curves.get(key)
        if curve is not None and any(value is not None for value in curve["values"]):
            figure = layer_curves(curve, key, baselines(key, curves, documents), best_layer)
            yield f"layers_{key}", f"{metric_name(key)} over layers: {METRICS[key].description}.", figure


def baselines(key: str, curves: Mapping[str, Any], documents: Documents | None = None) -> list[Baseline]:
    """Return what a metric is to be compared with: a random monotone path, shifted audio, a constant rate, guessing.

    Args:
        key: of `METRICS`.
        curves: the value of ``layers``, see `summarise`.
        documents: by population; without them some baselines are unknown.
    """
    members = (documents or {}).get(METRICS[key].population, ())
    plain, suffix = key.removesuffix("_centred"), "_centred" if METRICS[key].centred else ""
    form = suffix or "_raw"
    if plain == "alas":
        names = {RANDOM: "alas_uniform", LINEAR: "alas_linear", SHIFTED: f"alas_chance{suffix}"}
        lines = [Baseline(label, curves.get(name, {}).get("values", [])) for label, name in names.items()]
    elif plain in ("alas_all", "alas_seconds"):
        names = {RANDOM: "alas_uniform", LINEAR: "alas_linear", SHIFTED: "alas_chance_raw"}
        if plain == "alas_seconds":
            names = {RANDOM: "alas_seconds_uniform", SHIFTED: f"alas_seconds_chance{form}"}
        lines = [Baseline(label, _mean_column(members, name)) for label, name in names.items()]
    elif plain == "frame_accuracy":
        lines = [Baseline(GUESSING, _guessing(members))]
    else:
        lines = [Baseline(ZERO[plain], 0.0)] if plain in ZERO else []
    return [line for line in lines if _is_defined(line.values)]


def _is_defined(values: Sequence[float | None] | float) -> bool:
    return isinstance(values, int | float) or any(value is not None for value in values)


def _mean_column(documents: Iterable[DocumentScores], name: str) -> list[float | None]:
    """Return the mean of a column over the documents that have it."""
    columns = [scores.columns[name] for scores in documents if name in scores.columns]
    return np.mean(columns, axis=0).tolist() if columns else []


def _guessing(documents: Iterable[DocumentScores]) -> list[float | None]:
    """Return the frame accuracy of guessing a word at random."""
    columns = [scores.columns for scores in documents if "frame_gain_possible" in scores.columns]
    positions = sum(float(column["frame_positions"][0]) for column in columns)
    possible = sum(float(column["frame_gain_possible"][0]) for column in columns)
    return [1 - possible / positions] * len(columns[0]["frame_positions"]) if positions else []
