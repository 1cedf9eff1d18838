"""The report's summary as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alas_metric.corpus.answer_filter import nothing_kept
from alas_metric.corpus.documents import document_value
from alas_metric.corpus.metrics import RANKING, ROWS, caution
from alas_metric.corpus.significance import HEADLINES
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.scores import DocumentScores
from alas_metric.document.similarity import FORMS
from alas_metric.numbers import number, span
from alas_metric.report.run_report import Report, ranked
from alas_metric.report.tables import skipped_rows, summary_rows
from alas_metric.texts import one_line


def markdown_summary(report: Report, drawn: Mapping[str, str], pictures: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the summary."""
    yield from _markdown_head(report)
    yield from _markdown_numbers(report)
    yield from _markdown_curves(drawn)
    yield from _markdown_documents(report, drawn, pictures)
    yield from _markdown_words(drawn)
    yield from _markdown_left_out(report, drawn)
    if pictures:
        yield from ["", "## Alignment pictures", ""]
        yield "Cosine similarity of words and audio; reference path white, found path red."
        for uid, name in pictures.items():
            yield from ["", f"**{cell(uid)}**", "", _image(name, f"Alignment of {uid}")]
    if report.messages:
        yield from ["", "## Messages", "", *(f"- {cell(message)}" for message in report.messages)]


def _markdown_head(report: Report) -> Iterator[str]:
    run, count = report.run, len(report.documents)
    yield f"# ALAS of {cell(run.model)} on {cell(run.task)}"
    yield ""
    skipped = sum(scores.skipped is not None for scores in report.documents)
    yield (
        f"Run {cell(run.date)}: {count} documents, {skipped} skipped, {count - skipped - len(report.kept)} filtered "
        f"out, {len(report.kept)} kept (answer similarity from {report.threshold:g} up, or equal labels)."
    )
    if unkept := nothing_kept(len(report.kept), len(report.scorable)):
        yield f"{unkept}."
    if report.settings.get("limit") is not None:
        yield "The run was limited to a part of the data (`--limit`): do not report these numbers as the data set's."
    if report.settings:
        yield ""
        yield from (f"- {name}: `{_code(value)}`" for name, value in report.settings.items())
    made = next((record.settings for record in report.examples.values()), {})
    for name, value in made.items():
        yield f"- {cell(name)}: `{_code(value)}`"


def _markdown_numbers(report: Report) -> Iterator[str]:
    yield from ["", "## Numbers", ""]
    yield (
        "Means over layers 1 to L; 95 % bootstrap intervals, by speaker where speakers are known. Where a metric "
        "depends on the form of similarity, the value is that of the form named, and all three stand beside it."
    )
    if note := caution(report.curves):
        yield from ["", note]
    heads = ["metric", "value", "95 % interval", *FORMS, "unit", "better", "meaning"]
    right = {"value", "95 % interval", *FORMS}
    yield from ["", line(heads), line("---:" if head in right else "---" for head in heads)]
    rows = {row["metric"]: row for row in summary_rows(report)}
    for metric in ROWS:
        if (row := rows.get(metric.key)) is not None:
            forms = [number(report.values[f"{metric.key}_{form}"]) if metric.form else "" for form in FORMS]
            name = f"{metric.key} ({metric.form})" if metric.form else metric.key
            cells = [name, number(row["value"]), span(row["low"], row["high"]), *forms]
            yield line([*cells, metric.unit, metric.direction, metric.description])


def line(cells: Iterable[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def _markdown_curves(drawn: Mapping[str, str]) -> Iterator[str]:
    yield from ["", "## Layers", ""]
    yield (
        "Layer 0 is what enters the first decoder layer, the last comes after the final norm. Bands are 95 % bootstrap "
        "intervals; the diamond marks the layer with the highest skill. Left the form of similarity that the metric is "
        "read in, with what chance gives; right all three."
    )
    curves = [name.removeprefix("layers_") for name in drawn if name.startswith("layers_")]
    if not curves:
        yield from ["", "No layer has a value: no document was kept."]
        return
    yield from ["", "| as the metric is read | all forms of similarity |", "|---|---|"]
    yield from (line(_images([f"layers_{key}", f"forms_{key}"], drawn)) for key in curves)


def _images(names: Iterable[str], drawn: Mapping[str, str]) -> list[str]:
    """Return a cell for each figure, empty for those that were not drawn."""
    return [_image(f"{name}.png", drawn[name]) if name in drawn else "" for name in names]


def _markdown_documents(report: Report, drawn: Mapping[str, str], pictures: Mapping[str, str]) -> Iterator[str]:
    yield from ["", "## Documents"]
    if any(f"documents_{key}" in drawn for key in HEADLINES):
        yield from ["", "| of all layers together | in each layer |", "|---|---|"]
    for key in HEADLINES:
        if f"documents_{key}" in drawn:
            yield line(_images([f"documents_{key}", f"documents_layers_{key}"], drawn))
    groups = ranked(report.documents, report.threshold)
    if not any(groups.values()):
        return
    yield from ["", "Documents that align best, typically and worst, by their own skill:", ""]
    yield "| | document | skill | ALAS | words | transcript | answer to the audio | answer to the transcript |"
    yield "|---|---|---:|---:|---:|---|---|---|"
    for group, members in groups.items():
        for scores in members:
            yield f"| {group} | {' | '.join(_document_cells(scores, report.examples, pictures))} |"


def _document_cells(
    scores: DocumentScores, examples: Mapping[str, AlignmentRecord], pictures: Mapping[str, str]
) -> list[str]:
    uid = cell(scores.uid)
    record = examples.get(scores.uid)
    texts = [record.transcript, record.audio_answer, record.text_answer] if record else ["", "", ""]
    error = document_value(scores, "alas_swapped" if scores.swapped else "alas")
    return [
        f"[{uid}](figures/{pictures[scores.uid]})" if scores.uid in pictures else uid,
        number(document_value(scores, RANKING)),
        f"{number(error)}{' positions' * scores.swapped}",
        str(record.num_words if record else ""),
        *(cell(text or "") for text in texts),
    ]


def _markdown_words(drawn: Mapping[str, str]) -> Iterator[str]:
    if "words" in drawn:
        yield from ["", "## Words", "", _image("words.png", drawn["words"]), ""]
        yield (
            f"{drawn['words']} Words of kept documents in bins of about as many each, how many stands above. Skill: 1 "
            "perfect, 0 a random path. Every word with its errors in groups of layers: words.csv, words.parquet."
        )


def _markdown_left_out(report: Report, drawn: Mapping[str, str]) -> Iterator[str]:
    yield from ["", "## Left out", ""]
    rows = skipped_rows(report)
    if not rows:
        yield "No document was skipped."
    else:
        yield from ["| cause | documents | meaning | example |", "|---|---:|---|---|"]
    for row in rows:
        example = f"{row['example']}: {row['detail']}"
        yield f"| {row['cause']} | {row['documents']} | {row['meaning']} | {cell(example)} |"
    if "filter" in drawn:
        yield from ["", _image("filter.png", drawn["filter"]), "", drawn["filter"]]
    else:
        yield from ["", "The model was not asked for answers: nothing was filtered."]


def _image(name: str, caption: str) -> str:
    return f"![{cell(caption)}](figures/{name})"


def cell(text: Any, longest: int = 160) -> str:
    """Return text from data so that Markdown shows it as it is, on one line, cut to a bearable length."""
    line = one_line(str(text))
    line = line if len(line) <= longest else f"{line[: longest - 1]}…"
    for sign in "\\`*_[]<>|#":
        line = line.replace(sign, f"\\{sign}")
    return line


def _code(value: Any) -> str:
    return one_line(str(value)).replace("`", "'")
