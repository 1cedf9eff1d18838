"""From similarities to the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from alas_metric import AlignmentRecord, Measurement, WordTiming, score_pair, score_record, similarities
from alas_metric.document.measures.frame_hits import frame_hits
from alas_metric.document.paths import circular_shift, monotonic_alignment_search
from alas_metric.document.similarity import FORMS, in_all_forms
from alas_metric.document.timeline import Timeline
from alas_metric.errors import SkipDocument

torch = pytest.importorskip("torch")


@pytest.fixture
def pair(timing: Callable[..., list[WordTiming]], similarity: Callable[..., np.ndarray]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    words = timing(5, 30, rng)
    return {
        "similarity": similarity(words, 30, 0.5, rng),
        "uid": "u",
        "transcript": "w0 w1 w2 w3 w4",
        "words": [word.word for word in words],
        "frame_seconds": 0.04,
        "references": {"whisper": words},
        "reference": "whisper",
    }


def test_paths_are_those_of_the_search(pair: dict[str, Any]) -> None:
    made = score_pair(**pair)
    values = in_all_forms(pair["similarity"])
    turned = np.roll(values, circular_shift("u", 30), axis=-1)
    timeline = Timeline.of("u", pair["references"]["whisper"], 30, 0.04)
    for index, form in enumerate(FORMS):
        np.testing.assert_array_equal(made.paths[form], monotonic_alignment_search(values[:, index]))
        np.testing.assert_array_equal(made.paths[f"{form}_chance"], monotonic_alignment_search(turned[:, index]))
        expected = frame_hits(values[:, index], timeline)
        np.testing.assert_array_equal(made.reference_sums["whisper"]["frame_hits"][form], expected)


def test_vectors_give_what_their_similarities_give(timing: Callable[..., list[WordTiming]]) -> None:
    """Layer by layer as a model hands them on, NumPy or torch; what needs the vectors comes on top."""
    rng = np.random.default_rng(0)
    words, frames = rng.normal(size=(3, 5, 16)).astype(np.float32), rng.normal(size=(3, 30, 16)).astype(np.float32)
    references = {"whisper": timing(5, 30, rng), "gold": timing(5, 30, rng)}
    texts = ["a", "b", "a", "c", "d"]
    grid = {"words": texts, "frame_seconds": 0.04, "references": references, "reference": "gold"}
    expected = score_pair(similarities(words, frames), uid="u", transcript="t", **grid)
    for array in (np.asarray, torch.from_numpy):
        measurement = Measurement("u", num_frames=30, keep=True, **grid)
        for layer in range(3):
            measurement(layer, array(words[layer]), array(frames[layer]))
        found = measurement.record("t")
        np.testing.assert_allclose(measurement.similarity, similarities(words, frames), atol=1e-6)
        assert set(found.paths) == set(expected.paths)
        for kind, paths in found.paths.items():
            np.testing.assert_array_equal(paths, expected.paths[kind])
        for name, sums in expected.reference_sums.items():
            for form, hits in sums["frame_hits"].items():
                np.testing.assert_array_equal(found.reference_sums[name]["frame_hits"][form], hits)


def test_hidden_states_of_the_words_themselves(timing: Callable[..., list[WordTiming]]) -> None:
    rng = np.random.default_rng(0)
    words = timing(5, 30, rng)
    states = rng.normal(size=(3, 5, 32))
    owners = np.searchsorted([word.end for word in words[:-1]], (np.arange(30) + 0.5) * 0.04, side="right")
    made = score_pair(
        similarities(states, states[:, owners]),
        uid="u",
        transcript="",
        words=["w"] * 5,
        frame_seconds=0.04,
        references={"gold": words},
        reference="gold",
    )
    columns = score_record(made).columns
    assert (columns["alas_raw"] == 0).all() and (columns["alas_centred"] == 0).all()
    assert (columns["frame_hits_raw"] == columns["frame_positions"]).all()


def test_the_last_bit_does_not_tell_equal_words_apart(pair: dict[str, Any]) -> None:
    """In layer 0 equal words are equal vectors; in the others, and for other words, small differences count."""
    exact, rng = pair["similarity"].astype(np.float32), np.random.default_rng(0)
    exact[0, :, 3] = exact[0, :, 1]
    rounded = exact.copy()
    rounded[0, :, 3] += rng.uniform(-4e-7, 4e-7, rounded[0, :, 3].shape).astype(np.float32)
    assert (
        score_pair(**pair | {"similarity": rounded}).to_json() != score_pair(**pair | {"similarity": exact}).to_json()
    )
    pair["words"][3] = pair["words"][1]
    before = rounded.copy()
    assert (
        score_pair(**pair | {"similarity": rounded}).to_json() == score_pair(**pair | {"similarity": exact}).to_json()
    )
    np.testing.assert_array_equal(rounded, before)
    rounded[0, :, 3] += 1e-4
    assert (
        score_pair(**pair | {"similarity": rounded}).to_json() != score_pair(**pair | {"similarity": exact}).to_json()
    )


def test_further_fields_are_kept(pair: dict[str, Any]) -> None:
    made = score_pair(**pair, speaker="s", target="x", settings={"plugin": "0"}, similarities={"responses": 0.5})
    assert (made.speaker, made.target, made.settings) == ("s", "x", {"plugin": "0"})
    with pytest.raises(TypeError, match="colour"):
        score_pair(**pair, colour="red")


@pytest.mark.parametrize("bad", [np.nan, -1.0])
def test_only_the_primary_reference_must_be_usable(pair: dict[str, Any], bad: float) -> None:
    good = pair["references"]["whisper"]
    broken = [*good[:-1], WordTiming("w4", good[-1].start, bad)]
    pair["references"] = {"whisper": good, "gold": broken, "short": good[:-1], "empty": []}
    assert set(score_pair(**pair).references) == {"whisper"}
    with pytest.raises(SkipDocument, match="bad_timestamps"):
        score_pair(**pair | {"reference": "gold"})
    with pytest.raises(SkipDocument, match="bad_timestamps: short: 4 word timestamps for 5 words"):
        score_pair(**pair | {"reference": "short"})
    for name in ("empty", "absent"):
        with pytest.raises(SkipDocument, match="no_word_timestamps"):
            score_pair(**pair | {"reference": name})


def test_timestamps_beyond_the_audio_are_clipped(pair: dict[str, Any]) -> None:
    good = pair["references"]["whisper"]
    pair["references"] = {"whisper": [*good[:-1], WordTiming("w4", good[-1].start, 99.0)]}
    assert score_pair(**pair).references["whisper"][-1].end == pytest.approx(1.2)


@pytest.mark.parametrize("shape", [(3, 2, 4, 30), (3, 1, 5, 30), (2, 5, 30), (0, 2, 5, 30)])
def test_shapes_must_fit(pair: dict[str, Any], shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(layers, 2, words, positions\).*for 5 words"):
        score_pair(**pair | {"similarity": np.zeros(shape)})


def test_bad_numbers(pair: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        score_pair(**pair | {"similarity": np.full((3, 2, 5, 30), np.nan)})
    with pytest.raises(ValueError, match="frame_seconds"):
        score_pair(**pair | {"frame_seconds": 0.0})


def test_nothing_to_align(pair: dict[str, Any]) -> None:
    with pytest.raises(SkipDocument, match="empty_transcript"):
        score_pair(**pair | {"similarity": np.zeros((3, 2, 0, 30)), "words": []})
    with pytest.raises(SkipDocument, match="too_short"):
        score_pair(**pair | {"similarity": np.zeros((3, 2, 5, 0))})


def test_full_size_is_small(record: Callable[..., AlignmentRecord]) -> None:
    made = record(num_words=60, num_frames=750, num_layers=33)
    assert len(made.to_json()) < 150_000


def test_layers_in_parts(pair: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score_pair(**pair).to_json()
    monkeypatch.setattr("alas_metric.document.measuring._LAYER_CELLS", 1)
    assert score_pair(**pair).to_json() == whole
