"""The leaderboard as one HTML page that needs no server and no network.

Everything is inside: Plotly for the curves, pictures as data, style sheet and script. The page forbids itself every
request. What comes from results is escaped, by the template in HTML and here in JSON and in Plotly's labels, which
know some markup.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from matplotlib.figure import Figure
from plotly.offline import get_plotlyjs

from alas_metric import __version__
from alas_metric.board_tables import interval_text, p_text, rank_note, signed, value_text
from alas_metric.corpus import RESAMPLES
from alas_metric.dumps import DumpFile, find_dumps, read_dump
from alas_metric.figure_style import axis_label, styled
from alas_metric.figures import alignment_picture
from alas_metric.leaderboard import COLUMNS, Board, Column, Entry, pair_rows

CURVES = {
    "alas_skill": "random path",
    "alas": None,
    "alas_evidence": "as on shifted audio",
    "frame_skill": "guessing",
    "alas_skill_centred": "random path",
    "alas_evidence_centred": "as on shifted audio",
    "frame_skill_centred": "guessing",
}
"""The metrics whose curves are shown, with what 0 means, None if it means perfect."""
PICTURE_BYTES = 900_000
"""All pictures together: with Plotly's 4.8 MB the page stays below 6 MB."""
_DPI = 130
_METHOD = (
    "For every document a model hears the audio and reads the transcript, and the hidden states of each layer are "
    "compared: cosine similarity of each word with each audio position. "
    "Monotonic alignment search finds the path through the similarities that joins positions with words in order and "
    "scores highest. "
    "ALAS is the mean distance in words between this path and the one that word timestamps give; skill sets the same "
    "distance in seconds against a random monotone path, evidence against the model's own path on circularly shifted "
    "audio, and frame skill asks only which word is most similar to a position. "
    "Only documents count for which audio and transcript lead to the same answer; headline values are means over "
    f"layers 1 to L with 95 % intervals from {RESAMPLES:,} bootstrap resamples, by speaker where known. "
    "Models are compared pair by pair on the documents that both kept, with the same resamples, and p-values are "
    "corrected after Holm."
)


@dataclass(frozen=True)
class Picture:
    """One alignment picture, ready to be shown."""

    model: str
    task: str
    uid: str
    source: str
    alt: str
    width: int
    height: int


def page(board: Board, command: str) -> str:
    """Return the page.

    Args:
        board: what it shows.
        command: what made it, to be repeated.
    """
    pictures, left_out = _pictures(board)
    environment = Environment(
        loader=PackageLoader("alas_metric", "page"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("leaderboard.html").render(
        models=board.models,
        tasks=board.tasks,
        columns=COLUMNS,
        better={"higher": ", higher is better", "lower": ", lower is better", "none": ""},
        sort=board.sort,
        threshold=f"{board.threshold:g}",
        mixed=board.mixed,
        messages=board.messages,
        rank_note=rank_note(board),
        ranked_by=board.ranked_by,
        rows=[_row(board, model) for model in board.models],
        metrics=[(key, axis_label(key)) for key in CURVES],
        pairs=[_pair(row) for row in pair_rows(board) if row["metric"] == board.ranked_by],
        pictures=pictures,
        left_out=left_out,
        method=_METHOD,
        runs=[_run(entry) for task in board.tasks for entry in board.of_task(task)],
        command=command,
        version=__version__,
        data=Markup(_script_json(_curves(board))),
        plotly=Markup(get_plotlyjs()),
    )


def _row(board: Board, model: str) -> dict[str, Any]:
    entries = [board.entries.get((model, task)) for task in board.tasks]
    return {"model": model, "blocks": [[_cell(entry, column) for column in COLUMNS] for entry in entries]}


def _cell(entry: Entry | None, column: Column) -> dict[str, str]:
    if entry is None:
        return {"text": "", "interval": "", "sort": ""}
    value = entry.values[column.key]
    interval = interval_text(entry.intervals.get(column.key))
    return {"text": value_text(column, value), "interval": interval, "sort": "" if value is None else repr(value)}


def _pair(row: Mapping[str, Any]) -> dict[str, Any]:
    interval = "" if row["low"] is None else f"{signed(row['low'])} to {signed(row['high'])}"
    return {**row, "difference": signed(row["difference"]), "interval": interval, "p": p_text(row["p_holm"])}


def _run(entry: Entry) -> dict[str, Any]:
    facts = [*entry.facts.versions.items(), ("run", entry.run.date)]
    if entry.facts.data is not None:
        facts.append(("data", entry.facts.data))
    if entry.facts.task_version is not None:
        facts.append(("version of the task", entry.facts.task_version))
    return {"model": entry.model, "task": entry.run.task, "facts": facts, "command": entry.facts.command}


def _script_json(value: Any) -> str:
    """Return JSON that cannot end a script element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _curves(board: Board) -> dict[str, Any]:
    return {
        "models": board.models,
        "metrics": {key: {"label": axis_label(key), "chance": chance} for key, chance in CURVES.items()},
        "tasks": {
            task: [
                {
                    "model": board.models.index(entry.model),
                    "label": html.escape(entry.model),
                    "layers": entry.num_layers,
                    "curves": {key: _curve(entry.layers[key]) for key in CURVES},
                }
                for entry in board.of_task(task)
            ]
            for task in board.tasks
        },
    }


def _curve(curve: Mapping[str, Any]) -> dict[str, list[float | None]]:
    return {
        name: [None if value is None else round(value, 4) for value in curve[name]]
        for name in ("values", "low", "high")
    }


# Pictures


def _pictures(board: Board) -> tuple[list[Picture], str]:
    """Return a picture of each run that kept similarities, of a task all of one document, and what was left out."""
    found: list[Picture] = []
    room, missing = PICTURE_BYTES, 0
    for task in board.tasks:
        files = {entry.model: _dumps(entry) for entry in board.of_task(task)}
        for model, file in _same_document(files):
            picture = _picture(model, file) if room > 0 else None
            room -= 0 if picture is None else len(picture.source)
            if picture is None or room < 0:
                missing += 1
            else:
                found.append(picture)
    return found, f"{missing} left out, since they cannot be read or the page would be too large." if missing else ""


def _dumps(entry: Entry) -> list[DumpFile]:
    return find_dumps(entry.run.samples.parent, entry.run.date, entry.run.task)


def _same_document(files: Mapping[str, Sequence[DumpFile]]) -> Iterable[tuple[str, DumpFile]]:
    """Yield for each model its dump of the document that most models have, else its first."""
    counts = Counter(file.path.name for dumps in files.values() for file in dumps)
    for model, dumps in files.items():
        if dumps:
            yield model, max(dumps, key=lambda file: (counts[file.path.name], -dumps.index(file)))


def _picture(model: str, file: DumpFile) -> Picture | None:
    try:
        dump = read_dump(file.path)
        data = _png(alignment_picture(dump))
    except (OSError, ValueError):
        return None
    width, height = (int.from_bytes(data[begin : begin + 4], "big") for begin in (16, 20))
    alt = f"Similarity matrices of {model} with reference path and found path; words: {' '.join(dump.record.words)}"
    source = f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
    return Picture(model, file.task, dump.record.uid, source, alt, width, height)


def _png(figure: Figure) -> bytes:
    """Return a PNG of few colours, a third of the size."""
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    with styled():
        figure.savefig(drawn, format="png", dpi=_DPI)
    Image.open(drawn).convert("RGB").quantize(128).save(small, "PNG", optimize=True)
    return small.getvalue()
