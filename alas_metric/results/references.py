"""Several sources of word times in the records of one run: how far they are apart, and the scores by each."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alas_metric.corpus.aggregate import summarise
from alas_metric.corpus.selection import USUAL, Selection
from alas_metric.corpus.significance import HEADLINES
from alas_metric.document.agreement import FAR, border_distances, far_words
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.scores import DocumentScores, score_record
from alas_metric.numbers import number
from alas_metric.results.runs import Run, read_documents


@dataclass(frozen=True)
class Distance:
    """How far two sources of word times are apart over the documents that hold both.

    Args:
        first: name of the one.
        second: name of the other.
        documents: how many hold both.
        borders: how many borders between words these have.
        median: distance of the borders in seconds, None without any.
        p95: below which 95 % of them are.
        far: share of the words with a border that is more than `agreement.FAR` away.
    """

    first: str
    second: str
    documents: int
    borders: int
    median: float | None
    p95: float | None
    far: float | None


@dataclass(frozen=True)
class References:
    """The sources of a run's word times side by side.

    Args:
        names: of the sources, the primary one of most documents first.
        distances: of each pair.
        documents: how many kept documents hold all sources.
        values: headlines over these documents, by source and key of `METRICS`.
    """

    names: list[str]
    distances: list[Distance]
    documents: int
    values: dict[str, dict[str, Any]]


def read_references(run: Run, documents: Sequence[DocumentScores], selection: Selection = USUAL) -> References | None:
    """Return the sources of a run's word times side by side, None where its records hold only one.

    Args:
        run: see `find_runs`.
        documents: scores of its documents, as far as they were read; those that are skipped do not enter.
        selection: which documents count.

    Raises:
        OSError: If the samples cannot be read.
    """
    if not any(scores.reference_disagreement is not None for scores in documents):
        return None
    sources = Sources(selection)
    read_documents(run, selection, sources.add)
    return sources.compared()


class Sources:
    """Sources of word times, taken up document by document.

    Args:
        selection: which documents count; of each source the same ones.
    """

    def __init__(self, selection: Selection = USUAL) -> None:
        self._selection = selection
        self._borders: dict[tuple[str, str], list[np.ndarray]] = {}
        self._scores: dict[str, list[DocumentScores]] = {}
        self._primary: Counter[str] = Counter()

    def add(self, record: AlignmentRecord, scores: DocumentScores) -> None:
        """Take up a document that was not skipped, with its scores by the reference that is selected."""
        self._primary[record.reference] += 1
        for pair in itertools.combinations(sorted(record.references), 2):
            distances = border_distances(*(record.references[name] for name in pair))
            self._borders.setdefault(pair, []).append(distances)
        own = self._selection.reference_of(record)
        for name in record.references:
            by_it = scores if name == own else score_record(record, name, self._selection.contained)
            self._scores.setdefault(name, []).append(by_it)

    def compared(self) -> References | None:
        """Return the sources side by side, None where no document holds several of them and a border."""
        if not any(map(len, itertools.chain.from_iterable(self._borders.values()))):
            return None
        names = sorted(self._scores, key=lambda name: (-self._primary[name], name))
        uids = ({scores.uid for scores in each if self._selection.keeps(scores)} for each in self._scores.values())
        common = set.intersection(*uids)
        values = {name: self._values(name, common) for name in names}
        pairs = [(pair, tuple(sorted(pair))) for pair in itertools.combinations(names, 2)]
        distances = [_distance(*pair, self._borders[key]) for pair, key in pairs if key in self._borders]
        return References(names, distances, len(common), values)

    def _values(self, name: str, uids: Collection[str]) -> dict[str, Any]:
        chosen = [scores for scores in self._scores[name] if scores.uid in uids]
        return summarise(chosen, self._selection.threshold, HEADLINES)


def _distance(first: str, second: str, by_document: Sequence[np.ndarray]) -> Distance:
    distances = np.concatenate(by_document)
    median, p95 = (float(value) for value in np.percentile(distances, [50, 95])) if len(distances) else (None, None)
    words = np.concatenate([far_words(each) for each in by_document if len(each)] or [np.zeros(0)])
    far = float(words.mean()) if len(words) else None
    return Distance(first, second, len(by_document), len(distances), median, p95, far)


DISTANCE_HEADS = ("reference", "other", "documents", "borders", "median, ms", "95 %, ms", f"words beyond {FAR:g} s")


def distance_cells(found: References) -> list[list[str]]:
    """Return a row of `DISTANCE_HEADS` for each pair of sources."""
    return [
        [each.first, each.second, str(each.documents), str(each.borders)]
        + [number(None if value is None else 1000 * value, 0) for value in (each.median, each.p95)]
        + ["N/A" if each.far is None else f"{100 * each.far:.1f} %"]
        for each in found.distances
    ]


def value_heads(found: References) -> list[str]:
    """Return the headings of `value_cells`."""
    return ["metric", *found.names]


def value_cells(found: References) -> list[list[str]]:
    """Return a row for each headline that is defined: its value by each source."""
    rows = [[key, *(number(found.values[name][key]) for name in found.names)] for key in HEADLINES]
    return [row for row, key in zip(rows, HEADLINES, strict=True) if _any(found, key)]


def _any(found: References, key: str) -> bool:
    return any(found.values[name][key] is not None for name in found.names)
