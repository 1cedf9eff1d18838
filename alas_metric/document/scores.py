"""Scores of one document: how far the paths of every layer are from a reference path, and what chance gives.

All functions take paths as `alignment` defines them and are vectorised over leading axes, the layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from alas_metric.document.paths import (
    WordTiming,
    check_words,
    linear_path,
    position_centres,
    position_owners,
    reference_path,
    territories,
)
from alas_metric.document.record import STATES, AlignmentRecord

_CHUNK_CELLS = 2**21
"""Probabilities held at once: bounds the memory for long audio to a few tens of MB."""


def alignment_error(path: npt.ArrayLike, reference: npt.ArrayLike) -> np.ndarray:
    """Return the mean absolute difference of two alignment paths.

    ALAS, eq. 2 of Mousavi et al. 2025, https://arxiv.org/abs/2505.19937.

    Args:
        path: word index of each audio position, shape ``(..., K)``; with ``T < N`` the position of each word.
        reference: the same from word timestamps, shape ``(K,)``.

    Returns:
        Mean |path - reference| in words (in positions with ``T < N``), shape ``(...)``; 0 is perfect.

    Raises:
        ValueError: If the lengths differ or are 0.

    Example:
        >>> float(alignment_error([0, 0, 1], [0, 1, 1]))
        0.3333333333333333
    """
    path, reference = _same_length(path, reference)
    return np.abs(path - reference).mean(axis=-1)


def alignment_matrix_error(path: npt.ArrayLike, reference: npt.ArrayLike, num_rows: int) -> np.ndarray:
    """Return the mean absolute difference of the binary matrices of two paths.

    This is what the authors' script plots.

    Args:
        path: word index of each audio position, shape ``(..., K)``.
        reference: the same from word timestamps, shape ``(K,)``.
        num_rows: number of values that a path takes, N (T with ``T < N``).

    Returns:
        Mean over all ``num_rows * K`` entries, shape ``(...)``: every entry where the paths differ counts
        twice.

    Raises:
        ValueError: If the lengths differ or are 0.
    """
    path, reference = _same_length(path, reference)
    return 2 * (path != reference).sum(axis=-1) / (path.shape[-1] * num_rows)


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
    path, _ = _same_length(path, np.zeros(max(len(words), num_frames), np.int64))
    bounds, centres = territories(words), position_centres(num_frames, frame_seconds)
    if num_frames < len(words):
        return _outside(centres[path], bounds).mean(axis=-1)
    begins, ends = np.ascontiguousarray(bounds.T)
    return np.maximum(np.maximum(begins[path] - centres, centres - ends[path]), 0.0).mean(axis=-1)


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


def _same_length(path: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    path, reference = np.asarray(path), np.asarray(reference)
    if path.shape[-1:] != reference.shape or not reference.size:
        raise ValueError(
            "path and reference must have the same length and not be empty, "
            f"got {path.shape} and {reference.shape}: was the audio cut at 30 s?"
        )
    return path, reference


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
        >>> reference = np.array([0, 0, 1])
        >>> round(uniform_expectation(np.abs(np.arange(2) - reference[:, None])), 12)
        0.166666666667
    """
    table = np.asarray(distances, dtype=np.float64)
    if table.ndim != 2 or not table.shape[0] >= table.shape[1] >= 1:
        raise ValueError(f"expected distances of shape (K, M) with K >= M >= 1, got {table.shape}")
    return _expectations(table.shape[0], table.shape[1], [lambda entries: table[entries]])[0]


def _expectations(length: int, num_values: int, costs: Sequence[Callable[[slice], np.ndarray]]) -> list[float]:
    """Return the expected mean of several costs, each a function from entries to distances (entries, M)."""
    step = max(1, _CHUNK_CELLS // num_values)
    sums = np.zeros(len(costs))
    for begin in range(0, length, step):
        entries = slice(begin, begin + step)
        chances = path_probabilities(length, num_values, entries)
        sums += [(chances * cost(entries)).sum() for cost in costs]
    return [float(total) / length for total in sums]


def frame_hits(similarity: npt.ArrayLike, words: Sequence[WordTiming], frame_seconds: float) -> np.ndarray:
    """Return over how many positions the most similar word is the one being spoken.

    Args:
        similarity: shape ``(..., N, T)``.
        words: N word timestamps in seconds.
        frame_seconds: seconds per position.

    Returns:
        Sum over the positions whose centre lies inside a word, shape ``(...)``. A position gives 1 if the
        word is the only most similar one and 1 / n if it is one of n.
    """
    values = np.asarray(similarity)
    inside, owners = spoken_positions(words, values.shape[-1], frame_seconds)
    best = values.max(axis=-2)
    ties = (values == best[..., None, :]).sum(axis=-2)
    # Selected only now: selecting positions from all words would copy everything, and in an order that is slow to read.
    chosen = values[..., owners[inside], np.flatnonzero(inside)]
    return np.where(chosen == best[..., inside], 1.0 / np.maximum(ties[..., inside], 1), 0.0).sum(axis=-1)


def spoken_positions(
    words: Sequence[WordTiming], num_frames: int, frame_seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return which positions have their centre inside the word that owns them, and the owners."""
    owners = position_owners(words, num_frames, frame_seconds)
    centres = position_centres(num_frames, frame_seconds)
    spans = np.array([[word.start, word.end] for word in words])[owners]
    return (spans[:, 0] <= centres) & (centres < spans[:, 1]), owners


@dataclass(frozen=True)
class DocumentScores:
    """Scores of one document.

    Args:
        uid: the document.
        speaker: who speaks, None if unknown.
        skipped: cause why there are no scores, None if there are.
        detail: what exactly was found when skipped.
        swapped: whether there were fewer positions than words.
        forced: whether only one path exists.
        answered: whether the model was asked for answers.
        agreement: similarity of the two answers, None for closed or missing ones.
        labels: closed answers, see `AlignmentRecord`.
        similarities: free answers, see `AlignmentRecord`.
        columns: values of each layer, float64 ``(L + 1,)``, by name; a name is absent where it is undefined. Names
            of what depends on the form of similarity end in it, see `similarity.FORMS`.
    """

    uid: str
    speaker: str | None = None
    skipped: str | None = None
    detail: str = ""
    swapped: bool = False
    forced: bool = False
    answered: bool = False
    agreement: float | None = None
    labels: dict[str, str | None] | None = None
    similarities: dict[str, float | None] = field(default_factory=dict)
    columns: dict[str, np.ndarray] = field(default_factory=dict)


def score_record(record: AlignmentRecord, reference: str | None = None) -> DocumentScores:
    """Return the scores of one document.

    Args:
        record: what the model side left.
        reference: name of the word timestamps to compare with, the record's primary one by default.

    Returns:
        Scores in words (swapped: positions) and seconds, see `corpus.METRICS` for what comes of them.

    Raises:
        ValueError: If the record does not hold that reference.
    """
    if record.skipped is not None:
        return DocumentScores(record.uid, record.speaker, record.skipped["cause"], record.skipped["detail"])
    name = record.reference if reference is None else reference
    if name not in record.references:
        raise ValueError(f"document {record.uid!r} has no reference {name!r}, only {sorted(record.references)}")
    return DocumentScores(
        uid=record.uid,
        speaker=record.speaker,
        swapped=record.swapped,
        forced=record.forced,
        answered=record.audio_answer is not None or record.text_answer is not None,
        agreement=record.similarities.get("responses"),
        labels=record.labels,
        similarities=dict(record.similarities),
        columns=_columns(record, name),
    )


def _columns(record: AlignmentRecord, name: str) -> dict[str, np.ndarray]:
    """Return every column that is defined for this document."""
    words = check_words(record.references[name], record.num_frames * record.frame_seconds)
    target = reference_path(words, record.num_frames, record.frame_seconds)
    columns: dict[str, np.ndarray | float] = {}
    for form in STATES:
        columns |= _path_columns(record, words, target, form)
        columns |= _frame_columns(record, words, record.hits[name][form], form)
    if not record.forced:
        columns |= _baseline_columns(record, words, target)
    return {key: np.full(record.num_layers, value, dtype=np.float64) for key, value in columns.items()}


def _path_columns(
    record: AlignmentRecord, words: Sequence[WordTiming], target: np.ndarray, form: str
) -> dict[str, np.ndarray]:
    """Return the errors of the model's paths and, unless forced, of those on circularly shifted audio."""
    both = np.stack([record.paths[form], record.paths[f"{form}_chance"]])
    seconds, chance_seconds = alignment_seconds(both, words, record.num_frames, record.frame_seconds)
    error, chance_error = alignment_error(both, target)
    columns = {f"alas_seconds_{form}": seconds}
    if record.swapped:
        columns[f"alas_swapped_{form}"] = error
    else:
        columns[f"alas_{form}"] = error
        columns[f"alas_matrix_{form}"] = alignment_matrix_error(both[0], target, record.num_words)
    if not record.forced:
        columns[f"alas_seconds_chance_{form}"] = chance_seconds
    if not record.forced and not record.swapped:
        columns[f"alas_chance_{form}"] = chance_error
    return columns


def _frame_columns(
    record: AlignmentRecord, words: Sequence[WordTiming], hits: np.ndarray, form: str
) -> dict[str, np.ndarray | float]:
    """Return frame hits and, with more than one word, what they are above guessing."""
    inside, _ = spoken_positions(words, record.num_frames, record.frame_seconds)
    count, guess = float(inside.sum()), 1 / record.num_words
    columns: dict[str, np.ndarray | float] = {f"frame_hits_{form}": hits, "frame_positions": count}
    if record.num_words > 1:
        columns |= {f"frame_gain_{form}": hits - count * guess, "frame_gain_possible": count * (1 - guess)}
    return columns


def _baseline_columns(
    record: AlignmentRecord, words: Sequence[WordTiming], target: np.ndarray
) -> dict[str, np.ndarray | float]:
    """Return what the random and the constant-rate path give; the same in every layer."""
    num_words, num_frames = record.num_words, record.num_frames
    shorter = min(num_words, num_frames)
    seconds, error = _expectations(
        len(target),
        shorter,
        [
            lambda entries: seconds_distances(words, num_frames, record.frame_seconds, entries),
            lambda entries: np.abs(np.arange(shorter) - target[entries, None]),
        ],
    )
    columns: dict[str, np.ndarray | float] = {"alas_seconds_uniform": seconds}
    if not record.swapped:
        columns["alas_uniform"] = error
        columns["alas_linear"] = alignment_error(linear_path(num_words, num_frames), target)
    return columns
