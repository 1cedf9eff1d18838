"""The report of one run: figures, tables and a Markdown summary, from the records that the harness logged.

Everything goes into one folder: ``report.md``, ``figures/`` (PNG and SVG), and as CSV ``summary``, ``layers``,
``documents``, ``skipped`` and ``words``, the last as Parquet too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from alas_metric.corpus.aggregate import summarise
from alas_metric.corpus.answer_filter import kept
from alas_metric.corpus.documents import document_value
from alas_metric.corpus.metrics import RANKING, missing_forms, reported
from alas_metric.corpus.selection import USUAL, Selection
from alas_metric.corpus.words import Words
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.scores import DocumentScores
from alas_metric.results.references import References, Sources
from alas_metric.results.runs import Run, read_documents, read_records, read_results

SHOWN = 3
"""How many of the best, the typical and the worst documents are listed."""


@dataclass(frozen=True)
class Report:
    """A run with all that its report says.

    Args:
        run: where the records come from.
        selection: which documents count, and which word times.
        documents: scores of each document, skipped ones included.
        values: of the corpus, by key of `METRICS`.
        messages: what was left out and why.
        settings: how the run was made, as its results say; empty if they are missing.
        examples: records of the documents that are listed, by id.
        places: where each document's record stands in the samples, by id, see `read_records`.
        words: of every document that was scored.
        references: the sources of word times side by side, None where there is only one.
    """

    run: Run
    selection: Selection
    documents: list[DocumentScores]
    values: dict[str, Any]
    messages: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    examples: dict[str, AlignmentRecord] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    words: Words = field(default_factory=lambda: Words("standardised"))
    references: References | None = None

    @property
    def scorable(self) -> list[DocumentScores]:
        """The documents that were not skipped."""
        return [scores for scores in self.documents if scores.skipped is None]

    @property
    def kept(self) -> list[DocumentScores]:
        """The documents that pass the answer filter."""
        return [scores for scores in self.documents if self.selection.keeps(scores)]

    @property
    def curves(self) -> Mapping[str, Any]:
        """Values of every layer with intervals, by metric."""
        return dict(self.values["layers"].items())

    @property
    def layer_maps(self) -> Mapping[str, Any]:
        """Every audio layer with every text layer, by the name of the map; empty where the run made none."""
        return dict((self.values.get("layer_map") or {}).items())

    @property
    def best_layer(self) -> int | None:
        """The layer from 1 up with the highest skill."""
        return self.values["best_layer"]


def make_report(run: Run, selection: Selection = USUAL) -> Report:
    """Read a run and compute what its report says.

    Args:
        run: see `find_runs`.
        selection: which documents count, and which word times.

    Raises:
        ValueError: If the samples hold no alignment record, or none with that reference, or none that is so sure.
        OSError: If the samples cannot be read.
    """
    words, sources = Words("standardised"), Sources(selection)

    def look(record: AlignmentRecord, scores: DocumentScores) -> None:
        words.add(record, selection.reference_of(record), selection.keeps(scores))
        sources.add(record, scores)

    found = read_documents(run, selection, look)
    values = reported(summarise(found.documents, selection.threshold), found.keys)
    words.best_layer = values["best_layer"]
    groups = ranked(found.documents, selection.threshold).values()
    shown = {found.places[scores.uid] for group in groups for scores in group}
    return Report(
        run=run,
        selection=selection,
        documents=found.documents,
        values=values,
        messages=found.messages + missing_forms(values),
        settings=_settings(run),
        examples=read_records(run, shown),
        places=found.places,
        words=words,
        references=sources.compared(),
    )


def _settings(run: Run) -> dict[str, Any]:
    """Return what the results say of how they were made."""
    try:
        config = read_results(run)["config"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    names = ("model", "model_args", "gen_kwargs", "limit", "batch_size")
    return {name: config[name] for name in names if isinstance(config, dict) and config.get(name) is not None}


def ranked(documents: Iterable[DocumentScores], threshold: float) -> dict[str, list[DocumentScores]]:
    """Return the kept documents that align best, typically and worst, by their own skill.

    Skill, since a long document has more words to be wrong by. Typical: around the median.
    """
    scored = [
        (skill, scores.uid, scores)
        for scores in documents
        if kept(scores, threshold) and (skill := document_value(scores, RANKING)) is not None
    ]
    ordered = [scores for _, _, scores in sorted(scored, key=lambda entry: (-entry[0], entry[1]))]
    count = min(SHOWN, -(-len(ordered) // 3))
    middle = max(0, (len(ordered) - count) // 2)
    best, worst = ordered[:count], ordered[max(count, len(ordered) - count) :]
    typical = [scores for scores in ordered[middle : middle + count] if scores not in best and scores not in worst]
    return {"best": best, "typical": typical, "worst": worst[::-1]}
