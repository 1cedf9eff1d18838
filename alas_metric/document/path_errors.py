"""How far paths are from a reference path, and how far a path without a model would be.

All functions take paths as `paths` defines them and are vectorised over leading axes, the layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from alas_metric.document.paths import WordTiming, position_centres, territories

_CHUNK_CELLS = 2**21
"""Probabilities held at once: bounds the memory for long audio to a few tens of MB."""


def alignment_error(path: npt.ArrayLike, expected: npt.ArrayLike) -> np.ndarray:
    """Return the mean absolute difference of two alignment paths.

    ALAS, eq. 2 of Mousavi et al. 2025, https://arxiv.org/abs/2505.19937.

    Args:
        path: word index of each audio position, shape ``(..., K)``; with ``T < N`` the position of each word.
        expected: the same from word timestamps, shape ``(K,)``.

    Returns:
        Mean |path - expected| in words (in positions with ``T < N``), shape ``(...)``; 0 is perfect.

    Raises:
        ValueError: If the lengths differ or are 0.

    Example:
        >>> float(alignment_error([0, 0, 1], [0, 1, 1]))
        0.3333333333333333
    """
    path, expected = _same_length(path, expected)
    return np.abs(path - expected).mean(axis=-1)


def alignment_matrix_error(path: npt.ArrayLike, expected: npt.ArrayLike, num_rows: int) -> np.ndarray:
    """Return the mean absolute difference of the binary matrices of two paths.

    This is what the authors' script plots.

    Args:
        path: word index of each audio position, shape ``(..., K)``.
        expected: the same from word timestamps, shape ``(K,)``.
        num_rows: number of values that a path takes, N (T with ``T < N``).

    Returns:
        Mean over all ``num_rows * K`` entries, shape ``(...)``: every entry where the paths differ counts
        twice.

    Raises:
        ValueError: If the lengths differ or are 0.
    """
    path, expected = _same_length(path, expected)
    return 2 * (path != expected).sum(axis=-1) / (path.shape[-1] * num_rows)


def alignment_seconds(
    path: npt.ArrayLike, words: Sequence[WordTiming], num_frames: int, frame_seconds: float
) -> np.ndarray:
    """Return the mean distance between each position and the word that the path joins it with.

    Unlike words or positions this unit is the same for both roles and for every frame rate.

    Args:
        path: shape ``(..., K)``; with ``T < N`` it indexes positions.
        words: N word timestamps in seconds.
        num_frames: number T of audio positions.
        frame_seconds: seconds per position.

    Returns:
        Mean distance in seconds from the centre of the position to the territory of the word, 0 inside it,
        shape ``(...)``.

    Raises:
        ValueError: If the path has other than ``max(N, T)`` entries.
    """
    return entry_seconds(path, words, num_frames, frame_seconds).mean(axis=-1)


def entry_seconds(
    path: npt.ArrayLike, words: Sequence[WordTiming], num_frames: int, frame_seconds: float
) -> np.ndarray:
    """Return the distance of each path entry in seconds, shape ``(..., K)``; see `alignment_seconds`."""
    path, _ = _same_length(path, np.zeros(max(len(words), num_frames), np.int64))
    bounds, centres = territories(words), position_centres(num_frames, frame_seconds)
    if num_frames < len(words):
        return _outside(centres[path], bounds)
    begins, ends = np.ascontiguousarray(bounds.T)
    return np.maximum(np.maximum(begins[path] - centres, centres - ends[path]), 0.0)


def seconds_distances(
    words: Sequence[WordTiming], num_frames: int, frame_seconds: float, entries: slice | None = None
) -> np.ndarray:
    """Return the distance in seconds that each value of each path entry would cost.

    Args:
        words: N word timestamps in seconds.
        num_frames: number T of audio positions.
        frame_seconds: seconds per position.
        entries: which entries of the path, all by default.

    Returns:
        Shape ``(K, M)`` with ``M = min(N, T)``, see `alignment_seconds`.
    """
    rows = slice(None) if entries is None else entries
    bounds, centres = territories(words), position_centres(num_frames, frame_seconds)
    if num_frames < len(words):
        return _outside(centres[None, :], bounds[rows, None])
    return _outside(centres[rows, None], bounds[None, :])


def _outside(centres: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return how far centres lie outside of bounds (..., 2)."""
    return np.maximum(np.maximum(bounds[..., 0] - centres, centres - bounds[..., 1]), 0.0)


def _same_length(path: npt.ArrayLike, expected: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    path, expected = np.asarray(path), np.asarray(expected)
    if path.shape[-1:] != expected.shape or not expected.size:
        raise ValueError(
            "path and reference path must have the same length and not be empty, "
            f"got {path.shape} and {expected.shape}: was the audio cut at 30 s?"
        )
    return path, expected


def path_probabilities(length: int, num_values: int, entries: slice | None = None) -> np.ndarray:
    """Return where a monotone path drawn uniformly at random is at each entry.

    ``num_values - 1`` steps fall on ``length - 1`` places, so that the value at entry k follows the
    hypergeometric distribution of the steps among the first k places.

    Args:
        length: number K of entries, at least ``num_values``.
        num_values: number M of values.
        entries: which entries, all by default.

    Returns:
        Probability of each value at each entry, shape ``(K, M)``; rows sum to 1.

    Example:
        >>> path_probabilities(3, 2).round(6).tolist()
        [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    k = np.arange(length)[slice(None) if entries is None else entries, None]
    j = np.arange(num_values)[None, :]
    rest = length - 1 - k - (num_values - 1 - j)
    possible = (j <= k) & (rest >= 0)
    logs = gammaln(np.arange(length + 1) + 1.0)
    drawn = logs[k] - logs[j] - logs[np.where(possible, k - j, 0)]
    left = logs[length - 1 - k] - logs[num_values - 1 - j] - logs[np.where(possible, rest, 0)]
    total = logs[length - 1] - logs[num_values - 1] - logs[length - num_values]
    weights = np.where(possible, np.exp(np.where(possible, drawn + left - total, 0.0)), 0.0)
    return weights / weights.sum(axis=-1, keepdims=True)


def uniform_expectation(distances: npt.ArrayLike) -> float:
    """Return the expected mean distance of a monotone path drawn uniformly at random; no model is involved.

    Args:
        distances: what each value of each entry costs, shape ``(K, M)``, ``K >= M``.

    Returns:
        The mean over entries of the expected distance, in the unit of the distances.

    Raises:
        ValueError: If the shape is not ``(K, M)`` with ``K >= M >= 1``.

    Example:
        >>> expected = np.array([0, 0, 1])
        >>> round(uniform_expectation(np.abs(np.arange(2) - expected[:, None])), 12)
        0.166666666667
    """
    table = np.asarray(distances, dtype=np.float64)
    if table.ndim != 2 or not table.shape[0] >= table.shape[1] >= 1:
        raise ValueError(f"expected distances of shape (K, M) with K >= M >= 1, got {table.shape}")
    return expectations(table.shape[0], table.shape[1], [lambda entries: table[entries]])[0]


def expectations(length: int, num_values: int, costs: Sequence[Callable[[slice], np.ndarray]]) -> list[float]:
    """Return the expected mean of several costs, each a function from entries to distances (entries, M)."""
    sums = np.zeros(len(costs))
    for entries, chances in _probabilities_in_chunks(length, num_values):
        sums += [(chances * cost(entries)).sum() for cost in costs]
    return [float(total) / length for total in sums]


def entry_expectations(length: int, num_values: int, cost: Callable[[slice], np.ndarray]) -> np.ndarray:
    """Return the expected cost of each entry, shape ``(length,)``; see `expectations`, which gives its mean."""
    chunks = _probabilities_in_chunks(length, num_values)
    return np.concatenate([(chances * cost(entries)).sum(axis=-1) for entries, chances in chunks])


def _probabilities_in_chunks(length: int, num_values: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield a few entries at a time with `path_probabilities`: the memory stays small for long audio."""
    step = max(1, _CHUNK_CELLS // num_values)
    for begin in range(0, length, step):
        entries = slice(begin, begin + step)
        yield entries, path_probabilities(length, num_values, entries)
