"""One run as the leaderboard shows it: its columns, facts and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alas_metric.corpus.metrics import ROWS
from alas_metric.document.scores import DocumentScores
from alas_metric.results.runs import LOCAL_COPY, Origin, Run


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
SOFTWARE = {
    "plugin": "lmms-eval-alas",
    **{name: name for name in ("torch", "transformers", "openai-whisper", "sentence-transformers")},
}
"""Settings of records that name versions; runs of different ones can be compared."""
OF_MODEL = ("model_weights", "peft_weights", "quantised", "dtype", "attention", "device", "prompts")
"""Settings of records that belong to the model of a row."""
_SIMILARITY_WEIGHTS = "answer_similarity_weights"


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
    """

    model: str
    run: Run
    documents: Sequence[DocumentScores]
    values: dict[str, float | int | None]
    intervals: dict[str, tuple[float | None, float | None]]
    layers: Mapping[str, Any]
    origins: Sequence[Origin]
    facts: Facts

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
    found = {origin.settings[name] for origin in origins if name in origin.settings}
    return _join(found) if found else None


RUN_CONDITIONS: dict[str, Callable[[Entry], str | None]] = {
    "reference": lambda entry: _join({origin.reference for origin in entry.origins}),
    "unit": lambda entry: "positions" if 2 * num_swapped(entry) > len(entry.origins) else "words",
    "answer filter": lambda entry: _join(
        {"on" if scores.answered else "off" for scores in entry.documents if scores.skipped is None}
    ),
    "source of transcripts": lambda entry: _join({origin.transcript_source for origin in entry.origins}),
    "settings": lambda entry: _join({_settings(origin) for origin in entry.origins}),
    "weights of the answer similarity": lambda entry: setting_text(entry.origins, _SIMILARITY_WEIGHTS),
    "data": lambda entry: None if LOCAL_COPY in (entry.facts.data or "") else entry.facts.data,
    "version of the task": lambda entry: entry.facts.task_version,
}
"""What every run of a task must have in common; None is unknown and agrees with everything."""


def num_swapped(entry: Entry) -> int:
    """Return how many documents have fewer positions than words."""
    return sum(scores.swapped for scores in entry.documents)


def _settings(origin: Origin) -> str:
    apart = {*SOFTWARE, *OF_MODEL, _SIMILARITY_WEIGHTS}
    kept = {name: value for name, value in sorted(origin.settings.items()) if name not in apart}
    return ", ".join(f"{name}={value}" for name, value in kept.items()) or "none"


def _join(values: Iterable[str]) -> str:
    return " and ".join(sorted(values))
