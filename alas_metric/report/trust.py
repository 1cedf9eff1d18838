"""Whether the scores of a run depend on how far its word times can be trusted: scores of documents by tercile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from alas_metric.corpus.aggregate import summarise
from alas_metric.corpus.documents import document_value
from alas_metric.corpus.metrics import METRICS, RANKING
from alas_metric.corpus.significance import HEADLINES
from alas_metric.figures.figures import document_scatter
from alas_metric.report.run_report import Report

TRUST = ("reference_confidence", "reference_disagreement")
"""The values of documents, and metrics of runs, that tell it."""
_GROUPS = 3
_LEAST = 9
"""Documents: thirds of fewer than three say nothing."""


@dataclass(frozen=True)
class Tercile:
    """A third of the kept documents.

    Args:
        low: the smallest value in it.
        high: the largest.
        documents: how many they are.
        values: their headlines, by key of `METRICS`.
    """

    low: float
    high: float
    documents: int
    values: dict[str, Any]


def terciles(report: Report, key: str) -> list[Tercile]:
    """Return the headlines of the thirds of the kept documents, the lowest value first.

    Args:
        report: of the run.
        key: of `TRUST`.

    Returns:
        Nothing where fewer than nine kept documents have a value, or all have the same.
    """
    known = [(value, scores.uid, scores) for scores in report.kept if (value := getattr(scores, key)) is not None]
    if len(known) < _LEAST or len({value for value, _, _ in known}) == 1:
        return []
    ordered = sorted(known, key=lambda entry: entry[:2])
    groups = (ordered[part[0] : part[-1] + 1] for part in np.array_split(np.arange(len(ordered)), _GROUPS))
    return [
        Tercile(
            group[0][0],
            group[-1][0],
            len(group),
            summarise([scores for _, _, scores in group], report.selection.threshold, HEADLINES),
        )
        for group in groups
    ]


def trust_figures(report: Report) -> Iterator[tuple[str, str, Figure]]:
    """Yield the name, the caption and the figure of the score against each value that there is."""
    for key in TRUST:
        groups = terciles(report, key)
        points = [
            (getattr(scores, key), score)
            for scores in report.kept
            if getattr(scores, key) is not None and (score := document_value(scores, RANKING)) is not None
        ]
        steps = [(each.low, each.high, value) for each in groups if (value := each.values[RANKING]) is not None]
        if points and steps:
            caption = (
                f"{METRICS[RANKING].title} of each document by {key}; lines: each third of the documents together."
            )
            yield f"trust_{key}", caption, document_scatter(points, steps, key, RANKING)
