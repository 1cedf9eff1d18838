"""The figures of one run's report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from matplotlib.figure import Figure

from alas_metric.corpus.documents import document_layers, document_value
from alas_metric.corpus.metrics import METRICS, RANKING
from alas_metric.corpus.significance import HEADLINES
from alas_metric.corpus.words import PROPERTIES
from alas_metric.figures.figures import (
    document_bars,
    document_fan,
    document_histogram,
    titled,
)
from alas_metric.figures.layer_map import layer_map_figure
from alas_metric.figures.style import axis_label
from alas_metric.figures.words import word_panels
from alas_metric.report.curves import curve_figures
from alas_metric.report.run_report import Report
from alas_metric.report.trust import trust_figures

LAYER_MAP_CAPTION = "Every audio layer with every text layer; for each audio layer the nearest text layer in red."


def figures(report: Report) -> Iterator[tuple[str, str, Figure]]:
    """Yield the name, the caption and the figure of everything that the run has values for."""
    for name, caption, figure in _figures(report):
        yield name, caption, titled(figure, report.run.model, report.run.task)


def _figures(report: Report) -> Iterator[tuple[str, str, Figure]]:
    yield from curve_figures(report.curves, report.best_layer)
    if report.layer_maps:
        yield "layer_map", LAYER_MAP_CAPTION, layer_map_figure(report.layer_maps)
    for key in HEADLINES:
        yield from _distribution_figures(report, key)
    of_words = words_figure(report)
    if of_words is not None:
        yield "words", "Which words fail: skill of words, over layers 1 to L.", of_words
    yield from trust_figures(report)
    filter_figure = _filter_figure(report)
    if filter_figure is not None:
        yield ("filter", *filter_figure)


def words_figure(report: Report) -> Figure | None:
    """Draw which words fail; None where nothing can be told apart."""
    curves = {title: curve for name, title in PROPERTIES.items() if (curve := report.words.skill_by(name)) is not None}
    return word_panels(curves, report.values.get(RANKING)) if curves else None


def _distribution_figures(report: Report, key: str) -> Iterator[tuple[str, str, Figure]]:
    """Draw the distributions of a metric over documents: of their own values, and in each layer."""
    metric = METRICS[key]
    groups = {
        "kept": report.kept,
        "filtered out": [scores for scores in report.scorable if not report.selection.keeps(scores)],
    }
    values = {
        group: [value for scores in members if (value := document_value(scores, key)) is not None]
        for group, members in groups.items()
    }
    if any(values.values()):
        median = {"median of kept": float(np.median(values["kept"]))} if values["kept"] else {}
        figure = document_histogram(values, axis_label(key), median | ({metric.zero: 0.0} if metric.zero else {}))
        yield f"documents_{key}", f"{metric.title} of each document, over layers 1 to L.", figure
    layers = [
        found for scores in report.kept if metric.curve and np.isfinite(found := document_layers(scores, key)).any()
    ]
    if layers:
        figure = document_fan(np.array(layers), key, report.best_layer)
        yield f"documents_layers_{key}", f"{metric.title} of documents in each layer.", figure


def _filter_figure(report: Report) -> tuple[str, Figure] | None:
    """Draw what the answer filter saw; None where the model was not asked for answers."""
    answered = [scores for scores in report.scorable if scores.answered]
    closed = [scores.labels for scores in answered if scores.labels is not None]
    if closed:
        kinds = Counter(_agreement(labels) for labels in closed)
        counts = {name: kinds[name] for name in ("same label", "different labels", "unreadable answer")}
        return "The answer filter: closed answers are kept when both read as the same label.", document_bars(counts)
    similar = [scores.agreement for scores in answered if scores.agreement is not None]
    if not similar:
        return None
    values = {
        "kept": [value for value in similar if value >= report.selection.threshold],
        "filtered out": [value for value in similar if value < report.selection.threshold],
    }
    figure = document_histogram(
        values, "Similarity of the two answers, cosine", {"threshold": report.selection.threshold}
    )
    return f"The answer filter: free answers are kept from a similarity of {report.selection.threshold:g} up.", figure


def _agreement(labels: Mapping[str, str | None]) -> str:
    if labels["audio"] is None or labels["text"] is None:
        return "unreadable answer"
    return "same label" if labels["audio"] == labels["text"] else "different labels"
