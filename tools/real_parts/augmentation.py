"""Other speakers, paces and rooms, made from log-mel features."""

from __future__ import annotations

import math

import numpy as np
import torch
from features import DYNAMIC_RANGE

UNCHANGED = 0.3
"""The share of utterances that stay as they are."""
NOISY = 0.5
"""The share of the others that noise is added to."""
VOICES, PACES = (0.87, 1.15), (0.85, 1.2)
"""Factors of frequency and of time."""
NOISE = (0.5, 1.6)
"""How far below the loudest sound noise is, in units of 40 dB."""
MASKS, WIDEST_BAND, LONGEST_GAP = 2, 10, 12
"""Bands (bins) and gaps (frames) that are taken out, SpecAugment's (arXiv 1904.08779), in small."""

_NATURAL = 4 * math.log(10)
"""Whisper's unit of log-mel features in natural logarithms of power."""


def augment(mel: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return the features of the same words as another speaker might say them, float32.

    Args:
        mel: log-mel features, shape (bins, frames).
        rng: draws what is changed; torch's generator draws the noise.
    """
    mel = mel.float()
    if rng.random() < UNCHANGED:
        return mel
    mel = warped(mel, rng.uniform(*VOICES), rng.uniform(*PACES))
    if rng.random() < NOISY:
        mel = noisy(mel, float(mel.max()) - rng.uniform(*NOISE), rng.uniform(-0.5, 0.5))
    return masked(mel, rng)


def warped(mel: torch.Tensor, voice: float, pace: float) -> torch.Tensor:
    """Return features with all frequencies ``voice`` times as high (in mel) and ``pace`` times as many frames."""
    bins, frames = mel.shape
    made = max(1, round(frames * pace))
    read = (torch.arange(bins, device=mel.device) / voice).clamp(max=bins - 1)
    grid = torch.stack(
        torch.meshgrid(
            2 * read / (bins - 1) - 1,
            torch.linspace(-1, 1, made, device=mel.device),
            indexing="ij",
        )[::-1],
        dim=-1,
    )
    return torch.nn.functional.grid_sample(mel[None, None], grid[None], padding_mode="border", align_corners=True)[0, 0]


def noisy(mel: torch.Tensor, level: float, tilt: float) -> torch.Tensor:
    """Return features with noise of a level added, which rises by ``tilt`` from the lowest bin to the highest."""
    bins = mel.shape[0]
    slope = tilt * (torch.arange(bins, device=mel.device) / bins - 0.5)[:, None]
    flutter = torch.empty_like(mel).exponential_().log() / _NATURAL
    return torch.logaddexp(_NATURAL * mel, _NATURAL * (level + slope + flutter)) / _NATURAL


def masked(mel: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return features with some bands and some gaps silent."""
    mel = mel.clone()
    silence = float(mel.max()) - DYNAMIC_RANGE
    for axis, widest in ((0, WIDEST_BAND), (1, LONGEST_GAP)):
        for _ in range(MASKS):
            width = min(int(rng.integers(widest + 1)), mel.shape[axis] // 4)
            mel.narrow(axis, int(rng.integers(mel.shape[axis] - width + 1)), width).fill_(silence)
    return mel
