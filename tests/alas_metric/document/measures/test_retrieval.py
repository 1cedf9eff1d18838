"""Retrieval against brute force; what must not move it, and its ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric.document.measure import Layers
from alas_metric.document.measures.retrieval import MEASURE, retrieval_hits
from alas_metric.document.timeline import Timeline

sizes = st.tuples(st.integers(2, 9), st.integers(1, 30), st.integers(0, 99))


def slow_hits(words: np.ndarray, frames: np.ndarray, timeline: Timeline) -> float:
    """Return the hits of one layer, word by word, in float64."""
    audio = np.stack([frames[begin:end].astype(np.float64).mean(axis=0) for begin, end in timeline.stretches])
    words, audio = words - words.mean(axis=0, dtype=np.float64), audio - audio.mean(axis=0)

    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        lengths = np.linalg.norm(one) * np.linalg.norm(other)
        return one @ other / lengths if lengths > 1e-5 else 0.0

    hits = 0.0
    for one, other in ((words, audio), (audio, words)):
        for own, vector in enumerate(one):
            values = np.array([cosine(vector, candidate) for candidate in other])
            best = np.flatnonzero(values >= values.max() - 2e-6)
            hits += (own in best) / len(best) / 2
    return hits


@given(sizes)
def test_equals_brute_force(
    layers: Callable[..., Layers], timeline: Callable[..., Timeline], size: tuple[int, int, int]
) -> None:
    made, times = layers(*size), timeline(*size)
    found = MEASURE(made, times)["hits"]
    expected = [slow_hits(made.words[layer], made.frames[layer], times) for layer in range(2)]
    np.testing.assert_allclose(found, expected, atol=1e-9)


@given(sizes, st.floats(1e-3, 1e3), st.floats(-5, 5))
def test_one_rotation_of_both_and_scaling_and_an_offset_change_nothing(
    layers: Callable[..., Layers],
    timeline: Callable[..., Timeline],
    size: tuple[int, int, int],
    scale: float,
    offset: float,
) -> None:
    made, times = layers(*size), timeline(*size)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))[0].astype(np.float32)
    moved = Layers.of_vectors(made.words @ turn * np.float32(scale), made.frames @ turn + np.float32(offset))
    np.testing.assert_allclose(MEASURE(moved, times)["hits"], MEASURE(made, times)["hits"], atol=1e-9)


@pytest.mark.parametrize("size", [(6, 40), (9, 4)])
def test_words_in_their_own_stretches_are_all_found(size: tuple[int, int], timeline: Callable[..., Timeline]) -> None:
    num_words, num_frames = size
    rng = np.random.default_rng(0)
    edges = np.linspace(0, num_frames * 0.04, num_words + 1)
    times = timeline(num_words, num_frames)
    spans = [type(word)(word.word, *edges[at : at + 2]) for at, word in enumerate(times.words)]
    times = Timeline.of("u", spans, num_frames, 0.04)
    words = rng.normal(size=(1, num_words, 16))
    frames = np.zeros((1, num_frames, 16))
    for word, position in zip(*times.cells, strict=True):
        frames[0, position] += words[0, word]
    hits = MEASURE(Layers.of_vectors(words, frames), times)["hits"]
    assert hits == num_words if num_frames > num_words else 2 < hits < num_words
    columns = MEASURE.columns({"hits": hits}, times)
    assert columns["retrieval_gain"] / columns["retrieval_gain_possible"] == (hits - 1) / (num_words - 1)


def test_equal_words_share_their_hits() -> None:
    """Equal words are equal vectors in layer 0: each is as good as the other, whatever rounding says."""
    cosines = np.eye(4) + np.random.default_rng(0).uniform(-5e-7, 5e-7, (4, 4))
    cosines[1] = cosines[3] = cosines[1] + cosines[3]
    cosines[1] += 3e-7
    # Word 1 and 3 have two best stretches each; of the stretches 1 and 3 both words are the best.
    assert retrieval_hits(cosines) == (1 + 0.5 + 1 + 0.5) / 2 + (1 + 0.5 + 1 + 0.5) / 2
    assert retrieval_hits(np.zeros((3, 5, 5))).tolist() == [1.0, 1.0, 1.0]


def test_guessing_finds_one_word() -> None:
    cosines = np.random.default_rng(0).normal(size=(20_000, 7, 7))
    assert retrieval_hits(cosines).mean() == pytest.approx(1, abs=0.02)


def test_one_word_is_left_out(layers: Callable[..., Layers], timeline: Callable[..., Timeline]) -> None:
    assert MEASURE(layers(1, 10), timeline(1, 10)) == {}
