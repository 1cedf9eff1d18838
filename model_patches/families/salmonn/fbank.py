"""Kaldi's log-mel filter banks as BEATs was trained on: 25 ms Povey windows, one every 10 ms, 128 bands.

Source: Kaldi's ``feat/feature-fbank.cc`` and ``mel-computations.cc`` with their default options. Computed in float64,
as the original SALMONN does (its audio arrives so from soundfile): in float32 the values move by up to 4e-3.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

SAMPLE_RATE = 16_000
NUM_MELS = 128

_WINDOW = 400  # samples, 25 ms
_STEP = 160  # samples, 10 ms
_FFT = 512
_LOW_HZ = 20.0
_PREEMPHASIS = 0.97
_FLOOR = float(np.finfo(np.float32).eps)  # Kaldi's, also where the sums are float64

# BEATs' own normalisation, (x - mean) / (2 std) over AudioSet.
_MEAN = 15.41663
_STD = 6.55582


def beats_features(audio: np.ndarray) -> np.ndarray:
    """Return the normalised log-mel filter banks that BEATs reads.

    Args:
        audio: 16 kHz mono samples in [-1, 1], shape ``(num_samples,)``, at least 25 ms.

    Returns:
        float32 array of shape ``(num_frames, 128)``, 1 + (num_samples - 400) // 160 frames of 10 ms.
    """
    # Kaldi counts in the units of 16-bit samples.
    features = log_mel(audio.astype(np.float64) * 2**15)
    return ((features - _MEAN) / (2 * _STD)).astype(np.float32)


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Return the natural logarithm of the energy in each mel band.

    Frames that would reach beyond the end are left out (Kaldi's ``snip-edges``); nothing is dithered.

    Args:
        samples: float64, shape ``(num_samples,)``.

    Returns:
        float64 array of shape ``(num_frames, 128)``.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_STEP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    # The first sample of a frame is taken as its own predecessor.
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    frames = (frames - _PREEMPHASIS * before) * _povey_window()
    power = np.abs(np.fft.rfft(frames, _FFT)) ** 2
    return np.asarray(np.log(np.maximum(power @ _mel_filters().T, _FLOOR)))


@lru_cache(maxsize=1)
def _povey_window() -> np.ndarray:
    return np.hanning(_WINDOW) ** 0.85


@lru_cache(maxsize=1)
def _mel_filters() -> np.ndarray:
    """Return triangles that are even on the mel scale, shape ``(128, 257)``; the Nyquist frequency belongs to none."""
    low, high = mel(np.array([_LOW_HZ, SAMPLE_RATE / 2]))
    edges = np.linspace(low, high, NUM_MELS + 2)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = mel(np.arange(_FFT // 2) * SAMPLE_RATE / _FFT)
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    filters = np.maximum(0.0, np.minimum(rising, falling))
    return np.pad(filters, ((0, 0), (0, 1)))


def mel(hertz: np.ndarray) -> np.ndarray:
    """Return frequencies on the mel scale, as HTK and Kaldi define it."""
    return 1127.0 * np.log1p(hertz / 700.0)
