"""One run as the leaderboard shows it: its columns, facts and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from alas_metric.corpus.metrics import ROWS
from alas_metric.corpus.signature import joined, parse, unit
from alas_metric.document.conditions import ANSWERS, REFERENCE, SETTINGS, TRANSCRIPTS
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.scores import DocumentScores
from alas_metric.results.runs import LOCAL_COPY, Origin, Run, read_records


@dataclass(frozen=True)
class Column:
    """A column of every task's block.

    Args:
        key: its name, also in files.
        title: its name for people.
        direction: ``higher`` or ``lower`` is better, ``none`` if neither.
        unit: of the values.
        description: one line.
    """

    key: str
    title: str
    direction: str
    unit: str
    description: str


COLUMNS = (
    Column("rank", "Rank", "lower", "", "1 and how many models are significantly better; equal ranks are ties"),
    *(Column(row.key, row.column, row.direction, row.unit, row.description) for row in ROWS if row.column),
    Column("best_depth", "Best layer", "none", "share of depth", "layer with the highest skill, over all layers"),
    Column("documents", "Documents", "none", "", "documents of the run, skipped ones included"),
    Column("seconds", "s/doc", "lower", "seconds", "seconds per document, over all tasks of the run"),
)
"""Every column; a task shows those that one of its runs has a value in."""


@dataclass(frozen=True)
class Facts:
    """What a run's results say of how it came about; None or empty where they are missing.

    Args:
        data: data set with its revision.
        task_version: of the task.
        versions: of the software, by name.
        model: what the records say of the model: weights, number format, device, hash of the prompts, ...
        commits: of the data on the hub, by data set.
        command: repeats the run.
        seconds: per document.
    """

    data: str | None = None
    task_version: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    model: dict[str, str] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    command: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Entry:
    """One model on one task.

    Args:
        model: the row's name.
        run: where the records lie.
        documents: scores of each document, as far as runs are compared by them.
        values: of the columns that the task has, None where undefined; ``rank`` comes later.
        intervals: low and high by column, of those that have layers; None where undefined.
        layers: curves of every layered metric, see `corpus.aggregate`.
        origins: of the scored documents.
        facts: of the run.
        signature: what decides the values, see `corpus.signature`.
        places: where each document's record stands in the samples, by id, see `read_records`.
    """

    model: str
    run: Run
    documents: Sequence[DocumentScores]
    values: dict[str, float | int | None]
    intervals: dict[str, tuple[float | None, float | None]]
    layers: Mapping[str, Any]
    origins: Sequence[Origin]
    facts: Facts
    signature: str
    places: Mapping[str, int]

    def records(self, uids: Iterable[str]) -> Iterable[AlignmentRecord]:
        """Return the records of some documents, as far as the run has them.

        Raises:
            OSError: If the samples cannot be read.
        """
        return read_records(self.run, {self.places[uid] for uid in uids if uid in self.places}).values()

    @property
    def conditions(self) -> dict[str, str | None]:
        """What it must have in common with the others of its task; None is unknown and agrees with everything."""
        return {name: condition(self) for name, condition in RUN_CONDITIONS.items()}

    @property
    def provenance(self) -> dict[str, str | None]:
        """Everything that tells this row from another, by name."""
        data = {"data": self.facts.data, **{f"commit of {name}": each for name, each in self.facts.commits.items()}}
        return {**self.facts.model, **self.conditions, **data, **self.facts.versions}

    @property
    def verdict(self) -> str:
        """What the values say in words."""
        return str(self.layers["verdicts"]["text"])

    @property
    def num_layers(self) -> int:
        """Number L of layers above layer 0; 0 if no document was kept."""
        return max(*(len(curve.get("values", ())) for curve in self.layers.values()), 1) - 1


def setting_text(origins: Iterable[Origin], name: str) -> str | None:
    """Return what the records say under a name, None where none does: older ones know fewer."""
    return joined(origin.settings.get(name) for origin in origins)


def _condition(entry: Entry, name: str) -> str | None:
    return joined(scores.conditions.get(name) for scores in entry.documents if scores.skipped is None)


RUN_CONDITIONS: dict[str, Callable[[Entry], str | None]] = {
    REFERENCE: partial(_condition, name=REFERENCE),
    "unit": lambda entry: unit([scores.swapped for scores in entry.documents if scores.skipped is None]),
    "answer filter": lambda entry: parse(entry.signature)["filter"],
    **{name: partial(_condition, name=name) for name in (TRANSCRIPTS, SETTINGS, ANSWERS)},
    "data": lambda entry: None if LOCAL_COPY in (entry.facts.data or "") else entry.facts.data,
    "version of the task": lambda entry: entry.facts.task_version,
}
"""What every run of a task must have in common; None is unknown and agrees with everything.

All but the last two are in the signature of a run, see `corpus.signature`.
"""


def num_swapped(entry: Entry) -> int:
    """Return how many documents have fewer positions than words."""
    return sum(scores.swapped for scores in entry.documents)
