"""The demo's utterances through the plugin's own paired runs, as they are or changed on the way.

What is measured is what the harness would measure: `model_patches.run.paired.PairedRuns` makes the records,
`alas_metric` scores them. Only what a control changes is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import torch
from train_qwen2_audio import EMOTION, QUESTION_END

from alas_metric import AlignmentRecord, WordTiming, score_pair, score_record, split_units, summarise
from alas_metric.document.scores import DocumentScores
from alas_metric.document.similarity import FORMS
from alas_tasks.answers import label_reader, read_emotion
from alas_tasks.audio import load_audio
from alas_tasks.demo.files import TEST_SPLIT, WHISPER
from alas_tasks.speech import SpeechSample
from model_patches.adapters.capture import Decoder
from model_patches.adapters.generation import generation_arguments
from model_patches.families.qwen2_audio import Qwen2AudioAdapter
from model_patches.reference.cache import AlignmentCache
from model_patches.reference.whisper_reference import WhisperReference
from model_patches.run.paired import PairedRuns
from model_patches.run.preparation import Prepared

BATCH = 8
_SCORES = ("alas", "alas_skill", "alas_evidence", "frame_skill")
KEYS = tuple(f"{key}_{form}" for form in ("raw", "centred") for key in _SCORES)
"""What every section shows: the forms of similarity that all of them were measured in."""
ALL_FORMS = (*(f"{key}_{form}" for key in _SCORES[1:] for form in FORMS), "retrieval_skill")
"""What the section on the forms shows."""
GOLD, ALIGNED, TRANSCRIBED = "words", "aligned", "transcribed"
"""References of every record: the exact times, Whisper's of the known transcript, Whisper's of what it recognises."""
BASELINES = ("alas_chance", "alas_uniform", "alas_linear")


@dataclass(frozen=True)
class Document:
    """One utterance, ready for its two runs.

    Args:
        prepared: what the plugin's `Preparation` makes of a document.
        audio: 16 kHz samples.
        style: how it is spoken.
    """

    prepared: Prepared
    audio: np.ndarray
    style: str

    @property
    def duration(self) -> float:
        """Length of the audio in seconds."""
        return len(self.audio) / 16000

    @property
    def words(self) -> Sequence[WordTiming]:
        """The exact word timestamps."""
        return self.prepared.references[GOLD]

    def saying(self, words: Sequence[WordTiming]) -> Document:
        """Return the document with other words, or the same at other times, as its transcript and only reference."""
        transcript = " ".join(word.word for word in words)
        units = split_units(transcript)
        prepared = replace(self.prepared, transcript=transcript, units=units, references={GOLD: list(words)})
        return replace(self, prepared=prepared)


def read_documents(limit: int | None, cache: Path | None = None) -> list[Document]:
    """Return the demo's utterances with their questions and all three references.

    Args:
        limit: how many, spread over the split; None for all.
        cache: where Whisper's timestamps are kept; None for the user's cache.
    """
    rows = pyarrow.parquet.read_table(TEST_SPLIT).to_pylist()
    rows = spread(rows, limit)
    answers = sorted({row["answer"] for row in pyarrow.parquet.read_table(TEST_SPLIT, columns=["answer"]).to_pylist()})
    whispers = {
        name: WhisperReference(str(WHISPER), mode=mode, device="cpu", cache=AlignmentCache(cache))
        for name, mode in ((ALIGNED, "align"), (TRANSCRIBED, "transcribe"))
    }
    return [_document(row, label_reader(answers), whispers) for row in rows]


def spread(rows: Sequence[Any], limit: int | None) -> list[Any]:
    """Return so many rows of the split, of different speakers and styles; all for None."""
    return [rows[at] for at in np.linspace(0, len(rows) - 1, limit or len(rows)).astype(int)]


def _document(row: Mapping[str, Any], reader: Any, whispers: Mapping[str, WhisperReference]) -> Document:
    audio, transcript = load_audio(row["audio"]), row["transcript"]
    units = split_units(transcript)
    references = {GOLD: [WordTiming(word["word"], word["start"], word["end"]) for word in row["words"]]}
    references |= {name: whisper.words(audio, transcript, units) for name, whisper in whispers.items()}
    sample = SpeechSample(row["uid"], None, transcript, row["answer"], None, row["speaker"], reader)
    question = row["question"] + QUESTION_END
    return Document(Prepared(sample, question, transcript, "dataset", units, references, GOLD), audio, row["emotion"])


def asked_for_emotion(document: Document) -> Document:
    """Return the document with the question about the emotion in the place of its own."""
    sample = replace(document.prepared.sample, target=document.style, read_answer=read_emotion)
    return replace(document, prepared=replace(document.prepared, sample=sample, instruction=EMOTION))


class Turned(Qwen2AudioAdapter):
    """An adapter that turns or scales hidden states as they are read; the model itself runs on as it is.

    Args:
        text: from the hidden states of the text run to what is read in their place.
        audio: the same for the audio run.
    """

    def __init__(self, model: Any, processor: Any, text: Any, audio: Any) -> None:
        super().__init__(model, processor)
        self.turns = {False: text, True: audio}
        self.hears = False

    def answers(self, inputs: Mapping[str, Any], **generation: Any) -> list[str]:
        """Answer, remembering which of the two runs it is."""
        self.hears = "input_features" in inputs
        return super().answers(inputs, **generation)

    @property
    def decoder(self) -> Decoder:
        """The decoder, whose states pass through the turn of the run."""
        return replace(super().decoder, select=lambda states: self.turns[self.hears](states))


@dataclass(frozen=True)
class Measured:
    """A record and the similarities that it came from, ``(L + 1, 2, N, T)``."""

    record: AlignmentRecord
    similarity: np.ndarray

    def again(self, similarity: np.ndarray | None = None, words: Sequence[WordTiming] | None = None) -> Measured:
        """Return what would have been found with other similarities, or compared with other word timestamps."""
        record, values = self.record, self.similarity if similarity is None else similarity
        kept = ("speaker", "instruction", "target", "audio_answer", "text_answer", "similarities", "labels", "settings")
        references = {GOLD: list(words)} if words is not None else record.references
        found = score_pair(
            values,
            uid=record.uid,
            transcript=record.transcript,
            words=record.words,
            frame_seconds=record.frame_seconds,
            references=references,
            reference=GOLD,
            **{name: getattr(record, name) for name in kept},
        )
        return Measured(found, values)


def load_adapter(folder: Path) -> Qwen2AudioAdapter:
    """Return the adapter of a checkpoint, on the CPU."""
    return Qwen2AudioAdapter(*Qwen2AudioAdapter.load(str(folder), dtype="auto", device_map=None))


def measure(adapter: Qwen2AudioAdapter, documents: Sequence[Document], answers: bool = False) -> list[Measured]:
    """Run documents on their transcripts and on their audio.

    Args:
        adapter: the model.
        documents: what to run.
        answers: whether answers are generated too.
    """
    runs, found = PairedRuns(adapter, answers), list[Measured]()
    generation = generation_arguments({"max_new_tokens": 24}, answers)
    for begin in range(0, len(documents), BATCH):
        batch = documents[begin : begin + BATCH]
        with torch.no_grad():
            runs(
                [document.prepared for document in batch],
                [document.audio for document in batch],
                generation,
                keep=lambda _row, record, measurement: found.append(Measured(record, measurement.similarity)),
            )
    return found


def unfiltered(measured: Sequence[Measured], reference: str = GOLD) -> list[DocumentScores]:
    """Return the scores of all documents, as if no answer had been asked for: nothing is filtered."""
    return [replace(score_record(each.record, reference), answered=False) for each in measured]


def curves(scores: Sequence[DocumentScores], keys: Sequence[str] = KEYS) -> dict[str, dict[str, Any]]:
    """Return each metric's values of all layers with their intervals, and the headline."""
    layers = dict(summarise(scores, keys=["layers"])["layers"].items())
    return {key: rounded(layers[key]) for key in keys}


def curves_of(measured: Sequence[Measured], keys: Sequence[str] = KEYS) -> dict[str, dict[str, Any]]:
    """Return `curves` of all documents with the exact word times."""
    return curves(unfiltered(measured), keys)


def rounded(value: Any) -> Any:
    """Return numbers of a structure with six decimals: small files that do not differ in last bits."""
    if isinstance(value, float | np.floating):
        return round(float(value), 6)
    if isinstance(value, Mapping):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value


def reversed_frames(measured: Measured) -> Measured:
    """Return what the same hidden states give in the reverse order of time."""
    return measured.again(np.ascontiguousarray(measured.similarity[..., ::-1]))


def reversed_both(measured: Measured) -> Measured:
    """Return what the same hidden states give with time, words and their times reversed."""
    record = measured.record
    end = record.num_frames * record.frame_seconds
    words = [WordTiming(word.word, end - word.end, end - word.start) for word in reversed(record.references[GOLD])]
    return measured.again(np.ascontiguousarray(measured.similarity[..., ::-1, ::-1]), words)


Turn = Callable[[torch.Tensor], torch.Tensor]


def same(states: torch.Tensor) -> torch.Tensor:
    """Return the states as they are."""
    return states


def rotation(size: int, seed: int) -> Turn:
    """Return a turn by a random orthogonal matrix."""
    drawn = np.random.default_rng(seed).normal(size=(size, size))
    matrix = torch.from_numpy(np.linalg.qr(drawn)[0].astype(np.float32))
    return lambda states: states @ matrix.to(states)


class QuestionFirst(Qwen2AudioAdapter):
    """An adapter that asks before the audio, and before the transcript, instead of behind it."""

    text_run = "{instruction}\n\nAudio Transcription: {transcript}"

    def render(self, instruction: str, num_segments: int) -> str:
        """Return the chat template's text with the instruction moved."""
        if not num_segments:
            return super().render(instruction, 0)
        return super().render("", num_segments).replace("Audio 1:", f"{instruction}\n\nAudio 1:", 1)
