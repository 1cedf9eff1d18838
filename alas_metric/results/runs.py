"""Scoring finished lmms-eval runs again from their logged records, without a model or a GPU.

The harness writes ``<output_path>/<model>/<date>_results.json`` and, with ``--log_samples``,
``<date>_samples_<task>.jsonl``, whose responses are alignment records. A run that was killed leaves no
results but may leave samples. With nothing changed, the values are exactly those of the run's own results.
Of runs that were shared (`alas_metric.sharing`) there is ``<date>_records_<task>.parquet`` instead.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from alas_metric.corpus.aggregate import summarise
from alas_metric.corpus.answer_filter import nothing_kept
from alas_metric.corpus.metrics import METRICS, missing_forms, reported
from alas_metric.corpus.selection import USUAL, Selection
from alas_metric.document.record import MAX_CHARACTERS, AlignmentRecord
from alas_metric.document.scores import DocumentScores
from alas_metric.texts import printable

LOCAL_COPY = "(local copy)"
"""What stands in results for the revision of data that does not come from the hub."""
MAX_LINE_CHARACTERS = 3 * MAX_CHARACTERS
"""A logged sample holds its record twice."""
MAX_RESULTS_BYTES = 2**26
MAX_GROUP_BYTES = 2**30
"""Of a row group of shared records, unpacked."""
_RECORDS_AT_ONCE = 16
_SAMPLES = (
    re.compile(r"(?P<date>.+?)_samples_(?P<task>.+)\.jsonl", re.DOTALL),
    re.compile(r"(?P<date>.+?)_records_(?P<task>.+)\.parquet", re.DOTALL),
)


@dataclass(frozen=True)
class Run:
    """One task of one evaluation.

    Args:
        model: name of the model's folder.
        task: name of the task.
        date: the run's id in its file names.
        samples: the logged samples, or the records of a shared run.
        results: the aggregated results, None if the run was killed before.
    """

    model: str
    task: str
    date: str
    samples: Path
    results: Path | None


@dataclass(frozen=True)
class Origin:
    """What must be the same before a document of two runs is compared.

    Args:
        uid: the document.
        reference: name of the word timestamps it is scored with.
        transcript: the text.
        transcript_source: ``"dataset"`` or ``"whisper"``.
        instruction: the question or task of the prompts.
        settings: how the record came about, see `AlignmentRecord`.
    """

    uid: str
    reference: str
    transcript: str
    transcript_source: str
    instruction: str
    settings: dict[str, str]


@dataclass(frozen=True)
class RunDocuments:
    """Scores of a run's documents and what was odd about its files.

    Args:
        run: where the records come from.
        documents: in the order of the samples, skipped ones included.
        keys: those keys of `METRICS` that the run's own results hold; none: the results are missing.
        messages: what was left out and why.
        origins: where the scored documents come from, skipped ones left out.
        places: where each document's record stands in the samples, by its id, see `read_records`.
    """

    run: Run
    documents: list[DocumentScores]
    keys: list[str]
    messages: list[str] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RunScores:
    """Values of a run and what was odd about its files.

    Args:
        run: where the records come from.
        values: value by key of `METRICS`.
        documents: number of documents, skipped ones included.
        messages: what was left out and why.
        unkept: what is said where the answer filter keeps no document, else empty.
    """

    run: Run
    values: dict[str, Any]
    documents: int
    messages: list[str] = field(default_factory=list)
    unkept: str = ""

    @property
    def verdict(self) -> str:
        """What the values say in words."""
        return str(self.values["layers"]["verdicts"]["text"])


def find_runs(folder: Path, date: str | None = None, task: str | None = None) -> list[Run]:
    """Return the runs of a folder, of several dates the newest for each model and task.

    Args:
        folder: the harness's output path, or the folder of one model in it.
        date: only the run of this id.
        task: only this task.

    Raises:
        ValueError: If the folder does not exist or holds no such samples.
    """
    if not folder.is_dir():
        raise ValueError(f"expected the output folder of lmms-eval, got {folder}, which is not a folder")
    every = [run for path in _sample_files(folder) if (run := _run(path)) is not None]
    wanted = [run for run in every if task in (None, run.task) and date in (None, run.date)]
    if not wanted:
        raise ValueError(f"no logged samples{_wanted(date, task)} in {folder}: {_hint(every)}")
    newest = {(run.model, run.task): run for run in sorted(wanted, key=lambda run: run.date)}
    return [newest[key] for key in sorted(newest)]


def _sample_files(folder: Path) -> list[Path]:
    """Return the sample files in the folder and one level below."""
    patterns = (f"{depth}*.{ending}" for depth in ("", "*/") for ending in ("jsonl", "parquet"))
    return [path for pattern in patterns for path in folder.glob(pattern) if path.is_file()]


def _run(samples: Path) -> Run | None:
    """Return the run of a sample file, None if it is another file."""
    match = next((found for pattern in _SAMPLES if (found := pattern.fullmatch(samples.name))), None)
    if match is None or match["task"] in (".", ".."):
        return None
    results = samples.with_name(f"{match['date']}_results.json")
    task, date = printable(match["task"]), printable(match["date"])
    return Run(model_name(samples.parent), task, date, samples, results if results.is_file() else None)


def model_name(folder: Path) -> str:
    """Return the name of a model's folder, however the folder is written; nothing in it controls a terminal."""
    return printable(os.path.basename(os.path.abspath(folder)))


def _wanted(date: str | None, task: str | None) -> str:
    return (f" of run {date!r}" if date else "") + (f" of task {task!r}" if task else "")


def _hint(runs: Iterable[Run]) -> str:
    found = sorted({f"{run.date} {run.task}" for run in runs})
    return f"it holds {', '.join(found)}" if found else "was lmms-eval run with --output_path and --log_samples?"


def read_documents(
    run: Run,
    selection: Selection = USUAL,
    look: Callable[[AlignmentRecord, DocumentScores], object] | None = None,
) -> RunDocuments:
    """Return the scores of every document of a run.

    Args:
        run: see `find_runs`.
        selection: which documents count, and which word times.
        look: is given each record that was scored, and its scores. Reading takes long, and records are too large to be
            kept: whoever needs more of them than scores takes it here.

    Raises:
        ValueError: If the samples hold no alignment record, or none with that reference, or none that is so sure.
        OSError: If the samples cannot be read.
    """
    keys, messages = _result_keys(run)
    documents: list[DocumentScores] = []
    origins: list[Origin] = []
    places: dict[str, int] = {}
    for place, label, record in _read_records(run.samples, messages):
        if isinstance(record, ValueError):
            documents.append(DocumentScores(label, skipped="unreadable_record", detail=str(record)))
            continue
        scores = selection.score(record)
        documents.append(scores)
        places[record.uid] = place
        if scores.skipped is None:
            origins.append(_origin(record, selection.reference_of(record)))
            if look is not None:
                look(record, scores)
    _check_documents(documents, run, keys, selection)
    left_out = [f"{run.samples.name}: {scores.uid}: {scores.detail}" for scores in documents if _unreadable(scores)]
    return RunDocuments(run, documents, keys, messages + left_out, origins, places)


def _origin(record: AlignmentRecord, reference: str) -> Origin:
    return Origin(
        record.uid,
        reference,
        record.transcript,
        record.transcript_source,
        record.instruction,
        record.settings,
    )


def read_records(run: Run, places: Collection[int]) -> dict[str, AlignmentRecord]:
    """Return the records at some places of the samples by the ids of their documents; the others cost next to nothing.

    Args:
        run: see `find_runs`.
        places: numbers of lines from 1, of rows where the run is shared; see `RunDocuments`.

    Raises:
        OSError: If the samples cannot be read.
    """
    found = (record for _, _, record in _read_records(run.samples, [], places))
    return {record.uid: record for record in found if isinstance(record, AlignmentRecord)}


def every_record(run: Run) -> Iterator[AlignmentRecord]:
    """Yield the records of a run one at a time, as far as they can be read; skipped documents are among them.

    Raises:
        OSError: If the samples cannot be read.
    """
    return (record for _, record in labelled_records(run) if isinstance(record, AlignmentRecord))


def labelled_records(run: Run) -> Iterator[tuple[str, AlignmentRecord | ValueError]]:
    """Yield a label and the record of every document, or why it has none.

    Raises:
        OSError: If the samples cannot be read.
    """
    return ((label, record) for _, label, record in _read_records(run.samples, []))


def records_file(folder: Path, run: Run) -> Path:
    """Return the file of a run's records in the folder of a model, where it is shared."""
    return folder / f"{run.date}_records_{run.task}.parquet"


def score_run(run: Run, selection: Selection = USUAL) -> RunScores:
    """Return the values of a run.

    Args:
        run: see `find_runs`.
        selection: which documents count, and which word times.

    Raises:
        ValueError: If the samples hold no alignment record, or none with that reference, or none that is so sure.
        OSError: If the samples cannot be read.
    """
    found = read_documents(run, selection)
    values = reported(summarise(found.documents, selection.threshold), found.keys)
    passing = sum(map(selection.keeps, found.documents))
    unkept = nothing_kept(passing, sum(scores.skipped is None for scores in found.documents))
    messages = [*found.messages, *missing_forms(values), *([unkept] if unkept else [])]
    return RunScores(run, values, len(found.documents), messages, unkept)


def _result_keys(run: Run) -> tuple[list[str], list[str]]:
    """Return the keys of METRICS that the run's own results hold, and messages; no key: all are wanted."""
    if run.results is None:
        return [], [f"{run.samples.name}: no results beside it (was the run killed?); every metric is computed"]
    try:
        found = {str(key).partition(",")[0] for key in read_results(run)["results"][run.task]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [], [f"{run.results.name}: not results of this task ({error!r}); every metric is computed"]
    return [key for key in METRICS if key in found], []


def read_results(run: Run) -> Any:
    """Return the content of a run's results.json, whatever it is; None without the file.

    Raises:
        ValueError: If it is no JSON, or too large for results.
        OSError: If it cannot be read.
    """
    if run.results is None:
        return None
    if (size := run.results.stat().st_size) > MAX_RESULTS_BYTES:
        raise ValueError(f"{size} bytes; results of at most {MAX_RESULTS_BYTES} are read")
    try:
        return json.loads(run.results.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(str(error)) from None


_Found = tuple[int, str, AlignmentRecord | ValueError]
"""The place of a sample, a label, and the record or why there is none."""


def _read_records(path: Path, messages: list[str], places: Collection[int] | None = None) -> Iterator[_Found]:
    """Yield every sample, or those at some places; report lines without one."""
    if path.suffix == ".parquet":
        yield from _read_shared(path, places)
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(_lines(lines), start=1):
            if not line.strip() or (places is not None and number not in places):
                continue
            try:
                if len(line) > MAX_LINE_CHARACTERS:
                    raise ValueError(f"more than {MAX_LINE_CHARACTERS} characters")
                label, text = _response(json.loads(line), number)
            except (ValueError, RecursionError) as error:
                messages.append(f"{path.name}: line {number} left out: {error} (was the run killed while writing?)")
                continue
            yield number, label, _record(text)


def _read_shared(path: Path, places: Collection[int] | None) -> Iterator[_Found]:
    """Yield the same of a shared run.

    Raises:
        ValueError: If the file is no such table, or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            sizes = [file.metadata.row_group(place).total_byte_size for place in range(file.num_row_groups)]
            if max(sizes, default=0) > MAX_GROUP_BYTES:
                raise ValueError(f"{path.name}: {max(sizes)} bytes at once; at most {MAX_GROUP_BYTES} are read")
            batches = file.iter_batches(_RECORDS_AT_ONCE, columns=["uid", "record"])
            for number, row in enumerate((row for batch in batches for row in batch.to_pylist()), start=1):
                if places is None or number in places:
                    yield number, printable(str(row["uid"])[:80]), _record(row["record"])
    except (pa.ArrowException, KeyError) as error:
        raise ValueError(f"{path.name} holds no records of a shared run, or is damaged: {error}") from None


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file; of one that is too long the beginning, one character more than is read."""
    while line := file.readline(MAX_LINE_CHARACTERS + 1):
        yield line
        while not line.endswith("\n") and len(line) > MAX_LINE_CHARACTERS:
            line = file.readline(MAX_LINE_CHARACTERS + 1)


def _response(sample: Any, number: int) -> tuple[str, Any]:
    """Return a label and the response of a logged sample."""
    if not isinstance(sample, dict) or "filtered_resps" not in sample:
        raise ValueError("not a logged sample of lmms-eval")
    response = sample["filtered_resps"]
    while isinstance(response, list) and response:
        response = response[0]
    return printable(f"document {sample.get('doc_id', f'of line {number}')}"[:80]), response


def _record(text: Any) -> AlignmentRecord | ValueError:
    try:
        return AlignmentRecord.from_json(text)
    except ValueError as error:
        return error


def _unreadable(scores: DocumentScores) -> bool:
    return scores.skipped == "unreadable_record"


def _check_documents(documents: list[DocumentScores], run: Run, keys: list[str], selection: Selection) -> None:
    """Refuse files of other tasks, and a reference that no record holds or that is nowhere sure enough."""
    if not documents:
        raise ValueError(f"{run.samples.name} holds no sample")
    if all(_unreadable(scores) for scores in documents) and "alas" not in keys:
        raise ValueError(f"{run.samples.name} holds no alignment record: is {run.task} an ALAS task?")
    if any(scores.skipped is None for scores in documents):
        return
    uncertain = [scores.detail for scores in documents if scores.skipped == "uncertain_times"]
    if uncertain:
        raise ValueError(
            f"{run.samples.name}: no document has word times of confidence {selection.min_confidence:g} or more; "
            f"the first: {uncertain[0]}. Gold times have none, and Whisper's only in the mode align"
        )
    if selection.reference is None:
        return
    details = sorted({scores.detail for scores in documents if scores.skipped == "no_word_timestamps"})
    if details:
        raise ValueError(f"{run.samples.name}: no document can be scored with {selection.reference!r}: {details[0]}")
