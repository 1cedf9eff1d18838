"""From the hidden states, or the similarities, of one document to its record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from alas_metric.document.layer_map import LayerMap
from alas_metric.document.measure import Layers, averaged
from alas_metric.document.measures import MEASURES
from alas_metric.document.paths import WordTiming, check_words
from alas_metric.document.record import CONFIDENCE, AlignmentRecord, Sums, check_sizes
from alas_metric.document.similarity import in_all_forms, on_host, similarities
from alas_metric.document.timeline import Timeline
from alas_metric.errors import SkipDocument

_LAYER_CELLS = 2**18
"""Similarity values copied at once: few enough to stay in the cache."""
Key = tuple[str | None, str, str]
"""Of what a measure leaves: the reference that it belongs to, None for none; the measure; the name."""


class Measurement:
    """Everything that is measured of one document, layer by layer, on the device where its vectors lie.

    The model side calls it with each layer's vectors, in order, and knows nothing of what is measured.

    Args:
        uid: the document's id; it also decides the shift of the chance control.
        words: the N words, as `split_units` gives them.
        num_frames: number T of audio positions.
        frame_seconds: seconds per audio position, the model's exact stride.
        references: N word timestamps by the name of their source; unusable ones are dropped unless primary.
        reference: the name of the primary one.
        keep: keep the raw and centred similarities, for pictures.
        keep_states: keep the word vectors and those of what is heard of each word.
        layer_map: compare every audio layer with every text layer too, on the primary reference.

    Raises:
        ValueError: If a size or ``frame_seconds`` is out of bounds.
        SkipDocument: If there is no word or no position, or the primary reference is missing or unusable.

    Example:
        >>> timing = [WordTiming("how", 0.0, 0.4), WordTiming("are", 0.4, 0.8)]
        >>> measurement = Measurement("u", ["how", "are"], 2, 0.4, {"gold": timing}, "gold")
        >>> measurement(0, np.eye(2), np.eye(2))
        >>> measurement.record(transcript="how are").paths["raw"].tolist()
        [[0, 1]]
    """

    def __init__(
        self,
        uid: str,
        words: Sequence[str],
        num_frames: int,
        frame_seconds: float,
        references: Mapping[str, Sequence[WordTiming]],
        reference: str,
        keep: bool = False,
        keep_states: bool = False,
        layer_map: bool = False,
    ) -> None:
        _check_grid(words, num_frames, frame_seconds)
        self.uid, self.words, self.reference, self.keep = uid, list(words), reference, keep
        self.keep_states = keep_states
        self.num_frames, self.frame_seconds = num_frames, float(frame_seconds)
        self.timelines = {
            name: Timeline.of(uid, timing, num_frames, self.frame_seconds)
            for name, timing in _usable_references(references, reference, len(words), num_frames * frame_seconds)
        }
        self.equal = _equal_words(words)
        self._layers_at_once = _layers_at_once(len(words), num_frames)
        self._waiting: list[tuple[Any, ...]] = []
        self._readable: list[Any] = []
        self._kept: list[np.ndarray] = []
        self._states: list[tuple[np.ndarray, np.ndarray]] = []
        self._found: dict[Key, list[Any]] = {}
        self._layer_map = LayerMap(self.timelines[reference]) if layer_map else None

    def __call__(self, layer: int, words: Any, frames: Any, readable: Any = None) -> None:
        """Measure one layer, together with those that come before or after it: many small steps cost more than few.

        Args:
            layer: its number, 0..L, in order.
            words: word vectors, ``(N, D)``.
            frames: vectors at the audio positions, ``(T, D)``; same kind of array, same device. Nothing that is as
                large outlives the call.
            readable: whether each position reads as each word, bool ``(N, T)``; see `measures.lens`.
        """
        if self._waiting and device(self._waiting[0][0]) != device(words):
            self._measure_waiting()
        stretches = (averaged(frames, timeline) for timeline in self.timelines.values())
        self._waiting.append((words, similarities(words, frames), *stretches))
        self._readable += [] if readable is None else [readable]
        if len(self._waiting) == self._layers_at_once:
            self._measure_waiting()

    def _measure_waiting(self) -> None:
        """Measure the layers that wait."""
        if not self._waiting:
            return
        xp = array_namespace(self._waiting[0][0])
        words, similarity, *stretches = (xp.stack(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting.clear()
        if self.keep:
            self._kept.append(on_host(similarity))
        averages = dict(zip(self.timelines.values(), stretches, strict=True))
        if self.keep_states:
            self._states.append((on_host(words), on_host(averages[self.timelines[self.reference]])))
        readable = np.stack(self._readable) if self._readable else None
        self._readable.clear()
        self.add(Layers(in_all_forms(similarity, self.equal), words, averages=averages, readable=readable))

    def add(self, layers: Layers) -> None:
        """Measure a few layers."""
        for measure in MEASURES.values():
            if measure.needs_vectors and layers.words is None:
                continue
            for name in self.timelines if measure.needs_times else [None]:
                timeline = self.timelines[name or self.reference]
                for key, values in measure(layers, timeline).items():
                    self._found.setdefault((name, measure.name, key), []).append(values)
        if self._layer_map is not None:
            self._layer_map.add(layers)

    @property
    def similarity(self) -> np.ndarray:
        """The raw and centred similarities of all layers, ``(L + 1, 2, N, T)``, if they are kept."""
        self._measure_waiting()
        return np.concatenate(self._kept)

    @property
    def states(self) -> tuple[np.ndarray, np.ndarray]:
        """The word vectors and the mean audio vectors of the words' stretches, ``(L + 1, N, D)``, if they are kept."""
        self._measure_waiting()
        words, audio = (np.concatenate(parts) for parts in zip(*self._states, strict=True))
        return words, audio

    def record(self, transcript: str, **fields: Any) -> AlignmentRecord:
        """Return the record.

        Args:
            transcript: the text that the words come from.
            fields: further fields of `AlignmentRecord`: speaker, target, audio_answer, ...
        """
        self._measure_waiting()
        sums: dict[str | None, Sums] = {}
        for (reference, measure, name), parts in self._found.items():
            whole = np.concatenate([on_host(part) for part in parts])
            sums.setdefault(reference, {}).setdefault(measure, {})[name] = whole
        by_document = sums.pop(None, {})
        return AlignmentRecord(
            uid=self.uid,
            transcript=transcript,
            words=self.words,
            frame_seconds=self.frame_seconds,
            num_frames=self.num_frames,
            references={name: list(timeline.words) for name, timeline in self.timelines.items()},
            reference=self.reference,
            paths=by_document.pop("paths"),
            sums=by_document,
            reference_sums={name: found for name, found in sums.items() if name is not None},
            layer_maps={} if self._layer_map is None else {self.reference: self._layer_map.sums()},
            **{"word_values": self._word_values(), **fields},
        )

    def _word_values(self) -> dict[str, dict[str, list[float | None]]]:
        """Return the confidences of the references that have any."""
        found = {name: [word.confidence for word in timeline.words] for name, timeline in self.timelines.items()}
        return {name: {CONFIDENCE: sure} for name, sure in found.items() if any(each is not None for each in sure)}


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
    """Return the record of one document of which only the similarities are known.

    Measures that need the vectors themselves are left out; with vectors, see `Measurement`.

    Args:
        similarity: what `similarities` gives for each layer, raw and centred, shape ``(L + 1, 2, N, T)``.
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
    if values.ndim != 4 or values.shape[1] != 2 or values.shape[2] != len(words) or not values.shape[0]:
        raise ValueError(
            "expected a similarity of shape (layers, 2, words, positions), similarities() of each layer, "
            f"got {values.shape} for {len(words)} words"
        )
    measurement = Measurement(uid, words, values.shape[-1], frame_seconds, references, reference)
    check_sizes(len(words), values.shape[-1], values.shape[0])
    step = _layers_at_once(len(words), values.shape[-1])
    for begin in range(0, len(values), step):
        measurement.add(Layers(in_all_forms(values[begin : begin + step], measurement.equal)))
    return measurement.record(transcript, **fields)


def _layers_at_once(num_words: int, num_frames: int) -> int:
    """Return how many layers are measured together: what is copied of them stays small for long audio."""
    return max(1, _LAYER_CELLS // (2 * num_words * num_frames))


def _check_grid(words: Sequence[str], num_frames: int, frame_seconds: float) -> None:
    """Check that there is something to align."""
    if not words:
        raise SkipDocument("empty_transcript")
    if not num_frames:
        raise SkipDocument("too_short")
    if not 1e-6 <= frame_seconds <= 1e6:
        raise ValueError(f"expected frame_seconds > 0, seconds per audio position, got {frame_seconds}")
    check_sizes(len(words), num_frames, 0)


def _equal_words(words: Sequence[str]) -> list[tuple[int, int]]:
    """Return where a word stands first and where it stands again, for each time it does."""
    firsts: dict[str, int] = {}
    return [(first, later) for later, word in enumerate(words) if (first := firsts.setdefault(word, later)) != later]


def _usable_references(
    references: Mapping[str, Sequence[WordTiming]], primary: str, num_words: int, duration: float
) -> Iterator[tuple[str, list[WordTiming]]]:
    """Yield the references that can be scored, clipped to the audio; the primary one must be among them."""
    if not references.get(primary):
        raise SkipDocument("no_word_timestamps", f"no word timestamps {primary!r} among {sorted(references)}")
    for name, timing in references.items():
        try:
            yield name, _checked(timing, num_words, duration)
        except ValueError as error:
            if name == primary:
                raise SkipDocument("bad_timestamps", f"{name}: {error}") from error


def _checked(timing: Sequence[WordTiming], num_words: int, duration: float) -> list[WordTiming]:
    if len(timing) != num_words:
        raise ValueError(f"{len(timing)} word timestamps for {num_words} words")
    return check_words(timing, duration)
