"""Contrast against a loop over all cells, and its ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric import WordTiming
from alas_metric.document.measure import Layers
from alas_metric.document.measures.contrast import MEASURE
from alas_metric.document.similarity import FORMS
from alas_metric.document.timeline import Timeline


@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 99))
def test_equals_a_loop(
    layers: Callable[..., Layers], timeline: Callable[..., Timeline], num_words: int, num_frames: int, seed: int
) -> None:
    made, times = layers(num_words, num_frames, seed), timeline(num_words, num_frames, seed)
    own = {(word, position) for word, (begin, end) in enumerate(times.stretches) for position in range(begin, end)}
    spoken = {position for _, position in own}
    others = [(word, position) for word in range(num_words) for position in spoken if (word, position) not in own]
    found = MEASURE(made, times)
    assert bool(found) == bool(others)
    for form, values in found.items():
        for layer in range(2):
            grid = made.similarity[layer, FORMS.index(form)].astype(np.float64)
            expected = np.mean([grid[cell] for cell in sorted(own)]) - np.mean([grid[cell] for cell in others])
            assert values[layer] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_words_in_their_own_stretches() -> None:
    times = Timeline.of("u", [WordTiming(str(i), 0.4 * i, 0.4 * i + 0.4) for i in range(4)], 40, 0.04)
    words = np.eye(4)[None]
    made = Layers.of_vectors(words, words[:, times.owners])
    assert MEASURE(made, times)["raw"] == pytest.approx(1)
    assert MEASURE(made, times)["centred"] == pytest.approx(4 / 3)
