"""A document's own value of a layered metric, over its layers or in each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from alas_metric.corpus.layers import evaluate
from alas_metric.corpus.metrics import LAYERED, METRICS
from alas_metric.document.metric import DOCUMENTS, Sums
from alas_metric.document.scores import DocumentScores


def document_value(scores: DocumentScores, key: str) -> float | None:
    """Return a document's own value of a layered metric, None where it is undefined.

    Its columns are added up over layers 1..L, as those of a corpus are over documents.
    """
    totals = _own_columns(scores, LAYERED[key])
    if not totals:
        return None
    value = float(evaluate(LAYERED[key], [column[1:].sum() for column in totals]))
    return value if math.isfinite(value) else None


def document_layers(scores: DocumentScores, key: str) -> np.ndarray:
    """Return a document's own value of a metric in each layer, shape ``(L + 1,)``, NaN where it is undefined."""
    return _in_each_layer(scores, LAYERED[key])


def document_curve(scores: DocumentScores, key: str) -> dict[str, Any]:
    """Return a document's own curve of a metric as an entry of ``layers``, see `summarise`; it has no interval.

    Args:
        scores: of the document.
        key: of `LAYERED`.
    """
    values = _jsonable(_in_each_layer(scores, LAYERED[key]))
    baselines = METRICS[key].baselines
    return {
        "values": values,
        "low": [None] * len(values),
        "high": [None] * len(values),
        "baselines": {label: _jsonable(_in_each_layer(scores, sums)) for label, sums in baselines.items()},
    }


def _in_each_layer(scores: DocumentScores, sums: Sums) -> np.ndarray:
    totals = _own_columns(scores, sums)
    return evaluate(sums, totals) if totals else np.array([np.nan])


def _jsonable(values: np.ndarray) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]


def _own_columns(scores: DocumentScores, sums: Sums) -> Sequence[np.ndarray]:
    """Return the columns of a layered metric, none if one is missing."""
    names = sums.columns
    found = {**scores.columns, DOCUMENTS: np.ones(scores.num_layers)}
    return [found[name] for name in names] if found.keys() >= set(names) else []
