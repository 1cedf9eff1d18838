"""From the similarities of one document to its record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from alas_metric.document.paths import WordTiming, check_words, circular_shift, monotonic_alignment_search
from alas_metric.document.record import STATES, AlignmentRecord, check_sizes
from alas_metric.document.scores import frame_hits
from alas_metric.errors import SkipDocument

_LAYER_CELLS = 2**18
"""Similarity values copied at once: few enough to stay in the cache."""
_ROUNDING = 2e-6
"""By how much a matrix product in float32 may tell the similarities of equal vectors apart."""


def score_pair(
    similarity: npt.ArrayLike,
    *,
    uid: str,
    transcript: str,
    words: list[str],
    frame_seconds: float,
    references: Mapping[str, Sequence[WordTiming]],
    reference: str,
    **fields: Any,
) -> AlignmentRecord:
    """Return the record of one document: paths, chance paths and frame hits of every layer.

    Args:
        similarity: what `compare` gives for each layer, raw and centred, shape ``(L + 1, 2, N, T)``.
        uid: the document's id; it also decides the shift of the chance control.
        transcript: the text that the words come from.
        words: the N words, as `split_units` gives them.
        frame_seconds: seconds per audio position, the model's exact stride.
        references: N word timestamps by the name of their source; unusable ones are dropped unless primary.
        reference: the name of the primary one.
        fields: further fields of `AlignmentRecord`: speaker, target, audio_answer, ...

    Returns:
        The record; word timestamps are clipped to the positions.

    Raises:
        ValueError: If the shape does not fit the words, or a similarity is not finite.
        SkipDocument: If there is no word or no position, or the primary reference is missing or unusable.
    """
    values = np.asarray(similarity, dtype=np.float32)
    _check_pair(values, words, frame_seconds)
    usable = _usable_references(references, reference, len(words), values.shape[-1] * frame_seconds)
    shift, equal = circular_shift(uid, values.shape[-1]), _equal_words(words)
    parts = [
        _measured(_levelled(layers, equal), shift, usable.values(), frame_seconds) for layers in _few_layers(values)
    ]
    paths, chance, *hits = (_by_state(part) for part in zip(*parts, strict=True))
    return AlignmentRecord(
        uid=uid,
        transcript=transcript,
        words=list(words),
        frame_seconds=float(frame_seconds),
        num_frames=values.shape[-1],
        references=usable,
        reference=reference,
        paths=paths | {f"{state}_chance": path for state, path in chance.items()},
        hits=dict(zip(usable, hits, strict=True)),
        **fields,
    )


def _check_pair(values: np.ndarray, words: Sequence[str], frame_seconds: float) -> None:
    """Check that the similarities belong to the words."""
    if values.ndim != 4 or values.shape[1] != 2 or values.shape[2] != len(words) or not values.shape[0]:
        raise ValueError(
            "expected a similarity of shape (layers, 2, words, positions), compare() of each layer, "
            f"got {values.shape} for {len(words)} words"
        )
    if not words:
        raise SkipDocument("empty_transcript")
    if not values.shape[-1]:
        raise SkipDocument("too_short")
    if not 1e-6 <= frame_seconds <= 1e6:
        raise ValueError(f"expected frame_seconds > 0, seconds per audio position, got {frame_seconds}")
    check_sizes(len(words), values.shape[-1], values.shape[0])


def _equal_words(words: Sequence[str]) -> list[tuple[int, int]]:
    """Return where a word stands first and where it stands again, for each time it does."""
    firsts: dict[str, int] = {}
    return [(first, later) for later, word in enumerate(words) if (first := firsts.setdefault(word, later)) != later]


def _levelled(values: np.ndarray, equal: Iterable[tuple[int, int]]) -> np.ndarray:
    """Return the similarities with exact ties where only rounding tells a word from an earlier, equal one.

    Equal words enter the first layer of most models as equal vectors. How the matrix product rounds the last bit of
    each row depends on the number of threads and on the machine, and would decide which of them is the most similar.
    """
    levelled = values
    for first, later in equal:
        same = np.abs(values[:, :, first] - values[:, :, later]).max(axis=-1) <= _ROUNDING
        if same.any():
            levelled = values.copy() if levelled is values else levelled
            levelled[:, :, later][same] = values[:, :, first][same]
    return levelled


def _usable_references(
    references: Mapping[str, Sequence[WordTiming]], primary: str, num_words: int, duration: float
) -> dict[str, list[WordTiming]]:
    """Return the references that can be scored, clipped to the audio; the primary one must be among them."""
    if not references.get(primary):
        raise SkipDocument("no_word_timestamps", f"no word timestamps {primary!r} among {sorted(references)}")
    usable = {}
    for name, timing in references.items():
        try:
            usable[name] = _checked(timing, num_words, duration)
        except ValueError as error:
            if name == primary:
                raise SkipDocument("bad_timestamps", f"{name}: {error}") from error
    return usable


def _checked(timing: Sequence[WordTiming], num_words: int, duration: float) -> list[WordTiming]:
    if len(timing) != num_words:
        raise ValueError(f"{len(timing)} word timestamps for {num_words} words")
    return check_words(timing, duration)


def _few_layers(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yield a few layers at a time, so that what is copied of them stays small for long audio."""
    step = max(1, _LAYER_CELLS // values[0].size)
    return (values[begin : begin + step] for begin in range(0, len(values), step))


def _measured(
    layers: np.ndarray, shift: int, references: Iterable[Sequence[WordTiming]], frame_seconds: float
) -> list[np.ndarray]:
    """Return paths and those on circularly shifted audio, (layers, 2, K), and each reference's hits, (layers, 2)."""
    shifted = np.roll(layers, shift, axis=-1)
    found = [monotonic_alignment_search(layers), monotonic_alignment_search(shifted)]
    return found + [frame_hits(layers, timing, frame_seconds) for timing in references]


def _by_state(parts: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return what was found of a few layers at a time, (layers, 2, ...) each, as (L + 1, ...) by state."""
    return dict(zip(STATES, np.moveaxis(np.concatenate(parts), 1, 0), strict=True))
