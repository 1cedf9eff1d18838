"""What aligners share: they are given audio and the known words, and say when each is spoken; a cache keeps that."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from alas_metric.document.paths import WordTiming
from alas_metric.document.units import Unit
from alas_metric.errors import FatalError, SkipDocument
from model_patches.reference.cache import AlignmentCache
from model_patches.reference.matching import SAMPLE_RATE, Span
from model_patches.reference.silence import speech_regions


def check_device(option: str, device: str | None) -> None:
    """Refuse a CUDA device where torch sees none.

    Args:
        option: the model argument that names the device.
        device: what it says, None if nothing.

    Raises:
        FatalError: saying what to do.
    """
    if (device or "").startswith("cuda") and not torch.cuda.is_available():
        raise FatalError(
            f"{option}={device} was asked for, and torch {torch.__version__} sees no CUDA device. "
            "Leave it out, or use cpu."
        )


class Aligner(ABC):
    """Word timestamps of known transcripts, cached on disk.

    Cheap to make: what an aligner loads it loads at the first utterance that is not in the cache. A class of its own
    says how words are placed (`place`), and what of its arguments can change the times (`mode`, `heads`).

    Args:
        cache: where results are kept; None keeps nothing.
    """

    kind: ClassVar[str]
    """Its name before the colon of ``alas_reference``."""
    mode: str = ""
    heads: str | None = None

    def __init__(self, cache: AlignmentCache | None = None) -> None:
        self._cache = cache

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of this reference in records, such as ``whisper:large-v3:align``."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """What tells its weights from others."""

    @property
    def settings(self) -> dict[str, str]:
        """What records say of it."""
        return {f"{self.kind}_checkpoint": self.fingerprint}

    def words(
        self, audio: np.ndarray, transcript: str, units: Sequence[Unit], *, language: str = "en"
    ) -> list[WordTiming]:
        """Return when each unit of a transcript is spoken.

        Args:
            audio: float32 mono samples at 16 kHz, shape ``(num_samples,)``, of any length.
            transcript: what is said in it.
            units: the transcript's units, as `alas_metric.document.units.split_units` returns.
            language: code or name of the language.

        Returns:
            One `WordTiming` per unit in the same order: starts non-decreasing, no end before its start, all
            within [0, duration] seconds; with its confidence where the aligner has one.

        Raises:
            SkipDocument: ``no_word_timestamps`` if there is no sound in the audio or no word is found in it,
                ``non_finite_audio`` if it holds NaN or infinity.
            FatalError: If the checkpoint cannot be loaded or does not know the language.
        """
        audio = checked_audio(audio)
        if not units:
            return []
        key = self._key(audio, transcript, self.mode, language)
        stored = _stored_words(self._read(key), units, len(audio) / SAMPLE_RATE)
        if stored is not None:
            return stored
        words = self.place(audio, transcript, units, language)
        self._write(key, {"words": [[word.word, word.start, word.end, word.confidence] for word in words]})
        return words

    @abstractmethod
    def place(self, audio: np.ndarray, transcript: str, units: Sequence[Unit], language: str) -> list[WordTiming]:
        """Return when each unit, of at least one, is spoken; see `words`."""

    @abstractmethod
    def close(self) -> None:
        """Free the model's memory; it is loaded again when needed."""

    def _key(self, audio: np.ndarray, transcript: str, mode: str, language: str) -> str:
        if self._cache is None:
            return ""
        return self._cache.key(audio, transcript, self.fingerprint, mode, self.heads, language)

    def _read(self, key: str) -> dict[str, Any] | None:
        return self._cache.get(key) if self._cache is not None else None

    def _write(self, key: str, payload: dict[str, Any]) -> None:
        if self._cache is not None:
            self._cache.put(key, payload)


def checked_audio(audio: np.ndarray) -> np.ndarray:
    """Return mono samples as contiguous float32.

    Raises:
        ValueError: If they are not mono.
        SkipDocument: ``non_finite_audio`` if they hold NaN or infinity.
    """
    if audio.ndim != 1:
        raise ValueError(f"audio must be mono, shape (num_samples,), got {audio.shape}")
    if not np.isfinite(audio).all():
        raise SkipDocument("non_finite_audio")
    return np.ascontiguousarray(audio, dtype=np.float32)


def sound_regions(audio: np.ndarray) -> list[Span]:
    """Return where there is sound, at least one region, see `speech_regions`.

    Raises:
        SkipDocument: ``no_word_timestamps`` if there is none.
    """
    regions = speech_regions(audio)
    if not regions:
        raise SkipDocument("no_word_timestamps", f"{len(audio) / SAMPLE_RATE:.2f} s of audio without any sound")
    return regions


def _stored_words(payload: dict[str, Any] | None, units: Sequence[Unit], duration: float) -> list[WordTiming] | None:
    """Read cached words; None if they are not those of the units, or their times or confidences are none."""
    rows = (payload or {}).get("words")
    if not isinstance(rows, list) or len(rows) != len(units):
        return None
    words = []
    previous = 0.0
    for row, unit in zip(rows, units, strict=True):
        if not (isinstance(row, list) and len(row) == 4 and row[0] == unit.text):
            return None
        start, end, confidence = row[1:]
        if not all(isinstance(t, (int, float)) and math.isfinite(t) for t in (start, end)):
            return None
        if not previous <= start <= end <= duration:
            return None
        if confidence is not None and not (isinstance(confidence, (int, float)) and 0 <= confidence <= 1):
            return None
        previous = start
        words.append(WordTiming(unit.text, float(start), float(end), confidence))
    return words
