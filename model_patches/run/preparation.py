"""A document before the model sees it: transcript, words, and the times of the words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from loguru import logger

from alas_metric.document.paths import WordTiming, check_words
from alas_metric.document.units import Unit, split_units
from alas_metric.errors import SkipDocument
from alas_tasks.audio import SAMPLE_RATE
from alas_tasks.speech import SpeechSample
from model_patches.adapters.adapter import SpeechAdapter
from model_patches.reference.whisper_reference import WhisperReference
from model_patches.reference.written import times_of_units, without_silences


@dataclass(frozen=True)
class Prepared:
    """A document that is ready for its two runs: everything but the audio samples.

    Args:
        sample: the document.
        instruction: what the model is asked to do.
        transcript: the words of the text prompt, cleaned of control characters and special tokens.
        transcript_source: ``dataset``, or ``whisper`` where the document has none.
        units: the words that are scored.
        references: word timestamps by name of their source, one per unit.
        reference: the name of the one that the scores use.
    """

    sample: SpeechSample
    instruction: str
    transcript: str
    transcript_source: str
    units: Sequence[Unit]
    references: Mapping[str, Sequence[WordTiming]]
    reference: str


@dataclass
class Preparation:
    """Transcript, words and reference of a document, before the model sees it.

    Args:
        adapter: cleans the text of what its tokenizer would not take as text.
        whisper: the reference, or None for the data set's own timestamps.
        language: overrides the samples' language.
    """

    adapter: SpeechAdapter
    whisper: WhisperReference | None
    language: str | None = None

    def __call__(self, sample: SpeechSample, instruction: str, audio: np.ndarray) -> Prepared:
        """Return the document with its word timestamps.

        Args:
            sample: the document.
            instruction: what the model is asked.
            audio: its samples, 16 kHz mono.

        Raises:
            SkipDocument: If it has no words, or no usable timestamps.
        """
        transcript, source = self._transcript(sample, audio)
        units = split_units(transcript)
        if not units:
            raise SkipDocument("empty_transcript", f"no word in {transcript[:80]!r}")
        references = self._references(sample, audio, transcript, units)
        name = self.whisper.name if self.whisper else "words"
        if name not in references:
            raise SkipDocument("no_word_timestamps", "alas_reference=words, and the document has none")
        instruction = self.adapter.clean_text(instruction)
        return Prepared(sample, instruction, transcript, source, units, references, name)

    def _transcript(self, sample: SpeechSample, audio: np.ndarray) -> tuple[str, str]:
        if sample.transcript is not None:
            return self.adapter.clean_text(sample.transcript), "dataset"
        if sample.words:
            return self.adapter.clean_text(" ".join(word.word for word in without_silences(sample.words))), "dataset"
        if self.whisper is None:
            raise SkipDocument("empty_transcript", "no transcript, and alas_reference is not Whisper")
        recognised = self.whisper.transcribe(audio, language=self._language(sample))
        return self.adapter.clean_text(recognised), "whisper"

    def _references(
        self, sample: SpeechSample, audio: np.ndarray, transcript: str, units: Sequence[Unit]
    ) -> dict[str, Sequence[WordTiming]]:
        references: dict[str, Sequence[WordTiming]] = {}
        if sample.words:
            try:
                references["words"] = gold_words(sample.words, units, len(audio) / SAMPLE_RATE)
            except SkipDocument as skip:
                if self.whisper is None:
                    raise
                logger.warning(f"ALAS: {sample.uid} is scored without the data set's timestamps: {skip.detail}")
        if self.whisper is not None:
            language = self._language(sample)
            references[self.whisper.name] = self.whisper.words(audio, transcript, units, language=language)
        return references

    def _language(self, sample: SpeechSample) -> str:
        return self.language or sample.language


def gold_words(words: Sequence[WordTiming], units: Sequence[Unit], duration: float) -> list[WordTiming]:
    """Return the data set's word timestamps, one per unit of the transcript.

    A word whose two times are NaN has none, as recognisers leave numbers; it lies between its neighbours.

    Raises:
        SkipDocument: If the others are NaN or reversed, of other words, or hardly any of them is inside the audio.
    """
    timed = [word for word in words if not (math.isnan(word.start) and math.isnan(word.end))]
    try:
        checked = check_words(timed, math.inf)
        _check_inside(timed, duration)
        spans = times_of_units(checked, units, duration)
    except ValueError as error:
        raise SkipDocument("bad_timestamps", str(error)) from error
    if spans is None:
        heard = " ".join(timing.word for timing in words)
        raise SkipDocument(
            "bad_timestamps",
            f"the timestamps are of other words than the transcript: {heard[:60]!r} for {len(units)} words",
        )
    return [WordTiming(unit.text, *span) for unit, span in zip(units, spans, strict=True)]


def _check_inside(words: Sequence[WordTiming], duration: float) -> None:
    """Refuse timestamps most of which lie outside of the audio.

    Raises:
        SkipDocument: With a guess at what they are.
    """
    inside = sum(0 <= word.start + word.end <= 2 * duration for word in words)
    if 2 * inside >= len(words):
        return
    first, last = min(word.start for word in words), max(word.end for word in words)
    guess = "are they of another recording?"
    if last - first <= duration:
        guess = (
            f"are they counted from the beginning of a longer recording, in which this one begins near {first:.2f} s?"
        )
    for unit, per_second in (("samples", 16_000), ("milliseconds", 1_000)):
        if duration / 4 <= (last - first) / per_second <= duration + 1:
            guess = f"are they in {unit} (alas new-task --word-times-in {unit})?"
    raise SkipDocument(
        "bad_timestamps",
        f"{inside} of {len(words)} words lie inside the {duration:.2f} s of audio, the times are {first:.2f} to "
        f"{last:.2f}: {guess}",
    )
