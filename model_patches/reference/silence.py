"""Where there is speech: regions between silences, packed together and unpacked again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import butter, sosfilt

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

REACH_FRAMES = 12
"""How far faint sound beside a region belongs to it: the ends of words are fricatives that fade."""
NOISE_MARGIN = 0.15
"""Kept around what is found in the band of voices: a word may begin or end with sound that is not in it."""
VOICED_BAND = (200.0, 1000.0)
"""Hz."""
CODEC_DB = -60.0
"""Below this level sound must come and go to count: codecs leave an even noise where there was none."""
EVEN_DB = 10.0
DIGITAL_DB = -95.0
"""Below this level there are zeros that no microphone gave."""
CLEAR_DB = 20.0
"""Noise that is less than this below the speech's peak is near."""
VOICED_DB = 15.0
"""The same in the band of voices: with less nothing is cut."""

MAX_TAKEN = 0.5
"""Seconds that a full stop or comma takes of a word at most; sound further off is speech that no word stands for."""
MIN_WORD = 0.02
"""Seconds that a word lasts at least; what is shorter was pushed to the edge of its region."""

# ---- silence -----------------------------------------------------------------------------------------------


def speech_regions(audio: np.ndarray, margin: float = MARGIN) -> list[Span]:
    """Find the parts of a recording that are not silence, by their energy.

    A frame's level is compared with two thresholds set from the recording's own noise floor and peak: a
    region extends over frames above the lower one and must hold some above the upper one, so that the quiet
    ends of words stay in and bumps of the noise stay out. Quieter sound that leads up to a region or fades from it
    belongs to it. Where noise is within 20 dB of the speech only the band of voices is looked at, with more kept around
    it; where noise is near there too everything is speech: silence that is kept costs little, a word that is cut much.

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
    found = _heard(audio)
    if found is None:
        return []
    levels, duration = found.levels, len(audio) / SAMPLE_RATE
    if found.noisy and margin:
        margin = NOISE_MARGIN
    runs = _join(_runs(levels >= found.low), round(MIN_PAUSE * SAMPLE_RATE / HOP))
    loud = np.concatenate([[0], np.cumsum(levels >= found.high)])
    spoken = [(a, b) for a, b in runs if loud[b] - loud[a] >= MIN_SPEECH_FRAMES] or runs
    faint = levels >= found.faint
    reached = [(a - _num_leading(faint[:a][::-1]), b + _num_leading(faint[b:])) for a, b in spoken]
    return _apart([_region(a, b, margin, duration) for a, b in reached])


def _num_leading(active: np.ndarray) -> int:
    """Return how many values are true before the first that is not, at most `REACH_FRAMES`."""
    near = active[:REACH_FRAMES]
    return int(np.append(near, False).argmin())


def _apart(regions: Sequence[Span]) -> list[Span]:
    """Join regions that touch: their margins may reach into one another."""
    joined: list[Span] = []
    for start, end in regions:
        if joined and start <= joined[-1][1]:
            start = joined.pop()[0]
        joined.append((start, end))
    return joined


def _voiced_band(audio: np.ndarray) -> np.ndarray:
    """Return the part of the sound in which voices are strongest and broad noise is weak."""
    band = butter(2, VOICED_BAND, btype="bandpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(sosfilt(band, audio))


@dataclass(frozen=True)
class _Heard:
    """What is heard of a recording.

    Args:
        levels: of the frames in dB, shape ``(num_frames,)``.
        faint: the level in dB of what may belong to speech beside it.
        low: of speech.
        high: of what must be in it.
        contrast: of the peak above the noise.
        noisy: whether noise is near, so that the levels are those of the band of voices.
    """

    levels: np.ndarray
    faint: float
    low: float
    high: float
    contrast: float
    noisy: bool = False


def _heard(audio: np.ndarray) -> _Heard | None:
    """Return what is heard, or None if there is nothing but digital silence or the even noise of a codec."""
    whole = _compared(_frame_levels(audio))
    if whole is None or whole.contrast >= CLEAR_DB:
        return whole
    voiced = _compared(_frame_levels(_voiced_band(audio)), least=10.0)
    if voiced is None or voiced.contrast < VOICED_DB:
        return replace(whole, faint=-np.inf, low=-np.inf, high=-np.inf)
    return replace(voiced, noisy=True)


def _frame_levels(audio: np.ndarray) -> np.ndarray:
    """Return the level of every frame in dB of full scale, shape ``(num_frames,)``."""
    samples = np.asarray(audio, dtype=np.float64)
    # A constant offset is no sound, but its energy would hide all silence. The median: speech has a mean of its own.
    power = (samples - (np.median(samples) if len(samples) else 0.0)) ** 2
    num_frames = max(0, -(-(len(power) - FRAME) // HOP)) + 1
    power = np.pad(power, (0, (num_frames - 1) * HOP + FRAME - len(power)))
    frames = np.lib.stride_tricks.sliding_window_view(power, FRAME)[::HOP]
    return np.asarray(10 * np.log10(frames.mean(axis=-1) + 1e-12))


def _compared(levels: np.ndarray, least: float = 20.0) -> _Heard | None:
    """Set the thresholds by the levels, or return None if there is nothing but digital silence or a codec's noise.

    Args:
        levels: of the frames, in dB.
        least: what is less than this below the peak is speech in any case.
    """
    # A median over 90 ms: a click must not set the peak.
    peak = float(median_filter(levels, size=min(9, len(levels)), mode="nearest").max())
    if peak < SILENCE_DB:
        return None
    # Zeros that somebody padded say nothing about the noise of the rest.
    floor = float(np.percentile(levels[levels > SILENCE_DB], 10))
    if peak < CODEC_DB and peak - floor < EVEN_DB:
        return None
    high = float(np.clip(floor + 12, peak - 40, peak - least))
    low = min(high, max(high - 6, floor + 4))
    quiet = float(np.percentile(levels[levels > DIGITAL_DB], 10))
    faint = min(low, max(max(quiet, SILENCE_DB) + 4, peak - 55))
    return _Heard(levels, faint, low, high, contrast=peak - float(np.percentile(levels, 10)))


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
    start = _centre(first) - margin
    end = _centre(last - 1) + margin
    if (last - 1) * HOP + FRAME >= duration * SAMPLE_RATE:
        end = duration
    return (0.0 if first == 0 else max(0.0, start)), min(duration, end)


def pack(audio: np.ndarray, regions: Sequence[Span]) -> np.ndarray:
    """Concatenate the samples of the regions."""
    return np.concatenate([audio[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)] for a, b in regions])


def unpack_spans(spans: Sequence[Span], regions: Sequence[Span]) -> list[Span]:
    """Map the words of packed time back to the recording.

    A word is not spoken on both sides of a silence: each cut lies at the border of two words, the nearest one, and the
    words before it end before the silence. Which word a few milliseconds reach into decides nothing.

    Args:
        spans: (start, end) of the words in packed seconds, ordered; at least one.
        regions: as `speech_regions` returns, at least one.

    Returns:
        (start, end) of each in seconds of the recording, inside one region and, where it has room, `MIN_WORD` long.

    Example:
        >>> unpack_spans([(0.0, 1.05), (1.1, 1.8)], [(1.0, 2.0), (3.0, 4.0)])
        [(1.0, 2.0), (3.1, 3.8)]
    """
    lengths = np.array([b - a for a, b in regions])
    ends = np.cumsum(lengths)
    times = np.asarray(spans, dtype=np.float64)
    borders = np.concatenate([times[:1, 0], (times[:-1, 1] + times[1:, 0]) / 2, times[-1:, 1]])
    words_before = np.abs(borders - ends[:-1, None]).argmin(axis=1)
    of_word = np.searchsorted(words_before, np.arange(len(times)), side="right")
    first, last = (ends - lengths)[of_word], ends[of_word]
    start = np.clip(times[:, 0], first, np.maximum(first, last - MIN_WORD))
    end = np.minimum(np.maximum(times[:, 1], start + MIN_WORD), last)
    shift = np.array([a for a, _ in regions])[of_word] - first
    return [(float(a), float(b)) for a, b in zip(start + shift, end + shift, strict=True)]


def give_sound_to_words(spans: Sequence[Span], audio: np.ndarray) -> list[Span]:
    """Lengthen words over the sound between them, so that what no word has is quiet.

    An aligner gives time to a full stop or comma where one is written, and to the end of the text. If there is a pause
    it lies there; if not, as in ``the U.S. president``, that time was taken from the words on both sides.

    Args:
        spans: (start, end) of the words in seconds of the recording, ordered.
        audio: samples, shape ``(num_samples,)``.

    Returns:
        (start, end) of each, none shorter than before. What is left of the time between two words is the longest
        stretch that is quiet, or all from the first to the last of at least `MIN_PAUSE`; where nothing is quiet, they
        meet in the middle. None grows by more than `MAX_TAKEN`.

    Example:
        >>> tone = np.sin(np.arange(16000) * 0.3)
        >>> audio = np.concatenate([tone, np.zeros(8000), tone])
        >>> [(round(a, 1), round(b, 1)) for a, b in give_sound_to_words([(0.0, 0.5), (0.7, 0.8), (1.9, 2.4)], audio)]
        [(0.0, 0.6), (0.6, 1.0), (1.5, 2.5)]
    """
    found = _heard(audio)
    if found is None or not spans:
        return list(spans)
    quiet = found.levels < found.low
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    gaps = list(zip([0.0, *ends], [*starts, len(audio) / SAMPLE_RATE], strict=True))
    # All sound before the first word is the first word's, and likewise at the end.
    borders = [gaps[0][0], *((a + b) / 2 for a, b in gaps[1:-1]), gaps[-1][1]]
    pauses = [_pause(quiet, *gap) or (border, border) for gap, border in zip(gaps, borders, strict=True)]
    return [
        (min(start, max(before, start - MAX_TAKEN)), max(end, min(after, end + MAX_TAKEN)))
        for (start, end), (_, before), (after, _) in zip(spans, pauses[:-1], pauses[1:], strict=True)
    ]


def _pause(quiet: np.ndarray, start: float, end: float) -> Span | None:
    """Return the pause between two times; None if there is sound all the time.

    Args:
        quiet: whether each frame is, shape ``(num_frames,)``.
        start: where the pause may begin, in seconds.
        end: where it may end.
    """
    if start >= end:
        return start, end
    first, last = (max(0, math.ceil((time * SAMPLE_RATE - FRAME / 2) / HOP)) for time in (start, end))
    runs = _runs(quiet[first:last])
    if not runs:
        return None
    long = [run for run in runs if run[1] - run[0] >= MIN_PAUSE * SAMPLE_RATE / HOP]
    begin, stop = (long[0][0], long[-1][1]) if long else max(runs, key=lambda run: run[1] - run[0])
    return (
        _centre(first + begin) if begin else start,
        _centre(first + stop - 1) if first + stop < last else end,
    )


def _centre(frame: int) -> float:
    return (frame * HOP + FRAME / 2) / SAMPLE_RATE
