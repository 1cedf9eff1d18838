"""A finished run as the folder of a data set, which `alas leaderboard` and the other commands read as they read runs.

Of each run four Parquet files: ``records``, from which it can be scored again to the last digit, and, for people,
``documents``, ``layers`` and ``words``. Beside them what its results say of how it was made, figures, and the card. No
audio is in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alas_metric.corpus.layers import is_defined
from alas_metric.corpus.significance import HEADLINES
from alas_metric.corpus.words import TEXTS
from alas_metric.document.paths import WordTiming
from alas_metric.document.record import AlignmentRecord
from alas_metric.figures.figures import layer_curves
from alas_metric.figures.style import save
from alas_metric.files import write_parquet
from alas_metric.report.figures import words_figure
from alas_metric.report.run_report import Report
from alas_metric.report.tables import TABLES, document_rows, layer_rows
from alas_metric.results.runs import Run, labelled_records, read_results, records_file
from alas_metric.results.secrets import without_secrets
from alas_metric.sharing.card import card

_OF_RECORDS = ("transcript", "instruction", "target", "audio_answer", "text_answer")
"""What the table of documents holds of a record, besides its scores."""
_TEXT_COLUMNS = {"uid", "record", "speaker", "skipped", "detail", "metric", "form", *_OF_RECORDS}
_RECORDS_AT_ONCE = 256
_LABELS = ("label_audio", "label_text", "label_target")
_RESULTS = ("n-samples", "versions", "git_hash", "lmms_eval_version", "total_evaluation_time_seconds", "alas")
_CONFIG = ("model", "batch_size", "limit", "gen_kwargs", "num_fewshot")
_TASK = ("dataset_path", "dataset_name", "test_split", "metadata")


def write_export(reports: Sequence[Report], folder: Path, texts: bool = True) -> Path:
    """Write runs as the folder of a data set and return the path of its card.

    Args:
        reports: of the runs.
        folder: where; made if missing.
        texts: whether transcripts, words, questions and answers are in it; scores are the same without.

    Raises:
        OSError: If something cannot be written.
    """
    figures: dict[str, list[str]] = {}
    for report in reports:
        place = folder / report.run.model
        place.mkdir(parents=True, exist_ok=True)
        _write_tables(report, place, texts)
        _write_results(report.run, place)
        drawn = [path.relative_to(folder).as_posix() for path in _write_figures(report, place / "figures")]
        figures[f"{report.run.model}/{report.run.task}"] = drawn
    path = folder / "README.md"
    path.write_text(card(reports, figures, texts), encoding="utf-8", errors="backslashreplace")
    return path


def _write_tables(report: Report, place: Path, texts: bool) -> None:
    """Write the four tables of a run."""
    run = report.run
    records: list[dict[str, Any]] = []
    told: dict[str, dict[str, Any]] = {}
    for label, found in labelled_records(run):
        record = _unreadable(label, found) if isinstance(found, ValueError) else found
        told[record.uid] = {name: getattr(record, name) for name in _OF_RECORDS}
        shared = record if texts else without_texts(record)
        records.append({"uid": record.uid, "record": shared.to_json()})
    write_parquet(records, ("uid", "record"), records_file(place, run), _TEXT_COLUMNS, _RECORDS_AT_ONCE)
    columns = TABLES["documents"][1]
    documents = [{**told[row["uid"]], **row} for row in document_rows(report)]
    words = list(report.words.rows())
    if not texts:
        documents = [{**row, **dict.fromkeys(_OF_RECORDS), "detail": None} for row in documents]
        words = [{**row, "word": None} for row in words]
    for name, rows, names in (
        ("documents", documents, (*columns[:4], *_OF_RECORDS, *columns[4:])),
        ("layers", layer_rows(report), TABLES["layers"][1]),
        ("words", words, report.words.columns),
    ):
        path = place / f"{run.date}_{name}_{run.task}.parquet"
        write_parquet(rows, names, path, {*_TEXT_COLUMNS, *_LABELS, *TEXTS})


def _unreadable(label: str, error: ValueError) -> AlignmentRecord:
    return AlignmentRecord.skip(label, "unreadable_record", str(error))


def _write_results(run: Run, place: Path) -> None:
    """Write what a run's results say, see `shared_results`; nothing if they are missing."""
    try:
        found = read_results(run)
    except (OSError, ValueError):
        return
    if isinstance(found, dict):
        path = place / f"{run.date}_results.json"
        shared = shared_results(found, run.task)
        if path.is_file():  # another task of the same run
            before = json.loads(path.read_text(encoding="utf-8"))
            shared |= {name: {**before[name], **shared[name]} for name in ("results", "configs")}
        path.write_text(json.dumps(shared, indent=2) + "\n", encoding="utf-8")


def shared_results(results: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Return of a run's results what is shared: the values of a task and what decides them, without passwords.

    Args:
        results: what results.json holds.
        task: of the run.
    """
    config = _dict(results.get("config"))
    return {
        **_chosen(results, _RESULTS),
        "results": {task: _dict(results.get("results")).get(task, {})},
        "configs": {task: _shared_task(_dict(_dict(results.get("configs")).get(task)))},
        "config": {**_chosen(config, _CONFIG), "model_args": without_secrets(config.get("model_args"))},
    }


def _shared_task(config: Mapping[str, Any]) -> dict[str, Any]:
    revision = _chosen(_dict(config.get("dataset_kwargs")), ["revision"])  # the rest may be files of this machine
    return {**_chosen(config, _TASK), **({"dataset_kwargs": revision} if revision else {})}


def _chosen(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def without_texts(record: AlignmentRecord) -> AlignmentRecord:
    """Return a record in which nothing that was said, asked or answered stands; it has the same scores.

    Labels of closed answers stay, since the answer filter needs them, and so do ids and speakers.
    """
    if record.skipped is not None:
        return AlignmentRecord.skip(record.uid, record.skipped["cause"], "", record.speaker)
    return replace(
        record,
        words=[""] * record.num_words,
        references={
            name: [WordTiming("", word.start, word.end) for word in words] for name, words in record.references.items()
        },
        transcript="",
        instruction="",
        target=None if record.target is None else "",
        audio_answer=None if record.audio_answer is None else "",
        text_answer=None if record.text_answer is None else "",
    )


def _write_figures(report: Report, folder: Path) -> Iterator[Path]:
    """Draw the headlines over layers, and which words fail; yield the PNG files."""
    for key in HEADLINES:
        if is_defined(report.curves.get(key)):
            figure = layer_curves(report.curves[key], key, report.best_layer)
            yield from save(figure, folder / report.run.task / key, ["png"])
    of_words = words_figure(report)
    if of_words is not None:
        yield from save(of_words, folder / report.run.task / "words", ["png"])
