"""The report of one run: figures, tables and a Markdown summary, from the records that the harness logged.

Everything goes into one folder: ``report.md``, ``figures/`` (PNG and SVG), and as CSV ``summary``, ``layers``,
``documents`` and ``skipped``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from alas_metric.corpus import LAYERED, METRICS, THRESHOLD, Brief, kept, summarise
from alas_metric.dumps import dump_files, dump_folder, read_dump, safe_name
from alas_metric.errors import CAUSES
from alas_metric.figure_style import axis_label, metric_name
from alas_metric.figures import (
    GUESSING,
    LINEAR,
    RANDOM,
    SHIFTED,
    Baseline,
    alignment_picture,
    document_bars,
    document_fan,
    document_histogram,
    layer_curves,
    save,
)
from alas_metric.record import AlignmentRecord
from alas_metric.runs import Run, RunDocuments, read_records, read_results, read_run
from alas_metric.scores import DocumentScores
from alas_metric.texts import csv_text, one_line

SHOWN = 3
"""How many of the best, the typical and the worst documents are listed."""
CURVES = (
    "alas",
    "alas_swapped",
    "alas_seconds",
    "alas_matrix",
    "alas_skill",
    "alas_evidence",
    "frame_accuracy",
    "frame_skill",
)
"""Metrics that are drawn over layers, each also on centred states; the others are baselines of these."""
UNFILTERED = ("alas_all", "alas_skill_all")
Documents = Mapping[str, Sequence[DocumentScores]]
"""Documents by population of `METRICS`: ``kept`` and ``scorable``."""
ZERO = {
    "alas_skill": RANDOM,
    "alas_skill_all": RANDOM,
    "alas_evidence": SHIFTED,
    "frame_skill": GUESSING,
}
"""What a value of 0 means."""


@dataclass(frozen=True)
class Report:
    """A run with all that its report says.

    Args:
        run: where the records come from.
        threshold: of the answer filter.
        documents: scores of each document, skipped ones included.
        values: of the corpus, by key of `METRICS`.
        messages: what was left out and why.
        settings: how the run was made, as its results say; empty if they are missing.
        examples: records of the documents that are listed, by id.
    """

    run: Run
    threshold: float
    documents: list[DocumentScores]
    values: dict[str, Any]
    messages: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    examples: dict[str, AlignmentRecord] = field(default_factory=dict)

    @property
    def scorable(self) -> list[DocumentScores]:
        """The documents that were not skipped."""
        return [scores for scores in self.documents if scores.skipped is None]

    @property
    def kept(self) -> list[DocumentScores]:
        """The documents that pass the answer filter."""
        return [scores for scores in self.documents if kept(scores, self.threshold)]

    @property
    def curves(self) -> Mapping[str, Any]:
        """Values of every layer with intervals, by metric."""
        return dict(self.values["layers"].items())

    @property
    def best_layer(self) -> int | None:
        """The layer from 1 up with the highest skill."""
        return self.values["best_layer"]


def make_report(run: Run, threshold: float = THRESHOLD, reference: str | None = None) -> Report:
    """Read a run and compute what its report says.

    Args:
        run: see `find_runs`.
        threshold: of the answer filter.
        reference: name of the word timestamps to compare with, each record's primary one by default.

    Raises:
        ValueError: If the samples hold no alignment record, or none with that reference.
        OSError: If the samples cannot be read.
    """
    found = read_run(run, reference)
    values = summarise(found.documents, threshold)
    shown = {scores.uid for group in ranked(found.documents, threshold).values() for scores in group}
    return Report(
        run=run,
        threshold=threshold,
        documents=found.documents,
        values={key: value for key, value in values.items() if _is_wanted(key, value, found)},
        messages=found.messages,
        settings=_settings(run),
        examples=read_records(run, shown),
    )


def _is_wanted(key: str, value: Any, found: RunDocuments) -> bool:
    """Leave out metrics of other tasks: those that nothing defines and the run's own results do not name."""
    return value is not None or key in found.keys or key == "best_layer"


def _settings(run: Run) -> dict[str, Any]:
    """Return what the results say of how they were made."""
    try:
        config = read_results(run)["config"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    names = ("model", "model_args", "gen_kwargs", "limit", "batch_size")
    return {name: config[name] for name in names if isinstance(config, dict) and config.get(name) is not None}


# Documents


def document_value(scores: DocumentScores, key: str) -> float | None:
    """Return a document's own value of a layered metric: over layers 1..L, None where it is undefined.

    Skills are 1 - the ratio of sums over layers, as the corpus has them over documents.
    """
    metric = METRICS[key]
    above = scores.columns.get(metric.numerator)
    if above is None or len(above) < 2:
        return None
    if metric.denominator is None:
        return float(above[1:].mean())
    below = scores.columns.get(metric.denominator)
    if below is None or not below[1:].sum():
        return None
    ratio = float(above[1:].sum() / below[1:].sum())
    return 1 - ratio if metric.kind == "skill" else ratio


def ranked(documents: Iterable[DocumentScores], threshold: float) -> dict[str, list[DocumentScores]]:
    """Return the kept documents that align best, typically and worst, by their own skill.

    Skill, since a long document has more words to be wrong by. Typical: around the median.
    """
    scored = [
        (skill, scores.uid, scores)
        for scores in documents
        if kept(scores, threshold) and (skill := document_value(scores, "alas_skill")) is not None
    ]
    ordered = [scores for _, _, scores in sorted(scored, key=lambda entry: (-entry[0], entry[1]))]
    count = min(SHOWN, -(-len(ordered) // 3))
    middle = max(0, (len(ordered) - count) // 2)
    best, worst = ordered[:count], ordered[max(count, len(ordered) - count) :]
    typical = [scores for scores in ordered[middle : middle + count] if scores not in best and scores not in worst]
    return {"best": best, "typical": typical, "worst": worst[::-1]}


# Figures


def figures(report: Report) -> Iterator[tuple[str, str, Figure]]:
    """Yield the name, the caption and the figure of everything that the run has values for."""
    documents = {"kept": report.kept, "scorable": report.scorable}
    yield from curve_figures(report.curves, documents, report.best_layer)
    yield from _distribution_figures(report)
    filter_figure = _filter_figure(report)
    if filter_figure is not None:
        yield ("filter", *filter_figure)


def curve_figures(
    curves: Mapping[str, Any], documents: Documents | None = None, best_layer: int | None = None
) -> Iterator[tuple[str, str, Figure]]:
    """Yield the name, the caption and the figure of every layered metric that has values.

    Args:
        curves: the value of ``layers``, see `summarise`.
        documents: by population; some baselines are drawn only with them.
        best_layer: is marked.
    """
    for key in [name for plain in CURVES for name in (plain, f"{plain}_centred")] + list(UNFILTERED):
        curve = curves.get(key)
        if curve is not None and any(value is not None for value in curve["values"]):
            figure = layer_curves(curve, key, baselines(key, curves, documents), best_layer)
            yield f"layers_{key}", f"{metric_name(key)} over layers: {METRICS[key].description}.", figure


def baselines(key: str, curves: Mapping[str, Any], documents: Documents | None = None) -> list[Baseline]:
    """Return what a metric is to be compared with: a random monotone path, shifted audio, a constant rate, guessing.

    Args:
        key: of `METRICS`.
        curves: the value of ``layers``, see `summarise`.
        documents: by population; without them some baselines are unknown.
    """
    members = (documents or {}).get(METRICS[key].population, ())
    plain, suffix = key.removesuffix("_centred"), "_centred" if METRICS[key].centred else ""
    if plain == "alas":
        names = {RANDOM: "alas_uniform", LINEAR: "alas_linear", SHIFTED: f"alas_chance{suffix}"}
        lines = [Baseline(label, curves.get(name, {}).get("values", [])) for label, name in names.items()]
    elif plain in ("alas_all", "alas_seconds"):
        names = {RANDOM: "alas_uniform", LINEAR: "alas_linear", SHIFTED: "alas_chance"}
        if plain == "alas_seconds":
            names = {RANDOM: "alas_seconds_uniform", SHIFTED: f"alas_seconds_chance{suffix}"}
        lines = [Baseline(label, _mean_column(members, name)) for label, name in names.items()]
    elif plain == "frame_accuracy":
        lines = [Baseline(GUESSING, _guessing(members))]
    else:
        lines = [Baseline(ZERO[plain], 0.0)] if plain in ZERO else []
    return [line for line in lines if _is_defined(line.values)]


def _is_defined(values: Sequence[float | None] | float) -> bool:
    return isinstance(values, int | float) or any(value is not None for value in values)


def _mean_column(documents: Iterable[DocumentScores], name: str) -> list[float | None]:
    """Return the mean of a column over the documents that have it."""
    columns = [scores.columns[name] for scores in documents if name in scores.columns]
    return np.mean(columns, axis=0).tolist() if columns else []


def _guessing(documents: Iterable[DocumentScores]) -> list[float | None]:
    """Return the frame accuracy of guessing a word at random."""
    columns = [scores.columns for scores in documents if "frame_gain_possible" in scores.columns]
    positions = sum(float(column["frame_positions"][0]) for column in columns)
    possible = sum(float(column["frame_gain_possible"][0]) for column in columns)
    return [1 - possible / positions] * len(columns[0]["frame_positions"]) if positions else []


def _distribution_figures(report: Report) -> Iterator[tuple[str, str, Figure]]:
    """Draw the distributions over documents: of their own values, and in each layer."""
    groups = {
        "kept": report.kept,
        "filtered out": [scores for scores in report.scorable if not kept(scores, report.threshold)],
    }
    key = "alas" if any("alas" in scores.columns for scores in report.scorable) else "alas_seconds"
    for name in (key, "alas_skill"):
        values = {
            group: [value for scores in members if (value := document_value(scores, name)) is not None]
            for group, members in groups.items()
        }
        if any(values.values()):
            median = {"median of kept": float(np.median(values["kept"]))} if values["kept"] else {}
            zero = {ZERO[name]: 0.0} if name in ZERO else {}
            figure = document_histogram(values, axis_label(name), median | zero)
            yield f"documents_{name}", f"{metric_name(name)} of each document, mean over layers 1 to L.", figure
    columns = [scores.columns[key] for scores in report.kept if key in scores.columns]
    if columns:
        figure = document_fan(np.array(columns), key, report.best_layer)
        yield f"documents_layers_{key}", f"{metric_name(key)} of documents in each layer.", figure


def _filter_figure(report: Report) -> tuple[str, Figure] | None:
    """Draw what the answer filter saw; None where the model was not asked for answers."""
    answered = [scores for scores in report.scorable if scores.answered]
    closed = [scores.labels for scores in answered if scores.labels is not None]
    if closed:
        kinds = Counter(_agreement(labels) for labels in closed)
        counts = {name: kinds[name] for name in ("same label", "different labels", "unreadable answer")}
        return "The answer filter: closed answers are kept when both read as the same label.", document_bars(counts)
    similar = [scores.agreement for scores in answered if scores.agreement is not None]
    if not similar:
        return None
    values = {
        "kept": [value for value in similar if value >= report.threshold],
        "filtered out": [value for value in similar if value < report.threshold],
    }
    figure = document_histogram(values, "Similarity of the two answers, cosine", {"threshold": report.threshold})
    return f"The answer filter: free answers are kept from a similarity of {report.threshold:g} up.", figure


def _agreement(labels: Mapping[str, str | None]) -> str:
    if labels["audio"] is None or labels["text"] is None:
        return "unreadable answer"
    return "same label" if labels["audio"] == labels["text"] else "different labels"


# Tables


def summary_rows(report: Report) -> list[dict[str, Any]]:
    """Return one row for each number of the run."""
    return [
        {
            "metric": key,
            "value": value,
            "low": interval[0],
            "high": interval[1],
            "unit": METRICS[key].unit,
            "better": METRICS[key].direction,
            "meaning": METRICS[key].description,
        }
        for key, value in report.values.items()
        if not isinstance(value, Brief) and (interval := _interval(report, key))
    ]


def _interval(report: Report, key: str) -> tuple[Any, Any]:
    curve = report.curves.get(key, {})
    prefix = "headline_" if METRICS[key].kind in LAYERED else ""
    return curve.get(f"{prefix}low"), curve.get(f"{prefix}high")


def layer_rows(report: Report) -> list[dict[str, Any]]:
    """Return one row for each layered metric and layer."""
    return [
        {"metric": key, "layer": layer, "value": value, "low": low, "high": high}
        for key, metric in METRICS.items()
        if metric.kind in LAYERED
        for layer, (value, low, high) in enumerate(
            zip(*(report.curves[key][name] for name in ("values", "low", "high")), strict=True)
        )
    ]


def document_rows(report: Report) -> list[dict[str, Any]]:
    """Return one row for each document."""
    shown = ("alas", "alas_swapped", "alas_seconds", "alas_skill", "alas_evidence")
    return [
        {
            "uid": scores.uid,
            "speaker": scores.speaker,
            "skipped": scores.skipped,
            "detail": scores.detail,
            "kept": kept(scores, report.threshold),
            "forced": scores.forced,
            "swapped": scores.swapped,
            "answer_similarity": scores.agreement,
            **{f"label_{name}": (scores.labels or {}).get(name) for name in ("audio", "text", "target")},
            **{key: document_value(scores, key) for key in shown},
        }
        for scores in report.documents
    ]


def skipped_rows(report: Report) -> list[dict[str, Any]]:
    """Return one row for each cause, with a document as example."""
    first: dict[str, DocumentScores] = {}
    for scores in report.documents:
        if scores.skipped is not None:
            first.setdefault(scores.skipped, scores)
    counts = dict(report.values["skipped"].items())
    return [
        {
            "cause": cause,
            "documents": counts[cause],
            "meaning": CAUSES.get(cause, ""),
            "example": example.uid,
            "detail": example.detail,
        }
        for cause, example in sorted(first.items())
    ]


_TABLES: dict[str, tuple[Callable[[Report], list[dict[str, Any]]], Sequence[str]]] = {
    "summary": (summary_rows, ("metric", "value", "low", "high", "unit", "better", "meaning")),
    "layers": (layer_rows, ("metric", "layer", "value", "low", "high")),
    "documents": (
        document_rows,
        (
            *("uid", "speaker", "skipped", "detail", "kept", "forced", "swapped", "answer_similarity"),
            *("label_audio", "label_text", "label_target"),
            *("alas", "alas_swapped", "alas_seconds", "alas_skill", "alas_evidence"),
        ),
    ),
    "skipped": (skipped_rows, ("cause", "documents", "meaning", "example", "detail")),
}


# The folder


def write_report(report: Report, folder: Path) -> Path:
    """Write figures, tables and the summary into a folder, and return the path of the summary.

    Raises:
        OSError: If something cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, (rows, columns) in _TABLES.items():
        (folder / f"{name}.csv").write_text(csv_text(rows(report), columns), encoding="utf-8", newline="")
    drawn = {}
    for name, caption, figure in figures(report):
        save(figure, folder / "figures" / name)
        drawn[name] = caption
    pictures = {uid: path.name for uid, path in _write_pictures(report, folder / "figures")}
    path = folder / "report.md"
    path.write_text("\n".join(_markdown(report, drawn, pictures)) + "\n", encoding="utf-8")
    return path


def _write_pictures(report: Report, folder: Path) -> Iterator[tuple[str, Path]]:
    """Draw the documents whose similarities the run kept; yield their ids and PNG files."""
    run = report.run
    for path in dump_files(dump_folder(run.samples.parent, run.date, run.task)):
        try:
            dump = read_dump(path)
            figure = alignment_picture(dump)
        except (OSError, ValueError) as error:
            report.messages.append(str(error))
            continue
        yield dump.record.uid, save(figure, folder / f"alignment_{safe_name(path.stem)}")[0]


def _markdown(report: Report, drawn: Mapping[str, str], pictures: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the summary."""
    yield from _markdown_head(report)
    yield from _markdown_numbers(report)
    yield from _markdown_curves(drawn)
    yield from _markdown_documents(report, drawn, pictures)
    yield from _markdown_left_out(report, drawn)
    if pictures:
        yield from ["", "## Alignment pictures", ""]
        yield "Cosine similarity of words and audio; reference path white, found path red."
        for uid, name in pictures.items():
            yield from ["", f"**{_cell(uid)}**", "", _image(name, f"Alignment of {uid}")]
    if report.messages:
        yield from ["", "## Messages", "", *(f"- {_cell(message)}" for message in report.messages)]


def _markdown_head(report: Report) -> Iterator[str]:
    run, count = report.run, len(report.documents)
    yield f"# ALAS of {_cell(run.model)} on {_cell(run.task)}"
    yield ""
    skipped = sum(scores.skipped is not None for scores in report.documents)
    yield (
        f"Run {_cell(run.date)}: {count} documents, {skipped} skipped, {count - skipped - len(report.kept)} filtered "
        f"out, {len(report.kept)} kept (answer similarity from {report.threshold:g} up, or equal labels)."
    )
    if len(report.scorable) > len(report.kept) == 0:
        yield "No document was kept: only the numbers without the filter (`alas_all`, `alas_skill_all`) have values."
    if report.settings.get("limit") is not None:
        yield "The run was limited to a part of the data (`--limit`): do not report these numbers as the data set's."
    if report.settings:
        yield ""
        yield from (f"- {name}: `{_code(value)}`" for name, value in report.settings.items())
    made = next((record.settings for record in report.examples.values()), {})
    for name, value in made.items():
        yield f"- {_cell(name)}: `{_code(value)}`"


def _markdown_numbers(report: Report) -> Iterator[str]:
    yield from ["", "## Numbers", ""]
    yield "Means over layers 1 to L; 95 % bootstrap intervals, by speaker where speakers are known."
    yield from ["", "| metric | value | 95 % interval | unit | better |", "|---|---:|---:|---|---|"]
    for row in summary_rows(report):
        span = f"{_number(row['low'])} to {_number(row['high'])}" if row["low"] is not None else ""
        yield f"| {row['metric']} | {_number(row['value'])} | {span} | {row['unit']} | {row['better']} |"


def _markdown_curves(drawn: Mapping[str, str]) -> Iterator[str]:
    yield from ["", "## Layers", ""]
    yield (
        "Layer 0 is what enters the first decoder layer, the last comes after the final norm. Bands are 95 % bootstrap "
        "intervals; the diamond marks the layer with the highest skill. Left raw, right centred states."
    )
    curves = [name for name in drawn if name.startswith("layers_")]
    if not curves:
        yield from ["", "No layer has a value: no document was kept."]
        return
    yield from ["", "| raw | centred |", "|---|---|"]
    for name in curves:
        if name.endswith("_centred"):
            continue
        centred = f"{name}_centred"
        right = _image(f"{centred}.png", drawn[centred]) if centred in drawn else ""
        yield f"| {_image(f'{name}.png', drawn[name])} | {right} |"


def _markdown_documents(report: Report, drawn: Mapping[str, str], pictures: Mapping[str, str]) -> Iterator[str]:
    yield from ["", "## Documents"]
    for name, caption in drawn.items():
        if name.startswith("documents_"):
            yield from ["", _image(f"{name}.png", caption), "", caption]
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
    uid = _cell(scores.uid)
    record = examples.get(scores.uid)
    texts = [record.transcript, record.audio_answer, record.text_answer] if record else ["", "", ""]
    error = document_value(scores, "alas_swapped" if scores.swapped else "alas")
    return [
        f"[{uid}](figures/{pictures[scores.uid]})" if scores.uid in pictures else uid,
        _number(document_value(scores, "alas_skill")),
        f"{_number(error)}{' positions' * scores.swapped}",
        str(record.num_words if record else ""),
        *(_cell(text or "") for text in texts),
    ]


def _markdown_left_out(report: Report, drawn: Mapping[str, str]) -> Iterator[str]:
    yield from ["", "## Left out", ""]
    rows = skipped_rows(report)
    if not rows:
        yield "No document was skipped."
    else:
        yield from ["| cause | documents | meaning | example |", "|---|---:|---|---|"]
    for row in rows:
        example = f"{row['example']}: {row['detail']}"
        yield f"| {row['cause']} | {row['documents']} | {row['meaning']} | {_cell(example)} |"
    if "filter" in drawn:
        yield from ["", _image("filter.png", drawn["filter"]), "", drawn["filter"]]
    else:
        yield from ["", "The model was not asked for answers: nothing was filtered."]


def _image(name: str, caption: str) -> str:
    return f"![{_cell(caption)}](figures/{name})"


def _number(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "N/A"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _cell(text: Any, longest: int = 160) -> str:
    """Return text from data so that Markdown shows it as it is, on one line, cut to a bearable length."""
    line = one_line(str(text))
    line = line if len(line) <= longest else f"{line[: longest - 1]}…"
    for sign in "\\`*_[]<>|#":
        line = line.replace(sign, f"\\{sign}")
    return line


def _code(value: Any) -> str:
    return one_line(str(value)).replace("`", "'")
