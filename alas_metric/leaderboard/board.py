"""Runs side by side: one row for each model, a block of columns for each task.

Values are those of `summarise` over each run's own kept documents; ranks and differences come from `comparison`, on
the documents that two runs both kept. Runs that differ in what decides the numbers, other than the model, are refused
or, if wanted, marked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alas_metric.corpus.metrics import RANKING, few_clusters
from alas_metric.corpus.selection import USUAL, Selection
from alas_metric.corpus.significance import HEADLINES, SIGNIFICANT, PairDifference, compare_all, ranks
from alas_metric.leaderboard.conditions import differences, distinctions, oddities
from alas_metric.leaderboard.entry import COLUMNS, Column, Entry
from alas_metric.leaderboard.reading import label_runs, read_all, runs_in_folders
from alas_metric.results.dumps import find_dumps


@dataclass(frozen=True)
class Board:
    """The leaderboard.

    Args:
        models: the rows, sorted.
        tasks: the blocks.
        entries: by model and task; a model may lack a task.
        pairs: of the tasks, by task and metric; positions are those of ``order``.
        order: by task the models that ``pairs`` counts.
        ranked_by: the metric of the ranks.
        sort: task and column that the rows are sorted by.
        selection: which documents count, and which word times.
        mixed: what differs although runs were mixed.
        messages: what was left out or is odd, and why.
    """

    models: list[str]
    tasks: list[str]
    entries: dict[tuple[str, str], Entry]
    pairs: dict[str, dict[str, list[PairDifference]]]
    order: dict[str, list[str]]
    ranked_by: str
    sort: tuple[str, str]
    selection: Selection
    mixed: list[str]
    messages: list[str]

    def columns(self, task: str) -> list[Column]:
        """Return the columns that a run of the task has a value in."""
        entries = self.of_task(task)
        return [column for column in COLUMNS if any(entry.values.get(column.key) is not None for entry in entries)]

    def caution(self, task: str) -> str:
        """Return what is said where intervals of a task rest on few speakers or documents; nothing if none do."""
        curves = [entry.layers[self.ranked_by] for entry in self.of_task(task)]
        return few_clusters((curve["clusters"], curve["documents"]) for curve in curves)

    def of_task(self, task: str) -> list[Entry]:
        """Return the entries of a task in the order of the rows."""
        return [self.entries[model, task] for model in self.models if (model, task) in self.entries]


def build_board(
    folders: Sequence[Path],
    sort: str = RANKING,
    task: str | None = None,
    selection: Selection = USUAL,
    mix: bool = False,
) -> Board:
    """Return the leaderboard of all runs in some folders; what cannot be read is left out with a message.

    Args:
        folders: output paths of the harness.
        sort: a key of `COLUMNS`, or one with a task before it, ``alas_demo_sqa:alas``.
        task: only this one.
        selection: which documents count, and which word times.
        mix: also put side by side what cannot be compared.

    Raises:
        ValueError: If nothing can be read, the column is unknown, or runs cannot be compared.
    """
    sort_task, column = _sort_column(sort)
    messages: list[str] = []
    found = []
    for entry, told in read_all(label_runs(runs_in_folders(folders, task, messages)), selection):
        messages += told
        found += [] if entry is None else [entry]
    if not found:
        raise ValueError("; ".join(["no run could be read", *messages]))
    entries = {(entry.model, entry.run.task): entry for entry in found}
    tasks = sorted({name for _, name in entries})
    if sort_task is not None and sort_task not in tasks:
        raise ValueError(f"--sort: expected one of the tasks {tasks}, got {sort_task!r}")
    groups = {name: [entry for (_, own), entry in entries.items() if own == name] for name in tasks}
    mixed = [f"{name}: {text}" for name in tasks for text in differences(groups[name])]
    if mixed and not mix:
        raise ValueError("these runs cannot be compared:\n  " + "\n  ".join(mixed) + "\n--mix shows them all the same")
    messages += [f"{name}: {text}" for name in tasks for text in oddities(groups[name])]
    ranked_by = column.key if column.key in HEADLINES else RANKING
    pairs = {
        name: compare_all([entry.documents for entry in groups[name]], threshold=selection.threshold) for name in tasks
    }
    for name in tasks:
        for entry, rank in zip(groups[name], ranks(len(groups[name]), pairs[name][ranked_by]), strict=True):
            entry.values["rank"] = None if entry.values[ranked_by] is None else rank
    models = sorted_models(entries, sort_task or tasks[0], column)
    order = {name: [entry.model for entry in groups[name]] for name in tasks}
    by = (sort_task or tasks[0], column.key)
    return Board(models, tasks, entries, pairs, order, ranked_by, by, selection, mixed, messages)


def _sort_column(sort: str) -> tuple[str | None, Column]:
    task, _, key = sort.rpartition(":")
    columns = {column.key: column for column in COLUMNS}
    if key not in columns:
        raise ValueError(f"--sort: expected one of {list(columns)}, got {key!r}")
    return task or None, columns[key]


def sorted_models(entries: Mapping[tuple[str, str], Entry], task: str, column: Column) -> list[str]:
    """Return the models, the better or larger first, those without a value last.

    Args:
        entries: by model and task, with their ranks.
        task: whose values count.
        column: one of `COLUMNS`.
    """

    def place(model: str) -> tuple[bool, float, str]:
        entry = entries.get((model, task))
        value = None if entry is None else entry.values.get(column.key)
        sign = 1 if column.direction == "lower" else -1
        return value is None, sign * (value or 0), model

    return sorted({model for model, _ in entries}, key=place)


# As data


def board_data(board: Board) -> dict[str, Any]:
    """Return everything on the leaderboard as JSON-able data."""
    return {
        **asdict(board.selection),
        "ranked_by": board.ranked_by,
        "significant": SIGNIFICANT,
        "sorted_by": {"task": board.sort[0], "column": board.sort[1]},
        "mixed": board.mixed,
        "messages": board.messages,
        "columns": [vars(column) for column in COLUMNS],
        "rows": [
            {
                "model": model,
                "tasks": {task: _entry_data(board.entries.get((model, task))) for task in board.tasks},
            }
            for model in board.models
        ],
        "pairs": pair_rows(board),
        "distinctions": {task: distinctions(board.of_task(task)) for task in board.tasks},
        "cautions": {task: text for task in board.tasks if (text := board.caution(task))},
    }


def _entry_data(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "run": entry.run.date,
        "values": entry.values,
        "intervals": {key: list(ends) for key, ends in entry.intervals.items()},
        "signature": entry.signature,
        "num_layers": entry.num_layers,
        "layers": entry.layers,
        "provenance": entry.provenance,
        "command": entry.facts.command,
        "dumps": [str(file.path) for file in find_dumps(entry.run.samples.parent, entry.run.date, entry.run.task)],
    }


def pair_rows(board: Board) -> list[dict[str, Any]]:
    """Return every pair of models as a flat row, for tables."""
    rows = []
    for task in board.tasks:
        for key, pairs in board.pairs[task].items():
            for pair in pairs:
                found = pair.difference
                first, second = (board.order[task][place] for place in (pair.first, pair.second))
                rows.append(
                    {
                        "task": task,
                        "metric": key,
                        "first": first,
                        "second": second,
                        "documents": found.documents,
                        "clusters": found.clusters,
                        "value_first": found.first,
                        "value_second": found.second,
                        "difference": found.difference,
                        "low": found.low,
                        "high": found.high,
                        "p": found.p,
                        "p_holm": pair.p_holm,
                        "significant": pair.significant,
                        "signature_first": board.entries[first, task].signature,
                        "signature_second": board.entries[second, task].signature,
                    }
                )
    return rows
