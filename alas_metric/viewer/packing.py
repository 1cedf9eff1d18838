"""How arrays and texts get into a page: few bytes, and nothing in them that HTML would read.

A block is deflated (RFC 1950) and written in base64; a browser unpacks it without a library.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np

STEPS = {255: 7.6, 127: 6.6, 63: 5.6, 31: 4.6, 15: 3.6}
"""Into how many steps the range of a row may be cut, and the bits that a value then takes, scales included (measured on
the demo's similarities)."""
_DUMPED_BYTES = 1.9
"""What a value takes in a dump, float16 and deflated."""


def block(content: bytes, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> str:
    """Return bytes as a block; the strategy is one of zlib's."""
    deflate = zlib.compressobj(6, strategy=strategy)
    return base64.b64encode(deflate.compress(content) + deflate.flush()).decode("ascii")


def json_block(value: Any) -> str:
    """Return a value as a block of JSON."""
    return block(json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii"))


def affordable_steps(dumped: int, audio: int, goal: int) -> int:
    """Return the finest of `STEPS` at which a run takes no more than a goal in a page, else the coarsest.

    Args:
        dumped: bytes of the run's dumps.
        audio: bytes of its speech.
        goal: characters of its blocks.

    Example:
        >>> [affordable_steps(dumped * 10**6, 26 * 10**6, 95 * 10**6) for dumped in (10, 100, 900)]
        [255, 127, 15]
    """
    cells = dumped / _DUMPED_BYTES
    return next((steps for steps, bits in STEPS.items() if (cells * bits / 8 + audio) * 4 / 3 <= goal), min(STEPS))


def similarity_block(similarity: np.ndarray, steps: int = max(STEPS)) -> str:
    """Return similarities as a block.

    Each row, a word's similarities in one form and layer, is counted in steps from its own lowest to its highest
    value, so that words near to everything do not cost the others their contrast. Along a row differences are
    stored, since neighbouring positions are alike.

    Args:
        similarity: raw and centred, shape ``(L + 1, 2, N, T)``.
        steps: from the lowest to the highest value of a row, at most 255.

    Returns:
        A block: little-endian float32 ``(L + 1, 2, N, 2)``, lowest value and step of each row, then the differences
        modulo 256, uint8 ``(L + 1, 2, N, T)``.
    """
    scales, moves = zip(*(_quantised(layer.astype(np.float32), steps) for layer in similarity), strict=True)
    content = np.stack(scales).astype("<f4").tobytes() + np.stack(moves).tobytes()
    return block(content, zlib.Z_FILTERED)  # what repeats in it does so by chance: looking for it costs a tenth more


def _quantised(layer: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scales (..., N, 2) and differences of counts (..., N, T) of rows (..., N, T)."""
    low, high = layer.min(axis=-1), layer.max(axis=-1)
    step = (high - low) / steps
    counts = np.rint((layer - low[..., None]) / np.where(step == 0, 1, step)[..., None]).astype(np.uint8)
    return np.stack([low, step], axis=-1), np.diff(counts, axis=-1, prepend=np.uint8(0))
