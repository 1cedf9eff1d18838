"""A document before the model sees it: transcript, words, and the times of the words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from loguru import logger

from alas_metric.document.paths import WordTiming, check_words
from alas_metric.document.units import Unit, split_units
from alas_metric.errors import SkipDocument
from alas_tasks.audio import SAMPLE_RATE
from alas_tasks.speech import SpeechSample
from model_patches.adapters.adapter import SpeechAdapter
from model_patches.reference.aligner import Aligner
from model_patches.reference.sources import GOLD, settings_of
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
        settings: what the record says of the aligners.
    """

    sample: SpeechSample
    instruction: str
    transcript: str
    transcript_source: str
    units: Sequence[Unit]
    references: Mapping[str, Sequence[WordTiming]]
    reference: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Preparation:
    """Transcript, words and reference of a document, before the model sees it.

    Args:
        adapter: cleans the text of what its tokenizer would not take as text.
        sources: gets what a document's task says of its reference, None if nothing, and gives the sources of word
            times, the primary one first; None stands for the data set's own.
        language: overrides the samples' language.
    """

    adapter: SpeechAdapter
    sources: Callable[[str | None], Sequence[Aligner | None]] = lambda _: [None]
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
        sources = self.sources(sample.reference)
        aligners = [aligner for aligner in sources if aligner is not None]
        transcript, source = self._transcript(sample, audio, aligners)
        units = split_units(transcript)
        if not units:
            raise SkipDocument("empty_transcript", f"no word in {transcript[:80]!r}")
        references = {
            **self._gold(sample, audio, units, needed=sources[0] is None),
            **self._aligned(sample, audio, transcript, units, aligners, needed=sources[0]),
        }
        name = sources[0].name if sources[0] is not None else GOLD
        if name not in references:
            raise SkipDocument("no_word_timestamps", "alas_reference=words, and the document has none")
        instruction = self.adapter.clean_text(instruction)
        settings = settings_of(aligners)
        return Prepared(sample, instruction, transcript, source, units, references, name, settings)

    def _transcript(self, sample: SpeechSample, audio: np.ndarray, aligners: Sequence[Aligner]) -> tuple[str, str]:
        if sample.transcript is not None:
            return self.adapter.clean_text(sample.transcript), "dataset"
        if sample.words:
            return self.adapter.clean_text(" ".join(word.word for word in without_silences(sample.words))), "dataset"
        whisper = next((aligner for aligner in aligners if isinstance(aligner, WhisperReference)), None)
        if whisper is None:
            raise SkipDocument("empty_transcript", "no transcript, and alas_reference names no Whisper")
        recognised = whisper.transcribe(audio, language=self._language(sample))
        return self.adapter.clean_text(recognised), "whisper"

    def _gold(
        self, sample: SpeechSample, audio: np.ndarray, units: Sequence[Unit], needed: bool
    ) -> dict[str, Sequence[WordTiming]]:
        """Return the data set's word timestamps by their name, nothing where there are none."""
        if not sample.words:
            return {}
        try:
            return {GOLD: gold_words(sample.words, units, len(audio) / SAMPLE_RATE)}
        except SkipDocument as skip:
            if needed:
                raise
            logger.warning(f"ALAS: {sample.uid} is scored without the data set's timestamps: {skip.detail}")
            return {}

    def _aligned(
        self,
        sample: SpeechSample,
        audio: np.ndarray,
        transcript: str,
        units: Sequence[Unit],
        aligners: Sequence[Aligner],
        needed: Aligner | None,
    ) -> dict[str, Sequence[WordTiming]]:
        """Return what the aligners say, by their names; only the one that is needed may not fail."""
        found: dict[str, Sequence[WordTiming]] = {}
        for aligner in aligners:
            try:
                found[aligner.name] = aligner.words(audio, transcript, units, language=self._language(sample))
            except SkipDocument as skip:
                if aligner is needed:
                    raise
                logger.warning(f"ALAS: {sample.uid} is scored without {aligner.name}: {skip.detail}")
        return found

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
