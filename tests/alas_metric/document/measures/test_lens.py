"""The lens's counts: a planted reading, brute force, and what has no control."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric.document.measure import Layers
from alas_metric.document.measures.lens import MEASURE, words_read
from alas_metric.document.timeline import Timeline

torch = pytest.importorskip("torch")


def read(readable: np.ndarray, timeline: Timeline) -> dict[str, np.ndarray]:
    return MEASURE(Layers(None, readable=readable), timeline)


@given(st.integers(1, 9), st.integers(2, 30), st.integers(0, 99))
def test_equals_a_loop(timeline: Callable[..., Timeline], num_words: int, num_frames: int, seed: int) -> None:
    times = timeline(num_words, num_frames, seed)
    readable = np.random.default_rng(seed).random((2, num_words, num_frames)) < 0.1
    found = read(readable, times)
    for layer in range(2):
        own, shifted = 0, 0
        for word, (begin, end) in enumerate(times.stretches):
            own += any(readable[layer, word, t] for t in range(begin, end))
            shifted += any(readable[layer, word, (t - times.shift) % num_frames] for t in range(begin, end))
        assert (found["hits"][layer], found["shifted"][layer]) == (own, shifted)


def test_words_that_are_read_where_they_are_spoken(timeline: Callable[..., Timeline]) -> None:
    times = timeline(6, 60)
    readable = np.zeros((1, 6, 60), bool)
    readable[0][times.cells] = True
    assert read(readable, times)["hits"] == 6 and words_read(readable, times).all()
    assert read(torch.from_numpy(readable), times)["hits"] == 6
    assert read(np.ones_like(readable), times)["shifted"] == 6
    columns = MEASURE.columns(read(np.ones_like(readable), times), times)
    assert columns == {"lens_hits": 6, "lens_shifted": 6, "lens_words": 6}


def test_without_a_reading_or_a_shift_there_is_nothing(
    timeline: Callable[..., Timeline], layers: Callable[..., Layers]
) -> None:
    assert MEASURE(layers(3, 10), timeline(3, 10)) == {}
    assert read(np.ones((1, 3, 1), bool), timeline(3, 1)) == {}
