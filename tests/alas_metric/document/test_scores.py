"""Scores of one document against known answers, explicit matrices, enumeration and sampling."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric import AlignmentRecord, WordTiming, score_record
from alas_metric.document import scores
from alas_metric.document.paths import linear_path, reference_path
from alas_metric.document.scores import (
    alignment_error,
    alignment_matrix_error,
    alignment_seconds,
    frame_hits,
    path_probabilities,
    seconds_distances,
    uniform_expectation,
)

WORDS = [WordTiming("a", 0.0, 0.2), WordTiming("b", 0.2, 0.5), WordTiming("c", 0.7, 1.0)]


def every_path(length: int, num_values: int) -> np.ndarray:
    places = itertools.combinations(range(1, length), num_values - 1)
    return np.array([np.searchsorted(steps, np.arange(length), side="right") for steps in places])


def test_alignment_error() -> None:
    paths = np.array([[0, 0, 1, 2], [0, 1, 1, 2], [0, 1, 2, 2]])
    assert alignment_error(paths, [0, 1, 1, 2]).tolist() == [0.25, 0.0, 0.25]


@pytest.mark.parametrize(("path", "reference"), [([0, 1], [0, 1, 1]), ([], []), ([[0, 1]], [[0, 1]])])
def test_lengths_must_agree(path: list[int], reference: list[int]) -> None:
    with pytest.raises(ValueError, match=r"same length.*cut at 30 s"):
        alignment_error(path, reference)


def test_matrix_error_equals_the_matrices() -> None:
    rng = np.random.default_rng(0)
    for length, num_values in [(5, 1), (5, 3), (9, 4), (4, 4)]:
        every = every_path(length, num_values)
        path, reference = every[rng.integers(len(every), size=2)]
        matrices = [np.arange(num_values)[:, None] == each[None, :] for each in (path, reference)]
        expected = np.abs(matrices[0].astype(float) - matrices[1]).mean()
        assert alignment_matrix_error(path, reference, num_values) == pytest.approx(expected)


def test_seconds_of_known_paths() -> None:
    # boundaries at 0.2 and 0.6 s, centres at 0.05, 0.15, ...
    right = reference_path(WORDS, 10, 0.1)
    assert right.tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    late = np.array([0] * 8 + [1, 2])
    found = alignment_seconds(np.stack([right, late]), WORDS, 10, 0.1)
    assert found == pytest.approx([0, (0.05 + 0.15 + 0.25 + 0.35 + 0.45 + 0.55 + 0.25) / 10])


def test_seconds_of_swapped_paths() -> None:
    # centres at 0.25 and 0.75 s; the territories are ..0.2, 0.2..0.6, 0.6..
    assert alignment_seconds([0, 0, 1], WORDS, 2, 0.5) == pytest.approx(0.05 / 3)
    assert alignment_seconds([0, 1, 1], WORDS, 2, 0.5) == pytest.approx((0.05 + 0.15) / 3)


@pytest.mark.parametrize("num_frames", [2, 3, 10])
def test_distances_agree_with_seconds(num_frames: int) -> None:
    table = seconds_distances(WORDS, num_frames, 0.3)
    length, num_values = table.shape
    for path in every_path(length, num_values):
        expected = table[np.arange(length), path].mean()
        assert alignment_seconds(path, WORDS, num_frames, 0.3) == pytest.approx(expected)


@pytest.mark.parametrize(("length", "num_values"), [(k, m) for k in range(1, 10) for m in range(1, k + 1)])
def test_uniform_expectation_equals_enumeration(length: int, num_values: int) -> None:
    distances = np.random.default_rng(0).uniform(size=(length, num_values))
    expected = distances[np.arange(length), every_path(length, num_values)].mean()
    assert uniform_expectation(distances) == pytest.approx(expected, rel=1e-12)


def test_uniform_expectation_equals_sampling() -> None:
    rng, length, num_values = np.random.default_rng(0), 300, 25
    distances = rng.uniform(size=(length, num_values)) * np.arange(length)[:, None]
    means = []
    for _ in range(4000):
        steps = np.sort(rng.choice(np.arange(1, length), num_values - 1, replace=False))
        path = np.searchsorted(steps, np.arange(length), side="right")
        means.append(distances[np.arange(length), path].mean())
    error = np.std(means) / np.sqrt(len(means))
    assert abs(uniform_expectation(distances) - np.mean(means)) < 4 * error


def test_probabilities_of_long_audio_are_sane() -> None:
    chances = path_probabilities(6000, 800, slice(2990, 3010))
    assert chances.sum(axis=1) == pytest.approx(1)
    means = chances @ np.arange(800)
    assert means == pytest.approx(np.arange(2990, 3010) * 799 / 5999)


def test_uniform_expectation_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    distances = np.random.default_rng(0).uniform(size=(50, 7))
    whole = uniform_expectation(distances)
    monkeypatch.setattr(scores, "_CHUNK_CELLS", 30)
    assert uniform_expectation(distances) == pytest.approx(whole, rel=1e-13)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (3, 0)])
def test_uniform_expectation_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="K >= M >= 1"):
        uniform_expectation(np.zeros(shape))


def slow_hits(similarity: np.ndarray, words: list[WordTiming], seconds: float) -> float:
    total = 0.0
    owners = reference_path(words, similarity.shape[1], seconds)
    for k, owner in enumerate(owners):
        if words[owner].start <= (k + 0.5) * seconds < words[owner].end:
            best = np.flatnonzero(similarity[:, k] == similarity[:, k].max())
            total += (owner in best) / len(best)
    return total


def test_frame_hits_equal_the_definition() -> None:
    similarity = np.random.default_rng(0).integers(0, 3, size=(4, 2, 3, 11)).astype(np.float32)
    found = frame_hits(similarity, WORDS, 0.1)
    assert found.shape == (4, 2)
    for index in np.ndindex(4, 2):
        assert found[index] == pytest.approx(slow_hits(similarity[index], WORDS, 0.1))


def test_frame_hits_without_a_spoken_position() -> None:
    words = [WordTiming("a", 0.0, 0.0), WordTiming("b", 0.0, 0.0)]
    assert frame_hits(np.ones((2, 5)), words, 0.1) == 0


def test_ties_are_shared() -> None:
    words = [WordTiming("a", 0.0, 0.5), WordTiming("b", 0.5, 1.0)]
    assert frame_hits(np.zeros((2, 10)), words, 0.1) == 5


@pytest.mark.parametrize("size", [(6, 40), (9, 4), (5, 5), (1, 10), (4, 1), (1, 1)])
def test_perfect_paths_cost_nothing(size: tuple[int, int], record: Callable[..., AlignmentRecord]) -> None:
    num_words, num_frames = size
    found = score_record(record(num_words=num_words, num_frames=num_frames, noise=0.0))
    assert (found.swapped, found.forced) == (num_frames < num_words, 1 in size or num_words == num_frames)
    assert ("alas_raw" in found.columns) != found.swapped
    assert ("alas_swapped_raw" in found.columns) == found.swapped
    assert ("alas_seconds_uniform" in found.columns) != found.forced
    assert ("alas_chance_raw" in found.columns) == (not found.forced and not found.swapped)
    assert ("frame_gain_raw" in found.columns) == (num_words > 1)
    if num_frames > num_words:
        assert (found.columns["alas_raw"] == 0).all() and (found.columns["alas_seconds_raw"] == 0).all()
        assert (found.columns["frame_hits_raw"] == found.columns["frame_positions"]).all()
    assert all(column.shape == (3,) and column.dtype == np.float64 for column in found.columns.values())


@given(st.integers(2, 8), st.integers(2, 30), st.integers(0, 50))
def test_columns_equal_the_definitions(
    record: Callable[..., AlignmentRecord], num_words: int, num_frames: int, seed: int
) -> None:
    made = record(num_words=num_words, num_frames=num_frames, seed=seed)
    words = made.references["whisper"]
    columns = score_record(made).columns
    target = reference_path(words, num_frames, made.frame_seconds)
    grid = (words, num_frames, made.frame_seconds)
    np.testing.assert_array_equal(columns["alas_seconds_raw"], alignment_seconds(made.paths["raw"], *grid))
    if made.swapped or made.forced:
        return
    np.testing.assert_array_equal(columns["alas_raw"], alignment_error(made.paths["raw"], target))
    np.testing.assert_array_equal(columns["alas_centred"], alignment_error(made.paths["centred"], target))
    np.testing.assert_array_equal(columns["alas_chance_raw"], alignment_error(made.paths["raw_chance"], target))
    assert columns["alas_linear"][0] == alignment_error(linear_path(num_words, num_frames), target)
    distances = np.abs(np.arange(num_words) - target[:, None])
    assert columns["alas_uniform"] == pytest.approx(uniform_expectation(distances), rel=1e-12)
    seconds = seconds_distances(*grid)
    assert columns["alas_seconds_uniform"] == pytest.approx(uniform_expectation(seconds), rel=1e-12)


def test_another_reference_is_scored(record: Callable[..., AlignmentRecord]) -> None:
    made = record()
    first, second = score_record(made), score_record(made, "gold")
    assert not np.array_equal(first.columns["alas_raw"], second.columns["alas_raw"])
    with pytest.raises(ValueError, match=r"no reference 'mfa', only \['gold', 'whisper'\]"):
        score_record(made, "mfa")


def test_skipped_records_have_no_scores() -> None:
    found = score_record(AlignmentRecord.skip("a", "missing_audio", "no file", speaker="s"))
    assert (found.uid, found.speaker, found.skipped, found.columns) == ("a", "s", "missing_audio", {})
