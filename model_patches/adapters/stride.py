"""Seconds per audio position, measured from how many positions audio of a length gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from alas_tasks.audio import SAMPLE_RATE

STEP = SAMPLE_RATE // 100
"""Samples of one frame, at the 10 ms of every feature extractor at hand: the resolution of what is measured."""


@dataclass(frozen=True)
class Stride:
    """The time of a position, as measured.

    Args:
        samples: at 16 kHz, of one position.
        step: how many positions come at once.
        padded: whether audio that is much shorter gets as many.
    """

    samples: float
    step: int
    padded: bool


def measure_stride(count: Callable[[int], int]) -> Stride:
    """Return the time of a position from two places, 12 s or more apart, at which their number steps up.

    Between two steps lies a whole number of positions, so that nothing is rounded. A pattern that repeats every
    second, such as Qwen3-Omni's 13 positions, is met twice at the same place.

    Args:
        count: the number of positions that so many samples get.

    Raises:
        ValueError: If the number does not grow with the audio's length.
    """
    count = lru_cache(None)(count)
    try:
        first = next_step(count, 10 * SAMPLE_RATE)
        last = next_step(count, first + 12 * SAMPLE_RATE - STEP)
    except ValueError as error:
        raise ValueError(f"seconds per position cannot be measured: {error}") from None
    samples = (last - first) / (count(last) - count(first))
    padded = count(SAMPLE_RATE) * samples > 3 * SAMPLE_RATE
    return Stride(samples, count(first) - count(first - STEP), padded)


def next_step(count: Callable[[int], int], start: int) -> int:
    """Return the number of samples, in steps of 10 ms from ``start``, from which more positions come.

    Raises:
        ValueError: If a minute more of audio brings none.
    """
    low, width = start, STEP
    while count(low + width) == count(start):
        low, width = low + width, 2 * width
        if low - start > 60 * SAMPLE_RATE:
            raise ValueError(
                f"{start / SAMPLE_RATE:.0f} s and {low / SAMPLE_RATE:.0f} s of audio both get {count(low)}"
            )
    high = low + width
    while high - low > STEP:
        middle = low + (high - low) // (2 * STEP) * STEP
        low, high = (middle, high) if count(middle) == count(start) else (low, middle)
    return high


def noise(num_samples: int) -> np.ndarray:
    """Return faint noise, which every feature extractor takes; some fail on zeros."""
    return np.random.default_rng(0).normal(0, 0.01, num_samples).astype(np.float32)
