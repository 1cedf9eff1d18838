"""Which words fail: skill against what is known of words, one panel for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alas_metric.figures.style import BLUE, GREY, floats, new_figure, styled

_PANEL_INCHES = 1.45


def word_panels(curves: Mapping[str, Mapping[str, Any]], overall: float | None = None, label: str = "Skill") -> Figure:
    """Draw a metric of words in bins of their properties, with 95 % intervals and how many words a bin holds.

    Args:
        curves: by the title of the property, each as `Words.skill_by` gives it.
        overall: the value of all words together, a dashed line.
        label: of the values.

    Raises:
        ValueError: If there is no property.
    """
    if not curves:
        raise ValueError("nothing is known of the words, or no document was kept")
    rows = -(-len(curves) // 2)
    with styled():
        figure = new_figure(_PANEL_INCHES * rows + 0.2)
        axes = figure.subplots(rows, 2, sharey=True, squeeze=False).ravel()
        for axis, (title, curve) in zip(axes, curves.items(), strict=False):
            _draw_bins(axis, curve)
            axis.set_xlabel(title, fontsize=6)
            if overall is not None:
                axis.axhline(overall, color=GREY, linestyle="--", linewidth=0.8, zorder=0, label="all words")
        for axis in axes[len(curves) :]:
            axis.set_visible(False)
        for axis in axes[::2]:
            axis.set_ylabel(label)
        if overall is not None:
            figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, handlelength=1.8)
    return figure


def _draw_bins(axis: Axes, curve: Mapping[str, Any]) -> None:
    places = np.arange(len(curve["labels"]))
    values, low, high = (floats(curve[name]) for name in ("values", "low", "high"))
    axis.vlines(places, low, high, color=BLUE, alpha=0.4, linewidth=3, label="95 % interval")
    axis.plot(places, values, color=BLUE, marker="o", markersize=3)
    axis.set_xticks(places, labels=[name.replace(" to ", "\nto ") for name in curve["labels"]], fontsize=5)
    axis.set_xlim(-0.5, len(places) - 0.5)
    for place, words in enumerate(curve["words"]):
        axis.annotate(
            str(words),
            (place, 1),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=4.5,
            color=GREY,
        )
