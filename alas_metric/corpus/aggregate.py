"""From the scores of documents to the values of a corpus.

Every metric goes through two functions, so that the harness, `summarise` and the ``alas score`` command
cannot
differ: `document_items` gives one small JSON-able item per document and metric, `aggregate` turns the items
of a metric into its value. Values do not depend on the order of the items: sums are exactly rounded, and the
bootstrap adds whole numbers.

Per layer, errors are means over documents, accuracies and skills are ratios of sums over documents. The
headline is the unweighted mean of the values of layers 1..L; layer 0, what enters the first decoder layer,
stands apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alas_metric.corpus.answer_filter import THRESHOLD, kept
from alas_metric.corpus.bootstrap import RESAMPLES, headline_samples, interval, resampled
from alas_metric.corpus.layers import Item, best_layer_of, headline, items_entering, values_of_layers
from alas_metric.corpus.metrics import CONSTANT, LAYERED, METRICS, Metric
from alas_metric.document.scores import DocumentScores


class Brief(dict[str, Any]):
    """A dictionary that is whole in JSON and short in the harness's printed table.

    ``items()``, ``[key]``, ``get`` and ``json.dumps`` see everything; iteration, and so ``dict(brief)``,
    which the table prints, sees the summary.

    Args:
        values: the whole content.
        summary: what is printed instead; its keys must not be among those of ``values``.
    """

    def __init__(self, values: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.summary = dict(summary)

    def __iter__(self) -> Any:
        return iter(self.summary)

    def keys(self) -> Any:
        """Return the keys of the summary; those of the whole content are in ``items()``."""
        return self.summary.keys()

    def __len__(self) -> int:
        # The table leaves out what has no length; an empty content still has a summary.
        return len(self.summary)

    def __missing__(self, key: str) -> Any:
        return self.summary[key]

    def __repr__(self) -> str:
        return repr(self.summary)


def document_items(scores: DocumentScores, threshold: float = THRESHOLD) -> dict[str, Item]:
    """Return what a document contributes to every metric.

    Args:
        scores: of the document.
        threshold: of the answer filter.

    Returns:
        An item for each key of `METRICS`, also where the document does not enter: ``uid``, ``speaker`` and
        what the metric needs. ``score`` is the document's own value, for standard errors; it is there only if
        the metric is a mean over documents that this one enters.
    """
    passes = kept(scores, threshold)
    columns = {name: _jsonable(column) for name, column in _columns(scores).items()}
    return {key: _item(metric, scores, columns, passes) for key, metric in METRICS.items()}


def _item(metric: Metric, scores: DocumentScores, columns: Mapping[str, Any], passes: bool) -> Item:
    """Return what a document contributes to one metric."""
    populations = {"kept": passes, "scorable": scores.skipped is None, "documents": True}
    item = {"uid": scores.uid, "speaker": scores.speaker}
    return item | _FORMS[metric.kind].item(metric, scores, columns, passes) if populations[metric.population] else item


def aggregate(key: str, items: Iterable[Item]) -> Any:
    """Return the value of a metric over a corpus.

    Args:
        key: of `METRICS`.
        items: what `document_items` gave under that key for each document, in any order.

    Returns:
        A plain float or int; None where nothing defines it; for ``skipped`` and ``layers`` a `Brief`.

    Raises:
        ValueError: If the key is unknown, or documents differ in the number of layers.
    """
    if key not in METRICS:
        raise ValueError(f"unknown metric {key!r}; expected one of {sorted(METRICS)}")
    metric = METRICS[key]
    return _FORMS[metric.kind].value(metric, sorted(items, key=lambda item: str(item["uid"])))


def summarise(
    documents: Iterable[DocumentScores], threshold: float = THRESHOLD, keys: Iterable[str] | None = None
) -> dict[str, Any]:
    """Return the values of a corpus.

    Args:
        documents: scores of each document, see `score_record`.
        threshold: of the answer filter.
        keys: which metrics, all by default.

    Returns:
        Value by key, see `aggregate`.

    Raises:
        ValueError: If a key is unknown, or documents differ in the number of layers.
    """
    wanted = list(METRICS if keys is None else keys)
    unknown = sorted(set(wanted) - set(METRICS))
    if unknown:
        raise ValueError(f"unknown metrics {unknown}; expected some of {sorted(METRICS)}")
    known = [(scores, _columns(scores), kept(scores, threshold)) for scores in documents]
    # The items of one metric at a time: those of all metrics take several times the memory of the scores.
    return {key: aggregate(key, (_item(METRICS[key], *each) for each in known)) for key in wanted}


# Columns of a document


def _columns(scores: DocumentScores) -> dict[str, Any]:
    """Return the columns of a document, and as one number those that are the same in every layer."""
    return {name: float(column[0]) if name in CONSTANT else column for name, column in scores.columns.items()}


def _jsonable(column: Any) -> Any:
    return column if isinstance(column, float) else np.asarray(column, np.float64).tolist()


def _column_item(metric: Metric, scores: DocumentScores, columns: Mapping[str, Any], _: bool) -> Item:
    """Return the columns of a metric; nothing if one is undefined for this document."""
    if not columns.keys() >= set(metric.columns):
        return {}
    item: Item = {"layers": _num_layers(scores), "columns": {name: columns[name] for name in metric.columns}}
    if metric.kind == "mean":
        own = headline(_broadcast(columns[metric.numerator], item["layers"]))
        item |= {} if own is None else {"score": own}
    return item


def _num_layers(scores: DocumentScores) -> int:
    return len(next(iter(scores.columns.values()), ()))


def _broadcast(column: Any, num_layers: int) -> Sequence[float]:
    return [column] * num_layers if isinstance(column, float) else column


def _layered_value(metric: Metric, items: Sequence[Item]) -> float | None:
    return headline(values_of_layers(metric, items_entering(metric, items)))


def _best_layer_value(_: Metric, items: Sequence[Item]) -> int | None:
    metric = METRICS["alas_skill"]
    return best_layer_of(values_of_layers(metric, items_entering(metric, items)))


def layer_items(documents: Iterable[DocumentScores], threshold: float = THRESHOLD) -> list[Item]:
    """Return the items of ``layers`` of the documents that pass the answer filter and have columns.

    Args:
        documents: scores of each document.
        threshold: of the answer filter.
    """
    passing = [scores for scores in documents if kept(scores, threshold) and scores.columns]
    return [
        {"uid": scores.uid, "speaker": scores.speaker} | _layers_item(METRICS["layers"], scores, _columns(scores), True)
        for scores in passing
    ]


def layer_values(key: str, items: Sequence[Item]) -> list[float | None]:
    """Return a layered metric's value of each layer 0..L, None where undefined; an empty list without documents.

    Args:
        key: of `METRICS`, of a kind in `LAYERED`.
        items: see `layer_items`.
    """
    return values_of_layers(METRICS[key], items_entering(METRICS[key], items))


def layer_samples(keys: Iterable[str], items: Sequence[Item], resamples: int = RESAMPLES) -> dict[str, np.ndarray]:
    """Return layered metrics in each bootstrap resample, (resamples, L + 1), NaN where undefined.

    The draws depend on the ids and speakers of the items alone: for two models on the same documents the resamples
    are the same, row by row, which makes differences paired.

    Args:
        keys: of `METRICS`, of a kind in `LAYERED`.
        items: see `layer_items`.
        resamples: how many.

    Returns:
        By key; a key is absent where no document defines it or all documents are of one speaker.
    """
    return resampled({key: METRICS[key] for key in keys}, items, resamples) if items else {}


def _curve(values: list[float | None], samples: np.ndarray | None) -> dict[str, Any]:
    """Return one metric's entry of ``layers``."""
    columns = [None] * len(values) if samples is None else list(samples.T)
    intervals = [interval(column) for column in columns]
    mean = headline(values)
    low, high = interval(None if samples is None or mean is None else headline_samples(samples))
    return {
        "values": values,
        "low": [low for low, _ in intervals],
        "high": [high for _, high in intervals],
        "headline": mean,
        "headline_low": low,
        "headline_high": high,
    }


def _best_layer_entry(values: Sequence[float | None], samples: np.ndarray | None) -> dict[str, Any]:
    """Return the best layer with intervals; in each resample it is chosen anew."""
    layer = best_layer_of(values)
    entry: dict[str, Any] = {
        "layer": layer,
        "low": None,
        "high": None,
        "skill": None,
        "skill_low": None,
        "skill_high": None,
    }
    if layer is None:
        return entry
    entry["skill"] = values[layer]
    rows = np.zeros((0, 1)) if samples is None else samples[:, 1:][np.isfinite(samples[:, 1:]).any(axis=1)]
    if len(rows):
        chosen = np.nanargmax(rows, axis=1)
        low, high = np.percentile(chosen + 1, [2.5, 97.5], method="inverted_cdf")
        entry |= {"low": int(low), "high": int(high)}
        entry["skill_low"], entry["skill_high"] = interval(rows[np.arange(len(rows)), chosen])
    return entry


def _layers_value(_: Metric, items: Sequence[Item]) -> Brief:
    """Return every layered metric's values of all layers with intervals."""
    curves: dict[str, Any] = {}
    populations = {"kept": [item for item in items if item.get("kept")], "scorable": list(items)}
    samples: dict[str, np.ndarray] = {}
    layered = {key: metric for key, metric in METRICS.items() if metric.kind in LAYERED}
    for population, members in populations.items():
        metrics = {key: metric for key, metric in layered.items() if metric.population == population}
        samples |= resampled(metrics, [item for item in members if "columns" in item])
    for key, metric in layered.items():
        values = values_of_layers(metric, items_entering(metric, populations[metric.population]))
        curves[key] = _curve(values, samples.get(key))
    curves["best_layer"] = _best_layer_entry(curves["alas_skill"]["values"], samples.get("alas_skill"))
    return Brief(curves, {"layers": max((item.get("layers", 0) for item in items), default=0)})


def _layers_item(_: Metric, scores: DocumentScores, columns: Mapping[str, Any], passes: bool) -> Item:
    return {"layers": _num_layers(scores), "kept": passes, "columns": dict(columns)}


# Counts and answers


def _count_item(metric: Metric, scores: DocumentScores, _: Mapping[str, Any], passes: bool) -> Item:
    return {"counted": passes if metric.numerator == "kept" else bool(getattr(scores, metric.numerator))}


def _count_value(_: Metric, items: Sequence[Item]) -> int:
    return sum(bool(item.get("counted")) for item in items)


def _cause_item(_: Metric, scores: DocumentScores, __: Mapping[str, Any], ___: bool) -> Item:
    return {} if scores.skipped is None else {"cause": scores.skipped}


def _cause_value(_: Metric, items: Sequence[Item]) -> Brief:
    causes = Counter(item["cause"] for item in items if "cause" in item)
    return Brief({cause: causes[cause] for cause in sorted(causes)}, {"documents": causes.total()})


def _value_item(metric: Metric, scores: DocumentScores, _: Mapping[str, Any], passes: bool) -> Item:
    if metric.numerator == "kept":
        return {"score": float(passes)}
    if metric.numerator in ("audio", "text"):
        right = _is_right(scores, metric.numerator)
        return {} if right is None else {"score": float(right)}
    similarity = scores.similarities.get(metric.numerator)
    return {} if similarity is None else {"score": float(similarity)}


def _mean_score(_: Metric, items: Sequence[Item]) -> float | None:
    values = [item["score"] for item in items if "score" in item]
    return math.fsum(values) / len(values) if values else None


def _is_right(scores: DocumentScores, modality: str) -> bool | None:
    """Return whether an answer reads as the gold label, None without one; an unreadable answer is wrong."""
    if not scores.answered or scores.labels is None or scores.labels["target"] is None:
        return None
    return scores.labels[modality] == scores.labels["target"]


def _recall_item(metric: Metric, scores: DocumentScores, _: Mapping[str, Any], __: bool) -> Item:
    right = _is_right(scores, metric.numerator)
    return {} if right is None or scores.labels is None else {"gold": scores.labels["target"], "right": right}


def _recall_value(_: Metric, items: Sequence[Item]) -> float | None:
    """Return the mean over the gold classes that occur of the share of right answers."""
    answers: dict[str, list[bool]] = {}
    for item in items:
        if "gold" in item:
            answers.setdefault(item["gold"], []).append(item["right"])
    recalls = [sum(right) / len(right) for right in answers.values()]
    return math.fsum(recalls) / len(recalls) if recalls else None


@dataclass(frozen=True)
class _Form:
    """How one kind of metric makes the item of a document and the value of a corpus."""

    item: Callable[[Metric, DocumentScores, Mapping[str, Any], bool], Item]
    value: Callable[[Metric, Sequence[Item]], Any]


_FORMS = {
    **{kind: _Form(_column_item, _layered_value) for kind in LAYERED},
    "best_layer": _Form(_column_item, _best_layer_value),
    "layers": _Form(_layers_item, _layers_value),
    "count": _Form(_count_item, _count_value),
    "causes": _Form(_cause_item, _cause_value),
    "value": _Form(_value_item, _mean_score),
    "recall": _Form(_recall_item, _recall_value),
}
