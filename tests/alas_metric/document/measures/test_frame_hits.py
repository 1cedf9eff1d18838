"""Frame hits against the definition, and their ends."""

from __future__ import annotations

import numpy as np
import pytest

from alas_metric import WordTiming, reference_path
from alas_metric.document.measures.frame_hits import frame_hits
from alas_metric.document.timeline import Timeline

WORDS = [WordTiming("a", 0.0, 0.2), WordTiming("b", 0.2, 0.5), WordTiming("c", 0.7, 1.0)]


def slow_hits(similarity: np.ndarray, words: list[WordTiming], seconds: float) -> float:
    total = 0.0
    owners = reference_path(words, similarity.shape[1], seconds)
    for k, owner in enumerate(owners):
        if words[owner].start <= (k + 0.5) * seconds < words[owner].end:
            best = np.flatnonzero(similarity[:, k] == similarity[:, k].max())
            total += (owner in best) / len(best)
    return total


def test_frame_hits_equal_the_definition() -> None:
    similarity = np.random.default_rng(0).integers(0, 3, size=(4, 2, 3, 11)).astype(np.float32)
    found = frame_hits(similarity, Timeline.of("u", WORDS, 11, 0.1))
    assert found.shape == (4, 2)
    for index in np.ndindex(4, 2):
        assert found[index] == pytest.approx(slow_hits(similarity[index], WORDS, 0.1))


def test_frame_hits_without_a_spoken_position() -> None:
    words = [WordTiming("a", 0.0, 0.0), WordTiming("b", 0.0, 0.0)]
    assert frame_hits(np.ones((2, 5)), Timeline.of("u", words, 5, 0.1)) == 0


def test_ties_are_shared() -> None:
    words = [WordTiming("a", 0.0, 0.5), WordTiming("b", 0.5, 1.0)]
    assert frame_hits(np.zeros((2, 10)), Timeline.of("u", words, 10, 0.1)) == 5
