"""The leaderboard as tables: terminal, Markdown, CSV and LaTeX.

CSV has one row a model and a block of columns a task; where a line has to fit a page or a screen, the blocks stand
below each other. Names come from others' runs and are escaped for each format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from alas_metric.leaderboard.board import Board, pair_rows
from alas_metric.leaderboard.conditions import distinctions
from alas_metric.leaderboard.entry import COLUMNS, Column, Entry
from alas_metric.numbers import ARROWS, UNDEFINED, number, of_unit, p_value, signed, signed_span, span, with_unit
from alas_metric.texts import csv_text, one_line

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_LATEX_ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "none": ""}


def rank_note(board: Board) -> str:
    """Return one sentence on how ranks come about."""
    return (
        f"Rank: 1 and how many models are better in {board.ranked_by} (paired bootstrap on the documents that both "
        "kept, Holm-corrected p < 0.05); models of one rank are tied."
    )


def verdict_lines(board: Board) -> list[str]:
    """Return what is found of each model and task in words, one line each."""
    return [f"{entry.model}, {task}: {entry.verdict}" for task in board.tasks for entry in board.of_task(task)]


def terminal_tables(board: Board) -> list[Table]:
    """Return one table a task, and one of what its rows do not have in common, if anything."""
    tables = ((_terminal_table(board, task), _terminal_distinctions(board, task)) for task in board.tasks)
    return [table for pair in tables for table in pair if table is not None]


def _terminal_distinctions(board: Board, task: str) -> Table | None:
    found = distinctions(board.of_task(task))
    if not found:
        return None
    table = Table(title=Text(f"{task}: what the rows do not have in common"))
    table.add_column("model", overflow="fold", min_width=16)
    for name in found:
        table.add_column(Text(name), overflow="fold")
    for entry in board.of_task(task):
        table.add_row(Text(entry.model), *(Text(known(values[entry.model])) for values in found.values()))
    return table


def known(value: str | None) -> str:
    """Return a fact about a run as all tables show it."""
    return "unknown" if value is None else value


def _terminal_table(board: Board, task: str) -> Table:
    table = Table(title=Text(f"{task}  (threshold {board.selection.threshold:g})"), caption=Text(_caption(board, task)))
    table.add_column("model", overflow="fold", min_width=16)
    for column in board.columns(task):
        table.add_column(f"{column.title} {ARROWS[column.direction]}".strip(), justify="right", overflow="fold")
    for entry in board.of_task(task):
        cells = [_two_lines(entry, column) for column in board.columns(task)]
        table.add_row(Text(entry.model), *cells)
    return table


def _caption(board: Board, task: str) -> str:
    signatures = [f"\n{entry.model}: {entry.signature}" for entry in board.of_task(task)]
    return f"{rank_note(board)} {board.caution(task)}".strip() + "".join(signatures)


def _two_lines(entry: Entry, column: Column) -> str:
    value, ends = of_unit(entry.values.get(column.key), column.unit), span(*_ends(entry, column), digits=2)
    return f"{value}\n{ends}" if ends else value


def _ends(entry: Entry, column: Column) -> tuple[float | None, float | None]:
    return entry.intervals.get(column.key, (None, None))


def markdown(board: Board) -> str:
    """Return a section a task: the table and, below it, the pairs in the metric of the ranks."""
    parts = ["# ALAS leaderboard", ""]
    parts += [f"> Not comparable, shown with `--mix`: {_markdown_text(text)}" for text in board.mixed]
    for task in board.tasks:
        told = [f"- {_markdown_text(entry.model)}: {_markdown_text(entry.verdict)}" for entry in board.of_task(task)]
        parts += ["", f"## {_markdown_text(task)}", "", *told, "", *_markdown_block(board, task), ""]
        parts += [board.caution(task), ""] if board.caution(task) else []
        signed = [f"- {_markdown_text(entry.model)}: `{one_line(entry.signature)}`" for entry in board.of_task(task)]
        parts += [*signed, ""]
        parts += _markdown_pairs(board, task)
        parts += _markdown_distinctions(board, task)
    parts += ["", _legend(board), "", rank_note(board)]
    if board.messages:
        parts += ["", "Notes:", "", *(f"- {_markdown_text(text)}" for text in board.messages)]
    return "\n".join(parts).strip() + "\n"


def _legend(board: Board) -> str:
    shown = {column for task in board.tasks for column in board.columns(task)}
    texts = [f"{column.title}: {column.description}{with_unit(column.unit)}" for column in COLUMNS if column in shown]
    return "Values are means over layers 1 to L with 95 % bootstrap intervals. " + "; ".join(texts) + "."


def _markdown_block(board: Board, task: str) -> list[str]:
    heads = ["Model", *(f"{column.title} {ARROWS[column.direction]}".strip() for column in board.columns(task))]
    rows = []
    for entry in board.of_task(task):
        cells = [_one_line(entry, column) for column in board.columns(task)]
        rows.append([_markdown_text(entry.model), *cells])
    return _markdown_table(heads, rows)


def _one_line(entry: Entry, column: Column) -> str:
    value, ends = of_unit(entry.values.get(column.key), column.unit), span(*_ends(entry, column))
    return f"{value} ({ends})" if ends else value


def _markdown_pairs(board: Board, task: str) -> list[str]:
    rows = [row for row in pair_rows(board) if row["task"] == task and row["metric"] == board.ranked_by]
    if not rows:
        return []
    heads = ["First", "Second", f"Difference in {board.ranked_by}", "95 % interval", "p, Holm", "Documents"]
    cells = []
    for row in rows:
        names = [_markdown_text(row["first"]), _markdown_text(row["second"])]
        ends = signed_span(row["low"], row["high"])
        values = [signed(row["difference"]), ends, p_value(row["p_holm"]), str(row["documents"])]
        cells.append(names + values)
    return _markdown_table(heads, cells)


def _markdown_distinctions(board: Board, task: str) -> list[str]:
    found = distinctions(board.of_task(task))
    if not found:
        return []
    heads = ["Model", *map(_markdown_text, found)]
    rows = [
        [_markdown_text(text) for text in (entry.model, *(known(values[entry.model]) for values in found.values()))]
        for entry in board.of_task(task)
    ]
    rule = [["---"] * len(heads)]
    return ["", "What the rows do not have in common:", "", *_markdown_lines([heads, *rule, *rows])]


def _markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    left = sum(head in ("Model", "First", "Second") for head in heads)
    rule = ["---"] * left + ["---:"] * (len(heads) - left)
    return _markdown_lines([heads, rule, *rows])


def _markdown_lines(rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in rows]


def _markdown_text(text: str) -> str:
    """Escape what would be markup, and keep it on one line."""
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", one_line(text))


def csv_table(board: Board) -> str:
    """Return one row a model; columns are ``task:column``, with ``_low`` and ``_high``."""
    rows = []
    for model in board.models:
        row: dict[str, Any] = {"model": model}
        for task in board.tasks:
            entry = board.entries.get((model, task))
            row[f"{task}:signature"] = None if entry is None else entry.signature
            for column in board.columns(task):
                name = f"{task}:{column.key}"
                row[name] = None if entry is None else entry.values.get(column.key)
                if any(column.key in each.intervals for each in board.of_task(task)):
                    row[f"{name}_low"], row[f"{name}_high"] = (None, None) if entry is None else _ends(entry, column)
        rows.append(row)
    return csv_text(rows)


def latex(board: Board) -> str:
    """Return one ``tabular`` a task, for booktabs."""
    parts = ["% Needs \\usepackage{booktabs}. " + rank_note(board)]
    parts += [f"% Not comparable, shown with --mix: {_latex_comment(text)}" for text in board.mixed]
    for task in board.tasks:
        signed = [
            f"% {_latex_comment(entry.model)}: {_latex_comment(entry.signature)}" for entry in board.of_task(task)
        ]
        parts += [f"% {_latex_comment(task)}", *signed, *_latex_block(board, task), ""]
    return "\n".join(parts)


def _latex_block(board: Board, task: str) -> list[str]:
    columns = board.columns(task)
    heads = ["Model", *(_latex_text(column.title) + _LATEX_ARROWS[column.direction] for column in columns)]
    lines = [rf"\begin{{tabular}}{{l{'r' * len(columns)}}}", r"\toprule"]
    lines += [" & ".join(heads) + r" \\", r"\midrule"]
    for entry in board.of_task(task):
        cells = [_latex_cell(entry, column) for column in columns]
        lines.append(" & ".join([_latex_text(entry.model), *cells]) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _latex_cell(entry: Entry, column: Column) -> str:
    value, (low, high) = of_unit(entry.values.get(column.key), column.unit), _ends(entry, column)
    text = "--" if value == UNDEFINED else f"${value}$"
    return text if low is None else rf"{text} {{\scriptsize $[{number(low)}, {number(high)}]$}}"


def _latex_text(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in one_line(text))


def _latex_comment(text: str) -> str:
    return one_line(text)
