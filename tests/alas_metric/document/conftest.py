"""Layers made by code, as measures get them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from alas_metric import WordTiming
from alas_metric.document.measure import Layers
from alas_metric.document.timeline import Timeline

SECONDS = 0.04


def make_timeline(num_words: int, num_frames: int, seed: int = 0) -> Timeline:
    """Return words with gaps and overlaps on a grid of positions."""
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.uniform(0, num_frames * SECONDS, (2, num_words)), axis=0)
    order = np.argsort(edges[0])
    words = [WordTiming(f"w{i}", float(start), float(end)) for i, (start, end) in enumerate(edges[:, order].T)]
    return Timeline.of(f"u{seed}", words, num_frames, SECONDS)


def make_layers(num_words: int, num_frames: int, seed: int = 0, size: int = 12, num_layers: int = 2) -> Layers:
    """Return layers of normal vectors."""
    rng = np.random.default_rng(seed)
    words, frames = (rng.normal(size=(num_layers, count, size)) for count in (num_words, num_frames))
    return Layers.of_vectors(words.astype(np.float32), frames.astype(np.float32))


@pytest.fixture(scope="session")
def timeline() -> Callable[..., Timeline]:
    """Return the function that makes timelines."""
    return make_timeline


@pytest.fixture(scope="session")
def layers() -> Callable[..., Layers]:
    """Return the function that makes layers."""
    return make_layers
