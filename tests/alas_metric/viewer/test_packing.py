"""How similarities get into a page: what comes back, how exactly, and in how many bytes."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest

from alas_metric.viewer.packing import STEPS, affordable_steps, json_block, similarity_block


def unpacked(text: str, shape: tuple[int, int, int, int]) -> np.ndarray:
    """Return similarities as the page's script reads them."""
    content = zlib.decompress(base64.b64decode(text))
    layers, forms, rows, _ = shape
    scales = np.frombuffer(content, "<f4", 2 * layers * forms * rows).reshape(layers, forms, rows, 2)
    moves = np.frombuffer(content, np.uint8, offset=scales.nbytes).reshape(shape)
    counts = np.cumsum(moves, axis=-1, dtype=np.uint8)
    return scales[..., :1] + scales[..., 1:] * counts


@pytest.mark.parametrize("steps", STEPS)
def test_values_come_back_within_half_a_step_of_their_own_row(steps: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 2, 5, 40)) * 10.0 ** rng.integers(-3, 1, (3, 2, 5, 1))
    values[1, 0, 2] = 0.25  # a word that is as near to every position
    values = values.astype(np.float16)
    found = unpacked(similarity_block(values, steps), values.shape)
    step = (values.max(axis=-1) - values.min(axis=-1)).astype(np.float32) / steps
    assert (np.abs(found - values).max(axis=-1) <= 0.51 * step).all()
    assert (found[1, 0, 2] == 0.25).all()


def test_one_position_and_one_word() -> None:
    values = np.full((1, 2, 1, 1), 0.5, np.float16)
    assert (unpacked(similarity_block(values), values.shape) == 0.5).all()


def test_fewer_steps_take_fewer_bytes_as_stated() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(8, 2, 20, 202))
    smooth = (noise[..., 2:] + 2 * noise[..., 1:-1] + noise[..., :-2]).astype(np.float16)  # neighbours are alike
    for steps, bits in STEPS.items():
        assert len(similarity_block(smooth, steps)) * 3 / 4 * 8 / smooth.size == pytest.approx(bits, abs=0.5)
    assert affordable_steps(0, 0, 0) == 255


def test_json_is_text_without_signs_of_html() -> None:
    block = json_block({"word": "</script>é"})
    assert set(block) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
    assert json.loads(zlib.decompress(base64.b64decode(block))) == {"word": "</script>é"}
