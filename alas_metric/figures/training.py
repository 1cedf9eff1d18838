"""How a metric moves while a model is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from alas_metric.corpus.metrics import METRICS
from alas_metric.figures.style import BLUE, GREY, axis_label, floats, new_figure, styled

_WIDTH = 6.8
"""Two columns of a paper."""


def training_curves(entries: Sequence[Mapping[str, Any]], key: str) -> Figure:
    """Draw a metric over the steps of a training, and over layers, a line for each time it was measured.

    Args:
        entries: of a history: ``step``, ``values`` and ``layers`` by metric, see `model_patches.training.History`.
        key: the metric.

    Raises:
        ValueError: If there is no entry, or the metric was not measured.
    """
    if not entries or any(key not in entry["layers"] for entry in entries):
        raise ValueError(f"no history of {key!r}")
    steps = [entry["step"] for entry in entries]
    metric = METRICS[key]
    with styled():
        figure = new_figure(2.2, _WIDTH)
        over_steps, over_layers = figure.subplots(1, 2, sharey=False)
        over_steps.plot(
            steps, floats([entry["values"][key] for entry in entries]), color=BLUE, marker="o", markersize=2
        )
        over_steps.set_xlabel("Step")
        over_steps.set_ylabel(axis_label(key))
        over_steps.set_title("mean over layers 1 to L")
        colours, scale = colormaps["viridis"], Normalize(min(steps), max(max(steps), min(steps) + 1))
        for entry in entries:
            values = floats(entry["layers"][key])
            over_layers.plot(np.arange(len(values)), values, color=colours(scale(entry["step"])), linewidth=0.9)
        over_layers.set_xlabel("Layer")
        over_layers.set_title("each layer, coloured by step")
        over_layers.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9, min_n_ticks=1))
        if metric.zero:
            for axis in (over_steps, over_layers):
                axis.axhline(0, color=GREY, linestyle="--", linewidth=0.8, zorder=0)
            over_steps.annotate(
                metric.zero, (1, 0), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=5, color=GREY
            )
        bar = figure.colorbar(ScalarMappable(scale, colours), ax=over_layers, fraction=0.04, pad=0.02)
        bar.set_label("step")
    return figure
