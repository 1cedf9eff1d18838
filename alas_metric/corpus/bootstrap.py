"""Bootstrap intervals over clusters of documents: speakers where known for all, else documents.

A plain percentile interval is too narrow where clusters are few: with ten speakers it misses the truth in 10 % of cases
instead of 5 %. Intervals are therefore widened from the normal to Student's t distribution, the expanded percentile
interval of Hesterberg 2015, https://doi.org/10.1080/00031305.2015.1089789, those of one run as those of differences.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, stdtrit  # scipy.stats, which has them too, takes longer to import than all of ours

from alas_metric.corpus.layers import Item, column_table, evaluate, items_entering
from alas_metric.document.metric import Sums

RESAMPLES = 2000
SEED = 20250519
FEW_CLUSTERS = 10
"""Below as many speakers, or documents, intervals mean little."""
_RESAMPLE_CELLS = 2**22
"""Resamples times clusters drawn at once: bounds the memory for large corpora to about 100 MB."""


@dataclass(frozen=True)
class Samples:
    """A metric in bootstrap resamples.

    Args:
        values: of each resample and layer, shape ``(resamples, L + 1)``, NaN where undefined.
        clusters: speakers, or documents, that it rests on.
    """

    values: np.ndarray
    clusters: int

    @property
    def headline(self) -> np.ndarray:
        """The mean over layers 1..L, shape ``(resamples,)``."""
        return np.asarray(self.values[:, 1:].mean(axis=1))

    def interval(self) -> tuple[float | None, float | None]:
        """Return the 95 % interval of the mean over layers 1..L, see `interval`."""
        return interval(self.headline, self.clusters)

    def layer_intervals(self) -> list[tuple[float | None, float | None]]:
        """Return the 95 % interval of each layer 0..L, see `interval`."""
        return [interval(column, self.clusters) for column in self.values.T]


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


def resampled(metrics: Mapping[str, Sums], items: Sequence[Item], resamples: int = RESAMPLES) -> dict[str, Samples]:
    """Return each metric in every resample; a key is absent without documents, or if all are of one speaker.

    Args:
        metrics: by key.
        items: of the documents that are drawn from.
        resamples: how many.
    """
    resampler = _Resampler.of(items)
    if len(resampler.clusters) < 2:
        return {}  # one cluster says nothing about how clusters differ
    entering = {sums: found for sums in set(metrics.values()) if (found := items_entering(sums, items))}
    # Metrics share columns; what is the same of the same documents is drawn once.
    members = {sums: frozenset(str(item["uid"]) for item in found) for sums, found in entering.items()}
    columns = {(name, members[sums]): found for sums, found in entering.items() for name in sums.columns}
    drawn = _drawn(columns, resampler, resamples)
    samples = {
        sums: Samples(
            np.broadcast_to(
                evaluate(sums, [drawn[name, members[sums]] for name in sums.columns]), (resamples, found[0]["layers"])
            ),
            len(set(resampler.index(found))),
        )
        for sums, found in entering.items()
    }
    return {key: samples[sums] for key, sums in metrics.items() if sums in samples}


_Column = tuple[str, frozenset[str]]
"""A column and the ids of the documents that enter."""


def _drawn(
    columns: Mapping[_Column, Sequence[Item]], resampler: _Resampler, resamples: int
) -> dict[_Column, np.ndarray]:
    """Return each column's sum over the documents in each resample, (resamples, 1 or L + 1)."""
    if not columns:
        return {}
    size = len(resampler.clusters)
    parts = {
        key: _cluster_sums(column_table(key[0], items), resampler.index(items), size) for key, items in columns.items()
    }
    table = np.concatenate([sums for sums, _ in parts.values()], axis=1)
    drawn = np.concatenate([counts @ table for counts in resampler.counts(resamples)])
    ends = np.cumsum([sums.shape[1] for sums, _ in parts.values()])[:-1]
    pieces = np.split(drawn, ends, axis=1)
    # The units are powers of two: multiplying is exact.
    return {key: piece * unit for (key, (_, unit)), piece in zip(parts.items(), pieces, strict=True)}


def num_clusters(items: Sequence[Item]) -> int:
    """Return how many clusters, speakers where known for all, else documents, the bootstrap draws from."""
    return len(_Resampler.of(items).clusters)


def interval(
    samples: np.ndarray, clusters: int, method: Literal["linear", "inverted_cdf"] = "linear"
) -> tuple[float | None, float | None]:
    """Return the 95 % interval of samples (resamples,), leaving out undefined ones; None for both ends if undefined.

    Args:
        samples: of one value.
        clusters: speakers, or documents, that the value rests on.
        method: of the percentiles; ``inverted_cdf`` gives values that occur.
    """
    defined = samples[np.isfinite(samples)]
    if not defined.size or clusters < 2:
        return None, None
    tail = expanded_tail(clusters)
    low, high = np.percentile(defined, [tail, 100 - tail], method=method)
    return float(low), float(high)


def expanded_tail(clusters: int) -> float:
    """Return how many per cent of the resamples lie beyond either end of a 95 % interval.

    Example:
        >>> [round(expanded_tail(clusters), 2) for clusters in (10, 100, 10**6)]
        [0.86, 2.31, 2.5]
    """
    if clusters < 2:
        return 0.0
    return float(100 * ndtr(math.sqrt(clusters / (clusters - 1)) * stdtrit(clusters - 1, 0.025)))
