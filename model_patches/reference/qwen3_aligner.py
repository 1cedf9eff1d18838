"""Word timestamps from Qwen3's forced aligner, a second opinion beside Whisper's.

A language model that hears the audio is given the words with two marks behind each, and classifies the marks: where the
word begins and where it ends, in steps of 80 ms (Qwen3-ASR technical report, arXiv 2601.21337). It was trained to say
both, so that no silence is cut out before. Model, words and marks are those of transformers' own classes.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alas_metric.document.paths import WordTiming
from alas_metric.document.units import Unit
from alas_metric.errors import FatalError, SkipDocument, UnobtainableError
from model_patches.adapters.fingerprint import weights_fingerprint
from model_patches.reference.aligner import Aligner, check_device, sound_regions
from model_patches.reference.cache import AlignmentCache
from model_patches.reference.matching import SAMPLE_RATE, Span, alignment_pieces, ordered
from model_patches.reference.written import times_of_units

PUBLISHED = "Qwen/Qwen3-ForcedAligner-0.6B-hf"
DTYPES = ("auto", "float32", "bfloat16", "float16")
MAX_SECONDS = 180.0
"""Of audio in one pass; the model was trained on no more than five minutes."""
_FILLED = 2 / 3
"""The share of a pass that its words take at the average rate of the rest, so that none is beyond its end."""
_EDGE = 5.0
"""Seconds before the end of a pass in which words are not believed: those beyond the end gather there."""


class Qwen3Aligner(Aligner):
    """Word timestamps by Qwen3's forced aligner, cached on disk.

    Args:
        checkpoint: a hub id, such as ``Qwen/Qwen3-ForcedAligner-0.6B-hf``, or a folder in the format of transformers.
        device: ``cuda``, ``cuda:1``, ``mps``, ``cpu``; None takes CUDA where there is one.
        dtype: ``auto`` (the checkpoint's), ``float32``, ``bfloat16`` or ``float16``.
        cache: where results are kept; None keeps nothing.

    Raises:
        FatalError: If transformers is too old or an argument cannot be used. Raised by the methods too, when the
            checkpoint cannot be had or is no aligner: no document can be scored then.
    """

    kind = "qwen3_aligner"

    def __init__(
        self,
        checkpoint: str = PUBLISHED,
        *,
        device: str | None = None,
        dtype: str = "auto",
        cache: AlignmentCache | None = None,
    ) -> None:
        super().__init__(cache)
        _classes()
        if dtype not in DTYPES:
            raise FatalError(f"alas_aligner_dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
        check_device("alas_aligner_device", device)
        self._checkpoint = str(Path(checkpoint).expanduser()) if Path(checkpoint).expanduser().exists() else checkpoint
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._dtype = dtype
        self.mode = f"{self.kind} {dtype}"
        self._loaded: tuple[Any, Any] | None = None

    @property
    def name(self) -> str:
        """Name of this reference in records, such as ``qwen3_aligner:Qwen3-ForcedAligner-0.6B-hf``."""
        return f"{self.kind}:{Path(self._checkpoint).name}"

    @cached_property
    def fingerprint(self) -> str:
        """The hub's commit, or a hash of the folder's files."""
        if not Path(self._checkpoint).exists() and weights_fingerprint(self._checkpoint).endswith("@None"):
            self._load()  # the commit is known once it is in the cache
        return weights_fingerprint(self._checkpoint)

    def place(self, audio: np.ndarray, transcript: str, units: Sequence[Unit], language: str) -> list[WordTiming]:
        """Return when each unit is spoken; audio of more than `MAX_SECONDS` part by part, cut in pauses."""
        sound_regions(audio)  # it would give times to silence too
        pieces = alignment_pieces(transcript, units)
        duration = len(audio) / SAMPLE_RATE
        spans: list[Span] = []
        begin = 0.0
        while len(spans) < len(units):
            first = len(spans)
            last = first + _num_filling(pieces[first:], duration - begin)
            part = audio[round(begin * SAMPLE_RATE) : round((begin + MAX_SECONDS) * SAMPLE_RATE)]
            found = self._align(part, "".join(pieces[first:last]).strip(), units[first:last], language)
            cut = len(found) if last == len(units) else _cut(found, MAX_SECONDS - _EDGE)
            spans += [(begin + start, begin + end) for start, end in found[:cut]]
            if cut < len(found):
                begin += (found[cut - 1][1] + found[cut][0]) / 2
        return [WordTiming(unit.text, *span) for unit, span in zip(units, ordered(spans, duration), strict=True)]

    def close(self) -> None:
        """Free the model's memory; it is loaded again when needed."""
        if self._loaded is not None and self._loaded[0].device.type == "cuda":
            self._loaded = None
            torch.cuda.empty_cache()
        self._loaded = None

    def _align(self, audio: np.ndarray, text: str, units: Sequence[Unit], language: str) -> list[Span]:
        """Return when the units of one pass are spoken, in seconds from its beginning."""
        model, processor = self._load()
        try:
            inputs, words = processor.prepare_forced_aligner_inputs(audio, text, language)
        except (ValueError, ImportError) as error:  # not a language of the aligner; no package that divides it
            raise FatalError(
                f"{self.name} and speech in {language!r} (alas_language says what it is): {error}"
            ) from error
        inputs = inputs.to(model.device, model.dtype)
        with torch.no_grad():
            logits = model(**inputs).logits
        decoded = processor.decode_forced_alignment(
            logits, inputs["input_ids"], words, model.config.timestamp_token_id
        )[0]
        duration = len(audio) / SAMPLE_RATE
        timed = [WordTiming(word["text"], word["start_time"], word["end_time"]) for word in decoded]
        spans = times_of_units(timed, units, duration) if timed else None
        if spans is None:
            raise SkipDocument("no_word_timestamps", f"{self.name} aligned other words than {text[:80]!r}")
        return ordered(spans, duration)

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            self._loaded = self._read_checkpoint()
        return self._loaded

    def _read_checkpoint(self) -> tuple[Any, Any]:
        model_class, processor_class = _classes()
        try:
            model, info = model_class.from_pretrained(
                self._checkpoint, dtype=self._dtype, device_map=self._device, output_loading_info=True
            )
            processor = processor_class.from_pretrained(self._checkpoint)
        except Exception as error:  # of many kinds: no connection, no such folder, damaged weights, no memory
            raise UnobtainableError(
                f"cannot load the aligner {self._checkpoint} on {self._device}: {type(error).__name__}: {error}. "
                f"Expected a hub id, such as {PUBLISHED}, or a folder with it; alas_aligner_device=cpu takes no memory "
                "of the GPU"
            ) from error
        if info["missing_keys"]:
            lost = sorted(info["missing_keys"])
            raise FatalError(
                f"{self._checkpoint} is no forced aligner: it lacks {len(lost)} of the model's weights, such as "
                f"{lost[0]}. Expected one in the format of transformers, such as {PUBLISHED}"
            )
        return model.eval(), processor


def _classes() -> tuple[Any, Any]:
    """Return transformers' classes of model and processor.

    Raises:
        FatalError: If it has none.
    """
    try:
        from transformers import Qwen3ASRForTokenClassification, Qwen3ASRProcessor
    except ImportError as error:
        installed = importlib.metadata.version("transformers")
        raise FatalError(
            f"alas_reference=qwen3_aligner needs transformers 5.13 or newer, {installed} is installed: "
            'pip install --upgrade "transformers>=5.13", or take whisper:<size or path>'
        ) from error
    return Qwen3ASRForTokenClassification, Qwen3ASRProcessor


def _num_filling(pieces: Sequence[str], seconds: float) -> int:
    """Return how many words, of at least one, are given to one pass.

    Args:
        pieces: text of the words that are left.
        seconds: audio that is left.

    Example:
        >>> _num_filling(["one"] * 100, 180), _num_filling(["one"] * 100, 1200)
        (100, 10)
    """
    if seconds <= MAX_SECONDS:
        return len(pieces)
    shares = np.cumsum([len(piece) for piece in pieces])
    return max(1, int(np.searchsorted(shares, shares[-1] * MAX_SECONDS * _FILLED / seconds, side="right")))


def _cut(spans: Sequence[Span], limit: float) -> int:
    """Return how many words of a pass are kept: up to the longest pause in the second half of those before a limit.

    Example:
        >>> _cut([(0, 1), (1, 2), (2, 3), (3.5, 4), (4, 5), (5, 10)], 8)
        3
    """
    believed = sum(end <= limit for _, end in spans)
    ends = range(max(1, believed // 2), min(believed, len(spans) - 1) + 1)
    return max(ends, key=lambda k: (spans[k][0] - spans[k - 1][1], k), default=1)
