"""Figures of synthetic similarities with a planted path: what is drawn is what was planted."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.patches import StepPatch

from alas_metric import reference_path, score_pair
from alas_metric.corpus.metrics import METRICS
from alas_metric.document.similarity import FORMS
from alas_metric.figures.figures import alignment_picture, choose_layers, form_curves, layer_curves
from alas_metric.figures.style import FOUND, REFERENCE, axis_label, save, titled
from alas_metric.results.dumps import Dump, audio_envelope

SECONDS = 0.04


@pytest.fixture
def dump(timing, similarity):
    def make(num_words: int = 6, num_frames: int = 40, num_layers: int = 3, **fields) -> Dump:
        rng = np.random.default_rng(0)
        words = timing(num_words, num_frames, rng)
        values = similarity(words, num_frames, 0.01, rng, num_layers)
        record = score_pair(
            values,
            uid="u",
            transcript="",
            words=fields.pop("words", [word.word for word in words]),
            frame_seconds=SECONDS,
            references={"gold": words, "other": timing(num_words, num_frames, rng)},
            reference="gold",
        )
        audio = rng.uniform(-0.5, 0.5, int(num_frames * SECONDS * 16_000))
        return Dump(record, values.astype(np.float16), audio_envelope(audio, 16_000))

    return make


def paths_of(axis) -> dict[str, np.ndarray]:
    """Return the values of the lines of an axis by their colour."""
    steps = [patch for patch in axis.patches if isinstance(patch, StepPatch)]
    return {matplotlib.colors.to_hex(step.get_edgecolor()).upper(): step.get_data().values for step in steps}


def panels(figure) -> dict[str, object]:
    return {axis.get_title(loc="left"): axis for axis in figure.axes if axis.get_title(loc="left")}


@pytest.mark.parametrize("form", FORMS)
def test_planted_path_and_reference_are_drawn(dump, form: str) -> None:
    made = dump()
    drawn = panels(alignment_picture(made, form=form))
    assert list(drawn) == ["Layer 0    ALAS 0.00 words", "Layer 2    ALAS 0.00 words"]
    target = reference_path(made.record.references["gold"], 40, SECONDS)
    for axis in drawn.values():
        found = paths_of(axis)
        np.testing.assert_array_equal(found[REFERENCE], target)
        np.testing.assert_array_equal(found[FOUND], target)
        assert [label.get_text() for label in axis.get_yticklabels()] == made.record.words
        assert axis.get_xlim() == (0, pytest.approx(40 * SECONDS))


def test_other_reference_moves_the_white_path(dump) -> None:
    made = dump()
    (axis, _) = panels(alignment_picture(made, reference="other")).values()
    found = paths_of(axis)
    np.testing.assert_array_equal(found[REFERENCE], reference_path(made.record.references["other"], 40, SECONDS))
    assert (found[FOUND] != found[REFERENCE]).any()


def test_fewer_positions_than_words(dump) -> None:
    made = dump(num_words=30, num_frames=12)
    ((title, axis),) = panels(alignment_picture(made, [1])).items()
    assert title.startswith("Layer 1    ALAS ") and title.endswith(" positions")
    centres = (reference_path(made.record.references["gold"], 12, SECONDS) + 0.5) * SECONDS
    np.testing.assert_allclose(paths_of(axis)[REFERENCE], centres)


@pytest.mark.parametrize(
    "words",
    [["$\\frac", "$x$", "我", "a_b^c", "<b>&amp;", "w" * 60], ["\u202eabc", "\U0001f600", "%", "#", "~", "\\"]],
    ids=["markup", "unusual"],
)
def test_words_that_mean_something_to_the_drawing(dump, tmp_path: Path, words: list[str]) -> None:
    figure = alignment_picture(dump(words=words), [0], names=words)
    png, svg, pdf = save(figure, tmp_path / "deep" / "p")
    assert png.read_bytes()[:4] == b"\x89PNG" and ET.parse(svg).getroot().tag.endswith("svg")
    assert pdf.read_bytes()[:5] == b"%PDF-"
    assert b"/FontFile2" in pdf.read_bytes(), "the fonts are to be embedded as they are"


def test_the_picture_says_what_it_is_of_and_the_waveform_what_is_said(dump) -> None:
    made = dump()
    figure = alignment_picture(made, [0], names=("owner__model", "alas_demo_sqa"))
    assert figure.get_suptitle() == "u\nowner__model, alas_demo_sqa"
    waveform = figure.axes[0]
    assert [text.get_text() for text in waveform.texts] == made.record.words
    spoken = made.record.references["gold"]
    assert [text.get_position()[0] for text in waveform.texts] == [(word.start + word.end) / 2 for word in spoken]
    crowded = alignment_picture(dump(num_words=80, num_frames=400), [0]).axes[0].texts
    assert 0 < len(crowded) < 80 and {text.get_rotation() for text in crowded} == {90}


def test_edge_sizes_draw(dump, tmp_path: Path) -> None:
    for sizes in ((1, 1), (5, 1), (200, 300)):
        made = dump(*sizes, num_layers=1)
        save(alignment_picture(made), tmp_path / "p", ["png"])
    silent = Dump(made.record, np.zeros_like(made.similarity), np.zeros((0, 2), np.float32))
    save(alignment_picture(silent), tmp_path / "p", ["png"])


def test_layers_are_chosen() -> None:
    assert choose_layers(None, 33) == [0, 5, 10, 32]
    assert choose_layers(None, 4) == [0, 3]
    assert choose_layers(None, 1) == [0]
    assert choose_layers([-1, 2, 2, 0], 6) == [0, 2, 5]
    with pytest.raises(ValueError, match=r"layers from 0 to 5, got \[6\]"):
        choose_layers([0, 6], 6)
    with pytest.raises(ValueError, match="none"):
        choose_layers([], 6)


def test_wrong_form_and_reference_are_named(dump) -> None:
    with pytest.raises(ValueError, match="got 'cooked'"):
        alignment_picture(dump(), form="cooked")
    with pytest.raises(ValueError, match="no reference 'nobody'"):
        alignment_picture(dump(), reference="nobody")


CURVE = {
    "values": [0.9, 0.5, None, 0.2],
    "low": [0.8, 0.4, None, 0.1],
    "high": [1.0, 0.6, None, 0.3],
    "baselines": {"random path": [0.7] * 4, "shifted audio": [0.6, 0.6, None, 0.5], "constant rate": []},
}


def test_curve_has_layer_0_apart_and_the_best_layer_marked() -> None:
    figure = titled(
        layer_curves(CURVE, "alas", best_layer=3), "owner__model", "a task of $ and of more signs than there is room"
    )
    (axis,) = figure.axes
    assert figure.get_suptitle() == "owner__model, a task of \\$ and of more signs than ther…"
    drawn = {line.get_label(): line.get_xydata() for line in axis.lines}
    np.testing.assert_array_equal(drawn["ALAS, raw"], [[1, 0.5], [2, np.nan], [3, 0.2]])
    np.testing.assert_array_equal(drawn["random path"], [[1, 0.7], [2, 0.7], [3, 0.7]])
    np.testing.assert_array_equal(drawn["best layer by skill: 3"], [[3, 0.2]])
    assert [[0.0, 0.9]] in [line.get_xydata().tolist() for line in axis.lines]
    assert axis.get_ylabel() == "ALAS, words,\nlower is better"


def test_curves_of_one_layer_and_without_intervals() -> None:
    nothing = {"values": [0.5], "low": [None], "high": [None], "baselines": {}}
    (axis,) = layer_curves(nothing, "alas_skill").axes
    assert [0.0, 0.0] in [list(line.get_ydata()) for line in axis.lines if line.get_label() == "random path"]
    with pytest.raises(ValueError, match="alas is undefined in every layer"):
        layer_curves({"values": [], "low": [], "high": [], "baselines": {}}, "alas")


def test_forms_are_drawn_side_by_side() -> None:
    other = {**CURVE, "values": [0.1, 0.2, 0.3, 0.4]}
    figure = form_curves({"raw": CURVE, "standardised": other}, "alas_skill")
    (axis,) = figure.axes
    assert figure.legends[0].get_title().get_text() == "ALAS skill"
    drawn = {line.get_label(): list(line.get_ydata()) for line in axis.lines}
    assert drawn["standardised"] == [0.2, 0.3, 0.4] and drawn["raw"][::2] == [0.5, 0.2]
    assert axis.get_ylabel() == "ALAS skill,\nhigher is better"
    with pytest.raises(ValueError, match="no form of alas"):
        form_curves({}, "alas")


def test_labels_say_unit_and_direction() -> None:
    assert axis_label("alas_seconds") == "ALAS in time, seconds, lower is better"
    assert axis_label("frame_skill_centred") == "Frame skill, centred, higher is better"
    assert all(axis_label(key) for key in METRICS)


def test_equal_figures_give_equal_files_and_settings_stay(dump, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    first, second = (save(alignment_picture(dump(), [0]), tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert dict(matplotlib.rcParams) == before


def test_no_pyplot_and_no_torch() -> None:
    code = "import sys, alas_metric.figures.figures; print({'matplotlib.pyplot', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
