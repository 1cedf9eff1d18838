"""One document, or a small batch, run twice: on its transcript and on its audio; out come alignment records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from alas_metric.document.lens_table import LensTable
from alas_metric.document.measuring import Measurement
from alas_metric.document.record import ANSWER_FILTER, CONTAINED, AlignmentRecord
from alas_metric.errors import FatalError, SkipDocument
from alas_tasks.answers import FREE_OR_CONTAINED, contained
from alas_tasks.audio import SAMPLE_RATE
from alas_tasks.speech import SpeechSample
from model_patches.adapters.adapter import Prompts, SpeechAdapter
from model_patches.adapters.capture import (
    CaptureMismatch,
    LayerVectors,
    WordPooling,
    capture_prefill,
    full_precision,
    verify_capture,
)
from model_patches.adapters.generation import cut
from model_patches.adapters.lens import DocumentLens, Lens, verify_lens
from model_patches.run.comparison import AnswerComparison
from model_patches.run.preparation import Prepared
from model_patches.run.provenance import of_model, software


@dataclass
class PairedRuns:
    """The two runs of a document and its record.

    Args:
        adapter: the model, its prompts and positions.
        responses: whether answers are generated.
        comparison: compares free answers; None compares none.
        settings: what every record says of how it was made, besides model and software.
        layer_map: whether every audio layer is compared with every text layer.
        keep_states: whether measurements keep hidden states.
        lens: reads every layer's audio positions; None: nothing is read.
    """

    adapter: SpeechAdapter
    responses: bool = True
    comparison: AnswerComparison | None = None
    settings: dict[str, str] = field(default_factory=dict)
    layer_map: bool = False
    keep_states: bool = False
    lens: Lens | None = None
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
        keep: Callable[[int, AlignmentRecord, Measurement], None] | None = None,
    ) -> list[AlignmentRecord]:
        """Run a batch and return its records, in order.

        Args:
            documents: what to run.
            audios: their samples, 16 kHz mono.
            generation: keyword arguments of ``generate``.
            until: texts at which an answer is cut.
            keep: gets each document's place in the batch, its record and its measurement, which holds similarities.

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
            if self.lens is not None and not self.proven:
                verify_lens(self.lens, partial(self.adapter.generate, audio.inputs))
            pooling = WordPooling(text.words)
            text_answers = self._generate(text, pooling, generation)
            measurements = [
                self._measurement(document, len(positions), keep is not None)
                for document, positions in zip(documents, audio.positions, strict=True)
            ]
            readers = [] if self.lens is None else _readers(self.lens, text, measurements)
            on_layer = LayerVectors(audio.positions, pooling.vectors, measurements, readers, check=not self.proven)
            audio_answers = self._generate(audio, on_layer, generation)
        except CaptureMismatch as error:
            if self.proven:
                raise SkipDocument("error", str(error)) from error
            raise FatalError(f"the first document did not reach the model as it should: {error}") from error
        self.proven = True
        records = []
        for row, (document, measurement) in enumerate(zip(documents, measurements, strict=True)):
            answers = (cut(audio_answers[row], until), cut(text_answers[row], until))
            lens = readers[row].table(self.adapter.token_text) if readers else None
            # The last few layers are measured only now; a training loop may probe in autocast.
            with full_precision(self.adapter.device.type):
                records.append(self._record(document, measurement, text.words[row], *answers, lens))
            if keep is not None:
                keep(row, records[-1], measurement)
        return records

    def _generate(
        self, prompts: Prompts, on_layer: Callable[[int, torch.Tensor], None], generation: Mapping[str, Any]
    ) -> list[str]:
        adapter = self.adapter
        with capture_prefill(adapter.decoder, on_layer) as prefill:
            answers = adapter.answers(prompts.inputs, **generation)
        prefill.check(prompts.batch_size, prompts.length, adapter.decoder.num_entries)
        return answers

    def _measurement(self, document: Prepared, num_frames: int, keep: bool) -> Measurement:
        """Return what gets the vectors of a document's layers."""
        return Measurement(
            uid=document.sample.uid,
            words=[unit.text for unit in document.units],
            num_frames=num_frames,
            frame_seconds=self.adapter.seconds_per_position,
            references=document.references,
            reference=document.reference,
            keep=keep,
            keep_states=self.keep_states,
            layer_map=self.layer_map,
        )

    def _record(
        self,
        document: Prepared,
        measurement: Measurement,
        words: Sequence[Sequence[int]],
        audio_answer: str,
        text_answer: str,
        lens: LensTable | None,
    ) -> AlignmentRecord:
        sample = document.sample
        answers = self._compare(sample, audio_answer, text_answer) if self.responses else {}
        return measurement.record(
            document.transcript,
            speaker=sample.speaker,
            transcript_source=document.transcript_source,
            instruction=document.instruction,
            target=sample.target,
            num_tokens=[len(tokens) for tokens in words],
            lens=lens,
            settings=self.all_settings | dict(document.settings) | self._answer_settings(sample, answers),
            **answers,
        )

    def _answer_settings(self, sample: SpeechSample, answers: Mapping[str, Any]) -> dict[str, str]:
        """Return what a record says of how its answers were compared."""
        if self.comparison is None or "similarities" not in answers:
            return {}
        rule = {ANSWER_FILTER: CONTAINED} if sample.answers == FREE_OR_CONTAINED else {}
        return {**self.comparison.settings(sample.language), **rule}

    def _compare(self, sample: SpeechSample, audio: str, text: str) -> dict[str, Any]:
        """Return the record's fields about the two answers: as labels where the task is closed, else by meaning."""
        answers: dict[str, Any] = {"audio_answer": audio, "text_answer": text}
        if sample.read_answer is not None:
            labels = {"audio": sample.read_answer(audio), "text": sample.read_answer(text)}
            return {**answers, "labels": {**labels, "target": sample.target}}
        if self.comparison is None:
            return answers
        names = ("responses", "audio_target", "text_target")
        pairs = [(audio, text), (audio, sample.target), (text, sample.target)]
        found = dict(zip(names, self.comparison.pairs(pairs, sample.language), strict=True))
        return {**answers, "similarities": {**found, CONTAINED: float(contained(audio, text))}}


def _readers(lens: Lens, text: Prompts, measurements: Sequence[Measurement]) -> list[DocumentLens]:
    """Return what reads each document of a batch: for the first token of each word as its text prompt has it."""
    firsts = [
        row[torch.tensor([tokens[0] for tokens in words])].cpu()
        for row, words in zip(text.inputs["input_ids"], text.words, strict=True)
    ]
    return [
        DocumentLens(lens, first, measurement.timelines[measurement.reference])
        for first, measurement in zip(firsts, measurements, strict=True)
    ]
