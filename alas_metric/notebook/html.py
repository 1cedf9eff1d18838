"""Records, scores and runs as HTML for notebooks; everything that comes from data is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from alas_metric.corpus.documents import document_value
from alas_metric.corpus.metrics import RANKING, ROWS
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.scores import DocumentScores
from alas_metric.numbers import number, of_unit, span
from alas_metric.report.run_report import Report
from alas_metric.report.tables import summary_rows
from alas_metric.texts import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 400
_WORDS = 40
"""How many words of a record are listed."""


def record_html(record: AlignmentRecord) -> Markup:
    """Return a record: what was said and answered, its words with their times, its paths."""
    facts: list[Sequence[Any]] = [
        (name, value)
        for name in ("speaker", "transcript", "instruction", "target", "audio_answer", "text_answer")
        if (value := getattr(record, name)) not in (None, "")
    ]
    if record.skipped is not None:
        return _block(repr(record), _table([("skipped", f"{record.skipped['cause']}: {record.skipped['detail']}")]))
    names = list(record.references)
    timings = zip(*(record.references[name] for name in names), strict=True)
    rows = (
        (word, *(f"{timing.start:.2f} to {timing.end:.2f}" for timing in own))
        for word, own in zip(record.words, timings, strict=True)
    )
    words = _table(islice(rows, _WORDS), ("word", *(f"{name}, s" for name in names)))
    rest = record.num_words - _WORDS
    return _block(
        repr(record), _table(facts), words, f"and {rest} words more" if rest > 0 else "", _image(record.plot())
    )


def scores_html(scores: DocumentScores) -> Markup:
    """Return a document's own values, and its curve over layers."""
    if scores.skipped is not None:
        return _block(repr(scores), _table([("skipped", f"{scores.skipped}: {scores.detail}")]))
    own = ((row, document_value(scores, row.key)) for row in ROWS if row.curve and row.population == "kept")
    rows = [(row.key, number(value), row.unit, row.description) for row, value in own if value is not None]
    curve = _image(scores.plot()) if document_value(scores, RANKING) is not None else ""
    return _block(repr(scores), _table(rows, ("metric", "value", "unit", "meaning")), curve)


def run_html(report: Report, title: str) -> Markup:
    """Return a run's most wanted values with their intervals."""
    shown = {row.key for row in ROWS if row.shown}
    rows = [
        (row["metric"], of_unit(row["value"], row["unit"]), span(row["low"], row["high"]), row["unit"], row["meaning"])
        for row in summary_rows(report)
        if row["metric"] in shown and row["value"] is not None
    ]
    return _block(title, _table(rows, ("metric", "value", "95 % interval", "unit", "meaning")))


def _block(title: str, *parts: str) -> Markup:
    return Markup("<div><p><b>{}</b></p>{}</div>").format(_shown(title), Markup("").join(parts))


def _table(rows: Iterable[Sequence[Any]], heads: Sequence[str] = ()) -> Markup:
    """Return a table; its cells may hold anything."""
    head = Markup("<tr>{}</tr>").format(_cells(heads, "th")) if heads else Markup("")
    body = Markup("").join(Markup("<tr>{}</tr>").format(_cells(row, "td")) for row in rows)
    return Markup("<table>{}{}</table>").format(head, body)


def _cells(values: Iterable[Any], tag: str) -> Markup:
    cell = Markup(f'<{tag} style="text-align: left">{{}}</{tag}>')
    return Markup("").join(cell.format(_shown(str(value))) for value in values)


def _shown(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _image(figure: Figure) -> Markup:
    from alas_metric.figures.style import png

    data = base64.b64encode(png(figure)).decode("ascii")
    return Markup('<img alt="" style="max-width: 100%; background: white" src="data:image/png;base64,{}">').format(data)
