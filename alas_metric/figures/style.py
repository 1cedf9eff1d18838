"""One look for every figure: sizes for a paper's column, colours that colour-blind readers tell apart, axis labels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patheffects import AbstractPathEffect, withStroke

from alas_metric.corpus.metrics import METRICS
from alas_metric.numbers import with_unit
from alas_metric.texts import printable

COLUMN_INCHES = 3.3
"""Width of one column of a paper."""
# Okabe and Ito 2008, https://jfly.uni-koeln.de/color/.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#767676"
FOUND = "#FF3B30"
REFERENCE = "#FFFFFF"
# From black to nearly white, without red; white lines are `edged`.
SIMILARITY = LinearSegmentedColormap.from_list("similarity", ["#03050F", "#0A2A5E", "#1E78B4", "#6CC8D8", "#E4F7D2"])
# Words are of any script: the first font with a glyph draws it. SVG files hold text, which the viewer's fonts draw.
_FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Hiragino Sans", "Microsoft YaHei", "Arial Unicode MS")


def _installed(fonts: Sequence[str]) -> list[str]:
    known = set(fontManager.get_font_names())
    return [font for font in fonts if font in known]


_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": _installed(_FONTS),
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "legend.title_fontsize": 6,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "svg.fonttype": "none",
    "svg.hashsalt": "alas",  # no random ids: versions of a figure can be compared
    "pdf.fonttype": 42,  # text stays text, as publishers ask
}
_NO_DATE: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Equal figures are equal files."""


def styled() -> Any:
    """Return a context in which figures are made, and saved, in this style; nothing global is left changed."""
    return matplotlib.rc_context(_SETTINGS)


def new_figure(height: float, width: float = COLUMN_INCHES) -> Figure:
    """Return an empty figure whose parts keep clear of each other.

    Args:
        height: in inches.
        width: in inches.
    """
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, hspace=0.02, wspace=0.02)
    figure = _ShownFigure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


class _ShownFigure(Figure):
    """A figure that a notebook shows; matplotlib's own are shown only where pyplot, which keeps state, made them."""

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file for the screen."""
    content = io.BytesIO()
    with styled():
        figure.savefig(content, format="png", dpi=160)
    return content.getvalue()


def floats(values: Sequence[float | None]) -> np.ndarray:
    """Return numbers as an array, NaN where one is undefined."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def metric_name(key: str) -> str:
    """Return a metric's title with the form of similarity that it is read in.

    Example:
        >>> [metric_name(key) for key in ("alas", "alas_skill", "alas_skill_centred", "cka")]
        ['ALAS, raw', 'ALAS skill, standardised', 'ALAS skill, centred', 'CKA']
    """
    metric = METRICS[key]
    return (
        metric.title if metric.form is None or metric.title.endswith(metric.form) else f"{metric.title}, {metric.form}"
    )


def axis_label(key: str) -> str:
    """Return a metric's axis label with unit and direction.

    Example:
        >>> axis_label("alas")
        'ALAS, words, lower is better'
        >>> axis_label("alas_skill_centred")
        'ALAS skill, centred, higher is better'
    """
    metric = METRICS[key]
    direction = "" if metric.direction == "none" else f", {metric.direction} is better"
    return f"{metric.title}{with_unit(metric.unit)}{direction}"


def titled(figure: Figure, *names: str) -> Figure:
    """Write above a figure what it is of, such as the model and the task, and return it."""
    figure.suptitle(", ".join(shortened(name, 40) for name in names), x=0.01, ha="left", fontsize=6)
    return figure


def edged(width: float) -> list[AbstractPathEffect]:
    """Return what keeps a line of this width in sight on `SIMILARITY` wherever that is bright: a dark edge."""
    return [withStroke(linewidth=width + 0.8, foreground="#03050F")]


def shortened(text: str, longest: int) -> str:
    """Return a text of others, at most so long, as `plain` gives it."""
    return plain(text if len(text) <= longest else f"{text[: longest - 1]}…")


def legend_on_dark(figure: Figure, axis: Axes, **layout: float) -> None:
    """Explain the lines of an axis once, below the figure, on a ground on which white can be seen.

    Args:
        figure: what gets the legend.
        axis: what holds the lines.
        **layout: spaces, as `Figure.legend` takes them.
    """
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=2,
        frameon=True,
        framealpha=1,
        facecolor="#0A2A5E",
        edgecolor="none",
        labelcolor="white",
        fancybox=False,
        **layout,
    )


def plain(text: str) -> str:
    """Return a text of others as matplotlib shows it as it is, and as SVG can hold it."""
    # A dollar sign would begin a formula.
    return printable(text).replace("$", r"\$")


def save(figure: Figure, stem: Path, formats: Sequence[str] = ("png", "svg", "pdf")) -> list[Path]:
    """Write a figure and return the files, one for each format.

    Args:
        figure: what to write.
        stem: path of the files without their endings; its folder is made.
        formats: their endings.

    Raises:
        OSError: If a file cannot be written.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in formats]
    layout = figure.get_layout_engine()
    with styled():
        for path in paths:
            figure.savefig(path, dpi=300, metadata=_NO_DATE.get(path.suffix))
            figure.set_layout_engine(None)  # its parts stay where they are: finding that out takes as long as drawing
    figure.set_layout_engine(layout)
    return paths
