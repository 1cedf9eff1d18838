"""Documents made by code."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from alas_metric import AlignmentRecord, WordTiming, reference_path, score_pair

settings.register_profile("few", max_examples=30, deadline=None, derandomize=True)
settings.load_profile("few")

SECONDS = 0.04


@pytest.fixture(scope="module", autouse=True)
def _quick_pdf(request: pytest.FixtureRequest) -> Iterator[None]:
    """Write PDFs without whole fonts, whose choice of glyphs takes a third of saving; the tests of figures do not."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.parent.name != "figures":
            from alas_metric.figures import style

            patch.setitem(style._SETTINGS, "pdf.fonttype", 3)
        yield


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def make_timing(num_words: int, num_frames: int, rng: np.random.Generator) -> list[WordTiming]:
    """Return words of random length that follow each other without gaps over the whole audio."""
    weights = rng.uniform(0.5, 1.5, num_words)
    edges = np.concatenate([[0.0], np.cumsum(weights) / weights.sum()]) * num_frames * SECONDS
    return [WordTiming(f"w{i}", float(edges[i]), float(edges[i + 1])) for i in range(num_words)]


def make_similarity(
    timing: list[WordTiming], num_frames: int, noise: float, rng: np.random.Generator, num_layers: int = 3
) -> np.ndarray:
    """Return similarities (L + 1, 2, N, T) with the reference path planted in noise."""
    planted = np.zeros((len(timing), num_frames), np.float32)
    path = reference_path(timing, num_frames, SECONDS)
    if num_frames >= len(timing):
        planted[path, np.arange(num_frames)] = 1
    else:
        planted[np.arange(len(timing)), path] = 1
    shape = (num_layers, 2, len(timing), num_frames)
    return (planted + noise * rng.normal(size=shape)).astype(np.float32)


def make_record(
    uid: str = "doc",
    num_words: int = 6,
    num_frames: int = 40,
    noise: float = 0.5,
    seed: int = 0,
    num_layers: int = 3,
    **fields: Any,
) -> AlignmentRecord:
    """Return the record of a made-up document with two references."""
    rng = np.random.default_rng(seed)
    timing = make_timing(num_words, num_frames, rng)
    other = make_timing(num_words, num_frames, rng)
    return score_pair(
        make_similarity(timing, num_frames, noise, rng, num_layers),
        uid=uid,
        transcript=" ".join(word.word for word in timing),
        words=[word.word for word in timing],
        frame_seconds=SECONDS,
        references={"whisper": timing, "gold": other},
        reference="whisper",
        **fields,
    )


@pytest.fixture(scope="session")
def record() -> Callable[..., AlignmentRecord]:
    """Return the function that makes records."""
    return make_record


@pytest.fixture(scope="session")
def timing() -> Callable[..., list[WordTiming]]:
    """Return the function that makes word timestamps."""
    return make_timing


@pytest.fixture(scope="session")
def similarity() -> Callable[..., np.ndarray]:
    """Return the function that plants a path."""
    return make_similarity


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if executable is None:
        pytest.skip(f"no browser is installed; looked for {', '.join(BROWSERS)}")
    playwright = pytest.importorskip("playwright.sync_api", reason="drives the browser: pip install playwright")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield chromium
        chromium.close()
