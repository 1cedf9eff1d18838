"""What a page shows of a run: each document's numbers, paths and times from its record, and what the run kept of it."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alas_metric.corpus.documents import document_layers, document_value
from alas_metric.corpus.layers import Item, items_entering, values_of_layers
from alas_metric.corpus.metrics import LAYERED, RANKING
from alas_metric.corpus.selection import USUAL, Selection
from alas_metric.document.lens_table import LensTable
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.scores import DocumentScores, score_record
from alas_metric.document.similarity import FORMS
from alas_metric.document.timeline import Timeline
from alas_metric.document.words import word_seconds
from alas_metric.results.dumps import (
    ENVELOPE_SECONDS,
    Dump,
    audio_file,
    dump_files,
    dump_folder,
    read_audio,
    read_dump,
    safe_name,
)
from alas_metric.results.runs import Run, every_record
from alas_metric.viewer.packing import affordable_steps, json_block, similarity_block

GOAL = 97_000_000
"""Characters that similarities and speech of a page shall take: 200 utterances of LibriSpeech on 33 layers and more."""
MOST = 250_000_000
"""Characters that they may take; a browser still opens this."""
_TOO_LARGE = f"similarities and speech beyond {MOST // 10**6} MB a page are left out: more would not open"
CURVES = ("alas_skill", "alas_seconds", "alas", "frame_accuracy")
"""Metrics of a document that the page shows layer by layer, as far as they are defined for it."""


@dataclass(frozen=True)
class ViewedDocument:
    """A document of one run.

    Args:
        uid: its id.
        text: the transcript.
        speaker: who speaks, None if unknown.
        summary: what lists and orders it: ``words``, ``seconds``, ``skill``, ``confidence``, ``kept``.
        details: block of JSON, see `_details`.
        similarity: block, see `similarity_block`; None where the run kept none.
        audio: FLAC in base64, None where the run kept none.
    """

    uid: str
    text: str
    speaker: str | None
    summary: dict[str, Any]
    details: str
    similarity: str | None
    audio: str | None


@dataclass(frozen=True)
class ViewedRun:
    """A run as a page shows it.

    Args:
        run: where it comes from.
        num_layers: entries L + 1 of the hidden states, 0 without documents.
        documents: by id, in the order of the samples.
        skill: by form that records hold, of all kept documents together: a value for each layer, None where undefined,
            empty where it is not known.
        left_out: how many documents cannot be shown, by cause.
        messages: what was odd.
    """

    run: Run
    num_layers: int
    documents: dict[str, ViewedDocument]
    skill: dict[str, list[float | None]]
    left_out: Counter[str] = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)


def view_run(
    run: Run,
    documents: Sequence[DocumentScores],
    selection: Selection = USUAL,
    runs: int = 1,
    records: Iterable[AlignmentRecord] | None = None,
) -> ViewedRun:
    """Read what a page shows of a run.

    Args:
        run: see `find_runs`.
        documents: its scores, see `read_documents`.
        selection: which documents count, and which word times are shown first.
        runs: how many share the page.
        records: of the documents that it shows, of all by default.

    Raises:
        ValueError: If no document can be shown; says why.
        OSError: If the samples cannot be read.
    """
    keeper = _Keeper(run, runs)
    scored = {scores.uid: scores for scores in documents if scores.skipped is None}
    left_out = Counter(scores.skipped for scores in documents if scores.skipped is not None)
    viewed: dict[str, ViewedDocument] = {}
    num_layers = 0
    forms: set[str] = set()
    for record in every_record(run) if records is None else records:
        if record.uid in scored:
            viewed[record.uid] = _document(record, selection, scored[record.uid], *keeper.of(record))
            num_layers = max(num_layers, record.num_layers)
            forms |= record.paths.keys() & set(FORMS)
    if not viewed:
        found = ", ".join(f"{cause} ({count})" for cause, count in sorted(left_out.items()))
        raise ValueError(f"{run.samples.name} holds no document to be shown; left out: {found or 'none'}")
    passing = [scores.columns for scores in documents if selection.keeps(scores)]
    items: list[Item] = [{"layers": len(next(iter(each.values()))), "columns": each} for each in passing if each]
    skill = {form: _of_all(f"{RANKING}_{form}", items) for form in FORMS if form in forms}
    chosen = [] if records is None else [f"{len(viewed)} chosen documents; alas view makes the page of all"]
    return ViewedRun(run, num_layers, viewed, skill, left_out, [*chosen, *keeper.messages])


def _of_all(key: str, items: Sequence[Item]) -> list[float | None]:
    sums = LAYERED[key]
    return values_of_layers(sums, items_entering(sums, items))


class _Keeper:
    """What a run kept of its documents beside their records, as far as the page can take it."""

    def __init__(self, run: Run, runs: int) -> None:
        self.messages: list[str] = []
        self._left = MOST // runs
        files = dump_files(dump_folder(run.samples.parent, run.date, run.task))
        speech = [path for file in files if (path := audio_file(file)).is_file()]
        self._steps = affordable_steps(_bytes(files), _bytes(speech), GOAL // runs)
        self._files: dict[str, list[Path]] = {}
        for path in files:
            self._files.setdefault(path.stem.partition("-")[2], []).append(path)

    def of(self, record: AlignmentRecord) -> tuple[Dump | None, str | None, str | None]:
        """Return a document's dump, its similarities as a block and its speech in base64; None for what is missing."""
        for path in self._files.get(safe_name(record.uid), ()):
            try:
                dump = read_dump(path)
                if dump.record.uid == record.uid and dump.similarity.shape[0] == record.num_layers:
                    return self._packed(dump, path)
            except (OSError, ValueError) as error:
                self.messages.append(str(error))
        return None, None, None

    def _packed(self, dump: Dump, path: Path) -> tuple[Dump | None, str | None, str | None]:
        speech = read_audio(audio_file(path))
        similarity = similarity_block(dump.similarity, self._steps)
        audio = None if speech is None else base64.b64encode(speech).decode("ascii")
        self._left -= len(similarity) + len(audio or "")
        if self._left < 0:
            if not self.messages or self.messages[-1] != _TOO_LARGE:
                self.messages.append(_TOO_LARGE)
            return dump, None, None
        return dump, similarity, audio


def _bytes(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _document(
    record: AlignmentRecord,
    selection: Selection,
    scores: DocumentScores,
    dump: Dump | None,
    similarity: str | None,
    audio: str | None,
) -> ViewedDocument:
    summary = {
        "words": record.num_words,
        "seconds": round(record.num_frames * record.frame_seconds, 3),
        "skill": _rounded(document_value(scores, RANKING)),
        "confidence": _rounded(scores.reference_confidence),
        "kept": selection.keeps(scores),
        "similarity": similarity is not None,
        "audio": audio is not None,
    }
    details = json_block(_details(record, selection.reference_of(record), dump))
    return ViewedDocument(record.uid, record.transcript, record.speaker, summary, details, similarity, audio)


def _details(record: AlignmentRecord, reference: str, dump: Dump | None) -> dict[str, Any]:
    """Return everything that the page shows of a document but its similarities.

    Paths are given by the positions at which they go on by one, as in the record; the reference path as it is, since
    it may jump. Errors are thousandths of a second. The waveform is in 127ths.
    """
    return {
        "words": record.words,
        "positions": record.num_frames,
        "position_seconds": record.frame_seconds,
        "layers": record.num_layers,
        "swapped": record.swapped,
        "paths": {form: [_steps(path) for path in record.paths[form]] for form in FORMS if form in record.paths},
        "reference": reference,
        "references": {name: _against(record, name) for name in record.references},
        "instruction": record.instruction,
        "answers": {"audio": record.audio_answer, "text": record.text_answer, "gold": record.target},
        "transcript_source": record.transcript_source,
        "lens": None if record.lens is None else _lens(record.lens),
        "envelope": None if dump is None else np.rint(dump.envelope * 127).astype(int).tolist(),
        "envelope_seconds": ENVELOPE_SECONDS,
    }


def _lens(lens: LensTable) -> dict[str, Any]:
    return {
        "meanings": lens.meanings,
        "first": lens.first_tokens,
        "read": lens.top_tokens,
        "levels": ["".join(map(str, row)) for row in lens.levels.tolist()],
    }


def _steps(path: np.ndarray) -> list[int]:
    return (np.flatnonzero(np.diff(path)) + 1).tolist()


def _against(record: AlignmentRecord, name: str) -> dict[str, Any]:
    """Return what follows from one reference: times, path, values of every layer, and the error of every word."""
    timeline = Timeline.of(record.uid, record.references[name], record.num_frames, record.frame_seconds)
    scores = score_record(record, name)
    forms = [form for form in FORMS if form in record.paths]
    return {
        "times": [[word.start, word.end] for word in timeline.words],
        "path": timeline.path.tolist(),
        "values": record.word_values.get(name, {}),
        "curves": {key: {form: _curve(scores, f"{key}_{form}") for form in forms} for key in CURVES},
        "errors": {form: _thousandths(word_seconds(record.paths[form], timeline)) for form in forms},
    }


def _curve(scores: DocumentScores, key: str) -> list[float | None]:
    return [_rounded(value) for value in document_layers(scores, key).tolist()] if key in LAYERED else []


def _thousandths(values: np.ndarray) -> list[list[int | None]]:
    return [[None if math.isnan(value) else round(1000 * value) for value in row] for row in values.tolist()]


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 4)
