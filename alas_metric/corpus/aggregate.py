"""From the scores of documents to the values of a corpus.

Every metric goes through two functions, so that the harness, `summarise` and the ``alas score`` command cannot differ:
`document_items` gives one small JSON-able item per document and metric, `aggregate` turns the items of a metric into
its value. Values do not depend on the order of the items: sums are exactly rounded, and the bootstrap adds whole
numbers.

Per layer, a value comes from sums over documents, as its row of the table of metrics says. The headline is the
unweighted mean of the values of layers 1..L; layer 0, what enters the first decoder layer, stands apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from alas_metric.corpus.answer_filter import THRESHOLD, kept
from alas_metric.corpus.best_layer import best_layer
from alas_metric.corpus.bootstrap import RESAMPLES, Samples, resampled
from alas_metric.corpus.layer_map import layer_map, map_item, strongest
from alas_metric.corpus.layers import Item, best_layer_of, headline, items_entering, values_of_layers
from alas_metric.corpus.metrics import LAYERED, METRICS
from alas_metric.corpus.signature import document_facts, signature
from alas_metric.corpus.verdict import verdicts
from alas_metric.document.behaviour import is_right, modality_gap
from alas_metric.document.metric import DOCUMENTS, Metric, Statistic, Sums
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
    columns = {name: _jsonable(column) for name, column in _columns(scores).items()}
    return {key: _item(metric, scores, columns, threshold) for key, metric in METRICS.items()}


def _item(metric: Metric, scores: DocumentScores, columns: Mapping[str, Any], threshold: float) -> Item:
    """Return what a document contributes to one metric."""
    populations = {"kept": kept(scores, threshold), "scorable": scores.skipped is None, "documents": True}
    item: Item = {"uid": scores.uid, "speaker": scores.speaker}
    if not populations[metric.population]:
        return item
    if isinstance(metric.source, Sums):
        return item | _sums_item(metric.source, scores, columns)
    return item | _STATISTICS[metric.source.kind].item(metric.source.of, scores, columns, threshold)


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
    return _value(METRICS[key].source, items)


def _value(source: Sums | Statistic, items: Iterable[Item]) -> Any:
    """Return what a source gives over a corpus."""
    members = sorted(items, key=lambda item: str(item["uid"]))
    if isinstance(source, Sums):
        return headline(values_of_layers(source, items_entering(source, members)))
    return _STATISTICS[source.kind].value(source.of, members)


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
    known = [(scores, _columns(scores), threshold) for scores in documents]
    values: dict[tuple[Sums | Statistic, str], Any] = {}
    for metric in (METRICS[key] for key in wanted):
        # The default form of a metric and its form by name are one; and the items of all metrics at a time would take
        # several times the memory of the scores.
        if (metric.source, metric.population) not in values:
            items = (_item(metric, *each) for each in known)
            values[metric.source, metric.population] = _value(metric.source, items)
    return {key: values[METRICS[key].source, METRICS[key].population] for key in wanted}


# Columns of a document


def _columns(scores: DocumentScores) -> dict[str, Any]:
    """Return the columns of a document, as one number those that are the same in every layer."""
    return {name: float(column[0]) if _is_constant(column) else column for name, column in scores.columns.items()}


def _is_constant(column: np.ndarray) -> bool:
    return bool(len(column)) and bool((column == column[0]).all())


def _jsonable(column: Any) -> Any:
    return column if isinstance(column, float) else np.asarray(column, np.float64).tolist()


def _sums_item(sums: Sums, scores: DocumentScores, columns: Mapping[str, Any]) -> Item:
    """Return the columns that are added up; nothing if one is undefined for this document."""
    names = [name for name in sums.columns if name != DOCUMENTS]
    if not columns.keys() >= set(names):
        return {}
    item: Item = {"layers": scores.num_layers, "columns": {name: columns[name] for name in names}}
    if sums.is_mean:
        own = headline(np.broadcast_to(columns[names[0]], item["layers"]).tolist())
        item |= {} if own is None else {"score": own}
    return item


def layer_items(
    documents: Iterable[DocumentScores], threshold: float = THRESHOLD, population: str = "kept"
) -> list[Item]:
    """Return the items of ``layers`` of the documents that have columns.

    Args:
        documents: scores of each document.
        threshold: of the answer filter.
        population: ``kept``, those that pass it, or ``scorable``, all.
    """
    entering = (scores for scores in documents if scores.columns and (population != "kept" or kept(scores, threshold)))
    return [
        {"uid": scores.uid, "speaker": scores.speaker} | _layers_item("", scores, _columns(scores), threshold)
        for scores in entering
    ]


def layer_values(key: str, items: Sequence[Item]) -> list[float | None]:
    """Return a layered metric's value of each layer 0..L, None where undefined; an empty list without documents.

    Args:
        key: of `LAYERED`.
        items: see `layer_items`.
    """
    return values_of_layers(LAYERED[key], items_entering(LAYERED[key], items))


def layer_samples(keys: Iterable[str], items: Sequence[Item], resamples: int = RESAMPLES) -> dict[str, Samples]:
    """Return layered metrics in each bootstrap resample.

    The draws depend on the ids and speakers of the items alone: for two models on the same documents the resamples
    are the same, row by row, which makes differences paired.

    Args:
        keys: of `LAYERED`.
        items: see `layer_items`.
        resamples: how many.

    Returns:
        By key; a key is absent where no document defines it or all documents are of one speaker.
    """
    return resampled({key: LAYERED[key] for key in keys}, items, resamples) if items else {}


# Every layer


def _layers_item(_: str, scores: DocumentScores, columns: Mapping[str, Any], threshold: float) -> Item:
    return {"layers": scores.num_layers, "kept": kept(scores, threshold), "columns": dict(columns)}


def _layers_value(_: str, items: Sequence[Item]) -> Brief:
    """Return every layered metric's values of all layers with intervals, the best layers and the verdicts."""
    curves: dict[str, Any] = {}
    populations = {"kept": [item for item in items if item.get("kept")], "scorable": list(items)}
    samples: dict[str, Samples] = {}
    for population, members in populations.items():
        sources = {key: sums for key, sums in LAYERED.items() if METRICS[key].population == population}
        samples |= resampled(sources, [item for item in members if "columns" in item])
    made: dict[tuple[Sums, str], dict[str, Any]] = {}
    for key, sums in LAYERED.items():
        metric = METRICS[key]
        if (sums, metric.population) not in made:
            made[sums, metric.population] = _curve(metric, populations[metric.population], samples.get(key))
        curves[key] = made[sums, metric.population]
    for key, metric in METRICS.items():
        if isinstance(metric.source, Statistic) and metric.source.kind == "best_layer":
            curves[key] = _best_layer_entry(curves[metric.source.of]["values"], samples.get(metric.source.of))
    curves["verdicts"] = verdicts(curves)
    num_layers = max((item.get("layers", 0) for item in items), default=0)
    return Brief(curves, {"layers": num_layers, "verdict": curves["verdicts"]["kind"]})


def _curve(metric: Metric, members: Sequence[Item], samples: Samples | None) -> dict[str, Any]:
    """Return one metric's entry of ``layers``."""
    entering = items_entering(LAYERED[metric.key], members)
    values = values_of_layers(LAYERED[metric.key], entering)
    intervals = [(None, None)] * len(values) if samples is None else samples.layer_intervals()
    mean = headline(values)
    low, high = (None, None) if samples is None or mean is None else samples.interval()
    return {
        "values": values,
        "low": [low for low, _ in intervals],
        "high": [high for _, high in intervals],
        "headline": mean,
        "headline_low": low,
        "headline_high": high,
        "documents": len(entering),
        "clusters": min(len(entering), 1) if samples is None else samples.clusters,
        "baselines": {
            label: values_of_layers(sums, items_entering(sums, members)) for label, sums in metric.baselines.items()
        },
    }


def _best_layer_entry(values: Sequence[float | None], samples: Samples | None) -> dict[str, Any]:
    """Return the best layer with intervals; in each resample it is chosen anew."""
    return {name.replace("value", "skill"): entry for name, entry in asdict(best_layer(values, samples)).items()}


def _best_layer_item(of: str, scores: DocumentScores, columns: Mapping[str, Any], _: float) -> Item:
    return _sums_item(LAYERED[of], scores, columns)


def _best_layer_value(of: str, items: Sequence[Item]) -> int | None:
    return best_layer_of(layer_values(of, items))


# Every audio layer with every text layer


def _map_item(_: str, scores: DocumentScores, __: Mapping[str, Any], ___: float) -> Item:
    return map_item(scores)


def _map_value(_: str, items: Sequence[Item]) -> Brief | None:
    found = layer_map(items)
    if found is None:
        return None
    entry = next(iter(found.values()))
    layer = strongest(entry)
    nearest = None if layer is None else entry["nearest"][layer]["layer"]
    return Brief(found, {"audio layer": layer, "nearest text layer": nearest})


# Counts and answers


def _count_item(of: str, scores: DocumentScores, _: Mapping[str, Any], threshold: float) -> Item:
    return {"counted": kept(scores, threshold) if of == "kept" else bool(getattr(scores, of))}


def _count_value(_: str, items: Sequence[Item]) -> int:
    return sum(bool(item.get("counted")) for item in items)


def _cause_item(_: str, scores: DocumentScores, __: Mapping[str, Any], ___: float) -> Item:
    return {} if scores.skipped is None else {"cause": scores.skipped}


def _cause_value(_: str, items: Sequence[Item]) -> Brief:
    causes = Counter(item["cause"] for item in items if "cause" in item)
    return Brief({cause: causes[cause] for cause in sorted(causes)}, {"documents": causes.total()})


_OF_REFERENCE = ("reference_confidence", "reference_disagreement")
"""Values of a document that tell how far its word times can be trusted."""


def _value_item(of: str, scores: DocumentScores, _: Mapping[str, Any], threshold: float) -> Item:
    if of == "kept":
        return {"score": float(kept(scores, threshold))}
    if of in ("audio", "text"):
        right = is_right(scores.labels, of)
        return {} if right is None else {"score": float(right)}
    value = getattr(scores, of) if of in _OF_REFERENCE else scores.similarities.get(of)
    return {} if value is None else {"score": float(value)}


def _mean_score(_: str, items: Sequence[Item]) -> float | None:
    values = [item["score"] for item in items if "score" in item]
    return math.fsum(values) / len(values) if values else None


def _labels_item(_: str, scores: DocumentScores, __: Mapping[str, Any], ___: float) -> Item:
    return {} if scores.labels is None else {"labels": dict(scores.labels)}


def _answers_of(items: Sequence[Item]) -> list[dict[str, str | None]]:
    """Return the labels of documents with closed answers."""
    return [item["labels"] for item in items if "labels" in item]


def _recall_value(of: str, items: Sequence[Item]) -> float | None:
    """Return the mean over the gold classes that occur of the share of right answers."""
    answers: dict[str, list[bool]] = {}
    for labels in _answers_of(items):
        right = is_right(labels, of)
        if right is not None and labels["target"] is not None:
            answers.setdefault(labels["target"], []).append(right)
    recalls = [sum(right) / len(right) for right in answers.values()]
    return math.fsum(recalls) / len(recalls) if recalls else None


def _kappa_value(_: str, items: Sequence[Item]) -> float | None:
    """Return Cohen's kappa of the two answers, None where it is undefined; one that cannot be read agrees with none."""
    runs = ("audio", "text")
    readings = [
        [f"unreadable {run}" if labels[run] is None else f"label {labels[run]}" for labels in _answers_of(items)]
        for run in runs
    ]
    if len(set(readings[0] + readings[1])) < 2:
        return None  # one label for everything: chance agrees as well
    # Here, since it takes long and few tasks need it.
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(*readings))


def _mcnemar_value(_: str, items: Sequence[Item]) -> float | None:
    """Return p of McNemar's exact test; 1 where no document tells the runs apart, None without a gold label."""
    gaps = [gap for labels in _answers_of(items) if (gap := modality_gap(labels, {})) is not None]
    discordant = [gap > 0 for gap in gaps if gap]
    if not discordant:
        return 1.0 if gaps else None
    # Here, since it takes long and few tasks need it.
    from scipy.stats import binomtest

    return float(binomtest(sum(discordant), len(discordant)).pvalue)


# How the values came about


def _signature_item(_: str, scores: DocumentScores, __: Mapping[str, Any], threshold: float) -> Item:
    facts = document_facts(scores, threshold)
    return {"facts": facts} if facts else {}


def _signature_value(_: str, items: Sequence[Item]) -> str | None:
    return signature([item["facts"] for item in items if "facts" in item])


@dataclass(frozen=True)
class _Statistic:
    """How one kind of `Statistic` makes a document's item and a corpus's value, from what it is taken of."""

    item: Callable[[str, DocumentScores, Mapping[str, Any], float], Item]
    value: Callable[[str, Sequence[Item]], Any]


_STATISTICS = {
    "best_layer": _Statistic(_best_layer_item, _best_layer_value),
    "layers": _Statistic(_layers_item, _layers_value),
    "layer_map": _Statistic(_map_item, _map_value),
    "count": _Statistic(_count_item, _count_value),
    "causes": _Statistic(_cause_item, _cause_value),
    "value": _Statistic(_value_item, _mean_score),
    "recall": _Statistic(_labels_item, _recall_value),
    "kappa": _Statistic(_labels_item, _kappa_value),
    "signature": _Statistic(_signature_item, _signature_value),
    "mcnemar": _Statistic(_labels_item, _mcnemar_value),
}
