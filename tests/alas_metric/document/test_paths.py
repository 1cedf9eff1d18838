"""Alignment paths against a slow obvious search, and the reference path on known words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric.document import paths as alignment
from alas_metric.document.paths import (
    WordTiming,
    check_words,
    circular_shift,
    linear_path,
    monotonic_alignment_search,
    reference_path,
    territories,
    word_boundaries,
)


def every_path(rows: int, columns: int) -> list[tuple[int, ...]]:
    """Return all monotone, surjective paths of length columns over rows, by where the steps fall."""
    places = itertools.combinations(range(1, columns), rows - 1)
    return [tuple(sum(step <= k for step in steps) for k in range(columns)) for steps in places]


def brute_force(similarity: np.ndarray) -> tuple[int, ...]:
    """Return the best path; of several that of Glow-TTS: from the end, stay as long as it costs nothing."""
    table = similarity if similarity.shape[0] <= similarity.shape[1] else similarity.T
    totals = {path: sum(table[row, k] for k, row in enumerate(path)) for path in every_path(*table.shape)}
    best = max(totals.values())
    return max((path for path, total in totals.items() if total == best), key=lambda path: path[::-1])


@pytest.mark.parametrize("shape", list(itertools.product(range(1, 7), range(1, 7))))
@pytest.mark.parametrize("levels", [2, 100])
def test_search_equals_brute_force(shape: tuple[int, int], levels: int) -> None:
    rng = np.random.default_rng(levels)
    similarity = rng.integers(-levels, levels, size=(25, *shape)).astype(np.float32)
    paths = monotonic_alignment_search(similarity)
    assert paths.dtype == np.int32
    assert [tuple(path) for path in paths] == [brute_force(table) for table in similarity]


def test_ties_resolve_as_in_glow_tts() -> None:
    assert monotonic_alignment_search(np.zeros((2, 4))).tolist() == [0, 1, 1, 1]
    assert monotonic_alignment_search(np.zeros((4, 2))).tolist() == [0, 1, 1, 1]
    assert monotonic_alignment_search(np.zeros((3, 3))).tolist() == [0, 1, 2]


@pytest.mark.parametrize("shape", [(7, 50), (50, 7), (1, 9), (9, 1)])
def test_planted_path_comes_back(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    shorter, longer = sorted(shape)
    steps = np.sort(rng.choice(np.arange(1, longer), shorter - 1, replace=False))
    path = np.searchsorted(steps, np.arange(longer), side="right")
    similarity = np.zeros((shorter, longer))
    similarity[path, np.arange(longer)] = 1
    similarity = similarity if shape[0] <= shape[1] else similarity.T
    assert monotonic_alignment_search(similarity).tolist() == path.tolist()


def test_search_takes_any_memory_layout_and_keeps_its_input() -> None:
    similarity = np.random.default_rng(0).normal(size=(2, 3, 40, 9)).astype(np.float32)
    before = similarity.copy()
    expected = monotonic_alignment_search(np.ascontiguousarray(similarity[:, :, ::2]))
    assert (monotonic_alignment_search(similarity[:, :, ::2]) == expected).all()
    assert (monotonic_alignment_search(np.asfortranarray(similarity)[:, :, ::2]) == expected).all()
    assert expected.shape == (2, 3, 20)
    assert (similarity == before).all()


def test_search_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    similarity = np.random.default_rng(0).normal(size=(5, 2, 4, 9))
    whole = monotonic_alignment_search(similarity)
    monkeypatch.setattr(alignment, "_SEARCH_CELLS", 80)
    assert (monotonic_alignment_search(similarity) == whole).all()


@pytest.mark.parametrize("shape", [(3,), (0, 4), (4, 0), (2, 3, 0)])
def test_search_refuses_empty_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="similarity of shape"):
        monotonic_alignment_search(np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_search_refuses_values_that_are_not_finite(value: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        monotonic_alignment_search(np.array([[0.0, value], [0.0, 0.0]]))


def test_large_values_do_not_meet_the_marker_for_impossible() -> None:
    assert monotonic_alignment_search(np.full((2, 4), -1e12)).tolist() == [0, 1, 1, 1]


WORDS = [WordTiming("a", 0.1, 0.3), WordTiming("b", 0.5, 0.8), WordTiming("c", 0.7, 0.9)]


def test_boundaries_share_gaps_and_overlaps() -> None:
    assert word_boundaries(WORDS) == pytest.approx([0.4, 0.75])
    assert territories(WORDS) == pytest.approx(np.array([[-np.inf, 0.4], [0.4, 0.75], [0.75, np.inf]]))
    assert territories(WORDS[:1]).tolist() == [[-np.inf, np.inf]]


def test_boundaries_never_fall() -> None:
    words = [
        WordTiming("a", 0.0, 2.0),
        WordTiming("b", 1.8, 1.9),
        WordTiming("c", 0.1, 0.3),
        WordTiming("d", 3.0, 4.0),
    ]
    assert word_boundaries(words).tolist() == pytest.approx([1.9, 1.9, 1.9])


def test_reference_path_follows_the_owner_of_the_centre() -> None:
    # centres 0.05, 0.15, ...; boundaries 0.4 and 0.75: the centre at 0.75 belongs to the later word
    assert reference_path(WORDS, 12, 0.1).tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2]


def test_boundary_belongs_to_the_later_word() -> None:
    words = [WordTiming("a", 0.0, 0.5), WordTiming("b", 0.5, 1.0)]
    assert reference_path(words, 3, 1 / 3).tolist() == [0, 1, 1]


def test_swapped_reference_holds_the_middle_of_the_word() -> None:
    words = [*WORDS, WordTiming("d", 1.9, 2.5)]
    assert reference_path(words, 3, 0.34).tolist() == [0, 1, 2, 2]


@given(st.integers(1, 12), st.integers(1, 40), st.integers(0, 1000))
def test_reference_equals_brute_force(num_words: int, num_frames: int, seed: int) -> None:
    times = np.sort(np.random.default_rng(seed).uniform(0, 4, 2 * num_words)).reshape(num_words, 2)
    words = [WordTiming("w", *map(float, span)) for span in times]
    expected = []
    for k in range(num_frames):
        owner = 0
        for i in range(1, num_words):
            if (k + 0.5) * 0.1 >= (words[i - 1].end + words[i].start) / 2:
                owner = i
        expected.append(owner)
    if num_frames >= num_words:
        assert reference_path(words, num_frames, 0.1).tolist() == expected


@pytest.mark.parametrize("word", [WordTiming("x", math.nan, 1.0), WordTiming("x", 0.0, math.inf)])
def test_times_must_be_finite(word: WordTiming) -> None:
    with pytest.raises(ValueError, match=r"word 1 \('x'\) are not finite"):
        check_words([WORDS[0], word], 2.0)


def test_times_must_not_be_reversed() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        check_words([WordTiming("x", 1.0, 0.5)], 2.0)
    with pytest.raises(ValueError, match="got none"):
        check_words([], 2.0)


def test_times_beyond_the_audio_are_clipped() -> None:
    words = [WordTiming("a", -0.5, 0.3), WordTiming("b", 0.5, 9.0), WordTiming("c", 7.0, 8.0)]
    assert check_words(words, 0.8) == [
        WordTiming("a", 0.0, 0.3),
        WordTiming("b", 0.5, 0.8),
        WordTiming("c", 0.8, 0.8),
    ]


def test_linear_path() -> None:
    assert linear_path(3, 7).tolist() == [k * 3 // 7 for k in range(7)]
    assert linear_path(7, 3).tolist() == linear_path(3, 7).tolist()


@given(st.text(max_size=5), st.integers(1, 200))
def test_shift_lies_in_the_middle_half(uid: str, num_frames: int) -> None:
    shift = circular_shift(uid, num_frames)
    if num_frames == 1:
        assert shift == 0
    else:
        assert num_frames / 4 <= shift <= 3 * num_frames / 4
    assert shift == circular_shift(uid, num_frames)


def test_shift_is_fixed_and_reaches_both_ends() -> None:
    assert circular_shift("5639-40744-0000", 750) == 262
    assert {circular_shift(str(i), 9) for i in range(200)} == {3, 4, 5, 6}


def test_reference_needs_no_words_in_order(timing: Callable[..., list[WordTiming]]) -> None:
    words = timing(5, 40, np.random.default_rng(0))[::-1]
    path = reference_path(words, 40, 0.04)
    assert (np.diff(path) >= 0).all()


@pytest.mark.parametrize(("words", "positions", "offset", "spread"), [(60, 750, 0.95, 1e-4), (250, 2375, 0.5, 0.01)])
def test_a_large_common_similarity_hides_no_differences(
    words: int, positions: int, offset: float, spread: float
) -> None:
    noise = np.random.default_rng(0).normal(0, spread, (words, positions))
    similarity = (offset + noise).astype(np.float32)
    path = monotonic_alignment_search(similarity)
    assert path.tolist() == best_path_in_float64(similarity.astype(np.float64))


def best_path_in_float64(similarity: np.ndarray) -> list[int]:
    words, positions = similarity.shape
    best = np.full((words, positions), -np.inf)
    best[0] = np.cumsum(similarity[0])
    for k in range(1, positions):
        best[1:, k] = np.maximum(best[1:, k - 1], best[:-1, k - 1]) + similarity[1:, k]
    path = [words - 1]
    for k in range(positions - 1, 0, -1):
        word = path[-1]
        path.append(word - 1 if word and best[word - 1, k - 1] > best[word, k - 1] else word)
    return path[::-1]
