"""The mean similarity along the path, against a loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric.document.measure import Layers
from alas_metric.document.measures.path_score import MEASURE
from alas_metric.document.similarity import FORMS
from alas_metric.document.timeline import Timeline


@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 99))
def test_equals_a_loop(
    layers: Callable[..., Layers], timeline: Callable[..., Timeline], num_words: int, num_frames: int, seed: int
) -> None:
    made, times = layers(num_words, num_frames, seed), timeline(num_words, num_frames, seed)
    found = MEASURE(made, times)
    for (layer, at), path in np.ndenumerate(np.empty((2, 3))):
        path = made.paths[layer, at]
        cells = [(path[k], k) if num_frames >= num_words else (k, path[k]) for k in range(len(path))]
        expected = np.mean([made.similarity[layer, at][cell] for cell in cells])
        assert found[FORMS[at]][layer] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_no_other_path_scores_more(layers: Callable[..., Layers], timeline: Callable[..., Timeline]) -> None:
    made, times = layers(5, 20), timeline(5, 20)
    columns = MEASURE.columns(MEASURE(made, times), times)
    straight = made.similarity[:, :, np.arange(20) * 5 // 20, np.arange(20)].mean(axis=-1)
    for at, form in enumerate(FORMS):
        assert (columns[f"path_score_{form}"] >= straight[:, at]).all()
