"""Values of layered metrics: what documents leave in each layer, combined."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alas_metric.document.metric import DOCUMENTS, Sums

Item = dict[str, Any]
"""What a document contributes: ``uid``, ``speaker``, and with ``columns`` also ``layers``, their number L + 1. A column
is a list of L + 1 numbers, or one number where all layers have the same."""


def headline(values: Sequence[float | None]) -> float | None:
    """Return the mean over layers 1..L, None if there is none or one of them is undefined."""
    upper = [value for value in values[1:] if value is not None]
    if not upper or len(upper) < len(values) - 1:
        return None
    return math.fsum(upper) / len(upper)


def is_defined(curve: Mapping[str, Any] | None) -> bool:
    """Return whether an entry of ``layers`` has a value in a layer."""
    return curve is not None and any(value is not None for value in curve["values"])


def items_entering(sums: Sums, items: Sequence[Item]) -> list[Item]:
    """Return the items that hold every column; they must have the same layers."""
    names = set(sums.columns) - {DOCUMENTS}
    entering = [item for item in items if "columns" in item and item["columns"].keys() >= names]
    counts = Counter(item["layers"] for item in entering)
    if len(counts) > 1:
        found = ", ".join(f"{layers} in {count} documents" for layers, count in sorted(counts.items()))
        raise ValueError(f"documents have different numbers of layers ({found}): are two models' records mixed?")
    return entering


def values_of_layers(sums: Sums, entering: Sequence[Item]) -> list[float | None]:
    """Return the value of each layer, None where undefined; an empty list without documents."""
    if not entering:
        return []
    totals = [_exact_sums(column_table(name, entering)) for name in sums.columns]
    values = np.broadcast_to(evaluate(sums, totals), entering[0]["layers"]).tolist()
    return [value if math.isfinite(value) else None for value in values]


def _exact_sums(table: np.ndarray) -> np.ndarray:
    """Return the exactly rounded sum over documents for each layer."""
    return np.array([math.fsum(column) for column in table.T.tolist()])


def evaluate(sums: Sums, totals: Sequence[np.ndarray]) -> np.ndarray:
    """Return what the sums give, NaN where they define nothing."""
    with np.errstate(all="ignore"):
        values = np.asarray(sums.value(*totals), np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def best_layer_of(values: Sequence[float | None], first: int = 1) -> int | None:
    """Return the layer from ``first`` up with the highest value, the lowest of equal ones."""
    defined = [(value, -layer) for layer, value in enumerate(values) if layer >= first and value is not None]
    return -max(defined)[1] if defined else None


def column_table(name: str, items: Sequence[Item]) -> np.ndarray:
    """Return a column of every document, (D, L + 1), or (D, 1) where it is the same in every layer."""
    if name == DOCUMENTS:
        return np.ones((len(items), 1))
    columns = [item["columns"][name] for item in items]
    if all(isinstance(column, float) for column in columns):
        return np.array(columns)[:, None]
    return np.array([np.broadcast_to(column, item["layers"]) for column, item in zip(columns, items, strict=True)])
