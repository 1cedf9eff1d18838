"""Scores of one document: which columns there are, and that they are what the functions give."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric import AlignmentRecord, score_record
from alas_metric.document.path_errors import (
    alignment_error,
    alignment_seconds,
    seconds_distances,
    uniform_expectation,
)
from alas_metric.document.paths import linear_path, reference_path


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
