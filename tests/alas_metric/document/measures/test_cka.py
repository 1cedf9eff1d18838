"""CKA against a plainly written formula and another package; what must not move it, and its ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric.document.measure import Layers
from alas_metric.document.measures.cka import MEASURE, beyond, cka, hsic
from alas_metric.document.position import FEWEST
from alas_metric.document.timeline import Timeline

torch = pytest.importorskip("torch")
sizes = st.tuples(st.integers(4, 9), st.integers(2, 30), st.integers(0, 99))


def slow_hsic(first: np.ndarray, second: np.ndarray) -> float:
    """Return the unbiased criterion as a sum over different words (Song et al. 2012, eq. 4)."""
    count = len(first)
    every = [(i, j) for i in range(count) for j in range(count) if i != j]
    pairs = sum(first[i, j] * second[i, j] for i, j in every) / (count * (count - 1))
    triples = sum(first[i, j] * second[i, q] for i, j in every for q in range(count) if q not in (i, j)) / (
        count * (count - 1) * (count - 2)
    )
    fours = sum(first[i, j] * second[q, r] for i, j in every for q, r in every if not {i, j} & {q, r}) / (
        count * (count - 1) * (count - 2) * (count - 3)
    )
    return pairs + fours - 2 * triples


def grams(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    one, other = np.random.default_rng(seed).normal(size=(2, count, 6))
    return one @ one.T, other @ other.T


@given(st.integers(4, 8), st.integers(0, 99))
def test_criterion_equals_the_sum_over_words(count: int, seed: int) -> None:
    one, other = grams(count, seed)
    found = hsic([one, other])
    assert found[0, 1] == found[1, 0] == pytest.approx(slow_hsic(one, other), rel=1e-9, abs=1e-9)
    assert found[0, 0] == pytest.approx(slow_hsic(one, one), rel=1e-9)


@given(st.integers(4, 20), st.integers(0, 99))
def test_equals_another_package(count: int, seed: int) -> None:
    package = pytest.importorskip("cka")
    one, other = grams(count, seed)
    first, second = torch.from_numpy(one)[None], torch.from_numpy(other)[None]
    criteria = hsic([one, other])
    found = cka(criteria[0, 1], criteria[0, 0], criteria[1, 1])
    both, left, right = (float(package.hsic_cross(*pair)) for pair in ((first, second), (first,) * 2, (second,) * 2))
    assert found == pytest.approx(both / np.sqrt(left * right), rel=1e-6)


def expected(words: np.ndarray, audio: np.ndarray) -> float:
    """Return CKA of one layer in float64."""
    unit = []
    for states in (words, audio):
        centred = states.astype(np.float64) - states.mean(axis=0, dtype=np.float64)
        unit.append(centred / np.linalg.norm(centred, axis=-1, keepdims=True))
    one, other = (states @ states.T for states in unit)
    return slow_hsic(one, other) / np.sqrt(slow_hsic(one, one) * slow_hsic(other, other))


def value(layers: Layers, timeline: Timeline, prefix: str = "") -> np.ndarray:
    found = MEASURE(layers, timeline)
    return cka(*(found[f"{prefix}{name}"] for name in MEASURE.needed))


def far_apart(timeline: Timeline) -> bool:
    """Whether every word has a stretch of its own, so that audio vectors differ by more than rounding."""
    return len(np.unique(timeline.stretches, axis=0)) == timeline.num_words


@given(sizes)
def test_equals_the_definition(
    layers: Callable[..., Layers], timeline: Callable[..., Timeline], size: tuple[int, int, int]
) -> None:
    made, times = layers(*size), timeline(*size)
    if not far_apart(times):
        return
    found = value(made, times)
    for layer in range(2):
        audio = np.stack([made.frames[layer, begin:end].mean(axis=0) for begin, end in times.stretches])
        assert found[layer] == pytest.approx(expected(made.words[layer], audio), rel=1e-3, abs=1e-4)


@given(sizes, st.floats(1e-3, 1e3), st.floats(-5, 5))
def test_no_rotation_scaling_or_offset_of_either_side_changes_it(
    layers: Callable[..., Layers],
    timeline: Callable[..., Timeline],
    size: tuple[int, int, int],
    scale: float,
    offset: float,
) -> None:
    made, times = layers(*size), timeline(*size)
    if not far_apart(times):
        return
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))[0].astype(np.float32)
    moved = Layers.of_vectors(made.words * np.float32(scale) + np.float32(offset), made.frames @ turn * np.float32(3))
    np.testing.assert_allclose(value(moved, times), value(made, times), rtol=1e-2, atol=1e-3)
    if times.num_words >= FEWEST:
        np.testing.assert_allclose(value(moved, times, "beyond_"), value(made, times, "beyond_"), rtol=2e-2, atol=2e-3)


def test_the_same_structure_in_other_directions_is_found(timeline: Callable[..., Timeline]) -> None:
    """Where no cosine sees anything: each word's audio is its vector, turned."""
    rng, edges = np.random.default_rng(0), np.linspace(0, 2.4, 13)
    spans = [type(word)(word.word, *edges[at : at + 2]) for at, word in enumerate(timeline(12, 60).words)]
    times = Timeline.of("u", spans, 60, 0.04)
    words = rng.normal(size=(1, 12, 256)).astype(np.float32)
    words[:, 5] = words[:, 2]  # a word that is said twice
    turn = np.linalg.qr(rng.normal(size=(256, 256)))[0].astype(np.float32)
    frames = (words @ turn)[:, times.owners]
    made = Layers.of_vectors(words, frames)
    found = MEASURE(made, times)
    assert value(made, times) == pytest.approx(1, abs=1e-4)
    assert value(made, times, "beyond_") == pytest.approx(1, abs=1e-3)
    assert set(MEASURE.columns(found, times)) == {
        f"cka_{prefix}{name}" for prefix in ("", "beyond_") for name in MEASURE.needed
    }


def test_equal_words_count_once_they_are_taken_out() -> None:
    """Two unrelated sides whose third and sixth word are the same on both: CKA sees that, and it is not evidence."""
    words = ["The", "cat", "saw", "a", "dog,", "Saw", "it"]
    rng = np.random.default_rng(0)
    sides = rng.normal(size=(2, 4000, 7, 20))
    sides[:, :, 5] = sides[:, :, 2]
    grams = np.stack([side @ np.swapaxes(side, -1, -2) for side in sides], axis=1)
    plain, left = hsic(grams)[:, 0, 1], beyond(grams, words)[:, 0, 1]
    assert plain.mean() > 10 * plain.std() / np.sqrt(4000)
    assert left.mean() == pytest.approx(0, abs=3 * left.std() / np.sqrt(4000))
    named_apart = beyond(grams, ["The", "cat", "saw", "a", "dog,", "heard", "it"])[:, 0, 1]
    assert named_apart.mean() > 10 * named_apart.std() / np.sqrt(4000)


def test_nothing_shared_is_zero_in_the_mean() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2, 4000, 9, 20))
    one, other = (states @ np.swapaxes(states, -1, -2) for states in vectors)
    found = hsic(np.stack([one, other], axis=1))[:, 0, 1]
    assert found.mean() == pytest.approx(0, abs=3 * found.std() / np.sqrt(4000))


def test_equal_words_are_structure_and_no_error(timeline: Callable[..., Timeline]) -> None:
    words, times = np.ones((1, 5, 12), np.float32), timeline(5, 30)
    found = MEASURE(Layers.of_vectors(words, np.random.default_rng(0).normal(size=(1, 30, 12))), times)
    assert found["words"] == 0 and found["both"] == 0 and "beyond_both" not in found


def test_three_words_are_left_out(layers: Callable[..., Layers], timeline: Callable[..., Timeline]) -> None:
    assert MEASURE(layers(3, 10), timeline(3, 10)) == {}
