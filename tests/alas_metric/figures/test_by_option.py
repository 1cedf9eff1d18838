"""Layer map and lens as figures: what is drawn is what is there, and hostile texts stay texts."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alas_metric import AlignmentRecord
from alas_metric.document.lens_table import LensTable
from alas_metric.figures.layer_map import layer_map_figure
from alas_metric.figures.lens import MOST_WORDS, brief_token, lens_figure
from alas_metric.figures.style import FOUND, save

HOSTILE = "<b>$x_1$</b>\x1b[31m"


def table(num_words: int, num_layers: int = 3, token: str = " no") -> LensTable:
    """Return a table in which the top layer reads the words themselves, and layer 1 finds the first."""
    first = [f" w{i}" for i in range(num_words)]
    found = np.zeros((num_layers, num_words), bool)
    found[-1], found[1, 0] = True, True
    return LensTable(10, first, [*[[token] * num_words] * (num_layers - 1), first], found)


@pytest.fixture
def read(record: Callable[..., AlignmentRecord]) -> Callable[..., AlignmentRecord]:
    def make(num_words: int, **fields) -> AlignmentRecord:
        return replace(record(num_words=num_words, num_frames=5 * num_words), lens=table(num_words, **fields))

    return make


def texts(figure) -> list[str]:
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def test_every_token_is_drawn(read) -> None:
    made = read(5)
    assert made.lens.levels.tolist() == [[0] * 5, [1, 0, 0, 0, 0], [2] * 5]
    figure = lens_figure(made)
    assert sorted(texts(figure)) == sorted(["no"] * 10 + [f"w{i}" for i in range(5)])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == made.words


@pytest.mark.parametrize(("num_words", "rows"), [(1, 1), (16, 1), (17, 2), (64, 4), (90, 4)])
def test_long_documents_go_on_below(read, num_words: int, rows: int) -> None:
    figure = lens_figure(read(num_words))
    assert len(figure.axes) == rows and len(texts(figure)) == 3 * min(num_words, MOST_WORDS)
    assert (figure.get_supxlabel() == f"the first 64 of {num_words} words") == (num_words > MOST_WORDS)


def test_hostile_tokens_stay_text(read, tmp_path: Path) -> None:
    made = read(3, token=HOSTILE)
    made.words[0] = HOSTILE
    (svg,) = save(lens_figure(made), tmp_path / "x", ["svg"])
    drawn = [element.text for element in ET.parse(svg).iter() if element.tag.endswith("text")]
    assert "<b>$x_1$…" in drawn
    assert not any("\x1b" in text for text in drawn if text)
    assert brief_token(" \n ") == "␣"


def test_a_record_without_a_reading_is_refused(record) -> None:
    with pytest.raises(ValueError, match="alas_lens=10"):
        lens_figure(record())


def test_the_ridge_is_drawn() -> None:
    entry = {"values": [[0.1, 0.5, None], [0.2, 0.3, 0.9], [None] * 3]}
    entry["nearest"] = [{"layer": 1}, {"layer": 2}, {"layer": None}]
    figure = layer_map_figure({"retrieval": entry, "cka": entry})
    [ridge] = [line for line in figure.axes[0].lines if line.get_color() == FOUND]
    assert ridge.get_xdata().tolist() == [1, 2] and ridge.get_ydata().tolist() == [0, 1]
    assert [axis.get_title(loc="left") for axis in figure.axes[:2]] == ["Retrieval skill", "CKA"]
    with pytest.raises(ValueError, match="alas_layer_map=true"):
        layer_map_figure({})
