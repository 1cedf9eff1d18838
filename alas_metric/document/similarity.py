"""Cosine similarity of hidden states of words and audio positions.

Works on NumPy arrays and torch tensors, on the device where they lie, through the array API; torch is never
imported here. Everything is computed in float32 whatever came in.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

FORMS = ("raw", "centred", "standardised")
"""The three forms of similarity; columns that depend on one end in its name."""


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


def compare(words: Any, frames: Any) -> Any:
    """Return raw and centred cosine similarities of one layer, what `score_pair` takes.

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
