"""Comparing two runs on the documents that both kept; in metrics that go without the filter, on all that both hold.

The bootstrap is that of one run: 2,000 resamples of speakers where known for all documents, else of documents, with
a fixed seed. Both runs are resampled alike, so that what makes a document hard for both cancels out. Ratios of sums
are resampled as ratios of sums.

A two-sided p-value is twice the share of resamples on the rarer side of 0, one added to both counts (Davison and
Hinkley 1997, section 4.2, https://doi.org/10.1017/CBO9780511802843). Where no resample lies there, it is read off a
normal distribution of the resamples' mean and standard deviation: else no difference would be clear enough to remain
after a correction for many pairs. p-values are widened to Student's t distribution as intervals are, see `bootstrap`.
Several pairs are corrected after Holm 1979, https://www.jstor.org/stable/4615733.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtr

from alas_metric.corpus.aggregate import layer_items, layer_samples, layer_values
from alas_metric.corpus.answer_filter import THRESHOLD
from alas_metric.corpus.bootstrap import RESAMPLES, Samples, interval, num_clusters
from alas_metric.corpus.layers import headline, items_entering
from alas_metric.corpus.metrics import LAYERED, METRICS, ROWS, in_all_forms
from alas_metric.document.scores import DocumentScores

HEADLINES = tuple(row.key for row in ROWS if row.headline)
"""The metrics by which runs are ranked."""
COMPARED = tuple(key for row in ROWS if row.headline for key in in_all_forms(row))
"""The metrics in which runs are compared at all: the headlines in every form."""
COMPARED_COLUMNS = {column for key in COMPARED for column in LAYERED[key].columns}
"""What is read of a document for that, see `DocumentScores`."""
SIGNIFICANT = 0.05

Items = list[dict[str, Any]]


@dataclass(frozen=True)
class LayerDifferences:
    """First minus second run in each layer 0..L, with 95 % intervals of each layer by itself; None where undefined."""

    values: list[float | None]
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True)
class Difference:
    """What two runs differ by in one metric.

    Args:
        key: of `LAYERED`.
        documents: that both kept, or of a metric without the filter both hold, and that define it in both.
        clusters: speakers, or documents, that were resampled.
        first: headline of the first run on these documents, None if undefined.
        second: of the second run.
        difference: first minus second.
        low: of its 95 % interval.
        high: of its 95 % interval.
        p: two-sided p-value of no difference.
        layers: of each layer, None if the runs have different numbers of layers.
    """

    key: str
    documents: int
    clusters: int
    first: float | None = None
    second: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    layers: LayerDifferences | None = None


@dataclass(frozen=True)
class DocumentChange:
    """A document's own value of a metric in two runs: mean over layers 1..L."""

    uid: str
    first: float
    second: float

    @property
    def change(self) -> float:
        """First minus second."""
        return self.first - self.second


def paired_items(
    first: Iterable[DocumentScores], second: Iterable[DocumentScores], threshold: float = THRESHOLD
) -> tuple[Items, Items]:
    """Return the items of the documents that both runs kept, in the same order.

    A speaker counts as known where both runs name the same one. Columns that only one run defines, since it has
    another number of audio positions, are left out of both.

    Args:
        first: scores of one run's documents.
        second: of the other's.
        threshold: of the answer filter.
    """
    return _both_kept(_paired(_by_uid(first, threshold), _by_uid(second, threshold)))


def _by_uid(run: Iterable[DocumentScores], threshold: float) -> dict[str, dict[str, Any]]:
    """Return the items of a run's documents, kept or not, by their ids."""
    return {item["uid"]: item for item in layer_items(run, threshold, "scorable")}


def _paired(one: Mapping[str, dict[str, Any]], other: Mapping[str, dict[str, Any]]) -> tuple[Items, Items]:
    pairs = [_pair(one[uid], other[uid]) for uid in sorted(set(one) & set(other))]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _both_kept(pair: tuple[Items, Items]) -> tuple[Items, Items]:
    both = [found for found in zip(*pair, strict=True) if found[0]["kept"] and found[1]["kept"]]
    return [one for one, _ in both], [other for _, other in both]


def _pair(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[dict[str, Any]]:
    speaker = one["speaker"] if one["speaker"] == other["speaker"] else None
    shared = one["columns"].keys() & other["columns"].keys()
    return [
        {**item, "speaker": speaker, "columns": {name: item["columns"][name] for name in sorted(shared)}}
        for item in (one, other)
    ]


def compare_runs(
    first: Sequence[DocumentScores],
    second: Sequence[DocumentScores],
    keys: Sequence[str] = HEADLINES,
    threshold: float = THRESHOLD,
    resamples: int = RESAMPLES,
) -> dict[str, Difference]:
    """Return what two runs differ by.

    Args:
        first: scores of one run's documents.
        second: of the other's.
        keys: of `LAYERED`.
        threshold: of the answer filter.
        resamples: of the bootstrap.

    Raises:
        ValueError: If documents of one run differ in the number of layers.
    """
    return _compared(_paired(_by_uid(first, threshold), _by_uid(second, threshold)), keys, resamples)


def _compared(pair: tuple[Items, Items], keys: Sequence[str], resamples: int = RESAMPLES) -> dict[str, Difference]:
    """Return what two runs differ by from their paired items, each metric on the documents that it is of."""
    found: dict[str, Difference] = {}
    for population, members in (("kept", _both_kept(pair)), ("scorable", pair)):
        own = [key for key in keys if METRICS[key].population == population]
        samples = [layer_samples(own, items, resamples) for items in members]
        found |= {key: _difference(key, members, [each.get(key) for each in samples]) for key in own}
    return {key: found[key] for key in keys}


def _difference(key: str, pair: tuple[Items, Items], samples: Sequence[Samples | None]) -> Difference:
    values = [layer_values(key, items) for items in pair]
    entering = items_entering(LAYERED[key], pair[0])
    first, second = (headline(found) for found in values)
    one, other = samples
    clusters = num_clusters(entering) if one is None else one.clusters
    if first is None or second is None:
        return Difference(key, len(entering), clusters)
    moves = None if one is None or other is None else one.headline - other.headline
    low, high = (None, None) if moves is None else interval(moves, clusters)
    p = None if moves is None else p_value(moves, clusters)
    layers = _layer_differences(values, samples)
    return Difference(key, len(entering), clusters, first, second, first - second, low, high, p, layers)


def _layer_differences(
    values: Sequence[Sequence[float | None]], samples: Sequence[Samples | None]
) -> LayerDifferences | None:
    if len(values[0]) != len(values[1]):
        return None
    moves = [None if a is None or b is None else a - b for a, b in zip(*values, strict=True)]
    one, other = samples
    if one is None or other is None:
        return LayerDifferences(moves, [None] * len(moves), [None] * len(moves))
    ends = Samples(one.values - other.values, one.clusters).layer_intervals()
    return LayerDifferences(moves, [low for low, _ in ends], [high for _, high in ends])


def p_value(samples: np.ndarray, clusters: int) -> float | None:
    """Return the two-sided p-value of no difference, None if undefined.

    Args:
        samples: differences in resamples.
        clusters: speakers, or documents, that were resampled.
    """
    defined = samples[np.isfinite(samples)]
    if not defined.size or clusters < 2:
        return None
    rarer = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    errors = float(-ndtri(min(0.5, (rarer + 1) / (defined.size + 1))))
    if not rarer:
        errors = max(errors, abs(float(defined.mean())) / max(float(defined.std()), np.finfo(float).tiny))
    return float(2 * stdtr(clusters - 1, -errors * math.sqrt((clusters - 1) / clusters)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for their number; None stays None and does not count.

    Example:
        >>> holm([0.01, 0.04, None, 0.02])
        [0.03, 0.04, None, 0.04]
    """
    order = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        largest = min(1.0, max(largest, p * (len(order) - rank)))
        corrected[index] = largest
    return corrected


@dataclass(frozen=True)
class PairDifference:
    """Two of several runs, by their positions, with the p-value corrected for the number of pairs."""

    first: int
    second: int
    difference: Difference
    p_holm: float | None

    @property
    def significant(self) -> bool:
        """Whether the runs differ."""
        return self.p_holm is not None and self.p_holm < SIGNIFICANT


def compare_all(
    runs: Sequence[Sequence[DocumentScores]], keys: Sequence[str] = HEADLINES, threshold: float = THRESHOLD
) -> dict[str, list[PairDifference]]:
    """Return every pair of runs by metric, p-values corrected within each metric.

    Args:
        runs: scores of each run's documents.
        keys: of `LAYERED`.
        threshold: of the answer filter.
    """
    pairs = list(itertools.combinations(range(len(runs)), 2))
    items = [_by_uid(run, threshold) for run in runs]
    found = [_compared(_paired(items[a], items[b]), keys) for a, b in pairs]
    differences = {}
    for key in keys:
        corrected = holm([each[key].p for each in found])
        differences[key] = [
            PairDifference(a, b, each[key], p) for (a, b), each, p in zip(pairs, found, corrected, strict=True)
        ]
    return differences


def ranks(num_runs: int, pairs: Iterable[PairDifference]) -> list[int]:
    """Return each run's rank in a metric: 1 and how many runs are better, as far as that is significant.

    Runs of the same rank are tied.

    Args:
        num_runs: how many there are.
        pairs: of one metric, see `compare_all`.
    """
    found = [1] * num_runs
    for pair in pairs:
        if pair.significant and pair.difference.difference:
            higher = pair.difference.difference > 0
            first_wins = higher == (METRICS[pair.difference.key].direction == "higher")
            found[pair.second if first_wins else pair.first] += 1
    return found


def document_changes(
    first: Iterable[DocumentScores], second: Iterable[DocumentScores], key: str, threshold: float = THRESHOLD
) -> list[DocumentChange]:
    """Return what each document that both kept changed by, the largest change first.

    Args:
        first: scores of one run's documents.
        second: of the other's.
        key: of `LAYERED`.
        threshold: of the answer filter.
    """
    changes = []
    for one, other in zip(*paired_items(first, second, threshold), strict=True):
        values = [headline(layer_values(key, [item])) for item in (one, other)]
        if values[0] is not None and values[1] is not None:
            changes.append(DocumentChange(one["uid"], values[0], values[1]))
    return sorted(changes, key=lambda found: (-abs(found.change), found.uid))
