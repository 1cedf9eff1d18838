"""The report's tables, CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from alas_metric.corpus.aggregate import Brief
from alas_metric.corpus.answer_filter import kept
from alas_metric.corpus.documents import document_value
from alas_metric.corpus.metrics import LAYERED, METRICS, ROWS
from alas_metric.document.scores import DocumentScores
from alas_metric.errors import CAUSES
from alas_metric.report.run_report import Report

OF_DOCUMENTS = tuple(row.key for row in ROWS if row.curve and row.population == "kept")
"""The metrics that a document has a value of its own in."""


def summary_rows(report: Report) -> list[dict[str, Any]]:
    """Return one row for each number of the run."""
    return [
        {
            "metric": key,
            "value": value,
            "low": interval[0],
            "high": interval[1],
            "unit": METRICS[key].unit,
            "better": METRICS[key].direction,
            "meaning": METRICS[key].description,
        }
        for key, value in report.values.items()
        if not isinstance(value, Brief) and (interval := _interval(report, key))
    ]


def _interval(report: Report, key: str) -> tuple[Any, Any]:
    curve = report.curves.get(key, {})
    prefix = "headline_" if key in LAYERED else ""
    return curve.get(f"{prefix}low"), curve.get(f"{prefix}high")


def layer_rows(report: Report) -> list[dict[str, Any]]:
    """Return one row for each layered metric and layer."""
    return [
        {"metric": key, "layer": layer, "value": value, "low": low, "high": high}
        for key in LAYERED
        for layer, (value, low, high) in enumerate(
            zip(*(report.curves[key][name] for name in ("values", "low", "high")), strict=True)
        )
    ]


def document_rows(report: Report) -> list[dict[str, Any]]:
    """Return one row for each document."""
    return [
        {
            "uid": scores.uid,
            "speaker": scores.speaker,
            "skipped": scores.skipped,
            "detail": scores.detail,
            "kept": kept(scores, report.threshold),
            "forced": scores.forced,
            "swapped": scores.swapped,
            "answer_similarity": scores.agreement,
            **{f"label_{name}": (scores.labels or {}).get(name) for name in ("audio", "text", "target")},
            **{key: document_value(scores, key) for key in OF_DOCUMENTS},
        }
        for scores in report.documents
    ]


def skipped_rows(report: Report) -> list[dict[str, Any]]:
    """Return one row for each cause, with a document as example."""
    first: dict[str, DocumentScores] = {}
    for scores in report.documents:
        if scores.skipped is not None:
            first.setdefault(scores.skipped, scores)
    counts = dict(report.values["skipped"].items())
    return [
        {
            "cause": cause,
            "documents": counts[cause],
            "meaning": CAUSES.get(cause, ""),
            "example": example.uid,
            "detail": example.detail,
        }
        for cause, example in sorted(first.items())
    ]


TABLES: dict[str, tuple[Callable[[Report], list[dict[str, Any]]], Sequence[str]]] = {
    "summary": (summary_rows, ("metric", "value", "low", "high", "unit", "better", "meaning")),
    "layers": (layer_rows, ("metric", "layer", "value", "low", "high")),
    "documents": (
        document_rows,
        (
            *("uid", "speaker", "skipped", "detail", "kept", "forced", "swapped", "answer_similarity"),
            *("label_audio", "label_text", "label_target"),
            *OF_DOCUMENTS,
        ),
    ),
    "skipped": (skipped_rows, ("cause", "documents", "meaning", "example", "detail")),
}
