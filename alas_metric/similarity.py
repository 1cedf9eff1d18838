"""Cosine similarity of hidden states of words and audio positions.

Works on NumPy arrays and torch tensors, on the device where they lie, through the array API; torch is never
imported here. Everything is computed in float32 whatever came in.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace


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
    return xp.matmul(_unit_vectors(words, xp), xp.matrix_transpose(_unit_vectors(frames, xp)))


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
    # The cosine does not see the scale; leaving it out keeps the largest magnitudes from overflowing.
    centred = cosine_similarity(_deviations(words, xp)[0], _deviations(frames, xp)[0])
    return xp.stack([cosine_similarity(words, frames), centred], axis=-3)


def _check_shapes(words: Any, frames: Any) -> None:
    if words.ndim < 2 or frames.ndim < 2 or words.shape[-1] != frames.shape[-1]:
        raise ValueError(
            "expected words (..., N, D) and frames (..., T, D) with the same D, "
            f"got {tuple(words.shape)} and {tuple(frames.shape)}: are they from the same layer of one model?"
        )


def _in_float(values: Any, xp: Any) -> Any:
    """Return values in float32, or as they are in float64, whose range float32 would cut."""
    return values if values.dtype == xp.float64 else xp.astype(values, xp.float32)


def _deviations(states: Any, xp: Any) -> tuple[Any, Any]:
    """Return deviations (..., M, D) from the mean over M in units of a scale (..., 1, 1), and the scale."""
    values = _in_float(states, xp)
    scale = _largest(values, (-2, -1), xp)
    scaled = xp.astype(values / scale, xp.float32)
    # Relative to the first vector: equal vectors give exact zeros, not rounding noise of some direction.
    moved = scaled - scaled[..., :1, :]
    return moved - xp.mean(moved, axis=-2, keepdims=True), scale


def _largest(values: Any, axis: Any, xp: Any) -> Any:
    """Return the largest magnitude along the axes, kept, and 1 instead of 0."""
    largest = xp.max(xp.abs(values), axis=axis, keepdims=True)
    return xp.where(largest == 0, xp.ones_like(largest), largest)


def _unit_vectors(vectors: Any, xp: Any) -> Any:
    """Return vectors (..., M, D) of length 1, or 0 where they are zero, in float32."""
    values = _in_float(vectors, xp)
    # Dividing by the largest magnitude first keeps the squares from overflowing and from vanishing.
    scaled = xp.astype(values / _largest(values, -1, xp), xp.float32)
    lengths = xp.sqrt(xp.sum(scaled * scaled, axis=-1, keepdims=True))
    return scaled / xp.where(lengths == 0, xp.ones_like(lengths), lengths)
