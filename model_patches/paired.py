"""One document, or a small batch, run twice: on its transcript and on its audio; out come alignment records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from loguru import logger

from alas_metric.alignment import WordTiming, check_words
from alas_metric.errors import FatalError, SkipDocument
from alas_metric.pair import score_pair
from alas_metric.record import AlignmentRecord
from alas_metric.units import Unit, split_units
from alas_tasks.speech import SAMPLE_RATE, SpeechSample
from model_patches.adapter import Prompts, SpeechAdapter
from model_patches.capture import CaptureMismatch, FrameSimilarity, WordPooling, capture_prefill, verify_capture
from model_patches.provenance import of_model, software
from model_patches.whisper_reference import WhisperReference
from model_patches.word_timing import times_of_units

Similarity = Callable[[Sequence[tuple[str | None, str | None]]], list[float | None]]


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
            return self.adapter.clean_text(" ".join(timing.word for timing in sample.words)), "dataset"
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


@dataclass
class PairedRuns:
    """The two runs of a document and its record.

    Args:
        adapter: the model, its prompts and positions.
        responses: whether answers are generated.
        similarity: compares free answers.
        settings: what every record says of how it was made, besides model and software.
        similarity_settings: what records of free answers say of it too.
    """

    adapter: SpeechAdapter
    responses: bool = True
    similarity: Similarity | None = None
    settings: dict[str, str] = field(default_factory=dict)
    similarity_settings: dict[str, str] = field(default_factory=dict)
    proven: bool = False
    """Whether a document went through: until then a mismatch between model and adapter ends the run."""

    @cached_property
    def all_settings(self) -> dict[str, str]:
        """What every record says of how it was made."""
        return {**software(), **of_model(self.adapter), **self.settings}

    def __call__(
        self,
        documents: Sequence[Prepared],
        audios: Sequence[np.ndarray],
        generation: Mapping[str, Any],
        until: Sequence[str] = (),
        keep: Callable[[int, AlignmentRecord, np.ndarray], None] | None = None,
    ) -> list[AlignmentRecord]:
        """Run a batch and return its records, in order.

        Args:
            documents: what to run.
            audios: their samples, 16 kHz mono.
            generation: keyword arguments of ``generate``.
            until: texts at which an answer is cut.
            keep: gets each document's place in the batch, its record and its similarities, ``(L + 1, 2, N, T)``.

        Raises:
            SkipDocument: If one document cannot be scored; run the others again without it.
            FatalError: If the first document shows that the audio does not reach the model.
        """
        instructions = [document.instruction for document in documents]
        try:
            text = self.adapter.text_prompts(
                [document.transcript for document in documents],
                instructions,
                [document.units for document in documents],
            )
            audio = self.adapter.audio_prompts(list(audios), instructions)
            self.adapter.check_audio(audio, [len(samples) / SAMPLE_RATE for samples in audios])
            if self.adapter.verify and not self.proven:
                verify_capture(self.adapter.decoder, partial(self.adapter.generate, audio.inputs))
            pooling = WordPooling(text.words)
            text_answers = self._generate(text, pooling, generation)
            frames = FrameSimilarity(audio.positions, pooling.vectors, check=not self.proven)
            audio_answers = self._generate(audio, frames, generation)
        except CaptureMismatch as error:
            if self.proven:
                raise SkipDocument("error", str(error)) from error
            raise FatalError(f"the first document did not reach the model as it should: {error}") from error
        self.proven = True
        records = []
        for row, document in enumerate(documents):
            similarity = frames.of_row(row)
            answers = (cut(audio_answers[row], until), cut(text_answers[row], until))
            records.append(self._record(document, similarity, *answers))
            if keep is not None:
                keep(row, records[-1], similarity)
        return records

    def _generate(
        self, prompts: Prompts, on_layer: Callable[[int, torch.Tensor], None], generation: Mapping[str, Any]
    ) -> list[str]:
        adapter = self.adapter
        with capture_prefill(adapter.decoder, on_layer) as prefill:
            answers = adapter.answers(prompts.inputs, **generation)
        prefill.check(prompts.batch_size, prompts.length, adapter.decoder.num_entries)
        return answers

    def _record(
        self, document: Prepared, similarity: np.ndarray, audio_answer: str, text_answer: str
    ) -> AlignmentRecord:
        sample = document.sample
        answers = self._compare(sample, audio_answer, text_answer) if self.responses else {}
        return score_pair(
            similarity,
            uid=sample.uid,
            transcript=document.transcript,
            words=[unit.text for unit in document.units],
            frame_seconds=self.adapter.seconds_per_position,
            references=document.references,
            reference=document.reference,
            speaker=sample.speaker,
            transcript_source=document.transcript_source,
            instruction=document.instruction,
            target=sample.target,
            settings=self.all_settings | (self.similarity_settings if answers.get("similarities") else {}),
            **answers,
        )

    def _compare(self, sample: SpeechSample, audio: str, text: str) -> dict[str, Any]:
        """Return the record's fields about the two answers: as labels where the task is closed, else by meaning."""
        answers: dict[str, Any] = {"audio_answer": audio, "text_answer": text}
        if sample.read_answer is not None:
            labels = {"audio": sample.read_answer(audio), "text": sample.read_answer(text)}
            return {**answers, "labels": {**labels, "target": sample.target}}
        if self.similarity is None:
            return answers
        names = ("responses", "audio_target", "text_target")
        pairs = [(audio, text), (audio, sample.target), (text, sample.target)]
        return {**answers, "similarities": dict(zip(names, self.similarity(pairs), strict=True))}


def gold_words(words: Sequence[WordTiming], units: Sequence[Unit], duration: float) -> list[WordTiming]:
    """Return the data set's word timestamps, one per unit of the transcript.

    Raises:
        SkipDocument: If they are NaN or reversed, or of other words.
    """
    try:
        spans = times_of_units(check_words(words, float("inf")), units, duration)
    except ValueError as error:
        raise SkipDocument("bad_timestamps", str(error)) from error
    if spans is None:
        heard = " ".join(timing.word for timing in words)
        raise SkipDocument(
            "bad_timestamps",
            f"the timestamps are of other words than the transcript: {heard[:60]!r} for {len(units)} words",
        )
    return [WordTiming(unit.text, *span) for unit, span in zip(units, spans, strict=True)]


def cut(answer: str, until: Sequence[str]) -> str:
    """Return the answer up to the first of the stop texts."""
    for stop in until:
        answer = answer.split(stop)[0]
    return answer.strip()
