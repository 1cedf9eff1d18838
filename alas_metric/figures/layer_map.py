"""The layer map: every audio layer with every text layer, and the ridge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from alas_metric.figures.style import (
    COLUMN_INCHES,
    FOUND,
    REFERENCE,
    SIMILARITY,
    edged,
    legend_on_dark,
    new_figure,
    styled,
)

_TITLES = {"retrieval": "Retrieval skill", "cka": "CKA"}


def layer_map_figure(maps: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw heat maps of a corpus, text layers to the right and audio layers upwards.

    The ridge, for each audio layer its nearest text layer, is red; the white line is the diagonal.

    Args:
        maps: one or two, see `corpus.layer_map.layer_map`.

    Raises:
        ValueError: If there is none.
    """
    if not maps:
        raise ValueError("no layer map is given: was the run made with alas_layer_map=true?")
    with styled():
        figure = new_figure(COLUMN_INCHES, COLUMN_INCHES * len(maps))
        for axis, (name, entry) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True):
            _draw_map(figure, axis, entry)
            axis.set_title(_TITLES[name])
        legend_on_dark(figure, axis)
    return figure


def _draw_map(figure: Figure, axis: Axes, entry: Mapping[str, Any]) -> None:
    values = np.array(entry["values"], np.float64)
    image = axis.imshow(values, cmap=SIMILARITY, origin="lower", aspect="auto", interpolation="nearest")
    last = len(values) - 1
    axis.plot([0, last], [0, last], color=REFERENCE, linewidth=0.8, path_effects=edged(0.8), label="the same layer")
    ridge = [
        (nearest["layer"], layer) for layer, nearest in enumerate(entry["nearest"]) if nearest["layer"] is not None
    ]
    axis.plot(
        *np.array(ridge).reshape(-1, 2).T,
        color=FOUND,
        marker="o",
        markersize=min(3.5, 60 / len(values)),
        linewidth=0.6,
        label="nearest text layer",
    )
    axis.set_xlabel("Text layer")
    axis.set_ylabel("Audio layer")
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(MaxNLocator(integer=True))
    bar = figure.colorbar(image, ax=axis, fraction=0.05, pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=5, pad=1)
