"""Bootstrap intervals over clusters of documents: speakers where known for all, else documents."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alas_metric.corpus.layers import Item, column_table, finish, items_entering
from alas_metric.corpus.metrics import CONSTANT, Metric

RESAMPLES = 2000
SEED = 20250519
_RESAMPLE_CELLS = 2**22
"""Resamples times clusters drawn at once: bounds the memory for large corpora to about 100 MB."""


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


def resampled(
    metrics: Mapping[str, Metric], items: Sequence[Item], resamples: int = RESAMPLES
) -> dict[str, np.ndarray]:
    """Return each metric's values in every resample, (resamples, L + 1), NaN where undefined."""
    resampler = _Resampler.of(items)
    if len(resampler.clusters) < 2:
        return {}  # one cluster says nothing about how clusters differ
    entering = {key: items_entering(metric, items) for key, metric in metrics.items()}
    parts = {key: _parts(metrics[key], found, resampler) for key, found in entering.items() if found}
    if not parts:
        return {}
    table = np.concatenate([np.concatenate([above, below], axis=1) for above, below, _ in parts.values()], axis=1)
    drawn = np.concatenate([counts @ table for counts in resampler.counts(resamples)])
    samples, begin = {}, 0
    for key, (above, below, scale) in parts.items():
        middle, end = begin + above.shape[1], begin + above.shape[1] + below.shape[1]
        samples[key] = finish(metrics[key], _ratio(drawn[:, begin:middle], drawn[:, middle:end]) * scale)
        begin = end
    return samples


def _parts(metric: Metric, entering: Sequence[Item], resampler: _Resampler) -> tuple[np.ndarray, np.ndarray, float]:
    """Return by cluster the sums above and below a metric's fraction, (C, L + 1) and (C, 1 or L + 1)."""
    index, size = resampler.index(entering), len(resampler.clusters)
    above, unit = _cluster_sums(column_table(metric.numerator, entering), index, size)
    if metric.numerator in CONSTANT:
        above = np.repeat(above, entering[0]["layers"], axis=1)
    if metric.denominator is None:
        return above, np.bincount(index, minlength=size).astype(np.float64)[:, None], unit
    below, unit_below = _cluster_sums(column_table(metric.denominator, entering), index, size)
    return above, below, unit / unit_below


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


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
