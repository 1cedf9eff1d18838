"""Written words and the pieces that are spoken and timed for them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric.document.paths import WordTiming
from alas_metric.document.units import split_units
from alas_metric.errors import SkipDocument
from model_patches.reference.written import spans_of_written, times_of_units
from model_patches.run.preparation import gold_words

CASES = [
    ("a well-known year, 1999", "a|well known|year|nineteen ninety nine"),
    ("I don't know", "I|do n't|know"),
    ("It costs $5.20 now", "it|costs|five dollars twenty|now"),
    ("It costs $5.20 now", "it|costs|$ 5 . 20|now"),
    ("in 1999 $5.20 was", "in|nineteen ninety nine|five dollars twenty|was"),
    ("1999", "nineteen ninety nine"),
    ("20% of it", "twenty percent|of|it"),
    ("U.S.A. is", "u s a|is"),
    ("state-of-the-art 3D", "state of the art|three d"),
    ("etc. is done", "et cetera|is|done"),
    ("I'll say I can't", "I 'll|say|I|can not"),
]


def one_second_each(words: list[str]) -> list[tuple[float, float]]:
    return [(float(i), i + 1.0) for i in range(len(words))]


@pytest.mark.parametrize(("written", "spoken"), CASES)
def test_from_the_first_piece_to_the_last(written: str, spoken: str) -> None:
    pieces = spoken.replace("|", " ").split()
    found, _ = spans_of_written(written.split(), pieces, one_second_each(pieces))
    lengths = [len(part.split()) for part in spoken.split("|")]
    ends = list(itertools.accumulate(lengths))
    assert found == [(float(end - length), float(end)) for end, length in zip(ends, lengths, strict=True)]


def test_words_that_nobody_wrote_belong_to_none() -> None:
    pieces = ["the", "uh", "big", "cat", "sat"]
    found, num_equal = spans_of_written(["the", "kat", "sat"], pieces, one_second_each(pieces))
    assert found == [(0, 1), (3, 4), (4, 5)] and num_equal == 2


def test_one_piece_for_several_words() -> None:
    found, num_equal = spans_of_written(
        ["a", "well", "known", "man"], ["a", "wellknown", "man"], [(0, 1), (1, 10), (10, 11)]
    )
    assert found == [(0, 1), (1.0, 5.0), (5.0, 10.0), (10, 11)] and num_equal == 4


def test_a_word_that_was_not_heard_shares_nothing() -> None:
    found, num_equal = spans_of_written(
        ["one", "two", "three", "four"], ["one", "tree", "four"], [(0, 1), (2, 3), (3, 4)]
    )
    assert found == [(0, 1), None, (2, 3), (3, 4)] and num_equal == 2


texts = st.lists(
    st.sampled_from(["a", "b", "don't", "well-known", "wellknown", "1999", "$5", "one", "two", "sil", "--", "x"]),
    max_size=12,
)


@given(written=texts, spoken=texts)
def test_any_two_texts(written: list[str], spoken: list[str]) -> None:
    found, num_equal = spans_of_written(written, spoken, one_second_each(spoken))
    assert len(found) == len(written) and 0 <= num_equal <= len(written)
    known = [span for span in found if span is not None]
    assert all(a[1] <= b[0] or a == b for a, b in itertools.pairwise(known))
    assert all(start < end for start, end in known)


def test_long_texts_that_differ_take_no_long_time() -> None:
    written, spoken = [f"w{i}" for i in range(600)], [f"x{i}" for i in range(600)]
    found, num_equal = spans_of_written(written, spoken, one_second_each(spoken))
    assert num_equal == 0 and len(found) == 600


SILENCES = ["sil", "sp", "SIL", "<sil>", "<eps>", "spn", "[SIL]", "", "pau"]


@pytest.mark.parametrize("label", SILENCES)
def test_labels_of_silence_are_no_words(label: str) -> None:
    """White-chicken goes from white to chicken, whatever is said of the silence around."""
    words = [
        WordTiming(*word) for word in [("the", 0, 1), (label, 1, 2), ("white", 2, 3), ("chicken", 3, 4), (label, 4, 5)]
    ]
    found = times_of_units(words, split_units("the white-chicken"), 5.0)
    assert found == [(0, 1), (2, 4)]


def test_a_label_that_the_transcript_says_is_a_word() -> None:
    words = [WordTiming("the", 0, 1), WordTiming("SP", 1, 2), WordTiming("engine", 2, 3)]
    assert times_of_units(words, split_units("the SP engine"), 3.0) == [(0, 1), (1, 2), (2, 3)]


def test_words_without_times_lie_between_their_neighbours() -> None:
    nan = float("nan")
    words = [
        WordTiming("one", 0.2, 0.4),
        WordTiming("2", nan, nan),
        WordTiming("three", 0.8, 1.0),
        WordTiming("4", nan, nan),
    ]
    found = gold_words(words, split_units("one 2 three 4"), 1.5)
    assert [(word.start, word.end) for word in found] == [(0.2, 0.4), (0.4, 0.8), (0.8, 1.0), (1.0, 1.5)]


def test_no_word_has_times() -> None:
    with pytest.raises(SkipDocument, match=r"bad_timestamps.*none"):
        gold_words([WordTiming("one", float("nan"), float("nan"))], split_units("one"), 1.0)


@pytest.mark.parametrize(
    ("scale", "shift", "guess"),
    [
        (1000, 0, "in milliseconds"),
        (16_000, 0, "in samples"),
        (1, 60, "near 60.20 s"),
        (1, -40, "longer"),
        (50, 900, "another"),
    ],
)
def test_times_outside_of_the_audio(scale: float, shift: float, guess: str) -> None:
    words = [WordTiming("one", 0.2, 0.5), WordTiming("two", 0.6, 0.9), WordTiming("three", 1.0, 1.9)]
    assert len(gold_words(words, split_units("one two three"), 2.0)) == 3
    moved = [WordTiming(word.word, word.start * scale + shift, word.end * scale + shift) for word in words]
    with pytest.raises(SkipDocument, match=rf"bad_timestamps.*0 of 3 words lie inside.*{guess}"):
        gold_words(moved, split_units("one two three"), 2.0)


def test_a_last_word_beyond_the_end_is_only_clipped() -> None:
    words = [WordTiming("one", 0.2, 0.5), WordTiming("two", 0.6, 0.9), WordTiming("three", 2.1, 2.4)]
    assert len(gold_words(words, split_units("one two three"), 2.0)) == 3
