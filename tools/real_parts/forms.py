"""Forms of similarity that were tried in the place of the product's.

The product's own three are measured by the product; those here are tried beside them. A form takes the states of one
utterance, words (L + 1, N, D) and frames (L + 1, T, D), and returns similarities (L + 1, N, T). Two things hold for all
of them. A constant added to a column (one audio position) never changes the path, which takes exactly one cell of each
column: centring columns, or the half of CSLS that belongs to the position, can change nothing. A constant added to a
row (one word) does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.special import logsumexp, softmax
from scipy.stats import rankdata

from alas_metric.document.similarity import similarities, standardise

Form = Callable[[np.ndarray, np.ndarray], np.ndarray]


def raw(words: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return the cosine."""
    return np.asarray(similarities(words, frames))[:, 0]


def centred(words: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return the cosine after each modality's mean is subtracted."""
    return np.asarray(similarities(words, frames))[:, 1]


def row_centred(words: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return the centred cosine less each word's mean over the positions."""
    similarity = centred(words, frames)
    return similarity - similarity.mean(-1, keepdims=True)


def standardised(words: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return the centred cosine, each word's row brought to mean 0 and standard deviation 1."""
    return np.asarray(standardise(centred(words, frames)))


def scored(similarity: np.ndarray, axis: int) -> np.ndarray:
    """Return z-scores along an axis."""
    spread = similarity.std(axis, keepdims=True)
    return (similarity - similarity.mean(axis, keepdims=True)) / np.where(spread > 0, spread, 1)


def raw_standardised(words: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return the raw cosine with standardised rows: is centring needed at all?"""
    return np.asarray(standardise(raw(words, frames)))


def csls(words: np.ndarray, frames: np.ndarray, neighbours: int = 10) -> np.ndarray:
    """Return the centred cosine less half the mean of each word's nearest positions (CSLS, Conneau et al. 2018)."""
    similarity = centred(words, frames)
    nearest = np.sort(similarity, axis=-1)[..., -neighbours:]
    return similarity - nearest.mean(-1, keepdims=True) / 2


def columns_too(words: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return standardised rows, then standardised columns: each position weighs the same."""
    return scored(standardised(words, frames), axis=-2)


def over_words(temperature: float) -> Form:
    """Return the form where words compete for a position: softmax over words of standardised similarities."""
    return lambda words, frames: softmax(standardised(words, frames) / temperature, axis=-2)


def over_time(temperature: float) -> Form:
    """Return the form where positions compete for a word: softmax over time of standardised similarities."""
    return lambda words, frames: softmax(standardised(words, frames) / temperature, axis=-1)


def transport(temperature: float, rounds: int = 20) -> Form:
    """Return the form of entropic optimal transport (Sinkhorn): log of the plan between words and positions."""

    def form(words: np.ndarray, frames: np.ndarray) -> np.ndarray:
        plan = standardised(words, frames) / temperature
        for _ in range(rounds):
            plan = plan - logsumexp(plan, axis=-1, keepdims=True) + np.log(plan.shape[-1] / plan.shape[-2])
            plan = plan - logsumexp(plan, axis=-2, keepdims=True)
        return plan

    return form


def smoothed(width: int) -> Form:
    """Return the form whose centred cosines are averaged over so many neighbouring positions, then standardised."""
    return lambda words, frames: np.asarray(
        standardise(uniform_filter1d(centred(words, frames), width, axis=-1, mode="nearest"))
    )


def ranked(words: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return the rank of each position in its word's row."""
    return rankdata(centred(words, frames), axis=-1) / frames.shape[-2]


def without_components(number: int) -> Form:
    """Return the standardised form after each modality lost its largest principal components."""

    def form(words: np.ndarray, frames: np.ndarray) -> np.ndarray:
        return standardised(_without(words, number), _without(frames, number))

    return form


def _without(states: np.ndarray, number: int) -> np.ndarray:
    moved = states - states.mean(-2, keepdims=True)
    left, sizes, right = np.linalg.svd(moved, full_matrices=False)
    sizes[..., :number] = 0
    return (left * sizes[..., None, :]) @ right


def whitened(shrinkage: float) -> Form:
    """Return the standardised form on states whitened by both modalities' shared covariance, shrunk to its mean."""

    def form(words: np.ndarray, frames: np.ndarray) -> np.ndarray:
        both = [states - states.mean(-2, keepdims=True) for states in (words, frames)]
        joined = np.concatenate([m / np.linalg.norm(m, axis=(-2, -1), keepdims=True) for m in both], axis=-2)
        _, sizes, axes = np.linalg.svd(joined, full_matrices=False)
        power = sizes**2
        floor = shrinkage * power.sum(-1, keepdims=True) / power.shape[-1]
        gains = 1 / np.sqrt((1 - shrinkage) * power + floor)
        return standardised(*((m @ np.swapaxes(axes, -1, -2)) * gains[..., None, :] for m in both))

    return form


TRIED: dict[str, Form] = {
    "rows centred only": row_centred,
    "rows of raw standardised": raw_standardised,
    "CSLS, 10 neighbours": csls,
    "rows, then columns standardised": columns_too,
    "softmax over words, 0.5": over_words(0.5),
    "softmax over words, 1": over_words(1.0),
    "softmax over time, 0.5": over_time(0.5),
    "softmax over time, 1": over_time(1.0),
    "optimal transport, 0.5": transport(0.5),
    "optimal transport, 1": transport(1.0),
    "smoothed over 3 positions": smoothed(3),
    "smoothed over 5 positions": smoothed(5),
    "smoothed over 9 positions": smoothed(9),
    "ranks": ranked,
    "1 component removed": without_components(1),
    "3 components removed": without_components(3),
    "whitened, shrinkage 0.5": whitened(0.5),
    "whitened, shrinkage 0.9": whitened(0.9),
}
