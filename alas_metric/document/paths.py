"""Alignment paths between words and audio positions.

Positions are counted from 0; position ``k`` spans ``[k, k + 1) * frame_seconds`` and its centre is
``(k + 0.5) * frame_seconds``. A path has ``K = max(N, T)`` entries for N words and T positions: with ``T >=
N`` entry ``k`` is the word of position ``k``; with ``T < N`` the roles swap and entry ``k`` is the position
of word ``k``.

Monotonic alignment search: Kim et al. 2020, Glow-TTS, https://arxiv.org/abs/2005.11129, algorithm 1.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

_SEARCH_CELLS = 2**18
"""Similarity values searched at once: copies of a few MB stay in the cache and are given fresh memory only once."""


@dataclass(frozen=True)
class WordTiming:
    """When a word is spoken, in seconds from the beginning of the audio.

    Args:
        word: as it is written.
        start: its beginning.
        end: its end.
        confidence: how sure whoever placed it is, 0 to 1; None where that is not known.
    """

    word: str
    start: float
    end: float
    confidence: float | None = None


def monotonic_alignment_search(similarity: npt.ArrayLike) -> np.ndarray:
    """Return the monotone, surjective, corner-to-corner path of the highest summed similarity.

    Ties resolve as in Glow-TTS's backtracking: a word keeps its position unless the word before it is
    strictly better.

    Args:
        similarity: similarity of each word with each position, shape ``(..., N, T)``; finite.

    Returns:
        The paths, int32, shape ``(..., K)``: word indices of the T positions, or, with ``T < N``, position
        indices of the N words.

    Raises:
        ValueError: If an axis is empty or missing, or a value is not finite.

    Example:
        >>> monotonic_alignment_search([[0.9, 0.8, 0.1], [0.1, 0.2, 0.7]]).tolist()
        [0, 0, 1]
        >>> monotonic_alignment_search(np.zeros((2, 4))).tolist()
        [0, 1, 1, 1]
    """
    values = np.asarray(similarity, dtype=np.float32)
    _check_similarity(values)
    if values.shape[-1] < values.shape[-2]:
        values = np.swapaxes(values, -1, -2)
    *leading, rows, columns = values.shape
    flat = values.reshape(-1, rows, columns)
    step = max(1, _SEARCH_CELLS // (rows * columns))
    paths = [_search(flat[begin : begin + step]) for begin in range(0, len(flat), step)]
    return np.concatenate(paths or [np.zeros((0, columns), np.int32)]).reshape(*leading, columns)


def _check_similarity(values: np.ndarray) -> None:
    if values.ndim < 2 or 0 in values.shape[-2:]:
        raise ValueError(f"expected a similarity of shape (..., words, positions), none of them 0, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("the similarity holds NaN or infinite values: did the hidden states overflow in float16?")


def _search(similarity: np.ndarray) -> np.ndarray:
    """Return the paths (B, T) of similarities (B, N, T) with ``N <= T``."""
    # Imported here: the package imports torch, which scoring from records does without.
    from monotonic_alignment_search.core import maximum_path_c

    batch, rows, columns = similarity.shape
    # A path visits every column once, so that this changes no comparison of paths; but the search sums in float32,
    # where small differences on top of a large common similarity would drown. It does so in place, on this copy.
    scores = np.subtract(similarity, similarity.max(axis=-2, keepdims=True), order="C")
    matrix = np.zeros(scores.shape, dtype=np.int32)
    num_rows, num_columns = (np.full(batch, size, dtype=np.int32) for size in (rows, columns))
    maximum_path_c(matrix, scores, num_rows, num_columns, -np.inf)
    # One entry of each column is set, so that the weighted sum is its row.
    return np.einsum("bnt,n->bt", matrix, np.arange(rows, dtype=np.int32))


def check_words(words: Sequence[WordTiming], duration: float) -> list[WordTiming]:
    """Return word timestamps clipped to the audio.

    Args:
        words: word timestamps in seconds; gaps and overlaps are allowed.
        duration: end of the audio in seconds.

    Returns:
        The same words with start and end in ``[0, duration]``.

    Raises:
        ValueError: If there is no word, or a time is NaN or infinite, or an end precedes its start.
    """
    if not words:
        raise ValueError("expected word timestamps, got none")
    for index, word in enumerate(words):
        if not (math.isfinite(word.start) and math.isfinite(word.end)):
            raise ValueError(f"timestamps of word {index} ({word.word!r}) are not finite: {word.start}, {word.end}")
        if word.end < word.start:
            raise ValueError(f"word {index} ({word.word!r}) ends at {word.end} s before it starts at {word.start} s")
    return [replace(w, start=_clip(w.start, duration), end=_clip(w.end, duration)) for w in words]


def _clip(seconds: float, duration: float) -> float:
    return float(min(max(seconds, 0.0), duration))


def word_boundaries(words: Sequence[WordTiming]) -> np.ndarray:
    """Return where one word's stretch of time ends and the next one's begins.

    The boundary is the midpoint between the end of a word and the start of the next, made non-decreasing: one
    rule for gaps and overlaps.

    Args:
        words: N word timestamps in seconds.

    Returns:
        Boundaries in seconds, non-decreasing, shape ``(N - 1,)``.
    """
    starts = np.array([word.start for word in words[1:]], dtype=np.float64)
    ends = np.array([word.end for word in words[:-1]], dtype=np.float64)
    return np.maximum.accumulate((ends + starts) / 2)


def territories(words: Sequence[WordTiming]) -> np.ndarray:
    """Return the stretch of time ``[begin, end)`` that each word owns; together they cover the time axis.

    Args:
        words: N word timestamps in seconds.

    Returns:
        Shape ``(N, 2)``, in seconds; the first begins at -inf, the last ends at inf.
    """
    edges = np.concatenate([[-np.inf], word_boundaries(words), [np.inf]])
    return np.stack([edges[:-1], edges[1:]], axis=-1)


def position_centres(num_frames: int, frame_seconds: float) -> np.ndarray:
    """Return the centre of each audio position in seconds, shape ``(num_frames,)``."""
    return (np.arange(num_frames) + 0.5) * frame_seconds


def position_owners(words: Sequence[WordTiming], num_frames: int, frame_seconds: float) -> np.ndarray:
    """Return the word in whose territory the centre of each position lies, shape ``(num_frames,)``."""
    return np.searchsorted(word_boundaries(words), position_centres(num_frames, frame_seconds), side="right")


def reference_path(words: Sequence[WordTiming], num_frames: int, frame_seconds: float) -> np.ndarray:
    """Return the path that word timestamps state.

    It need not be surjective: on coarse positions a short word may own none.

    Args:
        words: N word timestamps in seconds, see `check_words`.
        num_frames: number T of audio positions.
        frame_seconds: seconds per position, the model's exact stride.

    Returns:
        With ``T >= N`` the owner of the centre of each position, shape ``(T,)``; with ``T < N`` the position
        that holds the midpoint of each word, shape ``(N,)``.

    Example:
        >>> words = [WordTiming("a", 0.0, 0.1), WordTiming("b", 0.2, 0.4)]
        >>> reference_path(words, 4, 0.1).tolist()  # the boundary is at 0.15 s
        [0, 1, 1, 1]
    """
    if num_frames >= len(words):
        return position_owners(words, num_frames, frame_seconds)
    middles = np.array([(word.start + word.end) / 2 for word in words])
    return np.clip(np.floor(middles / frame_seconds), 0, num_frames - 1).astype(np.int64)


def linear_path(num_words: int, num_frames: int) -> np.ndarray:
    """Return the path of constant rate, ``floor(k * min(N, T) / max(N, T))``, shape ``(max(N, T),)``.

    Example:
        >>> linear_path(2, 5).tolist()
        [0, 0, 0, 1, 1]
    """
    longer, shorter = max(num_words, num_frames), min(num_words, num_frames)
    return np.arange(longer) * shorter // longer


def circular_shift(uid: str, num_frames: int) -> int:
    """Return by how many positions the chance control shifts the audio of a document, circularly.

    Args:
        uid: the document; the shift comes from its SHA-256, so that it never changes between runs and
            machines.
        num_frames: number T of audio positions.

    Returns:
        An integer from ``ceil(T / 4)`` to ``floor(3 T / 4)``; 0 for a single position, which cannot be
        shifted.
    """
    low, high = -(-num_frames // 4), 3 * num_frames // 4
    if high < low:
        return 0
    digest = int.from_bytes(hashlib.sha256(uid.encode("utf-8", "surrogatepass")).digest(), "big")
    return low + digest % (high - low + 1)
