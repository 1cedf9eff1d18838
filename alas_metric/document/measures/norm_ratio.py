"""Norm ratio: how long the vectors of audio are beside those of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from alas_metric.document.measure import Layers, Measure, brief
from alas_metric.document.metric import Metric, ratio
from alas_metric.document.similarity import on_host
from alas_metric.document.timeline import Timeline


class NormRatio(Measure):
    """The logarithm of the length of a word's stretch of audio over that of the word, summed over words."""

    name = "norm_ratio"
    needs_times = True
    needs_vectors = True
    needed = ("sum", "words")

    def __call__(self, layers: Layers, timeline: Timeline) -> dict[str, Any]:
        """Return the sum and over how many words it goes, float ``(layers,)``.

        Words where either vector is zero, or too long for float32, are left out.
        """
        xp = array_namespace(layers.words)
        vectors = (layers.stretches(timeline), layers.words)
        with np.errstate(over="ignore"):
            audio, words = (on_host(xp.linalg.vector_norm(states, axis=-1)).astype(np.float64) for states in vectors)
        defined = (audio > 0) & (words > 0) & np.isfinite(audio) & np.isfinite(words)
        logs = np.log10(np.where(defined, audio, 1) / np.where(defined, words, 1))
        return {"sum": brief(logs.sum(axis=-1)), "words": defined.sum(axis=-1).astype(np.float64)}

    def columns(self, found: Mapping[str, np.ndarray], timeline: Timeline) -> dict[str, Any]:
        """Return the sums as they are."""
        return {"norm_ratio_sum": found["sum"], "norm_ratio_words": found["words"]}


MEASURE = NormRatio()
ROWS = (
    Metric(
        "norm_ratio",
        "Norm ratio",
        ratio("norm_ratio_sum", "norm_ratio_words"),
        "mean logarithm (base 10) of the length of a word's audio vector over that of its text vector: 0 equally long",
        curve=True,
    ),
)
