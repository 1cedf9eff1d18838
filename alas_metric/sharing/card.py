"""The card of a shared run: what the hub reads of it, and what people do."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from alas_metric.corpus.metrics import METRICS, caution
from alas_metric.corpus.significance import HEADLINES
from alas_metric.numbers import number, span
from alas_metric.report.markdown import cell, code, line
from alas_metric.report.run_report import Report

TABLES = {
    "documents": "a row for each document: what became of it, texts, its own value of every metric",
    "layers": "a row for each metric and layer, with 95 % intervals",
    "words": "a row for each word and group of layers: times, error, hits",
    "records": "the records themselves, one line of JSON each, from which everything can be scored again",
}
"""The configurations of the data set."""


def card(reports: Sequence[Report], figures: Mapping[str, Sequence[str]], texts: bool) -> str:
    """Return the README of a data set of runs.

    Args:
        reports: of the runs.
        figures: files of each ``model/task``, relative to the card.
        texts: whether transcripts, questions and answers are in it.
    """
    from huggingface_hub import DatasetCardData

    names = sorted({report.run.model for report in reports})
    data = DatasetCardData(
        pretty_name=f"ALAS of {', '.join(names)}",
        tags=["alas", "speech", "alignment", "lmms-eval"],
        configs=[
            {"config_name": name, "data_files": f"*/*_{name}_*.parquet", **({"default": True} if not place else {})}
            for place, name in enumerate(TABLES)
        ],
    )
    return f"---\n{data.to_yaml()}\n---\n" + "\n".join(_lines(reports, figures, texts)) + "\n"


def _lines(reports: Sequence[Report], figures: Mapping[str, Sequence[str]], texts: bool) -> Iterator[str]:
    yield f"# ALAS of {', '.join(sorted({cell(report.run.model) for report in reports}))}"
    yield ""
    yield (
        "How well the layers of a speech LLM bind the audio they hear to the words it carries: the Automatic Latent "
        "Alignment Score ([arXiv 2505.19937](https://arxiv.org/abs/2505.19937)) and measures beside it, by "
        "`lmms-eval-alas`."
    )
    for report in reports:
        yield from _run_lines(report, figures[f"{report.run.model}/{report.run.task}"])
    yield from ["", "## What is here", "", "```python", "from datasets import load_dataset", ""]
    yield 'load_dataset("path/or/name", "documents")  # or one of the others'
    yield from ["```", "", "| configuration | holds |", "|---|---|"]
    yield from (f"| `{name}` | {what} |" for name, what in TABLES.items())
    yield ""
    yield (
        f"The folder is read like a run: `alas leaderboard FOLDER{_options(reports)}`, and `alas score` and "
        "`alas report` likewise, give the numbers above; other options select other documents and word times."
    )
    yield ""
    yield (
        "**Shared are** scores, paths, word times, document ids and speaker names, how the run was made, "
        + (
            "and the texts: transcripts, questions, answers. The licence of the data set they come from holds for them."
            if texts
            else "and no texts: transcripts, words, questions and answers are left out; labels of closed answers stay."
        )
        + " Audio is not in it."
    )


def _options(reports: Sequence[Report]) -> str:
    """Return the options by which the runs were scored, all by the same."""
    options = reports[0].selection.options
    return f" {code(shlex.join(options))}" if options else ""


def _run_lines(report: Report, figures: Sequence[str]) -> Iterator[str]:
    run = report.run
    yield from ["", f"## {cell(run.model)} on {cell(run.task)}", ""]
    yield (
        f"{len(report.documents)} documents, {len(report.kept)} kept by the answer filter; means over layers 1 to L, "
        "95 % bootstrap intervals."
    )
    yield from ["", cell(report.curves["verdicts"]["text"], longest=10_000)]
    if signature := report.values["signature"]:
        yield from ["", f"`{code(signature)}`"]
    if note := caution(report.curves):
        yield from ["", note]
    if report.settings.get("limit") is not None:
        yield from ["", "The run was limited to a part of the data: these numbers are not the data set's."]
    yield from ["", line(["metric", "value", "95 % interval", "better", "meaning"]), line(["---"] * 5)]
    for key in HEADLINES:
        curve, metric = report.curves.get(key, {}), METRICS[key]
        ends = span(curve.get("headline_low"), curve.get("headline_high"))
        yield line([f"`{key}`", number(report.values.get(key)), ends, metric.direction, metric.description])
    yield f"| `best_layer` | {number(report.best_layer)} | | | {METRICS['best_layer'].description} |"
    yield ""
    yield from (f"![{cell(path)}]({path.replace(' ', '%20')})" for path in figures)
