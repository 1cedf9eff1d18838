"""Draw ALAS in one picture, docs/images/alas.svg, from the similarities of a document that a run kept.

Run::

    alas demo && python tools/alas_explained.py alas-demo/results
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from alas_metric import reference_path, score_record
from alas_metric.figures.style import BLUE, FOUND, GREY, REFERENCE, SIMILARITY, VERMILION, edged, save, styled
from alas_metric.results.dumps import ENVELOPE_SECONDS, Dump, find_dumps, read_dump

LAYER = 5
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "alas"
_SHADES = LinearSegmentedColormap.from_list("shades", ["#EAF2F8", BLUE])


def explained(dump: Dump, layer: int) -> Figure:
    """Draw the two runs of a document, the similarity of one layer and the two paths."""
    with styled():
        figure = Figure(figsize=(7.6, 3.5), facecolor="white")
        runs = figure.add_axes((0.01, 0.04, 0.47, 0.92))
        _draw_runs(runs, dump)
        _draw_matrix(figure, dump, layer)
    return figure


def _draw_runs(axis: Axes, dump: Dump) -> None:
    axis.set(xlim=(0, 10), ylim=(0, 10))
    axis.axis("off")
    words = dump.record.words
    _number(axis, 0.3, 9.5, "1", "The audio run: a vector for each audio position")
    _number(axis, 0.3, 0.2, "2", "The text run: a vector for each word")
    times = np.linspace(0.2, 3.0, len(dump.envelope))
    loudest = np.abs(dump.envelope).max()
    axis.fill_between(times, *(7.3 + 0.9 * dump.envelope.T / loudest), color="#333333", linewidth=0)
    middle = len(words) // 2
    axis.text(1.6, 2.2, f'"{" ".join(words[:middle])}\n{" ".join(words[middle:])}"', ha="center", va="center")
    for height in (7.3, 2.2):
        _arrow(axis, (3.15, height), (3.75, height))
        _arrow(axis, (6.0, height), (6.55, height))
    axis.add_patch(
        FancyBboxPatch((3.85, 1.2), 2.1, 7.2, boxstyle="round,pad=0.05", facecolor="#DCEBF7", edgecolor=GREY)
    )
    axis.text(4.9, 4.8, "the same\nspeech LLM,\nlayer by layer;\nnothing\nis trained", ha="center", va="center")
    rng = np.random.default_rng(1)
    for height, count in ((7.3, 26), (2.2, len(words))):
        width = 2.8 * min(1, count / 18)
        axis.imshow(
            rng.uniform(size=(7, count)),
            extent=(6.7, 6.7 + width, height - 0.9, height + 0.9),
            cmap=_SHADES,
            aspect="auto",
        )
        axis.vlines(6.7 + width * np.arange(1, count) / count, height - 0.9, height + 0.9, color="white", linewidth=0.8)
    axis.text(8.1, 6.0, f"{round(1 / dump.record.frame_seconds)} a second", ha="center", va="center", fontsize=6)
    axis.text(6.7 + 1.4 * len(words) / 18, 0.9, f"{len(words)} words", ha="center", va="center", fontsize=6)
    axis.set(xlim=(0, 10), ylim=(0, 10))


def _draw_matrix(figure: Figure, dump: Dump, layer: int) -> None:
    record = dump.record
    spoken = record.references[record.reference]
    duration, step = record.num_frames * record.frame_seconds, record.frame_seconds
    target = reference_path(spoken, record.num_frames, step)
    found = record.paths["raw"][layer]
    columns = score_record(record).columns
    waveform = figure.add_axes((0.56, 0.72, 0.42, 0.12))
    times = (np.arange(len(dump.envelope)) + 0.5) * ENVELOPE_SECONDS
    waveform.fill_between(times, dump.envelope[:, 0], dump.envelope[:, 1], color="#333333", linewidth=0, zorder=2)
    for place, word in enumerate(spoken):
        if place % 2 == 0:
            waveform.axvspan(word.start, word.end, color="#E4E4E4", linewidth=0)
        waveform.text(
            (word.start + word.end) / 2, 1.0, word.word, transform=waveform.get_xaxis_transform(), ha="center"
        )
    waveform.set_xlim(0, duration)
    waveform.axis("off")
    figure.text(0.535, 0.925, "3", color="white", ha="center", va="center", bbox=_BADGE)
    figure.text(0.56, 0.925, f"One layer ({layer}): how similar is each word to each position?", va="center")
    axis = figure.add_axes((0.56, 0.3, 0.42, 0.4))
    similarity = dump.similarity[layer, 0].astype(np.float32)
    low, high = np.percentile(similarity, [5, 99.5])
    axis.imshow(
        similarity,
        cmap=SIMILARITY,
        vmin=low,
        vmax=high,
        aspect="auto",
        interpolation="nearest",
        extent=(0, duration, len(spoken) - 0.5, -0.5),
    )
    edges = np.arange(record.num_frames + 1) * step
    axis.fill_between(
        edges,
        np.append(found, found[-1]),
        np.append(target, target[-1]),
        step="post",
        color=VERMILION,
        alpha=0.9,
        linewidth=0,
    )
    axis.stairs(target, edges, baseline=None, color=REFERENCE, linewidth=2.6, path_effects=edged(2.6))
    axis.stairs(found, edges, baseline=None, color=FOUND, linewidth=1.3)
    axis.set_yticks(range(len(spoken)), labels=record.words)
    axis.set_xlabel("Seconds", labelpad=1)
    axis.spines[:].set_visible(False)
    figure.text(0.535, 0.125, "4", color="white", ha="center", va="center", bbox=_BADGE)
    figure.text(
        0.56,
        0.085,
        "White: the path of the words' times. Red: the best path through\n"
        "the matrix. ALAS is their mean distance (orange), here\n"
        f"{columns['alas_raw'][layer]:.2f} words; a random path is {columns['alas_uniform'][layer]:.2f} away.",
        va="center",
    )


_BADGE = {"boxstyle": "circle,pad=0.25", "facecolor": BLUE, "edgecolor": "none"}


def _number(axis: Axes, x: float, y: float, number: str, text: str) -> None:
    axis.text(x, y, number, color="white", ha="center", va="center", bbox=_BADGE)
    axis.text(x + 0.5, y, text, va="center")


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=8, color=GREY, shrinkA=0, shrinkB=0))


def main() -> None:
    """Draw the first document of the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="a run with alas_dump")
    figure = explained(read_dump(find_dumps(parser.parse_args().results)[0].path), LAYER)
    save(figure, PICTURE, ["svg"])


if __name__ == "__main__":
    main()
