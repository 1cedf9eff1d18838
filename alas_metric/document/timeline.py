"""When the words of one document are spoken, on the grid of its audio positions: computed once per reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from alas_metric.document.paths import (
    WordTiming,
    check_words,
    circular_shift,
    position_centres,
    position_owners,
    reference_path,
)

_NEIGHBOURS = 16
"""Words whose stretches are averaged by one product of matrices."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """Word timestamps of one reference and what follows from them; see `Timeline.of`. Equal only to itself.

    Args:
        words: N word timestamps in seconds, clipped to the audio.
        num_frames: number T of audio positions.
        frame_seconds: seconds per position.
        shift: by how many positions the chance control shifts the audio, circularly.
    """

    words: Sequence[WordTiming]
    num_frames: int
    frame_seconds: float
    shift: int

    @classmethod
    def of(cls, uid: str, words: Sequence[WordTiming], num_frames: int, frame_seconds: float) -> Timeline:
        """Return the timeline of a document.

        Args:
            uid: the document, which decides the shift.
            words: N word timestamps in seconds; those beyond the audio are clipped.
            num_frames: number T of audio positions.
            frame_seconds: seconds per position, the model's exact stride.

        Raises:
            ValueError: If a timestamp is not finite or reversed, see `check_words`.
        """
        checked = check_words(words, num_frames * frame_seconds)
        return cls(checked, num_frames, frame_seconds, circular_shift(uid, num_frames))

    @property
    def num_words(self) -> int:
        """Number N of words."""
        return len(self.words)

    @property
    def swapped(self) -> bool:
        """Whether there are fewer positions than words, so that paths index positions."""
        return self.num_frames < self.num_words

    @property
    def forced(self) -> bool:
        """Whether only one path exists, whatever the similarities are."""
        return 1 in (self.num_words, self.num_frames) or self.num_words == self.num_frames

    @cached_property
    def path(self) -> np.ndarray:
        """The path that the words state, ``(max(N, T),)``, see `reference_path`."""
        return reference_path(self.words, self.num_frames, self.frame_seconds)

    @cached_property
    def owners(self) -> np.ndarray:
        """The word in whose territory the centre of each position lies, ``(T,)``."""
        return position_owners(self.words, self.num_frames, self.frame_seconds)

    @cached_property
    def spoken(self) -> np.ndarray:
        """Whether the centre of each position lies inside the word that owns it, ``(T,)``."""
        centres = position_centres(self.num_frames, self.frame_seconds)
        spans = np.array([[word.start, word.end] for word in self.words])[self.owners]
        return (spans[:, 0] <= centres) & (centres < spans[:, 1])

    @cached_property
    def stretches(self) -> np.ndarray:
        """The positions ``begin .. end - 1`` of each word, ``(N, 2)``: those whose centre lies in its time.

        Where there is none, the one position that holds its midpoint. Stretches of words that overlap do so too.
        """
        starts, ends = np.array([[word.start, word.end] for word in self.words]).T
        centres = position_centres(self.num_frames, self.frame_seconds)
        begin, end = np.searchsorted(centres, starts), np.searchsorted(centres, ends)
        middles = np.clip(np.floor((starts + ends) / 2 / self.frame_seconds), 0, self.num_frames - 1).astype(np.int64)
        empty = begin >= end
        return np.stack([np.where(empty, middles, begin), np.where(empty, middles + 1, end)], axis=-1)

    @cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Words and positions of all stretches: word ``cells[0][c]`` is spoken at position ``cells[1][c]``."""
        lengths = np.diff(self.stretches, axis=-1)[:, 0]
        words = np.repeat(np.arange(self.num_words), lengths)
        within = np.arange(len(words)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return words, self.stretches[words, 0] + within

    @cached_property
    def averaging(self) -> np.ndarray:
        """What averages the vectors at all positions over each word's stretch, float32 ``(N, T)``; rows sum to 1."""
        words, positions = self.cells
        weights = np.zeros((self.num_words, self.num_frames), np.float32)
        weights[words, positions] = 1
        return weights / weights.sum(axis=-1, keepdims=True)

    @cached_property
    def neighbours(self) -> list[tuple[slice, slice]]:
        """A few words at a time, and from the first to the last of their stretches' positions."""
        some = [slice(begin, begin + _NEIGHBOURS) for begin in range(0, self.num_words, _NEIGHBOURS)]
        return [
            (words, slice(int(self.stretches[words, 0].min()), int(self.stretches[words, 1].max()))) for words in some
        ]
