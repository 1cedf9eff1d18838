"""The paper's pictures: similarity matrices with their paths (figure 2) and metrics over layers (figure 3).

Every function returns a `matplotlib.figure.Figure` and touches no global state of matplotlib; `save` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from alas_metric.corpus.metrics import METRICS
from alas_metric.document.metric import GUESSING, LINEAR, RANDOM, SHIFTED
from alas_metric.document.paths import WordTiming, check_words, reference_path
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.scores import score_record
from alas_metric.document.similarity import FORMS, in_all_forms
from alas_metric.figures.style import (
    BLUE,
    FOUND,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    REFERENCE,
    SIMILARITY,
    VERMILION,
    axis_label,
    edged,
    floats,
    legend_on_dark,
    metric_name,
    new_figure,
    save,
    shortened,
    styled,
    titled,
)
from alas_metric.results.dumps import ENVELOPE_SECONDS, Dump

__all__ = [
    "alignment_picture",
    "document_bars",
    "document_fan",
    "document_histogram",
    "document_scatter",
    "form_curves",
    "layer_curves",
    "save",
    "titled",
]

DEFAULT_LAYERS = (0, 5, 10, -1)
_WORD_INCHES = 0.067
_PANEL_INCHES = (0.75, 1.75)
_LABELLED_WORDS = 26
# Of the picture's axes, and of its words: a letter's width, a line's height.
_AXIS_INCHES, _LETTER_INCHES, _LINE_INCHES = 2.65, 0.042, 0.085
_CURVE_INCHES = 2.25
_BASELINE_LOOKS = {
    RANDOM: (GREY, "--"),
    LINEAR: (ORANGE, ":"),
    SHIFTED: (GREEN, "-."),
    GUESSING: (GREY, "--"),
}
_OTHER_LOOK = (PURPLE, (0, (1, 1)))
_FORM_COLOURS = {"raw": VERMILION, "centred": ORANGE, "standardised": BLUE}
_BAR = "#C8C8C8"


def alignment_picture(
    dump: Dump | AlignmentRecord,
    layers: Sequence[int] | None = None,
    reference: str | None = None,
    form: str = "raw",
    names: Sequence[str] = (),
) -> Figure:
    """Draw the similarity of words and audio at chosen layers; figure 2 of Mousavi et al. 2025.

    Seconds run to the right and words downwards; the reference path is white, the path that was found red, the
    waveform with its words stands above.

    Args:
        dump: similarities of the document with its record; or the record alone, and the paths are drawn on the times
            of the words.
        layers: entries of ``output_hidden_states``, -1 the last; by default 0, 5, 10 and the last, as far as there
            are so many.
        reference: name of the word timestamps, the record's primary ones by default.
        form: of similarity, of `similarity.FORMS`.
        names: stand above the picture beside the document's id: the model, the task.

    Raises:
        ValueError: If the document has no such layer, reference or form.
    """
    record = dump.record if isinstance(dump, Dump) else dump
    chosen = choose_layers(layers, record.num_layers)
    if form not in FORMS:
        raise ValueError(f"expected one of the forms {FORMS}, got {form!r}")
    if form not in record.paths:
        raise ValueError(f"the record is older than the {form} form; it holds {[*record.paths]}")
    name = record.reference if reference is None else reference
    scores = score_record(record, name).columns
    duration = record.num_frames * record.frame_seconds
    words = check_words(record.references[name], duration)
    expected = reference_path(words, record.num_frames, record.frame_seconds)
    key = f"{'alas_swapped' if record.swapped else 'alas'}_{form}"
    unit = "positions" if record.swapped else "words"
    panel = float(np.clip(record.num_words * _WORD_INCHES, *_PANEL_INCHES))
    width = float(np.clip(panel / record.num_words * 36, 1.4, 2.2))
    with styled():
        heard = isinstance(dump, Dump)
        figure = new_figure((1.15 if heard else 0.85) + (panel + 0.22) * len(chosen))
        heights = [*([0.35] if heard else []), *[panel] * len(chosen)]
        axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        _title_picture(figure, record.uid, names)
        if isinstance(dump, Dump):
            _draw_waveform(axes[0], dump, words, duration)
            _write_words(axes[0], words, duration)
        for axis, layer in zip(axes[-len(chosen) :], chosen, strict=True):
            if isinstance(dump, Dump):
                similarity = in_all_forms(dump.similarity[layer].astype(np.float32))[FORMS.index(form)]
                _draw_similarity(figure, axis, similarity, duration, "cosine" if form == "raw" else form)
            else:
                _draw_times(axis, words, duration)
            for path, colour, scale, label in (
                (expected, REFERENCE, 1.0, "reference path"),
                (record.paths[form][layer], FOUND, 0.5, "found path"),
            ):
                _draw_path(axis, path, record.swapped, record.frame_seconds, colour, scale * width, label)
            _label_words(axis, record.words)
            axis.set_title(f"Layer {layer}    ALAS {scores[key][layer]:.2f} {unit}")
        axes[-1].set_xlabel("Seconds")
        legend_on_dark(figure, axes[-1], borderpad=0.5, handlelength=1.6)
    return figure


def choose_layers(layers: Sequence[int] | None, num_layers: int) -> list[int]:
    """Return the layers to draw, counted from 0, in order and each once.

    Args:
        layers: -1 is the last; None takes 0, 5, 10 and the last, as far as there are so many.
        num_layers: number L + 1 of layers with entry 0.

    Raises:
        ValueError: If there is no such layer.

    Example:
        >>> choose_layers(None, 9)
        [0, 5, 8]
    """
    last = num_layers - 1
    if layers is None:
        return sorted({last if layer == -1 else layer for layer in DEFAULT_LAYERS if layer <= last})
    wrong = [layer for layer in layers if not -1 <= layer <= last]
    if wrong or not layers:
        raise ValueError(f"expected layers from 0 to {last}, got {wrong or 'none'}")
    return sorted({last if layer == -1 else layer for layer in layers})


def _draw_waveform(axis: Axes, dump: Dump, words: Sequence[WordTiming], duration: float) -> None:
    """Draw the audio, with every other word on a grey ground."""
    for word in words[::2]:
        axis.axvspan(word.start, word.end, color="#E4E4E4", linewidth=0)
    times = (np.arange(len(dump.envelope)) + 0.5) * ENVELOPE_SECONDS
    axis.fill_between(times, dump.envelope[:, 0], dump.envelope[:, 1], color="#333333", linewidth=0)
    loudest = float(np.abs(dump.envelope).max(initial=0.0)) or 1.0
    axis.set_ylim(-1.05 * loudest, 1.05 * loudest)
    axis.set_xlim(0, duration)
    axis.set_yticks([])
    axis.set_ylabel("audio", rotation=0, ha="right", va="center", fontsize=6)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.tick_params(axis="x", length=0)


def _title_picture(figure: Figure, uid: str, names: Sequence[str]) -> None:
    """Say what is seen: the document, below it the names."""
    lines = [shortened(uid, 60), ", ".join(shortened(name, 40) for name in names)]
    figure.suptitle("\n".join(line for line in lines if line), x=0.01, ha="left", fontsize=6)


def _write_words(axis: Axes, words: Sequence[WordTiming], duration: float) -> None:
    """Write the words above the waveform, upright where one is wider than its time; only as many as have room."""
    wide = any(len(word.word) * _LETTER_INCHES * duration > (word.end - word.start) * _AXIS_INCHES for word in words)
    free = -np.inf
    for word in words:
        middle = (word.start + word.end) / 2
        if wide and middle < free:
            continue
        free = middle + _LINE_INCHES * duration / _AXIS_INCHES
        text = axis.text(middle, 1.0, shortened(word.word, 14), transform=axis.get_xaxis_transform())
        text.set(fontsize=5, ha="center", va="bottom", rotation=90 * wide)


def _draw_similarity(figure: Figure, axis: Axes, similarity: np.ndarray, duration: float, label: str) -> None:
    """Draw similarities (N, T); the scale leaves out the rare extremes, which would grey all the rest."""
    low, high = (float(value) for value in np.percentile(similarity, [5, 99.5]))
    axis.spines[:].set_visible(False)
    image = axis.imshow(
        similarity,
        cmap=SIMILARITY,
        aspect="auto",
        interpolation="nearest",
        extent=(0, duration, len(similarity) - 0.5, -0.5),
        vmin=low,
        vmax=high if high > low else low + 1e-3,
    )
    bar = figure.colorbar(image, ax=axis, fraction=0.03, pad=0.015, aspect=30)
    bar.outline.set_visible(False)
    bar.set_ticks(list(image.get_clim()), labels=[f"{value:.2f}" for value in image.get_clim()])
    bar.ax.tick_params(length=0, labelsize=5, pad=1)
    bar.set_label(label, fontsize=5, labelpad=-8)


def _draw_times(axis: Axes, words: Sequence[WordTiming], duration: float) -> None:
    """Draw when each word is spoken, where there are no similarities."""
    axis.spines[:].set_visible(False)
    axis.set_facecolor(SIMILARITY(0.0))
    starts, ends = np.array([[word.start, word.end] for word in words]).T
    axis.barh(np.arange(len(words)), ends - starts, left=starts, height=1.0, color=SIMILARITY(0.6))
    axis.set_xlim(0, duration)
    axis.set_ylim(len(words) - 0.5, -0.5)


def _draw_path(
    axis: Axes, path: np.ndarray, swapped: bool, frame_seconds: float, colour: str, width: float, name: str
) -> None:
    """Draw a path (K,) as a flight of stairs: words over positions, or positions over words where swapped."""
    if swapped:
        edges, values, orientation = np.arange(len(path) + 1) - 0.5, (path + 0.5) * frame_seconds, "horizontal"
    else:
        edges, values, orientation = np.arange(len(path) + 1) * frame_seconds, path, "vertical"
    axis.stairs(
        values,
        edges,
        orientation=orientation,  # type: ignore[arg-type]
        baseline=None,
        color=colour,
        linewidth=width,
        label=name,
        path_effects=edged(width) if colour == REFERENCE else None,
    )


def _label_words(axis: Axes, words: Sequence[str]) -> None:
    """Label the rows, where there are too many of them only some."""
    step = -(-len(words) // _LABELLED_WORDS)
    shown = range(0, len(words), step)
    axis.set_yticks(list(shown), labels=[shortened(words[index], 14) for index in shown], fontsize=5)
    axis.tick_params(axis="y", length=1.5, pad=1)
    if step > 1:
        axis.set_ylabel(f"every {step}{'nd' if step == 2 else 'rd' if step == 3 else 'th'} word", fontsize=5)


def layer_curves(curve: Mapping[str, Any], key: str, best_layer: int | None = None) -> Figure:
    """Draw a metric over layers with its 95 % band and what it is to be compared with.

    Figure 3 of Mousavi et al. 2025.

    Args:
        curve: one entry of ``summarise(...)["layers"]``: ``values``, ``low`` and ``high`` of each layer, and
            ``baselines``, values of each layer by label.
        key: the metric, of `corpus.METRICS`.
        best_layer: the one with the highest skill, is marked.

    Raises:
        ValueError: If the metric is undefined in every layer.
    """
    values, low, high = _curve(curve, key)
    with styled():
        figure = new_figure(_CURVE_INCHES)
        axis = figure.subplots()
        _draw_zero(axis, key)
        for label, baseline in curve["baselines"].items():
            _draw_baseline(axis, label, floats(baseline))
        _shade_layer_0(axis)
        band = "95 % interval" if np.isfinite(low).any() else ""  # one document has none
        _draw_curve(axis, values, low, high, BLUE, metric_name(key), band)
        _mark_best(axis, values, best_layer)
        _label_layers(axis, key, len(values))
        figure.legend(loc="outside lower center", ncols=2, handlelength=1.8, columnspacing=1.2)
    return figure


def form_curves(curves: Mapping[str, Mapping[str, Any]], key: str) -> Figure:
    """Draw a metric over layers in several forms of similarity, with 95 % bands.

    Args:
        curves: by the name of the form, each as in `layer_curves`.
        key: the metric of the default form, of `corpus.METRICS`.

    Raises:
        ValueError: If there is no form, or one of them is undefined in every layer.
    """
    drawn = {form: _curve(curve, key) for form, curve in curves.items()}
    if not drawn:
        raise ValueError(f"no form of {key} is given")
    with styled():
        figure = new_figure(_CURVE_INCHES)
        axis = figure.subplots()
        _draw_zero(axis, key)
        _shade_layer_0(axis)
        for form, (values, low, high) in drawn.items():
            _draw_curve(axis, values, low, high, _FORM_COLOURS[form], form)
        _label_layers(axis, key, max(len(values) for values, _, _ in drawn.values()))
        figure.legend(
            loc="outside lower center", ncols=4, handlelength=1.8, columnspacing=1.2, title=METRICS[key].title
        )
    return figure


def _curve(curve: Mapping[str, Any], key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values, low, high = (floats(curve[name]) for name in ("values", "low", "high"))
    if not np.isfinite(values).any():
        raise ValueError(f"{key} is undefined in every layer: was any document kept?")
    return values, low, high


def _shade_layer_0(axis: Axes) -> None:
    """Set layer 0, what enters the decoder, apart."""
    axis.axvspan(-0.6, 0.5, color="#F2F2F2", linewidth=0, zorder=0)


def _draw_curve(
    axis: Axes, values: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, label: str, band: str = ""
) -> None:
    """Draw layers 1..L as a line with a band and layer 0 as a point of its own."""
    layers = np.arange(len(values))
    axis.plot(layers[1:], values[1:], color=colour, marker="o", markersize=2, label=label)
    axis.fill_between(layers[1:], low[1:], high[1:], color=colour, alpha=0.2, linewidth=0, label=band or None)
    if np.isfinite([low[0], high[0]]).all():
        axis.vlines(0, low[0], high[0], color=colour, alpha=0.5, linewidth=2.5)
    axis.plot(
        layers[:1], values[:1], color=colour, marker="o", markersize=3.5, markerfacecolor="white", linestyle="none"
    )


def _draw_zero(axis: Axes, key: str) -> None:
    """Draw the line at 0 where it means something."""
    if label := METRICS[key].zero:
        colour, style = _BASELINE_LOOKS.get(label, _OTHER_LOOK)
        axis.axhline(0, color=colour, linestyle=style, linewidth=1.0, label=label)


def _draw_baseline(axis: Axes, label: str, values: np.ndarray) -> None:
    if not np.isfinite(values).any():
        return
    colour, style = _BASELINE_LOOKS.get(label, _OTHER_LOOK)
    look: dict[str, Any] = {"color": colour, "linestyle": style, "linewidth": 1.0}
    axis.plot(np.arange(1, len(values)), values[1:], label=label, **look)
    axis.plot([-0.35, 0.35], [values[0]] * 2, **look)


def _mark_best(axis: Axes, values: np.ndarray, best_layer: int | None) -> None:
    if best_layer is None or not np.isfinite(values[best_layer]):
        return
    axis.plot(
        [best_layer],
        [values[best_layer]],
        marker="D",
        markersize=5,
        color=VERMILION,
        linestyle="none",
        label=_best(best_layer),
    )


def _best(layer: int) -> str:
    return f"best layer by skill: {layer}"


def document_histogram(values: Mapping[str, Sequence[float]], label: str, lines: Mapping[str, float]) -> Figure:
    """Draw how documents are distributed.

    Args:
        values: one value a document, by one or two groups, the first in colour; they are stacked.
        label: of the axis, see `axis_label`.
        lines: marked values by name.

    Raises:
        ValueError: If there is no document.
    """
    groups = {name: np.asarray(group, np.float64) for name, group in values.items() if len(group)}
    if not groups:
        raise ValueError("no document to draw")
    every = np.concatenate([*groups.values(), [*lines.values()]])
    edges = np.histogram_bin_edges(every, bins=int(np.clip(2 * np.sqrt(len(every)), 5, 30)))
    with styled():
        figure = new_figure(1.9)
        axis = figure.subplots()
        axis.hist(
            list(groups.values()),
            bins=list(edges),
            stacked=True,
            color=[colour for name, colour in zip(values, (BLUE, _BAR), strict=False) if name in groups],
            label=[f"{name} ({len(group)})" for name, group in groups.items()],
        )
        for name, value in lines.items():
            colour, style = _BASELINE_LOOKS.get(name, ("black", "-"))
            axis.axvline(value, color=colour, linestyle=style, linewidth=1.0, label=f"{name}: {value:.2f}")
        axis.set_xlabel(label)
        _count_documents(axis)
        figure.legend(loc="outside lower center", ncols=2, handlelength=1.8)
    return figure


def document_bars(counts: Mapping[str, int]) -> Figure:
    """Draw how many documents are of each kind, the first kind in colour."""
    with styled():
        figure = new_figure(0.5 + 0.22 * len(counts))
        axis = figure.subplots()
        bars = axis.barh(list(counts), list(counts.values()), color=[BLUE, *[_BAR] * (len(counts) - 1)])
        axis.bar_label(bars, padding=2, fontsize=6)
        axis.invert_yaxis()
        axis.set_xlim(0, max([1, *counts.values()]) * 1.12)
        axis.set_xlabel("Documents")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    return figure


def document_scatter(
    points: Sequence[tuple[float, float]], steps: Sequence[tuple[float, float, float]], x_key: str, y_key: str
) -> Figure:
    """Draw one value of documents against another.

    Args:
        points: both values of each document.
        steps: groups of documents along the first: from, to, and the second value of the group as a whole.
        x_key: the first, of `corpus.METRICS`.
        y_key: the second.

    Raises:
        ValueError: If there is no document.
    """
    if not points:
        raise ValueError("no document to draw")
    x, y = np.asarray(points, np.float64).T
    with styled():
        figure = new_figure(1.9)
        axis = figure.subplots()
        axis.plot(x, y, linestyle="", marker="o", markersize=2.5, color=BLUE, alpha=0.6, markeredgewidth=0)
        for low, high, value in steps:
            axis.hlines(value, low, high, color=VERMILION, linewidth=1.4)
        # A single document far off would press the others into one line.
        low, high = np.percentile(y, [2, 98])
        room = 0.1 * max(high - low, 1e-3)
        axis.set_ylim(min(low, *(s[2] for s in steps)) - room, max(high, *(s[2] for s in steps)) + room)
        axis.set_xlabel(axis_label(x_key))
        axis.set_ylabel(METRICS[y_key].title)
    return figure


def document_fan(values: np.ndarray, key: str, best_layer: int | None = None) -> Figure:
    """Draw how a metric of documents is distributed in each layer.

    Args:
        values: of each document and layer, shape ``(D, L + 1)``; NaN where undefined.
        key: the metric, of `corpus.METRICS`.
        best_layer: is marked.

    Raises:
        ValueError: If there is no document.
    """
    if not len(values):
        raise ValueError("no document to draw")
    quantiles = np.nanpercentile(values, [5, 25, 50, 75, 95], axis=0)
    with styled():
        figure = new_figure(_CURVE_INCHES)
        axis = figure.subplots()
        layers = np.arange(values.shape[1])
        _shade_layer_0(axis)
        for low, high, alpha, name in ((0, 4, 0.18, "5 to 95 %"), (1, 3, 0.35, "25 to 75 %")):
            axis.fill_between(
                layers[1:],
                quantiles[low, 1:],
                quantiles[high, 1:],
                color=BLUE,
                alpha=alpha,
                linewidth=0,
                label=f"{name} of documents",
            )
            axis.vlines(0, quantiles[low, 0], quantiles[high, 0], color=BLUE, alpha=alpha, linewidth=5)
        axis.plot(layers[1:], quantiles[2, 1:], color=BLUE, label=f"{metric_name(key)}: median")
        axis.plot(layers[:1], quantiles[2, :1], color=BLUE, marker="_", markersize=6)
        if best_layer is not None:
            axis.axvline(best_layer, color=VERMILION, linestyle=":", linewidth=1.0, label=_best(best_layer))
        _label_layers(axis, key, len(layers))
        figure.legend(loc="outside lower center", ncols=2, handlelength=1.8)
    return figure


def _count_documents(axis: Axes) -> None:
    axis.set_ylabel("Documents")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))


def _label_layers(axis: Axes, key: str, num_layers: int) -> None:
    axis.set_xlabel("Layer")
    # On two lines: the whole label is longer than the axis.
    name, comma, direction = axis_label(key).rpartition(", ")
    axis.set_ylabel(f"{name}{comma.strip()}\n{direction}" if direction.endswith("better") else axis_label(key))
    axis.set_xlim(-0.6, num_layers - 0.4)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9, min_n_ticks=1))
