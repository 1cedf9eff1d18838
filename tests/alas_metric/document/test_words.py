"""Sums of words: together they are the document's scores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric import AlignmentRecord, WordTiming, score_pair, score_record
from alas_metric.document.similarity import FORMS
from alas_metric.document.words import word_sums


@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 99), st.sampled_from(FORMS), st.booleans())
def test_words_add_up_to_the_document(
    record: Callable[..., AlignmentRecord], num_words: int, num_frames: int, seed: int, form: str, other: bool
) -> None:
    made = record(num_words=num_words, num_frames=num_frames, seed=seed)
    reference = "gold" if other else "whisper"
    sums, columns = word_sums(made, reference, form), score_record(made, reference).columns
    entries = max(num_words, num_frames)
    assert sums.entries.sum() == entries
    np.testing.assert_allclose(sums.seconds.sum(axis=-1) / entries, columns[f"alas_seconds_{form}"], atol=1e-12)
    errors = columns[f"alas_swapped_{form}" if made.swapped else f"alas_{form}"]
    np.testing.assert_allclose(sums.errors.sum(axis=-1) / entries, errors, atol=1e-12)
    if not made.swapped:
        missed = columns[f"alas_matrix_{form}"] * num_words / 2
        np.testing.assert_allclose(sums.hits.sum(axis=-1) / entries, 1 - missed, atol=1e-12)
    if made.forced:
        assert np.isnan(sums.random_seconds[sums.entries > 0]).all()
    else:
        np.testing.assert_allclose(sums.random_seconds.sum() / entries, columns["alas_seconds_uniform"][0], rtol=1e-9)


def test_one_late_word() -> None:
    """The second of three words is found one position late: the third loses no position, the second one."""
    times = [WordTiming("a", 0, 2), WordTiming("b", 2, 4), WordTiming("c", 4, 6)]
    similarity = np.zeros((1, 2, 3, 6), np.float32)
    for word, positions in enumerate([(0, 1, 2), (3,), (4, 5)]):
        similarity[:, :, word, positions] = 1
    made = score_pair(
        similarity,
        uid="u",
        transcript="a b c",
        words=["a", "b", "c"],
        frame_seconds=1.0,
        references={"w": times},
        reference="w",
    )
    sums = word_sums(made, form="raw")
    assert sums.entries.tolist() == [2, 2, 2]
    assert sums.errors.tolist() == [[0, 1, 0]] and sums.hits.tolist() == [[2, 1, 2]]
    assert sums.seconds.tolist() == [[0, 0.5, 0]]  # from the centre at 2.5 s to the end of the first word


def test_what_is_not_there(record: Callable[..., AlignmentRecord]) -> None:
    assert word_sums(AlignmentRecord.skip("a", "missing_audio", "")) is None
    made = record()
    del made.paths["standardised"], made.paths["standardised_chance"]
    assert word_sums(made) is None and word_sums(made, form="raw") is not None
    with pytest.raises(ValueError, match="no reference 'mfa'"):
        word_sums(made, "mfa", "raw")
