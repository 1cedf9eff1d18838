"""docs/validation.md and its plots, from the results alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measuring import ALL_FORMS, KEYS

from alas_metric.corpus.metrics import METRICS
from alas_metric.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILION,
    new_figure,
    save,
    styled,
)
from alas_metric.numbers import p_value

TEMPLATE = Path(__file__).with_name("page.md.jinja")
STAYS = (
    "hidden states scaled",
    "hidden states rotated alike",
    "frames and words reversed",
    "silence before, times moved",
    "slower, times scaled",
    "faster, times scaled",
)
BREAKS = (
    "silence before, times not moved",
    "slower, times not scaled",
    "faster, times not scaled",
    "frames reversed",
    "hidden states rotated apart",
    "the words spoken, shuffled",
)
MISMATCHES = (
    "other sentence, as many words",
    "other sentence, not as many words",
    "random words that are not spoken",
)
"""Transcripts of what is not said, in the order of the words that is."""
CHOICES = {
    "ours": "ours, exact times",
    "ours, Whisper's times": "ours, Whisper's times",
    "tokens": "n-th recognised word for the n-th token",
    "stretch": "time stretched to the last word's start",
    "silence": "silence to word 0",
    "trim": "prompt cut at fixed counts",
    "all four": "all four",
}
_WIDTH, _HEIGHT = 6.9, 1.75
_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, GREY)


def write_page(found: Mapping[str, Any], docs: Path) -> Path:
    """Draw the plots, write the page and return its path.

    Args:
        found: what `validate.results` returns, as JSON holds it.
        docs: the folder of the page; plots go to ``images``.
    """
    for name, figure in figures(found).items():
        save(figure, docs / "images" / f"validation-{name}", ("png",))
    page = docs / "validation.md"
    page.write_text(render(found), encoding="utf-8")
    return page


def render(found: Mapping[str, Any]) -> str:
    """Return the page as Markdown."""
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"num": number, "best": best, "layers": layer_cells, "band": band, "tau": agreement}
    environment.filters |= {"p_value": p_value}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    names = {"stays": STAYS, "breaks": BREAKS, "mismatches": MISMATCHES, "choices": CHOICES, "keys": KEYS}
    names["all_forms"] = ALL_FORMS
    exact = [parts[label]["similarity moved by at most"] for parts in found["controls"].values() for label in STAYS[:2]]
    return template.render(**found, **names, exact=max(exact))


def number(value: float | None, digits: int = 2) -> str:
    """Return a number for a table, and a hyphen for none; never a negative zero."""
    if value is None:
        return "-"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def best(curve: Mapping[str, Any]) -> float:
    """Return a curve's highest value from layer 1 up."""
    return max(curve["values"][1:])


def band(curve: Mapping[str, Any], layer: int | None = None) -> str:
    """Return a curve's headline, or one layer's value, with its interval."""
    if layer is None:
        value, low, high = (curve[name] for name in ("headline", "headline_low", "headline_high"))
    else:
        value, low, high = (curve[name][layer] for name in ("values", "low", "high"))
    return number(value) if low is None else f"{number(value)} ({number(low)} to {number(high)})"


def layer_cells(values: Sequence[float | None], digits: int = 2) -> str:
    """Return the cells of a table's row, one for each layer."""
    return " | ".join(number(value, digits) for value in values)


def agreement(found: Mapping[str, float | None]) -> str:
    """Return Kendall's tau with its p-value."""
    return f"{number(found['tau'])} ({p_value(found['p'])})"


# Plots


def figures(found: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the plots by name."""
    with styled():
        return {
            "learning": draw_learning(found["learning"]["routes"]),
            "accuracy": draw_accuracy(found["learning"]["routes"]),
            "controls": draw_controls(found["controls"]),
            "recipe": draw_recipe(found["recipe"]),
        }


def draw_learning(routes: Mapping[str, Any]) -> Figure:
    """Draw the layers of every checkpoint, a row for each way of training."""
    keys = ("alas_evidence_raw", "alas_skill_centred", "frame_skill_centred")
    figure, axes = _grid(len(routes), len(keys))
    for row, (route, marks) in zip(axes, routes.items(), strict=True):
        colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(marks)))
        for axis, key in zip(row, keys, strict=True):
            for colour, (mark, each) in zip(colours, marks.items(), strict=True):
                axis.plot(each["layers"][key]["values"], color=colour, label=mark)
            _finish(axis, f"{METRICS[key].title}, {route}")
            if key == "alas_skill_centred":
                axis.set_ylim(bottom=max(-2.0, axis.get_ylim()[0]))
        row[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_accuracy(routes: Mapping[str, Any]) -> Figure:
    """Draw the best layer's scores of every checkpoint against the words that it gets right."""
    keys = ("alas_skill_raw", "alas_skill_centred", "alas_evidence_centred", "frame_skill_centred")
    figure, axes = _grid(1, len(keys))
    for axis, key in zip(axes[0], keys, strict=True):
        for colour, marker, (route, marks) in zip(_COLOURS, "os", routes.items(), strict=False):
            right = [100 - min(100, each["figures"]["word error rate, %"]) for each in marks.values()]
            axis.plot(
                right,
                [best(each["layers"][key]) for each in marks.values()],
                color=colour, marker=marker, markersize=3, linewidth=0.7, label=route,
            )  # fmt: skip
        _finish(axis, METRICS[key].title, "words right, %")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_controls(models: Mapping[str, Any]) -> Figure:
    """Draw what is left when the transcript is of what is not said."""
    keys = ("alas_evidence_raw", "alas_skill_raw", "frame_skill_centred")
    figure, axes = _grid(len(models), len(keys))
    for row, (model, parts) in zip(axes, models.items(), strict=True):
        for axis, key in zip(row, keys, strict=True):
            axis.plot(parts[MISMATCHES[0]]["undisturbed"][key]["values"], color=BLUE, label="what is said")
            for colour, label in zip(_COLOURS[1:], (*MISMATCHES, BREAKS[-1]), strict=False):
                axis.plot(parts[label]["disturbed"][key]["values"], color=colour, linestyle="--", label=label)
            axis.axhline(0, color=GREY, linewidth=0.5)
            _finish(axis, f"{METRICS[key].title}, {model}")
        row[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_recipe(models: Mapping[str, Any]) -> Figure:
    """Draw ALAS over layers with each of the authors' choices."""
    figure, axes = _grid(1, len(models))
    for axis, (model, rows) in zip(axes[0], models.items(), strict=True):
        for colour, (label, name) in zip((*_COLOURS, "black"), CHOICES.items(), strict=True):
            axis.plot(rows[label]["values"], color=colour, label=name, linestyle="-" if label == "ours" else "--")
        _finish(axis, f"ALAS, {model}")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _grid(rows: int, columns: int) -> tuple[Figure, Any]:
    figure = new_figure(_HEIGHT * rows, _WIDTH)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _finish(axis: Axes, title: str, label: str = "layer") -> None:
    axis.set_title(title)
    axis.set_xlabel(label)
