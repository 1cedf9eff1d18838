"""Distances of paths against known answers, explicit matrices, enumeration and sampling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from alas_metric import WordTiming
from alas_metric.document import path_errors
from alas_metric.document.path_errors import (
    alignment_error,
    alignment_matrix_error,
    alignment_seconds,
    path_probabilities,
    seconds_distances,
    uniform_expectation,
)
from alas_metric.document.paths import reference_path

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
    monkeypatch.setattr(path_errors, "_CHUNK_CELLS", 30)
    assert uniform_expectation(distances) == pytest.approx(whole, rel=1e-13)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (3, 0)])
def test_uniform_expectation_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="K >= M >= 1"):
        uniform_expectation(np.zeros(shape))
