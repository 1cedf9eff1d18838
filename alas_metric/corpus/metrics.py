"""The table of metrics: every key of the results, in the order of reports.

Everything that shows metrics is derived from it: results.json, the tables of the terminal, reports, leaderboards,
comparisons, figures, and the table in docs/numbers.md. The rows of a measure stand beside its code; here are the
others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from alas_metric.corpus.bootstrap import FEW_CLUSTERS
from alas_metric.corpus.verdict import READ
from alas_metric.document.measures import ROWS as MEASURED
from alas_metric.document.metric import Metric, Statistic, Sums, mean

_RUN = (
    Metric(
        "best_layer",
        "Best layer",
        Statistic("best_layer", "alas_skill_{form}"),
        "layer from 1 up with the highest alas_skill",
        unit="layer",
        form="standardised",
        shown=True,
    ),
    Metric(
        "kept",
        "Documents kept",
        Statistic("count", "kept"),
        "documents whose two answers agree; only they enter the metrics above, but for those without the filter",
        population="scorable",
        unit="documents",
        shown=True,
    ),
    Metric(
        "kept_share",
        "Kept",
        Statistic("value", "kept"),
        "kept ones of the documents that can be scored",
        population="scorable",
        unit="share",
        column="Kept",
    ),
    Metric(
        "skipped",
        "Documents skipped",
        Statistic("causes"),
        "left out, by cause; each is named in the log, none is scored as zero",
        population="documents",
        unit="documents",
        shown=True,
    ),
    Metric(
        "forced",
        "Documents with one path",
        Statistic("count", "forced"),
        "only one path is possible (one word, one position, as many words as positions); not in skill, evidence and "
        "baselines",
        population="scorable",
        unit="documents",
    ),
    Metric(
        "swapped",
        "Documents swapped",
        Statistic("count", "swapped"),
        "fewer positions than words, see alas_swapped",
        population="scorable",
        unit="documents",
    ),
    Metric(
        "reference_confidence",
        "Confidence of the word times",
        Statistic("value", "reference_confidence"),
        "how sure the source of the word times is of them (Whisper: probability of the words), mean over words, then "
        "over documents; undefined for gold times",
        population="scorable",
        unit="probability",
    ),
    Metric(
        "reference_disagreement",
        "Disagreement of the word times",
        Statistic("value", "reference_disagreement"),
        "distance of the borders between words from those of the other sources in the record, mean over borders, then "
        "over documents; undefined where there is one source",
        population="scorable",
        unit="s",
    ),
    Metric(
        "layers",
        "Layers",
        Statistic("layers"),
        "every metric of layers: its value in each of 0 to L with 95 % intervals, and what chance gives",
        population="scorable",
        unit="",
    ),
    Metric(
        "layer_map",
        "Layer map",
        Statistic("layer_map"),
        "retrieval_skill and cka of every audio layer with every text layer, and to which text layer each audio layer "
        "is nearest; asked for by alas_layer_map",
        unit="",
        option="alas_layer_map=true",
    ),
    Metric(
        "signature",
        "Signature",
        Statistic("signature"),
        "one line that says what decides the values; runs of a task can be compared where it is the same but for "
        "layers, n and v",
        population="scorable",
        unit="",
    ),
)


def _answers(
    key: str, title: str, source: Statistic, description: str, answers: tuple[str, ...], unit: str, column: str = ""
) -> Metric:
    """Return a metric of the answers, which depend on no layer."""
    return Metric(
        key,
        title,
        source,
        description,
        population="scorable",
        direction="higher",
        unit=unit,
        column=column,
        shown=True,
        answers=answers,
    )


_ANSWERS = (
    _answers(
        "answer_similarity",
        "Similarity of answers",
        Statistic("value", "responses"),
        "Sentence-BERT similarity of the two answers",
        ("free",),
        "cosine",
    ),
    *(
        _answers(
            f"answer_similarity_{run}",
            f"Similarity to gold, {run}",
            Statistic("value", f"{run}_target"),
            f"Sentence-BERT similarity of the answer to the {prompt} and the gold answer",
            ("free",),
            "cosine",
            f"To gold, {run}",
        )
        for run, prompt in (("audio", "audio"), ("text", "transcript"))
    ),
    *(
        _answers(
            f"accuracy_{run}",
            f"Accuracy, {run}",
            Statistic("value", run),
            f"right answers to the {prompt}; one that cannot be read is wrong",
            ("options", "labels"),
            "share",
            f"Accuracy, {run}",
        )
        for run, prompt in (("audio", "audio"), ("text", "transcript"))
    ),
    *(
        _answers(
            f"uar_{run}",
            f"UAR, {run}",
            Statistic("recall", run),
            f"unweighted average recall over the gold classes, answers to the {prompt}",
            ("labels",),
            "share",
        )
        for run, prompt in (("audio", "audio"), ("text", "transcript"))
    ),
    Metric(
        "modality_gap",
        "Modality gap",
        mean("modality_gap"),
        "how much better the transcript is answered than the audio, by accuracy or by similarity to the gold answer, "
        "of all documents with a gold answer, kept or not: 0 hears as well as it reads",
        population="scorable",
        direction="lower",
        column="Modality gap",
        headline=True,
        shown=True,
        answers=("free", "options", "labels"),
    ),
    _answers(
        "answer_kappa",
        "Kappa of answers",
        Statistic("kappa"),
        "Cohen's kappa of the two answers: 1 always the same, 0 as often as chance; one that cannot be read agrees "
        "with none",
        ("options", "labels"),
        "1",
        "Kappa",
    ),
    Metric(
        "mcnemar_p",
        "McNemar's p",
        Statistic("mcnemar"),
        "exact test of accuracy_text = accuracy_audio on the same documents, taken as independent of each other",
        population="scorable",
        unit="p",
        column="McNemar p",
        shown=True,
        answers=("options", "labels"),
    ),
)

ROWS: tuple[Metric, ...] = (*MEASURED, *_RUN, *_ANSWERS)
METRICS: dict[str, Metric] = {key: metric for row in ROWS for key, metric in row.forms.items()}
"""Every key of the results: each row, and, where it has several forms, each of them by name."""
LAYERED: dict[str, Sums] = {key: metric.source for key, metric in METRICS.items() if isinstance(metric.source, Sums)}
"""How the metrics that have a value in every layer come from the columns of documents."""

RANKING = "alas_skill"
"""The metric by which models are ranked and documents are put in order."""


def in_all_forms(row: Metric) -> list[str]:
    """Return the keys of a row, each form once, the default first.

    Example:
        >>> in_all_forms(next(row for row in ROWS if row.key == "alas_skill"))
        ['alas_skill', 'alas_skill_raw', 'alas_skill_centred']
    """
    return [row.key, *(key for key, metric in row.forms.items() if metric.form != row.form)]


def reported(values: Mapping[str, Any], named: Iterable[str]) -> dict[str, Any]:
    """Leave out metrics of other kinds of answers than a task has, and those of options that were not given.

    Args:
        values: by key of `METRICS`.
        named: keys that a run's own results hold, which tell the kind; where they do not, what has a value is of it.
    """
    own = set(named)
    known = [set(METRICS[key].answers) for key in own if METRICS[key].answers]
    kinds = set.intersection(*known) if known else set()

    def fits(key: str, value: Any) -> bool:
        metric = METRICS[key]
        if metric.option and value is None:
            return False
        answers = set(metric.answers)
        return not answers or key in own or (answers >= kinds if kinds else value is not None)

    return {key: value for key, value in values.items() if fits(key, value)}


def missing_forms(values: Mapping[str, Any]) -> list[str]:
    """Return a line if headlines lack a value in their default form where another form has one.

    Args:
        values: by key of `METRICS`.
    """
    found = []
    for row in ROWS:
        others = [key for key in in_all_forms(row)[1:] if values.get(key) is not None]
        if row.headline and values.get(row.key) is None and others:
            found.append(f"{row.key} needs the {row.form} form, there is {' and '.join(others)}")
    return [f"an older version wrote the records: {'; '.join(found)}"] if found else []


def caution(curves: Mapping[str, Any]) -> str:
    """Return what is said beside intervals that rest on few speakers or documents, nothing where there are enough.

    Args:
        curves: the value of ``layers``, see `aggregate`.
    """
    found = (curves[row.key] for row in ROWS if row.headline and row.key in curves)
    return few_clusters((curve["clusters"], curve["documents"]) for curve in found)


def few_clusters(counts: Iterable[tuple[int, int]]) -> str:
    """Return the same of numbers of clusters and of documents in them; 0 is that of a metric without a value.

    Example:
        >>> few_clusters([(4, 30)])
        'Only 4 speakers (30 documents) were resampled; below 10 intervals and p-values mean little.'
    """
    known = [count for count in counts if count[0]]
    if not known or min(known)[0] >= FEW_CLUSTERS:
        return ""
    clusters, documents = min(known)
    # Documents of unknown speakers are drawn one by one.
    what = f"speakers ({documents} documents)" if clusters < documents else "documents"
    return f"Only {clusters} {what} were resampled; below {FEW_CLUSTERS} intervals and p-values mean little."


def markdown_table() -> str:
    """Return the table of docs/numbers.md."""
    lines = ["| metric | better | unit | form | meaning |", "|---|---|---|---|---|"]
    for row in ROWS:
        name = f"**`{row.key}`**" if row.headline else f"`{row.key}`"
        better = "" if row.direction == "none" else row.direction
        links = [f"[{anchor.replace('-', ' ')}](validation.md#{anchor})" for anchor in row.validated]
        links += ["[verdict](verdict.md)"] if set(READ) & row.forms.keys() else []
        meaning = _KEY.sub(r"`\g<0>`", row.description) + (f" [{', '.join(links)}]" if links else "")
        lines.append(f"| {name} | {better} | {row.unit} | {row.form or ''} | {meaning} |")
    return "\n".join(lines) + "\n"


_KEY = re.compile(r"\balas\b|\b[a-z]+(?:_[a-z]+)+\b")
"""A metric in a text."""
