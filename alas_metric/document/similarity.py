"""Cosine similarity of hidden states of words and audio positions, in three forms.

*raw* is the cosine, the paper's; *centred* the cosine after each modality's mean over the utterance was subtracted;
*standardised* the centred one with each word's row over the audio positions brought to mean 0 and standard deviation 1.
Standardising takes out what makes a word near to every position (a hub) or to none.

Works on NumPy arrays and torch tensors, on the device where they lie, through the array API; torch is never
imported here. Everything is computed in float32 whatever came in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace

FORMS = ("raw", "centred", "standardised")
"""The three forms of similarity; columns that depend on one end in its name."""
ROUNDING = 2e-6
"""By how much a matrix product in float32 may tell cosines of equal vectors apart."""


def cosine_similarity(words: Any, frames: Any) -> Any:
    """Return the cosine similarity of each word with each audio position.

    Eq. 1 of Mousavi et al. 2025, https://arxiv.org/abs/2505.19937.

    Args:
        words: word vectors, shape ``(..., N, D)``.
        frames: hidden states at the audio positions, shape ``(..., T, D)``; same kind of array, same device.

    Returns:
        float32, shape ``(..., N, T)``; 0 where a vector is zero, NaN where one is not finite.

    Raises:
        ValueError: If an array has fewer than two axes or D differs.

    Example:
        >>> import numpy as np
        >>> cosine_similarity(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 3.0], [0.0, 0.0]])).tolist()
        [[1.0, 0.0, 0.0]]
    """
    xp = array_namespace(words, frames)
    _check_shapes(words, frames)
    return _cosines(_scaled(words, xp), _scaled(frames, xp), xp)


def centre(states: Any) -> Any:
    """Subtract from each vector the mean over the utterance.

    A constant offset between audio and text hides the structure that both share (the modality gap).

    Args:
        states: vectors of one modality, shape ``(..., M, D)``.

    Returns:
        float32, same shape; exactly zero where all vectors are equal.
    """
    xp = array_namespace(states)
    deviations, scale = _deviations(states, xp)
    return deviations * xp.astype(scale, xp.float32)


def directions(states: Any) -> Any:
    """Return the centred vectors, each of length 1; zero where all are equal.

    Args:
        states: vectors of one modality, shape ``(..., M, D)``.

    Returns:
        float32, same shape.
    """
    xp = array_namespace(states)
    deviations = _scaled_deviations(states, xp)
    deviations /= _lengths(deviations, xp)
    return deviations


def similarities(words: Any, frames: Any) -> Any:
    """Return raw and centred cosine similarities, from which `in_all_forms` makes the standardised ones.

    Args:
        words: word vectors, shape ``(..., N, D)``.
        frames: hidden states at the audio positions, shape ``(..., T, D)``.

    Returns:
        float32, shape ``(..., 2, N, T)``: raw at 0, on centred states at 1.
    """
    xp = array_namespace(words, frames)
    _check_shapes(words, frames)
    raw = _cosines(_scaled(words, xp), _scaled(frames, xp), xp)
    # The cosine does not see the scale; leaving it out keeps the largest magnitudes from overflowing.
    centred = _cosines(_scaled_deviations(words, xp), _scaled_deviations(frames, xp), xp)
    return xp.stack([raw, centred], axis=-3)


def standardise(similarity: Any) -> Any:
    """Bring each word's row over the audio positions to mean 0 and standard deviation 1 (of the population).

    Args:
        similarity: cosines, shape ``(..., N, T)``.

    Returns:
        Same shape. A row is constant, and becomes 0, where its standard deviation is at most `ROUNDING`: what rounding
        left of equal cosines would otherwise be blown up to a row like any other.

    Example:
        >>> standardise(np.array([[0.25, 0.75], [0.5, 0.5]])).tolist()
        [[-1.0, 1.0], [0.0, 0.0]]
    """
    xp = array_namespace(similarity)
    deviations = similarity - xp.mean(similarity, axis=-1, keepdims=True)
    spread = xp.sqrt(xp.mean(deviations * deviations, axis=-1, keepdims=True))
    constant = spread <= ROUNDING
    deviations *= xp.where(constant, xp.zeros_like(spread), 1 / xp.where(constant, xp.ones_like(spread), spread))
    return deviations


def in_all_forms(similarity: Any, equal: Sequence[tuple[int, int]] = ()) -> Any:
    """Return similarities in each of `FORMS`.

    Args:
        similarity: raw and centred, shape ``(..., 2, N, T)``, see `similarities`.
        equal: pairs of equal words, a first and a later one. Equal words enter the first layer of most models as
            equal vectors; how the matrix product rounds the last bit of each row depends on the number of threads and
            on the machine, and would decide which of them is the most similar. Where nothing but `ROUNDING` tells two
            equal words apart, they get exact ties.

    Returns:
        Shape ``(..., 3, N, T)``.
    """
    xp = array_namespace(similarity)
    levelled = _levelled(similarity, equal, xp) if equal else similarity
    standardised = standardise(levelled[..., 1:, :, :])
    return xp.concat([levelled, standardised], axis=-3)


def _levelled(similarity: Any, equal: Sequence[tuple[int, int]], xp: Any) -> Any:
    """Return similarities with exact ties where only rounding tells a word from an earlier, equal one."""
    firsts, laters = (list(words) for words in zip(*equal, strict=True))
    first, later = similarity[..., firsts, :], similarity[..., laters, :]
    same = xp.max(xp.abs(later - first), axis=-1, keepdims=True) <= ROUNDING
    levelled = xp.asarray(similarity, copy=True)
    levelled[..., laters, :] = xp.where(same, first, later)
    return levelled


def on_host(values: Any) -> np.ndarray:
    """Return an array of any kind, on any device, as a NumPy array."""
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values)


def _check_shapes(words: Any, frames: Any) -> None:
    if words.ndim < 2 or frames.ndim < 2 or words.shape[-1] != frames.shape[-1]:
        raise ValueError(
            "expected words (..., N, D) and frames (..., T, D) with the same D, "
            f"got {tuple(words.shape)} and {tuple(frames.shape)}: are they from the same layer of one model?"
        )


# Frames of a large model are tens of megabytes a layer, and fresh memory costs more than arithmetic: copies are made
# once, and changed in place.


def _in_float(values: Any, xp: Any) -> Any:
    """Return values in float32, or as they are in float64, whose range float32 would cut."""
    return values if values.dtype == xp.float64 else xp.astype(values, xp.float32, copy=False)


def _deviations(states: Any, xp: Any) -> tuple[Any, Any]:
    """Return deviations (..., M, D) from the mean over M in units of a scale (..., 1, 1), and the scale."""
    values = _in_float(states, xp)
    scale = _largest(values, (-2, -1), xp)
    moved = xp.astype(values / scale, xp.float32, copy=False)
    # Relative to the first vector: equal vectors give exact zeros, not rounding noise of some direction.
    moved -= xp.asarray(moved[..., :1, :], copy=True)
    moved -= xp.mean(moved, axis=-2, keepdims=True)
    return moved, scale


def _scaled_deviations(states: Any, xp: Any) -> Any:
    """Return deviations from the mean over M, each scaled as `_scaled` does."""
    moved, _ = _deviations(states, xp)
    moved /= _largest(moved, -1, xp)
    return moved


def _scaled(vectors: Any, xp: Any) -> Any:
    """Return float32 vectors (..., M, D) whose largest magnitude is 1: their squares neither overflow nor vanish."""
    values = _in_float(vectors, xp)
    return xp.astype(values / _largest(values, -1, xp), xp.float32, copy=False)


def _largest(values: Any, axis: Any, xp: Any) -> Any:
    """Return the largest magnitude along the axes, kept, and 1 instead of 0."""
    largest = xp.maximum(xp.max(values, axis=axis, keepdims=True), -xp.min(values, axis=axis, keepdims=True))
    return xp.where(largest == 0, xp.ones_like(largest), largest)


def _cosines(words: Any, frames: Any, xp: Any) -> Any:
    """Return the cosine of each word (..., N, D) with each frame (..., T, D); 0 where one of them is zero."""
    lengths = xp.matmul(_lengths(words, xp), xp.matrix_transpose(_lengths(frames, xp)))
    return xp.matmul(words, xp.matrix_transpose(frames)) / lengths


def _lengths(vectors: Any, xp: Any) -> Any:
    """Return the lengths (..., M, 1) of vectors, 1 for those that are zero."""
    lengths = xp.linalg.vector_norm(vectors, axis=-1, keepdims=True)
    return xp.where(lengths == 0, xp.ones_like(lengths), lengths)
