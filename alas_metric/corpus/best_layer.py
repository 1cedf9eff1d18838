"""The layer with the highest value, with intervals: in each resample it is chosen anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alas_metric.corpus.bootstrap import Samples, interval
from alas_metric.corpus.layers import best_layer_of


@dataclass(frozen=True)
class BestLayer:
    """A layer with its value, and 95 % intervals of both; None where undefined.

    Args:
        layer: the layer, the lowest of equal ones.
        low: of its interval.
        high: of its interval.
        value: of the layer.
        value_low: of its interval.
        value_high: of its interval.
    """

    layer: int | None = None
    low: int | None = None
    high: int | None = None
    value: float | None = None
    value_low: float | None = None
    value_high: float | None = None


def best_layer(values: Sequence[float | None], samples: Samples | None, first: int = 1) -> BestLayer:
    """Return the best of the layers from ``first`` up.

    Args:
        values: of each layer, 0 to L.
        samples: the same in each resample; None if there is nothing to draw from.
        first: the first layer that may be chosen.
    """
    layer = best_layer_of(values, first)
    if layer is None or samples is None:
        return BestLayer(layer, value=None if layer is None else values[layer])
    rows = samples.values[:, first:]
    rows = rows[np.isfinite(rows).any(axis=1)]
    if not len(rows):
        return BestLayer(layer, value=values[layer])
    chosen = np.nanargmax(rows, axis=1)
    low, high = interval(chosen + first, samples.clusters, "inverted_cdf")
    value_low, value_high = interval(rows[np.arange(len(rows)), chosen], samples.clusters)
    return BestLayer(layer, _whole(low), _whole(high), values[layer], value_low, value_high)


def _whole(end: float | None) -> int | None:
    return None if end is None else int(end)
