"""The leaderboard as one HTML page that needs no server and no network.

Tables, pictures and text stand in the page as they are; the curves are drawn by Vega-Lite, whose code is in the page.
Names and texts of runs are of other people: everything is escaped, and the page's own policy forbids every request.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from alas_metric.corpus.layers import is_defined
from alas_metric.corpus.metrics import METRICS, ROWS, in_all_forms
from alas_metric.figures.style import axis_label, styled
from alas_metric.leaderboard.figures import GAP, alignment_and_gap, alignment_key, has_both
from alas_metric.leaderboard.views import View
from alas_metric.numbers import of_unit, p_value
from alas_metric.results.dumps import Dump, read_dump
from alas_metric.web import asset, colours, json_island

PICTURES_PER_TASK = 2
MAX_PICTURE_BYTES = 3_000_000
"""Of all pictures together; the page, with 1 MB of code and a third more for base64, stays well below 6 MB."""
_DOTS_PER_INCH = 170


@dataclass(frozen=True)
class Picture:
    """One model's alignment of one document.

    Args:
        task: of the document.
        model: name of the row.
        uid: the document.
        png: the file's content.
        description: what it shows, for those who cannot see it.
    """

    task: str
    model: str
    uid: str
    png: bytes
    description: str

    @property
    def url(self) -> str:
        """The file inside a URL."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def board_page(
    board: Mapping[str, Any], pictures: Sequence[Picture] = (), views: Mapping[str, View] | None = None
) -> str:
    """Return the page.

    Args:
        board: what ``alas leaderboard`` writes as JSON: ``columns``, ``rows`` with ``tasks``, each None or with
            ``values``, ``intervals``, ``layers``, ``num_layers``, ``run``, ``provenance``, ``command``; ``pairs``,
            ``distinctions`` and ``cautions`` by task, ``sorted_by``, ``ranked_by``, the fields of `Selection`,
            ``significant``, ``mixed``, ``messages``; and, if there is one, ``command``, which made it.
        pictures: see `dump_pictures`.
        views: pages beside it, by task; see `task_views`.

    Returns:
        HTML, about 1 MB without pictures.
    """
    environment = Environment(
        loader=PackageLoader("alas_metric.leaderboard", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.globals |= {
        "shown": shown,
        "shown_interval": shown_interval,
        "shown_p": p_value,
        "verdict": verdict,
        "name": lambda key: METRICS[key].title,
    }
    tasks = _tasks(board)
    return environment.get_template("page.html").render(
        board=board,
        tasks=[_task(board, task, pictures) for task in tasks],
        overview=_overview(board, tasks) if len(tasks) > 1 else None,
        curves=json_island(_curves(board, tasks)),
        metrics=_metrics(board, tasks),
        views=views or {},
        explained=[row for row in ROWS if row.headline],
        style=Markup(colours() + asset("alas_metric.leaderboard", "page.css")),
        script=Markup(asset("alas_metric.leaderboard", "page.js")),
        library=Markup(_library()),
        libraries=f"Vega-Lite {vl_convert.get_vegalite_versions()[-1]} (vl-convert {version('vl-convert-python')})",
    )


@cache
def _library() -> str:
    """Return the code of Vega-Lite, which must not end the script element that it stands in."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")


def _tasks(board: Mapping[str, Any]) -> list[str]:
    """Return the tasks that a model has, in the order of the rows."""
    found = (task for row in board["rows"] for task, entry in row["tasks"].items() if entry is not None)
    return list(dict.fromkeys(found))


def entries_of_task(board: Mapping[str, Any], task: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the models that have the task, in the order of the rows."""
    rows = ((str(row["model"]), row["tasks"].get(task)) for row in board["rows"])
    return [(model, entry) for model, entry in rows if entry is not None]


# Tables


def _task(board: Mapping[str, Any], task: str, pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return what the sections of a task show."""
    column = next(column for column in board["columns"] if column["key"] == board["sorted_by"]["column"])
    entries = entries_of_task(board, task)
    pairs = [pair for pair in board["pairs"] if pair["task"] == task]
    metrics = sorted({pair["metric"] for pair in pairs}, key=lambda key: (key != board["ranked_by"], key))
    own = [picture for picture in pictures if picture.task == task]
    return {
        "name": task,
        "entries": _sorted(entries, column),
        "columns": [
            each
            for each in board["columns"]
            if any(entry["values"].get(each["key"]) is not None for _, entry in entries)
        ],
        "caution": board["cautions"].get(task, ""),
        "pairs": [(key, [pair for pair in pairs if pair["metric"] == key]) for key in metrics],
        "distinctions": board["distinctions"].get(task, {}),
        "gap": _gap_picture(board, task),
        "documents": [(uid, [p for p in own if p.uid == uid]) for uid in dict.fromkeys(p.uid for p in own)],
    }


def _sorted(
    entries: Sequence[tuple[str, Mapping[str, Any]]], column: Mapping[str, Any]
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the entries with the better or larger first and those without a value last."""
    sign = 1 if column["direction"] == "lower" else -1

    def place(entry: tuple[str, Mapping[str, Any]]) -> tuple[bool, float]:
        value = entry[1]["values"].get(column["key"])
        return value is None, sign * (value or 0)

    return sorted(entries, key=place)


def _gap_picture(board: Mapping[str, Any], task: str) -> Picture | None:
    """Draw alignment against the modality gap; None where no model has both."""
    models, key = dict(entries_of_task(board, task)), alignment_key(board["ranked_by"])
    if not has_both(models.values(), key):
        return None
    told = (
        f"{model}: {name} {shown(entry['values'].get(each))}"
        for model, entry in models.items()
        for each, name in ((key, METRICS[key].title), (GAP, METRICS[GAP].title))
    )
    description = f"{METRICS[GAP].title} over {METRICS[key].title}. {'; '.join(told)}"
    return Picture(task, "", "", _png(alignment_and_gap(models, key, task)), description)


def _overview(board: Mapping[str, Any], tasks: Sequence[str]) -> list[tuple[str, list[Any]]]:
    """Return each model with its entry of every task, None where it lacks one."""
    return [(str(row["model"]), [row["tasks"].get(task) for task in tasks]) for row in board["rows"]]


def shown(value: Any, column: Mapping[str, Any] | None = None) -> str:
    """Return a number for people.

    Args:
        value: None if undefined.
        column: of the leaderboard; shares are shown as such.
    """
    if isinstance(value, float) and column is not None and column["unit"].startswith("share"):
        return f"{100 * value:.0f} %"
    return of_unit(value, column["unit"] if column else "", 2).replace("-", "\N{MINUS SIGN}")


def shown_interval(ends: Sequence[float] | None, column: Mapping[str, Any] | None = None) -> str:
    """Return an interval for people, empty without one."""
    if ends is None or None in ends:
        return ""
    low, high = (shown(end, column) for end in ends)
    return f"{low} to {high}"


def verdict(pair: Mapping[str, Any]) -> str:
    """Return what a comparison of two models says.

    Args:
        pair: of the leaderboard; its difference is first - second.
    """
    if pair["p_holm"] is None:
        return "cannot tell"
    if not pair["significant"]:
        return "tie"
    higher = METRICS[pair["metric"]].direction == "higher"
    return f"{pair['first' if (pair['difference'] > 0) == higher else 'second']} is better"


# Curves


def _metrics(board: Mapping[str, Any], tasks: Sequence[str]) -> list[dict[str, Any]]:
    """Return the metrics that can be chosen, those that models are compared by first, with their keys by form."""
    rows = sorted((row for row in ROWS if row.curve), key=lambda row: (row.key != board["ranked_by"], not row.headline))
    return [
        {"name": row.title, "keys": {METRICS[key].form or "": key for key in in_all_forms(row)}}
        for row in rows
        if any(is_defined(entry["layers"].get(row.key)) for task in tasks for _, entry in entries_of_task(board, task))
    ]


def _curves(board: Mapping[str, Any], tasks: Sequence[str]) -> dict[str, Any]:
    """Return what the page's script draws: by task, model and metric the values of layers 0..L with intervals."""
    metrics = _metrics(board, tasks)
    keys = [key for metric in metrics for key in metric["keys"].values()]
    models = [str(row["model"]) for row in board["rows"]]
    return {
        "models": models,
        "metrics": metrics,
        "labels": {key: axis_label(key) for key in keys},
        "zero": {key: bool(METRICS[key].zero) for key in keys},
        "curves": {
            task: {
                model: {
                    key: {part: _rounded(entry["layers"][key][part]) for part in ("values", "low", "high")}
                    for key in keys
                    if is_defined(entry["layers"].get(key))
                }
                for model, entry in entries_of_task(board, task)
            }
            for task in tasks
        },
    }


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    """Return values with as many digits as a curve can show, for a smaller page."""
    return [None if value is None else round(value, 5) for value in values]


# Pictures


def dump_pictures(board: Mapping[str, Any], messages: list[str]) -> list[Picture]:
    """Draw, for a few documents of each task, the alignment of every model whose run kept their similarities.

    Args:
        board: as in `board_page`; the entries may have ``dumps``, a list of paths.
        messages: gets what could not be drawn and why.

    Returns:
        At most `PICTURES_PER_TASK` documents a task, those that the most models have, and together at most
        `MAX_PICTURE_BYTES`.
    """
    drawn: list[Picture] = []
    left = MAX_PICTURE_BYTES
    for task in _tasks(board):
        for model, path in _chosen_dumps(entries_of_task(board, task)):
            try:
                picture = _picture(task, model, read_dump(path))
            except (OSError, ValueError) as error:
                messages.append(f"{model}: no picture of {path.name}: {error}")
                continue
            left -= len(picture.png)
            if left < 0:
                messages.append(f"the page holds {len(drawn)} pictures; more would make it too large")
                return drawn
            drawn.append(picture)
    return drawn


def _chosen_dumps(entries: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[str, Path]]:
    """Yield model and file, document by document; names of files are those of documents."""
    files = [(model, Path(path)) for model, entry in entries for path in entry.get("dumps") or ()]
    counts = Counter(path.name for _, path in files)
    names = sorted(counts, key=lambda name: (-counts[name], name))[:PICTURES_PER_TASK]
    for name in names:
        yield from ((model, path) for model, path in files if path.name == name)


def _picture(task: str, model: str, dump: Dump) -> Picture:
    from alas_metric.figures.figures import alignment_picture, choose_layers

    layers = choose_layers(None, dump.record.num_layers)
    figure = alignment_picture(dump, layers, names=(model, task))
    description = (
        f"Similarity of the {dump.record.num_words} words of {dump.record.uid} with its audio in layers "
        f"{', '.join(map(str, layers))} of {model}; reference path white, found path red. {_titles(figure)}"
    )
    return Picture(task, model, dump.record.uid, _png(figure), description)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, dpi=_DOTS_PER_INCH, format="png")
    return buffer.getvalue()


def _titles(figure: Any) -> str:
    """Return what stands above the panels: each layer's ALAS."""
    titles = (axis.get_title("left") or axis.get_title() for axis in figure.axes)
    return "; ".join(" ".join(title.split()) for title in titles if title)
