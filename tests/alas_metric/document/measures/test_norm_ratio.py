"""The ratio of lengths, against known ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric.document.measure import Layers
from alas_metric.document.measures.norm_ratio import MEASURE
from alas_metric.document.timeline import Timeline


@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 99))
def test_equals_a_loop(
    layers: Callable[..., Layers], timeline: Callable[..., Timeline], num_words: int, num_frames: int, seed: int
) -> None:
    made, times = layers(num_words, num_frames, seed), timeline(num_words, num_frames, seed)
    found = MEASURE(made, times)
    for layer in range(2):
        audio = [made.frames[layer, begin:end].mean(axis=0) for begin, end in times.stretches]
        logs = [
            np.log10(np.linalg.norm(heard) / np.linalg.norm(word))
            for heard, word in zip(audio, made.words[layer], strict=True)
        ]
        assert found["sum"][layer] == pytest.approx(sum(logs), rel=1e-4, abs=1e-4)
        assert found["words"][layer] == num_words


@pytest.mark.parametrize("power", [-15, 0, 15])
def test_ten_times_as_long(power: int, timeline: Callable[..., Timeline]) -> None:
    scale = np.float32(10.0**power)
    made = Layers.of_vectors(np.ones((1, 4, 8), np.float32) * scale, np.full((1, 20, 8), np.float32(10) * scale))
    columns = MEASURE.columns(MEASURE(made, timeline(4, 20)), timeline(4, 20))
    assert columns["norm_ratio_sum"] / columns["norm_ratio_words"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("value", [0, 1e30])
def test_vectors_without_a_length_are_left_out(timeline: Callable[..., Timeline], value: float) -> None:
    words = np.ones((1, 4, 8), np.float32)
    words[0, 1] = value
    found = MEASURE(Layers.of_vectors(words, np.ones((1, 20, 8), np.float32)), timeline(4, 20))
    assert (found["sum"], found["words"]) == (0, 3)
