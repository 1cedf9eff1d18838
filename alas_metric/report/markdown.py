"""The report's summary as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from alas_metric.corpus.answer_filter import nothing_kept
from alas_metric.corpus.documents import document_value
from alas_metric.corpus.layer_map import sentence
from alas_metric.corpus.metrics import METRICS, RANKING, ROWS, caution
from alas_metric.corpus.significance import HEADLINES
from alas_metric.document.scores import DocumentScores
from alas_metric.document.similarity import FORMS
from alas_metric.numbers import number, of_unit, span
from alas_metric.report.run_report import Report, ranked
from alas_metric.report.tables import skipped_rows, summary_rows
from alas_metric.report.trust import TRUST, terciles
from alas_metric.results.references import DISTANCE_HEADS, References, distance_cells, value_cells, value_heads
from alas_metric.texts import one_line
from alas_metric.viewer.page import address

VIEW = "view.html"
"""The page beside the summary in which its documents can be looked at."""
CURVES = ("alas", RANKING, "alas_evidence", "retrieval_skill")
"""The metrics whose layers are shown at once, as far as they have values: the paper's, and one of each kind of ours."""
_PATHS = (
    "cosine similarity of its words and its audio, the path of the word timestamps white, the path that was found red."
)


def markdown_summary(
    report: Report, drawn: Mapping[str, str], pictures: Mapping[str, str], lenses: Mapping[str, str]
) -> Iterator[str]:
    """Yield the lines of the summary: six figures, those of options, and all others folded away."""
    images = {f"{name}.png": caption for name, caption in drawn.items()}
    images |= {name: f"Alignment of {uid}: {_PATHS}" for uid, name in pictures.items()}
    lines = [
        *_markdown_head(report),
        *_markdown_curves(drawn),
        *_markdown_picture(images, pictures),
        *_markdown_numbers(report),
        *_markdown_layer_map(report, drawn),
        *_markdown_lens(drawn, lenses),
        *_markdown_documents(report, pictures),
        *_markdown_words(drawn),
        *_markdown_word_times(report),
        *_markdown_left_out(report, drawn),
        *_markdown_settings(report),
    ]
    yield from lines
    text = "\n".join(lines)
    yield from _markdown_others({name: caption for name, caption in images.items() if f"](figures/{name})" not in text})
    if report.messages:
        yield from ["", "## Messages", "", *(f"- {cell(message)}" for message in report.messages)]


def _markdown_head(report: Report) -> Iterator[str]:
    run, count = report.run, len(report.documents)
    yield f"# ALAS of {cell(run.model)} on {cell(run.task)}"
    verdict = report.curves["verdicts"]
    yield from ["", f"**{verdict['kind'].capitalize()}.** {cell(verdict['detail'], longest=10_000)}", ""]
    skipped = sum(scores.skipped is not None for scores in report.documents)
    yield (
        f"Run {cell(run.date)}: {count} documents, {skipped} skipped, {count - skipped - len(report.kept)} filtered "
        f"out, {len(report.kept)} kept (answer similarity from {report.selection.threshold:g} up, or equal labels)."
    )
    if unkept := nothing_kept(len(report.kept), len(report.scorable)):
        yield f"{unkept}."
    if report.settings.get("limit") is not None:
        yield "The run was limited to a part of the data (`--limit`): do not report these numbers as the data set's."


def _markdown_settings(report: Report) -> Iterator[str]:
    made = next((record.settings for record in report.examples.values()), {})
    if settings := {**report.settings, **made}:
        yield from ["", "## How the run was made", ""]
        yield from (f"- {cell(name)}: `{code(value)}`" for name, value in settings.items())


def _markdown_numbers(report: Report) -> Iterator[str]:
    yield from ["", "## Numbers", ""]
    yield (
        "Means over layers 1 to L; 95 % bootstrap intervals, by speaker where speakers are known. Where a metric "
        "depends on the form of similarity, the value is that of the form named, and all three stand beside it."
    )
    if note := caution(report.curves):
        yield from ["", note]
    if signature := report.values["signature"]:
        yield from ["", f"`{code(signature)}`"]
    heads = ["metric", "value", "95 % interval", *FORMS, "unit", "better", "meaning"]
    right = {"value", "95 % interval", *FORMS}
    yield from ["", line(heads), line("---:" if head in right else "---" for head in heads)]
    rows = {row["metric"]: row for row in summary_rows(report)}
    for metric in ROWS:
        if (row := rows.get(metric.key)) is not None:
            forms = [number(report.values[f"{metric.key}_{form}"]) if metric.form else "" for form in FORMS]
            name = f"{metric.key} ({metric.form})" if metric.form else metric.key
            cells = [name, of_unit(row["value"], metric.unit), span(row["low"], row["high"]), *forms]
            yield line([*cells, metric.unit, metric.direction, metric.description])


def line(cells: Iterable[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def _markdown_curves(drawn: Mapping[str, str]) -> Iterator[str]:
    yield from ["", "## Layers", ""]
    curves = [name for name in drawn if name.startswith("layers_")]
    if not curves:
        yield "No layer has a value: no document was kept."
        return
    yield (
        "Layer 0 is what enters the first decoder layer, the last comes after the final norm. Bands are 95 % bootstrap "
        "intervals; the diamond marks the layer with the highest skill."
    )
    wanted = [f"layers_{key}" for key in CURVES]
    shown = sorted(curves, key=lambda name: wanted.index(name) if name in wanted else len(wanted))[: len(CURVES)]
    yield from ["", *_grid({f"{name}.png": drawn[name] for name in shown})]


def _markdown_picture(images: Mapping[str, str], pictures: Mapping[str, str]) -> Iterator[str]:
    for name in [*pictures.values()][:1]:
        yield from ["", "## A document", "", cell(images[name], 400), "", _image(name, images[name])]


def _markdown_others(images: Mapping[str, str]) -> Iterator[str]:
    if images:
        yield from ["", f"<details><summary>All other figures ({len(images)})</summary>", ""]
        yield from [*_grid(images), "", "</details>"]


def _grid(images: Mapping[str, str]) -> Iterator[str]:
    """Yield a table of figures, two in a row, from captions by file."""
    cells = [f"{_image(name, caption)}<br>{cell(caption, 400)}" for name, caption in images.items()]
    yield from ["| | |", "|---|---|"]
    yield from (line([*cells[place : place + 2], ""][:2]) for place in range(0, len(cells), 2))


def _markdown_layer_map(report: Report, drawn: Mapping[str, str]) -> Iterator[str]:
    if "layer_map" not in drawn:
        return
    yield from ["", "## Layer map", ""]
    yield from (sentence(name, entry) for name, entry in report.layer_maps.items())
    yield "Every pair is in `layer_map.csv`."
    yield from ["", _image("layer_map.png", drawn["layer_map"])]


def _markdown_lens(drawn: Mapping[str, str], lenses: Mapping[str, str]) -> Iterator[str]:
    if not lenses:
        return
    yield from ["", "## Lens", ""]
    yield (
        "What the model's final norm and output head make of the audio positions of each layer. In the tables words "
        "stand to the right and layers upwards; a cell is the token at the surest position of the word's stretch."
    )
    curves = {f"{name}.png": drawn[name] for name in ("layers_lens_recall", "layers_lens_evidence") if name in drawn}
    yield from ["", *_grid(curves)] if curves else []
    for uid, name in lenses.items():
        yield from ["", f"**{cell(uid)}** ([as a table]({VIEW}{address(uid, None)}))", ""]
        yield _image(name, f"What the audio of {uid} reads as in each layer")


def _markdown_documents(report: Report, pictures: Mapping[str, str]) -> Iterator[str]:
    yield from ["", "## Documents"]
    groups = ranked(report.documents, report.selection.threshold)
    if not any(groups.values()):
        return
    yield from ["", "Documents that align best, typically and worst, by their own skill; each can be looked at:", ""]
    yield "| | document | skill | ALAS | words | transcript | answer to the audio | answer to the transcript |"
    yield "|---|---|---:|---:|---:|---|---|---|"
    for group, members in groups.items():
        for scores in members:
            yield f"| {group} | {' | '.join(_document_cells(scores, report, pictures))} |"


def _document_cells(scores: DocumentScores, report: Report, pictures: Mapping[str, str]) -> list[str]:
    record = report.examples.get(scores.uid)
    texts = [record.transcript, record.audio_answer, record.text_answer] if record else ["", "", ""]
    error = document_value(scores, "alas_swapped" if scores.swapped else "alas")
    return [
        f"[{cell(scores.uid)}]({VIEW}{address(scores.uid, report.best_layer)})"
        + (f" ([picture](figures/{pictures[scores.uid]}))" if scores.uid in pictures else ""),
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


def _markdown_word_times(report: Report) -> Iterator[str]:
    """Yield how far the sources of word times are apart, and the scores by how far they can be trusted."""
    groups = {key: found for key in TRUST if (found := terciles(report, key))}
    if report.references is None and not groups:
        return
    yield from ["", "## Word times"]
    if report.references is not None:
        yield from _markdown_references(report.references)
    for key, found in groups.items():
        metric = METRICS[key]
        yield from ["", f"Kept documents in thirds by {key} ({metric.description}):", ""]
        shown = [name for name in HEADLINES if any(each.values[name] is not None for each in found)]
        yield line([f"{key}, {metric.unit}", "documents", *shown])
        yield line(["---", *["---:"] * (len(shown) + 1)])
        for each in found:
            values = [number(each.values[name]) for name in shown]
            yield line([span(each.low, each.high), str(each.documents), *values])


def _markdown_references(found: References) -> Iterator[str]:
    yield from ["", "How far the borders between words are apart, over the documents that hold both:", ""]
    yield from _table(DISTANCE_HEADS, distance_cells(found), 2)
    yield from ["", f"The scores by each, over the {found.documents} kept documents that hold all:", ""]
    yield from _table(value_heads(found), value_cells(found), 1)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], texts: int) -> Iterator[str]:
    """Yield a table whose first columns are texts and whose others are numbers."""
    yield line(map(cell, heads))
    yield line("---" if place < texts else "---:" for place in range(len(heads)))
    yield from (line(map(cell, row)) for row in rows)


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
        yield from ["", drawn["filter"]]
    else:
        yield from ["", "The model was not asked for answers: nothing was filtered."]


def _image(name: str, caption: str) -> str:
    return f"![{cell(caption, 400)}](figures/{name})"


def cell(text: Any, longest: int = 160) -> str:
    """Return text from data so that Markdown shows it as it is, on one line, cut to a bearable length."""
    line = one_line(str(text))
    line = line if len(line) <= longest else f"{line[: longest - 1]}…"
    for sign in "\\`*_[]<>|#":
        line = line.replace(sign, f"\\{sign}")
    return line


def code(value: Any) -> str:
    """Return a value as it stands between the marks of code."""
    return one_line(str(value)).replace("`", "'")
