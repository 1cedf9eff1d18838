"""From a record in the harness's response to the metrics of its table.

The YAML files name what this module makes from the table of `alas_metric.corpus.metrics`, so that the two cannot
differ:

- ``process_results_<kind>`` and ``metric_list_<kind>``, where the kind is one of `KINDS`;
- ``aggregate_<key>`` for every metric, for a YAML that lists metrics itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loguru import logger

from alas_metric.corpus import aggregate as corpus
from alas_metric.corpus.answer_filter import THRESHOLD, nothing_kept
from alas_metric.corpus.metrics import METRICS
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.scores import DocumentScores, score_record

KINDS = ("free", "options", "labels")
"""Kinds of tasks by their answers: free ones, options (their letters mean nothing), labels."""

_HIGHER_IS_BETTER = {"higher": True, "lower": False}


def keys(kind: str) -> list[str]:
    """Return the metrics of a kind of task, of `KINDS`: those of every task, then its own."""
    return [key for key, metric in METRICS.items() if not metric.answers or kind in metric.answers]


def process_results(doc: Mapping[str, Any], results: Sequence[Any], kind: str) -> dict[str, Any]:
    """Return an item for every metric of the kind, for one document.

    It never raises: the harness would try again for ten seconds and then end the whole run without scores. A
    response that is no record becomes a document skipped for ``unreadable_record``, and a document that
    cannot be scored one skipped for ``error``.

    Args:
        doc: the document, without its audio.
        results: the response, an `AlignmentRecord` as JSON.
        kind: one of `KINDS`.
    """
    uid, speaker = str(doc.get("uid") or "?"), doc.get("speaker")
    try:
        record = AlignmentRecord.from_json(_response(results))
    except Exception as error:
        record = AlignmentRecord.skip(uid, "unreadable_record", str(error)[:300], speaker)
        logger.warning(f"{uid}: unreadable_record: {str(error)[:300]}")
    try:
        return _items(score_record(record), kind)
    except Exception as error:
        logger.exception(f"{uid}: cannot be scored")
        record = AlignmentRecord.skip(uid, "error", f"{type(error).__name__}: {error}"[:300], speaker)
        return _items(score_record(record), kind)


def _items(scores: DocumentScores, kind: str) -> dict[str, Any]:
    items = corpus.document_items(scores, THRESHOLD)
    return {key: items[key] for key in keys(kind)}


def _response(results: Any) -> str:
    """Return the response itself: filters may hand on a list of answers, of which the first counts."""
    while isinstance(results, (list, tuple)) and results:
        results = results[0]
    if not isinstance(results, str):
        raise ValueError(f"expected a record as a string, got {type(results).__name__}")
    return results


def metric_list(kind: str) -> list[dict[str, Any]]:
    """Return the ``metric_list`` of a YAML file for a kind of task."""
    return [
        {
            "metric": key,
            "aggregation": _aggregation(key),
            "higher_is_better": _HIGHER_IS_BETTER.get(METRICS[key].direction),
        }
        for key in keys(kind)
    ]


def _aggregation(key: str) -> Callable[[Sequence[Mapping[str, Any]]], Any]:
    def aggregate(items: Sequence[Mapping[str, Any]]) -> Any:
        try:
            value = corpus.aggregate(key, [dict(item) for item in items])
        except Exception:
            # The sample log holds the records for `alas score`; a raised error would lose everything.
            logger.exception(f"the metric {key} cannot be computed")
            return None
        if key == "kept_share" and value == 0:
            logger.warning(nothing_kept(0, sum("score" in item for item in items)))
        return value

    aggregate.__name__ = aggregate.__qualname__ = f"aggregate_{key}"
    return aggregate


def _processing(kind: str) -> Callable[[Mapping[str, Any], Sequence[Any]], dict[str, Any]]:
    def process(doc: Mapping[str, Any], results: Sequence[Any]) -> dict[str, Any]:
        return process_results(doc, results, kind)

    process.__name__ = process.__qualname__ = f"process_results_{kind}"
    return process


def __getattr__(name: str) -> Any:
    for prefix, make, known in (
        ("process_results_", _processing, KINDS),
        ("metric_list_", metric_list, KINDS),
        ("aggregate_", _aggregation, METRICS),
    ):
        if name.startswith(prefix) and name.removeprefix(prefix) in known:
            return make(name.removeprefix(prefix))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
