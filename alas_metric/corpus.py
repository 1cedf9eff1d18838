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

from alas_metric.scores import DocumentScores

THRESHOLD = 0.7
"""Similarity of the two answers from which a document is kept, as in the paper."""
RESAMPLES = 2000
SEED = 20250519
_RESAMPLE_CELLS = 2**22
"""Resamples times clusters drawn at once: bounds the memory for large corpora to about 100 MB."""

Item = dict[str, Any]


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


@dataclass(frozen=True)
class Metric:
    """How a metric comes from the columns of `DocumentScores`.

    Args:
        kind: ``mean`` of the numerator over documents; ``ratio`` of the sums of numerator and denominator;
            ``skill``, 1 - that ratio; or the name of one of the other forms in `aggregate`.
        numerator: column, or for other forms what they read.
        denominator: column, None without.
        population: ``kept``, ``scorable``, or ``documents``.
        direction: ``higher`` or ``lower`` is better, ``none`` if neither.
        unit: of the value.
        description: one line for tables and documentation.
        centred: whether it is measured on centred states.
    """

    kind: str
    numerator: str
    denominator: str | None
    population: str
    direction: str
    unit: str
    description: str
    centred: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """What is read of a document for it, if it is layered."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)


LAYERED = ("mean", "ratio", "skill")
_CONSTANT = {
    "alas_seconds_uniform",
    "alas_uniform",
    "alas_linear",
    "frame_positions",
    "frame_gain_possible",
}
"""Columns that no model changes: the same in every layer, and so stored once."""
_STATE_METRICS = {
    "alas": Metric("mean", "alas", None, "kept", "lower", "words", "distance between path and reference path"),
    "alas_swapped": Metric(
        "mean",
        "alas_swapped",
        None,
        "kept",
        "lower",
        "positions",
        "the same where positions are fewer than words",
    ),
    "alas_seconds": Metric(
        "mean", "alas_seconds", None, "kept", "lower", "seconds", "distance between positions and their words"
    ),
    "alas_matrix": Metric(
        "mean", "alas_matrix", None, "kept", "lower", "share", "differing entries of the path matrices"
    ),
    "alas_skill": Metric(
        "skill",
        "alas_seconds",
        "alas_seconds_uniform",
        "kept",
        "higher",
        "1",
        "1 perfect, 0 a random monotone path, negative worse; ranks models",
    ),
    "alas_evidence": Metric(
        "skill",
        "alas_seconds",
        "alas_seconds_chance",
        "kept",
        "higher",
        "1",
        "1 perfect, 0 as on circularly shifted audio; says whether a layer aligns",
    ),
    "alas_chance": Metric("mean", "alas_chance", None, "kept", "none", "words", "alas on circularly shifted audio"),
    "frame_accuracy": Metric(
        "ratio",
        "frame_hits",
        "frame_positions",
        "kept",
        "higher",
        "share",
        "positions most similar to their word",
    ),
    "frame_skill": Metric(
        "ratio",
        "frame_gain",
        "frame_gain_possible",
        "kept",
        "higher",
        "1",
        "frame_accuracy above guessing: 1 perfect, 0 guessing",
    ),
}
_PLAIN_METRICS = {
    "alas_uniform": Metric("mean", "alas_uniform", None, "kept", "none", "words", "alas of a random monotone path"),
    "alas_linear": Metric("mean", "alas_linear", None, "kept", "none", "words", "alas of the constant-rate path"),
    "alas_all": Metric("mean", "alas", None, "scorable", "lower", "words", "alas without the answer filter"),
    "alas_skill_all": Metric(
        "skill",
        "alas_seconds",
        "alas_seconds_uniform",
        "scorable",
        "higher",
        "1",
        "alas_skill without the answer filter",
    ),
    "kept": Metric("count", "kept", None, "scorable", "none", "documents", "documents that pass the answer filter"),
    "kept_share": Metric("value", "kept", None, "scorable", "none", "share", "kept of scorable documents"),
    "skipped": Metric("causes", "skipped", None, "documents", "none", "documents", "left out, by cause"),
    "forced": Metric("count", "forced", None, "scorable", "none", "documents", "documents with only one path"),
    "swapped": Metric(
        "count", "swapped", None, "scorable", "none", "documents", "documents with fewer positions than words"
    ),
    "best_layer": Metric(
        "best_layer",
        "alas_seconds",
        "alas_seconds_uniform",
        "kept",
        "none",
        "layer",
        "layer from 1 up with the highest alas_skill",
    ),
    "layers": Metric("layers", "", None, "scorable", "none", "", "values of every layer with 95 % intervals"),
}
_TASK_METRICS = {
    "answer_similarity": Metric(
        "value", "responses", None, "scorable", "higher", "cosine", "similarity of the two answers"
    ),
    "answer_similarity_audio": Metric(
        "value", "audio_target", None, "scorable", "higher", "cosine", "similarity of audio and gold answer"
    ),
    "answer_similarity_text": Metric(
        "value", "text_target", None, "scorable", "higher", "cosine", "similarity of text and gold answer"
    ),
    "accuracy_audio": Metric("value", "audio", None, "scorable", "higher", "share", "right answers to the audio"),
    "accuracy_text": Metric("value", "text", None, "scorable", "higher", "share", "right answers to the transcript"),
    "uar_audio": Metric(
        "recall", "audio", None, "scorable", "higher", "share", "mean over gold classes of the recall, audio"
    ),
    "uar_text": Metric(
        "recall",
        "text",
        None,
        "scorable",
        "higher",
        "share",
        "mean over gold classes of the recall, transcript",
    ),
}


def _centred(metric: Metric) -> Metric:
    """Return the metric on centred states: columns that depend on the states carry the suffix."""
    divisor = metric.denominator
    if divisor is not None and divisor not in _CONSTANT:
        divisor = f"{divisor}_centred"
    return Metric(
        metric.kind,
        f"{metric.numerator}_centred",
        divisor,
        metric.population,
        metric.direction,
        metric.unit,
        f"{metric.description}; centred states",
        centred=True,
    )


METRICS: dict[str, Metric] = {
    **_STATE_METRICS,
    **{f"{key}_centred": _centred(metric) for key, metric in _STATE_METRICS.items()},
    **_PLAIN_METRICS,
    **_TASK_METRICS,
}
"""Every key of the results, in the order of reports."""


def kept(scores: DocumentScores, threshold: float = THRESHOLD) -> bool:
    """Return whether a document passes the answer filter.

    Args:
        scores: of the document.
        threshold: smallest similarity of the two answers.

    Returns:
        False if skipped. Closed answers: both read as the same label. Free answers: as similar as the
        threshold. True if the model was not asked for answers.
    """
    if scores.skipped is not None:
        return False
    if not scores.answered:
        return True
    if scores.labels is not None:
        return scores.labels["audio"] is not None and scores.labels["audio"] == scores.labels["text"]
    return scores.agreement is not None and scores.agreement >= threshold


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
    return {name: float(column[0]) if name in _CONSTANT else column for name, column in scores.columns.items()}


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


def headline(values: Sequence[float | None]) -> float | None:
    """Return the mean over layers 1..L, None if there is none or one of them is undefined."""
    upper = [value for value in values[1:] if value is not None]
    if not upper or len(upper) < len(values) - 1:
        return None
    return math.fsum(upper) / len(upper)


# Values of each layer


def _entering(metric: Metric, items: Sequence[Item]) -> list[Item]:
    """Return the items that hold every column of the metric; they must have the same layers."""
    names = set(metric.columns)
    entering = [item for item in items if "columns" in item and item["columns"].keys() >= names]
    counts = Counter(item["layers"] for item in entering)
    if len(counts) > 1:
        found = ", ".join(f"{layers} in {count} documents" for layers, count in sorted(counts.items()))
        raise ValueError(f"documents have different numbers of layers ({found}): are two models' records mixed?")
    return entering


def _layer_values(metric: Metric, entering: Sequence[Item]) -> list[float | None]:
    """Return the value of each layer, None where undefined; an empty list without documents."""
    if not entering:
        return []
    num_layers = entering[0]["layers"]
    above = _column_sums(metric.numerator, entering, num_layers)
    if metric.denominator is None:
        return [total / len(entering) for total in above]
    below = _column_sums(metric.denominator, entering, num_layers)
    ratios = [top / bottom if bottom else None for top, bottom in zip(above, below, strict=True)]
    return [None if ratio is None else _finish(metric, ratio) for ratio in ratios]


def _column_sums(name: str, items: Sequence[Item], num_layers: int) -> list[float]:
    """Return the exactly rounded sum over documents for each layer."""
    sums = [math.fsum(column) for column in _column_table(name, items).T.tolist()]
    return sums * num_layers if name in _CONSTANT else sums


def _finish(metric: Metric, ratio: Any) -> Any:
    return 1 - ratio if metric.kind == "skill" else ratio


def _layered_value(metric: Metric, items: Sequence[Item]) -> float | None:
    return headline(_layer_values(metric, _entering(metric, items)))


def _best_layer(values: Sequence[float | None]) -> int | None:
    """Return the layer from 1 up with the highest value, the lowest of equal ones."""
    defined = [(value, -layer) for layer, value in enumerate(values) if layer and value is not None]
    return -max(defined)[1] if defined else None


def _best_layer_value(_: Metric, items: Sequence[Item]) -> int | None:
    metric = METRICS["alas_skill"]
    return _best_layer(_layer_values(metric, _entering(metric, items)))


# Intervals


@dataclass(frozen=True)
class _Resampler:
    """Bootstrap over clusters of documents: speakers where known for all, else documents."""

    clusters: dict[str, int]
    by_speaker: bool

    @classmethod
    def of(cls, items: Sequence[Item]) -> _Resampler:
        by_speaker = all(item["speaker"] is not None for item in items)
        names = sorted({str(item["speaker" if by_speaker else "uid"]) for item in items})
        return cls({name: index for index, name in enumerate(names)}, by_speaker)

    def index(self, items: Sequence[Item]) -> np.ndarray:
        """Return the cluster of each item."""
        key = "speaker" if self.by_speaker else "uid"
        return np.array([self.clusters[str(item[key])] for item in items], dtype=np.int64)

    def counts(self, resamples: int) -> Iterable[np.ndarray]:
        """Yield, in chunks of resamples, how often each cluster is drawn: (resamples, clusters).

        The draws depend on the names of the clusters alone, so that two models with the same documents get the same.
        """
        # The legacy generator: its numbers are the same in every NumPy version.
        generator, size = np.random.RandomState(SEED), len(self.clusters)
        step = max(1, _RESAMPLE_CELLS // size)
        for begin in range(0, resamples, step):
            rows = min(step, resamples - begin)
            drawn = generator.randint(0, size, size=(rows, size)) + np.arange(rows)[:, None] * size
            yield np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size).astype(np.float64)


def _cluster_sums(values: np.ndarray, index: np.ndarray, num_clusters: int) -> tuple[np.ndarray, float]:
    """Return sums by cluster (C, W) of values (D, W), as whole numbers, and the unit they count.

    The unit is a power of two small enough for precision and large enough that every sum of a resample stays
    below 2**53. Whole numbers add up exactly, so that the order of documents and the threads of the matrix
    product cannot show in an interval.
    """
    largest = float(np.abs(values).max(initial=0.0)) * float(np.bincount(index).max()) * num_clusters
    # Not 0, however small the numbers are.
    unit = max(math.ldexp(1.0, math.frexp(largest)[1] - 51), math.ulp(0.0))
    sums = np.zeros((num_clusters, values.shape[1]))
    np.add.at(sums, index, np.rint(values / unit))
    return sums, unit


def _resampled(
    metrics: Mapping[str, Metric], items: Sequence[Item], resamples: int = RESAMPLES
) -> dict[str, np.ndarray]:
    """Return each metric's values in every resample, (resamples, L + 1), NaN where undefined."""
    resampler = _Resampler.of(items)
    if len(resampler.clusters) < 2:
        return {}  # one cluster says nothing about how clusters differ
    entering = {key: _entering(metric, items) for key, metric in metrics.items()}
    parts = {key: _parts(metrics[key], found, resampler) for key, found in entering.items() if found}
    if not parts:
        return {}
    table = np.concatenate([np.concatenate([above, below], axis=1) for above, below, _ in parts.values()], axis=1)
    drawn = np.concatenate([counts @ table for counts in resampler.counts(resamples)])
    samples, begin = {}, 0
    for key, (above, below, scale) in parts.items():
        middle, end = begin + above.shape[1], begin + above.shape[1] + below.shape[1]
        samples[key] = _finish(metrics[key], _ratio(drawn[:, begin:middle], drawn[:, middle:end]) * scale)
        begin = end
    return samples


def _parts(metric: Metric, entering: Sequence[Item], resampler: _Resampler) -> tuple[np.ndarray, np.ndarray, float]:
    """Return by cluster the sums above and below a metric's fraction, (C, L + 1) and (C, 1 or L + 1)."""
    index, size = resampler.index(entering), len(resampler.clusters)
    above, unit = _cluster_sums(_column_table(metric.numerator, entering), index, size)
    if metric.numerator in _CONSTANT:
        above = np.repeat(above, entering[0]["layers"], axis=1)
    if metric.denominator is None:
        return above, np.bincount(index, minlength=size).astype(np.float64)[:, None], unit
    below, unit_below = _cluster_sums(_column_table(metric.denominator, entering), index, size)
    return above, below, unit / unit_below


def _column_table(name: str, items: Sequence[Item]) -> np.ndarray:
    """Return a column of every document, (D, L + 1), or (D, 1) where it is the same in every layer."""
    return np.array([item["columns"][name] for item in items], dtype=np.float64).reshape(len(items), -1)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


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
    return _layer_values(METRICS[key], _entering(METRICS[key], items))


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
    return _resampled({key: METRICS[key] for key in keys}, items, resamples) if items else {}


def headline_samples(samples: np.ndarray) -> np.ndarray:
    """Return the mean over layers 1..L of samples (resamples, L + 1)."""
    return np.asarray(samples[:, 1:].mean(axis=1))


def num_clusters(items: Sequence[Item]) -> int:
    """Return how many clusters, speakers where known for all, else documents, the bootstrap draws from."""
    return len(_Resampler.of(items).clusters)


def interval(samples: np.ndarray | None, tail: float = 2.5) -> tuple[float | None, float | None]:
    """Return the percentile interval of samples (resamples,), leaving out undefined ones.

    Args:
        samples: of one value, None if there are none.
        tail: per cent of the samples beyond either end.
    """
    defined = np.array([]) if samples is None else samples[np.isfinite(samples)]
    if not defined.size:
        return None, None
    low, high = np.percentile(defined, [tail, 100 - tail])
    return float(low), float(high)


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
    layer = _best_layer(values)
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
        samples |= _resampled(metrics, [item for item in members if "columns" in item])
    for key, metric in layered.items():
        values = _layer_values(metric, _entering(metric, populations[metric.population]))
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
