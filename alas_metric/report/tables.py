"""The report's tables, CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from alas_metric.corpus.aggregate import Brief
from alas_metric.corpus.documents import document_value
from alas_metric.corpus.metrics import LAYERED, METRICS, ROWS
from alas_metric.corpus.verdict import READ
from alas_metric.document.scores import DocumentScores
from alas_metric.errors import CAUSES
from alas_metric.report.run_report import Report

OF_DOCUMENTS = tuple(row.key for row in ROWS if row.headline or (row.curve and row.population == "kept"))
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
        if not isinstance(value, (Brief, str)) and (interval := _interval(report, key))
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


def verdict_rows(report: Report) -> list[dict[str, Any]]:
    """Return one row for each layer: its verdict and the numbers that verdicts read."""
    kinds = report.curves["verdicts"]["layers"]
    return [
        {"layer": layer, "verdict": kind}
        | {
            name: report.curves[key][part][layer]
            for key in READ
            for name, part in ((key, "values"), (f"{key}_low", "low"), (f"{key}_high", "high"))
        }
        for layer, kind in enumerate(kinds)
    ]


def layer_map_rows(report: Report) -> list[dict[str, Any]]:
    """Return one row for each pair of an audio layer and a text layer."""
    maps = {name: entry["values"] for name, entry in report.layer_maps.items()}
    layers = range(max(map(len, maps.values()), default=0))
    return [
        {"audio_layer": a, "text_layer": b, **{name: values[a][b] for name, values in maps.items()}}
        for a in layers
        for b in layers
    ]


def document_rows(report: Report) -> list[dict[str, Any]]:
    """Return one row for each document."""
    return [
        {
            "uid": scores.uid,
            "speaker": scores.speaker,
            "skipped": scores.skipped,
            "detail": scores.detail,
            "kept": report.selection.keeps(scores),
            "forced": scores.forced,
            "swapped": scores.swapped,
            "answer_similarity": scores.agreement,
            "reference_confidence": scores.reference_confidence,
            "reference_disagreement": scores.reference_disagreement,
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
    "layer_map": (layer_map_rows, ("audio_layer", "text_layer", "retrieval", "cka")),
    "documents": (
        document_rows,
        (
            *("uid", "speaker", "skipped", "detail", "kept", "forced", "swapped", "answer_similarity"),
            *("reference_confidence", "reference_disagreement"),
            *("label_audio", "label_text", "label_target"),
            *OF_DOCUMENTS,
        ),
    ),
    "verdicts": (verdict_rows, ("layer", "verdict", *(f"{key}{end}" for key in READ for end in ("", "_low", "_high")))),
    "skipped": (skipped_rows, ("cause", "documents", "meaning", "example", "detail")),
}
BY_OPTION = ("layer_map",)
"""Tables that are left out where the run was not made with what they show."""
