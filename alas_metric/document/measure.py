"""What a measure per layer is: an object that is called with layers of one document and leaves named numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from alas_metric.document.paths import monotonic_alignment_search
from alas_metric.document.similarity import directions, in_all_forms, on_host, similarities
from alas_metric.document.timeline import Timeline

MAX_SUM = 2.0**40
"""Larger than any sum of one document; a record that holds a larger number is refused."""


@dataclass
class Layers:
    """A few layers of one document, as measures get them; what several of them need is computed once.

    Args:
        similarity: in each of `similarity.FORMS`, shape ``(layers, 3, N, T)``, on the device of the model.
        words: the word vectors, ``(layers, N, D)``, on the device; None where only similarities are known.
        frames: the vectors at the audio positions, ``(layers, T, D)``, likewise; not needed for timelines in
            ``averages``.
        averages: what `averaged` gives for a timeline.
        readable: whether each position reads as each word, bool ``(layers, N, T)``; None where nothing was read.
    """

    similarity: Any
    words: Any = None
    frames: Any = None
    averages: dict[Timeline, Any] = field(default_factory=dict, repr=False)
    readable: Any = None
    _cosines: dict[Timeline, np.ndarray] = field(default_factory=dict, repr=False)

    @classmethod
    def of_vectors(cls, words: Any, frames: Any, equal: Sequence[tuple[int, int]] = ()) -> Layers:
        """Return layers from their vectors; ``equal`` as in `in_all_forms`."""
        return cls(in_all_forms(similarities(words, frames), equal), words, frames)

    @cached_property
    def similarity_on_host(self) -> np.ndarray:
        """The similarities as a NumPy array."""
        return on_host(self.similarity)

    @cached_property
    def paths(self) -> np.ndarray:
        """The path found in each form of similarity, ``(layers, 3, max(N, T))``."""
        return monotonic_alignment_search(self.similarity_on_host)

    def stretches(self, timeline: Timeline) -> Any:
        """Return the mean audio vector of each word's stretch, ``(layers, N, D)``, float32, on the device."""
        if timeline not in self.averages:
            self.averages[timeline] = averaged(self.frames, timeline)
        return self.averages[timeline]

    def cosines(self, timeline: Timeline) -> np.ndarray:
        """Return the cosines among centred words, at 0, and their stretches of audio, at 1: on the host.

        Returns:
            ``(layers, 2, 2, N, N)``.
        """
        if timeline not in self._cosines:
            xp = array_namespace(self.words)
            every = xp.concat([directions(self.words), directions(self.stretches(timeline))], axis=1)
            cosines = on_host(xp.matmul(every, xp.matrix_transpose(every)))
            size = timeline.num_words
            self._cosines[timeline] = cosines.reshape(-1, 2, size, 2, size).swapaxes(2, 3)
        return self._cosines[timeline]


def averaged(frames: Any, timeline: Timeline) -> Any:
    """Return the mean audio vector of each word's stretch.

    Args:
        frames: the vectors at the audio positions, ``(..., T, D)``.
        timeline: of the document.

    Returns:
        ``(..., N, D)``, float32, on the device of the frames.
    """
    xp = array_namespace(frames)
    values = xp.astype(frames, xp.float32, copy=False)
    weights = xp.asarray(timeline.averaging, device=device(frames))
    # A product of everything with everything would multiply by zeros nearly always.
    parts = [xp.matmul(weights[some, span], values[..., span, :]) for some, span in timeline.neighbours]
    return xp.concat(parts, axis=-2)


def brief(values: Any, digits: int = 8) -> np.ndarray:
    """Return numbers that came out of float32 with the eight digits that mean something: records stay small."""
    whole = np.asarray(values, np.float64)
    return np.array([float(f"{value:.{digits}g}") for value in whole.ravel().tolist()]).reshape(whole.shape)


class Measure(ABC):
    """One measure.

    A file of `alas_metric.document.measures` holds one: ``MEASURE``, and its rows of the table of metrics, ``ROWS``.
    """

    name: str
    """Of what it leaves in the record."""
    needs_times: bool
    """Whether its numbers belong to one reference: it is then called for each, and its numbers are kept by reference.
    Otherwise it must use only the sizes and the shift of the timeline."""
    needs_vectors = False
    """Whether it reads the vectors; it is left out where only similarities are known."""
    needed: tuple[str, ...] = ()
    """The names without which `columns` can say nothing."""

    @abstractmethod
    def __call__(self, layers: Layers, timeline: Timeline) -> dict[str, Any]:
        """Return named numbers of each layer, ``(layers, ...)`` each, on any device."""

    @abstractmethod
    def columns(self, found: Mapping[str, np.ndarray], timeline: Timeline) -> dict[str, Any]:
        """Return columns of `DocumentScores` from what the record holds of this measure.

        Args:
            found: ``(L + 1, ...)`` by name; names are missing where the record is older than they are.
            timeline: of the reference that is scored.

        Returns:
            By column: values of each layer, ``(L + 1,)``, or a number that all layers share; nothing that is undefined.
        """

    def limits(self, num_words: int, num_frames: int) -> tuple[float, float]:
        """Return between what its numbers lie; a record with others is refused."""
        return -MAX_SUM, MAX_SUM
