"""Where there is speech: regions between silences, packed together and unpacked again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import median_filter

from model_patches.reference.matching import (
    FRAME,
    HOP,
    MARGIN,
    MIN_PAUSE,
    MIN_SPEECH_FRAMES,
    SAMPLE_RATE,
    SILENCE_DB,
    Span,
)

# ---- silence -----------------------------------------------------------------------------------------------


def speech_regions(audio: np.ndarray, margin: float = MARGIN) -> list[Span]:
    """Find the parts of a recording that are not silence, by their energy.

    A frame's level is compared with two thresholds set from the recording's own noise floor and peak: a
    region extends over frames above the lower one and must hold some above the upper one, so that the quiet
    ends of words stay in and bumps of the noise stay out. Where noise is within 20 dB of the speech
    everything is speech: silence that is kept costs little, a word that is cut costs much.

    Args:
        audio: samples, shape ``(num_samples,)``.
        margin: seconds kept on both sides of every region.

    Returns:
        Disjoint (start, end) in seconds, ascending, within the recording; empty if there is no sound at all.

    Example:
        >>> tone = np.sin(np.arange(16000) * 0.3)
        >>> regions = speech_regions(np.concatenate([np.zeros(16000), tone, np.zeros(16000)]))
        >>> [(round(start, 1), round(end, 1)) for start, end in regions]
        [(1.0, 2.0)]
    """
    levels = _frame_levels(audio)
    thresholds = _thresholds(levels)
    if thresholds is None:
        return []
    low, high = thresholds
    runs = _join(_runs(levels >= low), round(MIN_PAUSE * SAMPLE_RATE / HOP))
    loud = np.concatenate([[0], np.cumsum(levels >= high)])
    spoken = [(a, b) for a, b in runs if loud[b] - loud[a] >= MIN_SPEECH_FRAMES] or runs
    duration = len(audio) / SAMPLE_RATE
    return [_region(a, b, margin, duration) for a, b in spoken]


def _frame_levels(audio: np.ndarray) -> np.ndarray:
    """Return the level of every frame in dB of full scale, shape ``(num_frames,)``."""
    samples = np.asarray(audio, dtype=np.float64)
    # A constant offset is no sound, but its energy would hide all silence.
    power = (samples - (samples.mean() if len(samples) else 0.0)) ** 2
    num_frames = max(0, -(-(len(power) - FRAME) // HOP)) + 1
    power = np.pad(power, (0, (num_frames - 1) * HOP + FRAME - len(power)))
    frames = np.lib.stride_tricks.sliding_window_view(power, FRAME)[::HOP]
    return np.asarray(10 * np.log10(frames.mean(axis=-1) + 1e-12))


def _thresholds(levels: np.ndarray) -> tuple[float, float] | None:
    """Return the lower and the upper threshold in dB, or None if nothing is above digital silence."""
    # A median over 90 ms: a click must not set the peak.
    peak = float(median_filter(levels, size=min(9, len(levels)), mode="nearest").max())
    if peak < SILENCE_DB:
        return None
    # Zeros that somebody padded say nothing about the noise of the rest.
    floor = float(np.percentile(levels[levels > SILENCE_DB], 10))
    high = float(np.clip(floor + 12, peak - 40, peak - 20))
    return min(high, max(high - 6, floor + 4)), high


def _runs(active: np.ndarray) -> list[tuple[int, int]]:
    """Return the half-open index ranges in which a boolean array is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _join(runs: Sequence[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Join ranges that are less than `gap` apart."""
    joined: list[tuple[int, int]] = []
    for start, end in runs:
        if joined and start - joined[-1][1] < gap:
            start = joined.pop()[0]
        joined.append((start, end))
    return joined


def _region(first: int, last: int, margin: float, duration: float) -> Span:
    # A frame stands for its centre: one that sound has only just entered is loud already.
    start = (first * HOP + FRAME / 2) / SAMPLE_RATE - margin
    end = ((last - 1) * HOP + FRAME / 2) / SAMPLE_RATE + margin
    if (last - 1) * HOP + FRAME >= duration * SAMPLE_RATE:
        end = duration
    return (0.0 if first == 0 else max(0.0, start)), min(duration, end)


def pack(audio: np.ndarray, regions: Sequence[Span]) -> np.ndarray:
    """Concatenate the samples of the regions."""
    return np.concatenate([audio[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)] for a, b in regions])


def unpack_span(span: Span, regions: Sequence[Span]) -> Span:
    """Map a span of packed time back to the recording.

    A span over a cut is clipped to the region that holds most of it: a word is not spoken on both sides of a
    silence.

    Args:
        span: (start, end) in packed seconds.
        regions: as `speech_regions` returns, at least one.

    Returns:
        (start, end) in seconds of the recording, inside one region.
    """
    lengths = np.array([b - a for a, b in regions])
    ends = np.cumsum(lengths)
    starts = ends - lengths
    overlap = np.minimum(span[1], ends) - np.maximum(span[0], starts)
    k = int(np.argmax(overlap))
    start, end = np.clip(span, starts[k], ends[k]) - starts[k] + regions[k][0]
    return float(start), float(end)
