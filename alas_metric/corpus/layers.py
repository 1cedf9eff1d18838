"""Values of layered metrics: what documents leave in each layer, combined."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from alas_metric.corpus.metrics import CONSTANT, Metric

Item = dict[str, Any]


def headline(values: Sequence[float | None]) -> float | None:
    """Return the mean over layers 1..L, None if there is none or one of them is undefined."""
    upper = [value for value in values[1:] if value is not None]
    if not upper or len(upper) < len(values) - 1:
        return None
    return math.fsum(upper) / len(upper)


def items_entering(metric: Metric, items: Sequence[Item]) -> list[Item]:
    """Return the items that hold every column of the metric; they must have the same layers."""
    names = set(metric.columns)
    entering = [item for item in items if "columns" in item and item["columns"].keys() >= names]
    counts = Counter(item["layers"] for item in entering)
    if len(counts) > 1:
        found = ", ".join(f"{layers} in {count} documents" for layers, count in sorted(counts.items()))
        raise ValueError(f"documents have different numbers of layers ({found}): are two models' records mixed?")
    return entering


def values_of_layers(metric: Metric, entering: Sequence[Item]) -> list[float | None]:
    """Return the value of each layer, None where undefined; an empty list without documents."""
    if not entering:
        return []
    num_layers = entering[0]["layers"]
    above = _column_sums(metric.numerator, entering, num_layers)
    if metric.denominator is None:
        return [total / len(entering) for total in above]
    below = _column_sums(metric.denominator, entering, num_layers)
    ratios = [top / bottom if bottom else None for top, bottom in zip(above, below, strict=True)]
    return [None if ratio is None else finish(metric, ratio) for ratio in ratios]


def _column_sums(name: str, items: Sequence[Item], num_layers: int) -> list[float]:
    """Return the exactly rounded sum over documents for each layer."""
    sums = [math.fsum(column) for column in column_table(name, items).T.tolist()]
    return sums * num_layers if name in CONSTANT else sums


def finish(metric: Metric, ratio: Any) -> Any:
    """Return the metric's value from the ratio of its two sums."""
    return 1 - ratio if metric.kind == "skill" else ratio


def best_layer_of(values: Sequence[float | None]) -> int | None:
    """Return the layer from 1 up with the highest value, the lowest of equal ones."""
    defined = [(value, -layer) for layer, value in enumerate(values) if layer and value is not None]
    return -max(defined)[1] if defined else None


def column_table(name: str, items: Sequence[Item]) -> np.ndarray:
    """Return a column of every document, (D, L + 1), or (D, 1) where it is the same in every layer."""
    return np.array([item["columns"][name] for item in items], dtype=np.float64).reshape(len(items), -1)
