"""Figures of several runs: the curves of all models, and what two runs differ by in each layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from alas_metric.corpus.metrics import METRICS, RANKING
from alas_metric.corpus.significance import Difference
from alas_metric.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILION,
    axis_label,
    new_figure,
    plain,
    styled,
)
from alas_metric.leaderboard.entry import Entry
from alas_metric.numbers import with_unit

GAP = "modality_gap"
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, GREY)
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_DASHES = ("-", "--", ":", "-.")


def model_curves(entries: Sequence[Entry], key: str, title: str = "") -> Figure:
    """Draw a metric of several models over relative depth, layer over number of layers, with 95 % bands.

    Args:
        entries: of one task; those without a value are left out.
        key: a layered metric of `corpus.METRICS`.
        title: above the figure.

    Raises:
        ValueError: If no model has a value.
    """
    defined = [entry for entry in entries if entry.layers[key]["headline"] is not None]
    if not defined:
        raise ValueError(f"{key} is undefined for every model: was any document kept?")
    with styled():
        figure = new_figure(2.3 + 0.12 * len(defined))
        axis = figure.subplots()
        for number, entry in enumerate(defined):
            _draw_model(axis, entry, key, number)
        if METRICS[key].zero:
            axis.axhline(0, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
        axis.set_xlabel("Relative depth, layer / number of layers")
        axis.set_ylabel(axis_label(key))
        axis.set_title(plain(title))
        figure.legend(loc="outside lower center", ncols=1 + (len(defined) > 3), handlelength=2.5)
    return figure


def _draw_model(axis: Axes, entry: Entry, key: str, number: int) -> None:
    """Draw layers 1..L as a line and layer 0, what enters the decoder, as an open mark."""
    curve = entry.layers[key]
    values, low, high = (_floats(curve[name]) for name in ("values", "low", "high"))
    depth = np.arange(len(values)) / entry.num_layers
    colour, marker, dash = _look(number)
    axis.fill_between(depth[1:], low[1:], high[1:], color=colour, alpha=0.15, linewidth=0)
    axis.plot(
        depth[1:], values[1:], color=colour, marker=marker, markersize=3, linestyle=dash, label=_label(entry.model)
    )
    axis.plot(depth[:1], values[:1], color=colour, marker=marker, markersize=4, markerfacecolor="white", linestyle="")


def _look(number: int) -> tuple[str, str, str]:
    """Return colour, marker and dash of a row."""
    dash = _DASHES[number // len(_COLOURS) % len(_DASHES)]
    return _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)], dash


def _label(model: str) -> str:
    label = plain(model)
    return f" {label}" if label.startswith("_") else label  # which would hide it


def alignment_and_gap(models: Mapping[str, Mapping[str, Any]], key: str, title: str = "") -> Figure:
    """Draw each model as a point: how it aligns, and how much less it makes of the audio than of the transcript.

    Args:
        models: ``values`` and ``intervals`` by the name of the model, as `leaderboard.board_data` gives them; those
            without either value are left out.
        key: the metric of alignment, of `corpus.METRICS`.
        title: above the figure.

    Raises:
        ValueError: If no model has both values.
    """
    axes = (key, GAP)
    defined = {name: entry for name, entry in models.items() if has_both([entry], key)}
    if not defined:
        raise ValueError(f"no model has both {key} and {GAP}: does the task have gold answers, was any document kept?")
    with styled():
        figure = new_figure(2.3 + 0.12 * len(defined))
        axis = figure.subplots()
        axis.axhline(0, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
        if METRICS[key].zero:
            axis.axvline(0, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
        for number, (name, entry) in enumerate(defined.items()):
            across, up = (_point(entry, each) for each in axes)
            colour, marker, _ = _look(number)
            axis.errorbar(
                *(across[0], up[0], up[1], across[1]),
                color=colour,
                marker=marker,
                markersize=4,
                linestyle="",
                elinewidth=0.9,
                label=_label(name),
            )
        axis.set_xlabel(axis_label(key))
        axis.set_ylabel(axis_label(GAP))
        axis.set_title(plain(title))
        figure.legend(loc="outside lower center", ncols=1 + (len(defined) > 3))
    return figure


def alignment_key(ranked_by: str) -> str:
    """Return the metric of alignment that is drawn: that of the ranks, if it is one of layers."""
    return ranked_by if METRICS[ranked_by].curve else RANKING


def has_both(entries: Iterable[Mapping[str, Any]], key: str) -> bool:
    """Return whether one of the models has a value of alignment and one of the gap."""
    return any(entry["values"].get(key) is not None and entry["values"].get(GAP) is not None for entry in entries)


def _point(entry: Mapping[str, Any], key: str) -> tuple[float, np.ndarray | None]:
    """Return a value, and how far below and above its interval ends, shape ``(2, 1)``; None without one."""
    value, (low, high) = entry["values"][key], entry["intervals"].get(key, (None, None))
    return value, None if low is None or high is None else np.array([[max(0, value - low)], [max(0, high - value)]])


def layer_differences(difference: Difference, first: str, second: str) -> Figure:
    """Draw what two runs differ by in each layer with 95 % bands of each layer by itself.

    Args:
        difference: of one metric.
        first: name of the first run.
        second: name of the second.

    Raises:
        ValueError: If the layers have no difference, as in models of different depth.
    """
    layers = difference.layers
    if layers is None or not np.isfinite(_floats(layers.values)).any():
        raise ValueError(f"{difference.key} has no difference by layer: are the models of the same depth?")
    values, low, high = (_floats(ends) for ends in (layers.values, layers.low, layers.high))
    with styled():
        figure = new_figure(2.2)
        axis = figure.subplots()
        axis.axvspan(-0.6, 0.5, color="#F2F2F2", linewidth=0, zorder=0)
        axis.axhline(0, color=GREY, linewidth=0.8, linestyle="--")
        numbers = np.arange(len(values))
        axis.fill_between(numbers[1:], low[1:], high[1:], color=BLUE, alpha=0.2, linewidth=0, label="95 % interval")
        axis.plot(numbers[1:], values[1:], color=BLUE, marker="o", markersize=2.5, label="difference")
        if np.isfinite([low[0], high[0]]).all():
            axis.vlines(0, low[0], high[0], color=BLUE, alpha=0.5, linewidth=2.5)
        axis.plot([0], values[:1], color=BLUE, marker="o", markersize=3.5, markerfacecolor="white", linestyle="")
        axis.set_xlim(-0.6, len(values) - 0.4)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9, min_n_ticks=1))
        axis.set_xlabel("Layer")
        axis.set_ylabel(f"Difference in {METRICS[difference.key].title}{_side(difference.key)}")
        axis.set_title(f"{plain(first)}\nminus {plain(second)}")
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _side(key: str) -> str:
    """Return which side of 0 speaks for the first run."""
    metric = METRICS[key]
    sides = {"higher": "\nabove 0: first is better", "lower": "\nbelow 0: first is better", "none": ""}
    return with_unit(metric.unit) + sides[metric.direction]


def _floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
