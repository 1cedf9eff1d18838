"""The lens's table: what each word's stretch of audio reads as in each layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from alas_metric.document.lens_table import LensTable
from alas_metric.document.record import AlignmentRecord
from alas_metric.figures.style import COLUMN_INCHES, new_figure, plain, styled
from alas_metric.texts import one_line

MOST_WORDS = 64
"""The figure shows no more."""
_WORDS_A_ROW = 16
_CELL_INCHES = 0.115
_CHARACTERS = 9
_COLOURS = ("#FFFFFF", "#BFD9EC", "#0072B2")


def lens_figure(record: AlignmentRecord) -> Figure:
    """Draw the tokens that a document's audio reads as: words to the right, layers upwards.

    Args:
        record: of a run that read them, with at most `MOST_WORDS` words that are shown.

    Raises:
        ValueError: If nothing was read.
    """
    lens = record.lens
    if lens is None:
        raise ValueError(f"{record.uid}: nothing was read of its layers: was the run made with alas_lens=10?")
    shown = min(record.num_words, MOST_WORDS)
    columns = min(shown, _WORDS_A_ROW)
    pieces = [range(first, min(first + columns, shown)) for first in range(0, shown, columns)]
    with styled():
        height = (_CELL_INCHES * (lens.num_layers + 2) + 0.1) * len(pieces) + 0.35
        figure = new_figure(height, max(COLUMN_INCHES, 2 * COLUMN_INCHES * columns / _WORDS_A_ROW))
        for axis, words in zip(figure.subplots(len(pieces), 1, squeeze=False)[:, 0], pieces, strict=True):
            _draw_words(axis, record.words, lens, words, columns)
        handles = [
            Patch(facecolor=colour, edgecolor="#999999", linewidth=0.4, label=meaning)
            for colour, meaning in zip(_COLOURS, lens.meanings, strict=True)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3 if columns > _WORDS_A_ROW / 2 else 1)
        if shown < record.num_words:
            figure.supxlabel(f"the first {shown} of {record.num_words} words", fontsize=5)
    return figure


def _draw_words(axis: Axes, words: Sequence[str], lens: LensTable, chosen: range, columns: int) -> None:
    """Draw some of the words; ``columns`` keeps the cells of all rows equally wide."""
    values = lens.levels[:, chosen.start : chosen.stop]
    axis.pcolormesh(values, cmap=ListedColormap(_COLOURS), vmin=0, vmax=2, edgecolors="#DDDDDD", linewidth=0.3)
    for layer in range(lens.num_layers):
        for column, word in enumerate(chosen):
            colour = "white" if values[layer, column] == 2 else "black"
            text = brief_token(lens.top_tokens[layer][word])
            axis.text(column + 0.5, layer + 0.45, text, ha="center", va="center", fontsize=4.5, color=colour)
    axis.set_xlim(0, columns)
    axis.set_xticks(np.arange(len(chosen)) + 0.5, [_cut(words[word]) for word in chosen], fontsize=5, weight="bold")
    axis.xaxis.tick_top()
    step = 1 if lens.num_layers <= 40 else 5
    marked = range(0, lens.num_layers, step)
    axis.set_yticks([layer + 0.5 for layer in marked], list(map(str, marked)), fontsize=4.5)
    axis.tick_params(length=0, pad=1)
    axis.spines[:].set_visible(False)
    axis.set_ylabel("Layer", fontsize=5)


def brief_token(text: str) -> str:
    """Return a token as a cell shows it; what is only space as a sign for it."""
    return _cut(one_line(text)) or "␣"


def _cut(text: str) -> str:
    return plain(text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…")
