"""Two runs against each other: headline metrics, every layer, and the documents that changed most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from alas_metric.corpus.metrics import METRICS, RANKING, few_clusters
from alas_metric.corpus.selection import USUAL, Selection
from alas_metric.corpus.significance import (
    COMPARED,
    HEADLINES,
    SIGNIFICANT,
    Difference,
    DocumentChange,
    compare_runs,
    document_changes,
)
from alas_metric.leaderboard.board import Board, build_board
from alas_metric.numbers import number, p_value, signed, signed_span
from alas_metric.results.references import (
    DISTANCE_HEADS,
    References,
    distance_cells,
    read_references,
    value_cells,
    value_heads,
)
from alas_metric.texts import printable


@dataclass(frozen=True)
class TaskComparison:
    """Two runs on one task.

    Args:
        task: name of the task.
        first: name of the first run.
        second: of the second.
        verdicts: what is found of each of the two, see `corpus.verdict`.
        signatures: what decides the values of each, see `corpus.signature`.
        differences: first minus second, by metric.
        changes: of every document that both kept, the largest first.
        only_first: documents that only the first run kept.
        only_second: documents that only the second run kept.
        references: by run, the sources of its records' word times side by side, where there are several.
    """

    task: str
    first: str
    second: str
    verdicts: tuple[Mapping[str, Any], Mapping[str, Any]]
    signatures: tuple[str, str]
    differences: dict[str, Difference]
    changes: list[DocumentChange]
    only_first: int
    only_second: int
    references: dict[str, References]


def compare_folders(
    folders: tuple[Path, Path],
    task: str | None = None,
    selection: Selection = USUAL,
    mix: bool = False,
) -> tuple[list[TaskComparison], Board]:
    """Return the comparison of two runs for every task that both hold, and the board they come from.

    Args:
        folders: output paths of the harness, one model in each.
        task: only this one.
        selection: which documents count, and which word times.
        mix: also compare what cannot be compared.

    Raises:
        ValueError: If a folder holds no run or several models, the runs share no task or cannot be compared.
    """
    board = build_board(folders, task=task, selection=selection, mix=mix)
    first, second = (_model(board, folder) for folder in folders)
    if first == second:
        raise ValueError(f"both folders hold {first}, and no task of it twice: two different runs are needed")
    shared = [name for name in board.tasks if (first, name) in board.entries and (second, name) in board.entries]
    if not shared:
        raise ValueError(f"{first} and {second} share no task; there are {board.tasks}")
    return [_compare(board, name, first, second) for name in shared], board


def _model(board: Board, folder: Path) -> str:
    """Return the one model that a folder holds."""
    inside = {
        entry.model
        for entry in board.entries.values()
        if folder.resolve() in (entry.run.samples.resolve().parent, entry.run.samples.resolve().parent.parent)
    }
    if len(inside) != 1:
        found = ", ".join(sorted(inside)) or "; ".join(["none that can be read", *board.messages])
        raise ValueError(f"expected one model in {folder}, got {found}: name the model's folder in it")
    return inside.pop()


def _compare(board: Board, task: str, first: str, second: str) -> TaskComparison:
    entries = [board.entries[model, task] for model in (first, second)]
    runs = [entry.documents for entry in entries]
    told = (entries[0].layers["verdicts"], entries[1].layers["verdicts"])
    differences = compare_runs(runs[0], runs[1], COMPARED, board.selection.threshold)
    changes = document_changes(runs[0], runs[1], RANKING, board.selection.threshold)
    one, other = ({scores.uid for scores in run if board.selection.keeps(scores)} for run in runs)
    lost = (len(one - other), len(other - one))
    references = {}
    for model in (first, second):
        entry = board.entries[model, task]
        if (side_by_side := read_references(entry.run, entry.documents, board.selection)) is not None:
            references[model] = side_by_side
    signatures = (entries[0].signature, entries[1].signature)
    return TaskComparison(task, first, second, told, signatures, differences, changes, *lost, references)


def headline_rows(found: TaskComparison) -> list[dict[str, Any]]:
    """Return one flat row a metric."""
    rows = []
    for key, difference in found.differences.items():
        row = {"task": found.task, "metric": key, "better": METRICS[key].direction, **asdict(difference)}
        del row["key"], row["layers"]
        rows.append(row | _signed(found))
    return rows


def layer_rows(found: TaskComparison) -> list[dict[str, Any]]:
    """Return one flat row a metric and layer; none for models of different depth."""
    rows = []
    for key, difference in found.differences.items():
        if difference.layers is None or not METRICS[key].curve:
            continue
        ends = zip(difference.layers.values, difference.layers.low, difference.layers.high, strict=True)
        for layer, (value, low, high) in enumerate(ends):
            rows.append(
                {"task": found.task, "metric": key, "layer": layer, "difference": value, "low": low, "high": high}
                | _signed(found)
            )
    return rows


def document_rows(found: TaskComparison) -> list[dict[str, Any]]:
    """Return one flat row a document that both runs kept."""
    return [
        {"task": found.task, "uid": each.uid, "metric": RANKING, "first": each.first, "second": each.second}
        | {"difference": each.change}
        | _signed(found)
        for each in found.changes
    ]


def _signed(found: TaskComparison) -> dict[str, str]:
    return dict(zip(("signature_first", "signature_second"), found.signatures, strict=True))


ROWS: dict[str, Callable[[TaskComparison], list[dict[str, Any]]]] = {
    "headlines": headline_rows,
    "layers": layer_rows,
    "documents": document_rows,
}
"""The tables of a comparison, by name."""


def comparison_data(found: Sequence[TaskComparison], board: Board) -> dict[str, Any]:
    """Return everything as JSON-able data."""
    return {
        **asdict(board.selection),
        "mixed": board.mixed,
        "messages": board.messages,
        "tasks": [
            {
                "task": each.task,
                "first": each.first,
                "second": each.second,
                "verdicts": list(each.verdicts),
                "signatures": list(each.signatures),
                "kept_only_by_first": each.only_first,
                "kept_only_by_second": each.only_second,
                "differences": {key: asdict(difference) for key, difference in each.differences.items()},
                "documents": document_rows(each),
                "references": {model: asdict(references) for model, references in each.references.items()},
            }
            for each in found
        ],
    }


def verdict_lines(found: TaskComparison) -> list[str]:
    """Return what is found of both in words."""
    names = (found.first, found.second)
    return [f"{name}, {found.task}: {each['text']}" for name, each in zip(names, found.verdicts, strict=True)]


def terminal_tables(found: TaskComparison, most: int = 5) -> list[Table]:
    """Return the tables of headline metrics, of layers, of documents that changed most, and of several references."""
    references = [table for model, each in found.references.items() for table in _references(model, each)]
    return [_headlines(found), *_layers(found), _documents(found, most), *references]


def _references(model: str, found: References) -> list[Table]:
    """Return how far the sources of a run's word times are apart, and its scores by each."""
    kept_by = f"{model}: scores by each reference, {found.documents} kept documents that hold all"
    return [
        _plain_table(
            f"{model}: borders between words by one reference and another", DISTANCE_HEADS, distance_cells(found), 2
        ),
        _plain_table(kept_by, value_heads(found), value_cells(found), 1),
    ]


def _plain_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], texts: int) -> Table:
    table = Table(title=Text(printable(title)))
    for place, head in enumerate(heads):
        table.add_column(Text(printable(head)), justify="left" if place < texts else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def _headlines(found: TaskComparison) -> Table:
    table = Table(title=Text(f"{found.task}: {found.first} minus {found.second}"), caption=Text(_caption(found)))
    for name in ("metric", "first", "second", "difference", "95 % interval", "p", "documents", "resampled"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for key, each in _defined(found, COMPARED).items():
        values = [number(each.first), number(each.second), signed(each.difference), signed_span(each.low, each.high)]
        table.add_row(key, *values, p_value(each.p), str(each.documents), str(each.clusters))
    return table


def _caption(found: TaskComparison) -> str:
    signatures = zip((found.first, found.second), found.signatures, strict=True)
    said = (
        f"On the documents that both kept; {found.only_first} more only the first kept, {found.only_second} only the "
        "second. The modality gap is on all that both hold. p is not corrected for several metrics; below "
        f"{SIGNIFICANT:g} is significant. "
        f"{few_clusters((each.clusters, each.documents) for each in found.differences.values())}".strip()
    )
    return said + "".join(f"\n{name}: {each}" for name, each in signatures)


def _defined(found: TaskComparison, keys: Iterable[str]) -> dict[str, Difference]:
    """Return the differences in metrics that both runs have."""
    return {key: each for key in keys if (each := found.differences[key]).difference is not None}


def _layers(found: TaskComparison) -> list[Table]:
    differences = _defined(found, [key for key in HEADLINES if METRICS[key].curve])
    depth = max((len(each.layers.values) for each in differences.values() if each.layers is not None), default=0)
    if not depth:
        return []
    table = Table(title="difference by layer, 95 % intervals of each layer by itself")
    table.add_column("layer", justify="right")
    for key in differences:
        table.add_column(key, justify="right")
    for layer in range(depth):
        table.add_row(str(layer), *(_layer_cell(each, layer) for each in differences.values()))
    return [table]


def _layer_cell(difference: Difference, layer: int) -> str:
    layers = difference.layers
    if layers is None or layer >= len(layers.values):
        return "N/A"
    return f"{signed(layers.values[layer])} ({signed_span(layers.low[layer], layers.high[layer])})"


def _documents(found: TaskComparison, most: int) -> Table:
    table = Table(title=f"documents that changed most in {RANKING}")
    table.add_column("document")
    for name in ("first", "second", "difference"):
        table.add_column(name, justify="right")
    for each in found.changes[:most]:
        table.add_row(Text(printable(each.uid)), number(each.first), number(each.second), signed(each.change))
    return table
