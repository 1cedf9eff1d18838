"""Layer curves of one run: each metric in its default form with what chance gives, and in all its forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.figure import Figure

from alas_metric.corpus.layers import is_defined
from alas_metric.corpus.metrics import METRICS, ROWS
from alas_metric.document.metric import Metric
from alas_metric.figures.figures import form_curves, layer_curves


def curve_figures(curves: Mapping[str, Any], best_layer: int | None = None) -> Iterator[tuple[str, str, Figure]]:
    """Yield the name, the caption and the figure of every curve of the table of metrics that has values.

    Args:
        curves: the value of ``layers``, see `summarise`.
        best_layer: is marked.
    """
    for row in ROWS:
        if not row.curve:
            continue
        if is_defined(curves.get(row.key)):
            figure = layer_curves(curves[row.key], row.key, best_layer)
            yield f"layers_{row.key}", f"{row.title} over layers: {row.description}.", figure
        forms = defined_forms(row, curves)
        if len(forms) > 1:
            yield f"forms_{row.key}", f"{row.title} over layers, by form of similarity.", form_curves(forms, row.key)


def defined_forms(row: Metric, curves: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the curves of a metric that have values, by the form of similarity."""
    keys = {METRICS[key].form: key for key in row.forms if key != row.key}
    return {form: curves[key] for form, key in keys.items() if form is not None and is_defined(curves.get(key))}
