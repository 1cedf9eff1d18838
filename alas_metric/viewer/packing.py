"""How arrays and texts get into a page: few bytes, and nothing in them that HTML would read.

A block is deflated (RFC 1950) and written in base64; a browser unpacks it without a library.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np

LEVELS = 255
"""Steps between the lowest and the highest similarity of a word in a layer."""


def block(content: bytes) -> str:
    """Return bytes as a block."""
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


def json_block(value: Any) -> str:
    """Return a value as a block of JSON."""
    return block(json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii"))


def similarity_block(similarity: np.ndarray) -> str:
    """Return similarities as a block.

    Each row, a word's similarities in one form and layer, is counted in `LEVELS` steps from its own lowest to its
    highest value, so that words near to everything do not cost the others their contrast. Along a row differences are
    stored, since neighbouring positions are alike.

    Args:
        similarity: raw and centred, shape ``(L + 1, 2, N, T)``.

    Returns:
        A block: little-endian float32 ``(L + 1, 2, N, 2)``, lowest value and step of each row, then the differences
        modulo 256, uint8 ``(L + 1, 2, N, T)``.
    """
    scales, steps = zip(*(_quantised(layer.astype(np.float32)) for layer in similarity), strict=True)
    return block(np.stack(scales).astype("<f4").tobytes() + np.stack(steps).tobytes())


def _quantised(layer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return scales (..., N, 2) and differences of steps (..., N, T) of rows (..., N, T)."""
    low, high = layer.min(axis=-1), layer.max(axis=-1)
    step = (high - low) / LEVELS
    steps = np.rint((layer - low[..., None]) / np.where(step == 0, 1, step)[..., None]).astype(np.uint8)
    return np.stack([low, step], axis=-1), np.diff(steps, axis=-1, prepend=np.uint8(0))
