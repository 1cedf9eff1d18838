from __future__ import annotations

import numpy as np
import pytest
import torch

from model_patches.reference import attention

BORDERS = np.array([0, 20, 40, 100, 120, 180, 200, 260, 280])
"""Frames at which tokens of very different lengths begin, and the end."""
NUM_FRAMES = 300


def scores_of(looks: np.ndarray, width: float) -> torch.Tensor:
    """Return one head's scores whose rows are bells around places; one more row reads the end."""
    frames = np.arange(NUM_FRAMES)
    bells = -0.5 * ((frames - np.append(looks, NUM_FRAMES)[:, None]) / width) ** 2
    return torch.tensor(np.log(np.exp(bells) + 0.05))[None]  # no head looks nowhere else


def covering() -> torch.Tensor:
    """Return one head's scores whose rows look all over the token that they predict."""
    frames = np.arange(NUM_FRAMES)
    edges = np.append(BORDERS, [NUM_FRAMES, NUM_FRAMES + 1])
    inside = (frames >= edges[:-1, None]) & (frames < edges[1:, None])
    return torch.tensor(np.where(inside, 0.0, -8.0))[None]


def both_heads() -> np.ndarray:
    """Return the readings of a head of each kind, shape ``(2, 2, num_tokens + 1)``."""
    return np.concatenate([attention._starts(scores_of(BORDERS, 6.0)), attention._starts(covering())])


def test_a_head_that_looks_at_borders_is_read_by_its_peaks_another_by_its_rows() -> None:
    readings = both_heads()
    truth = BORDERS[1:-1] * attention.FRAME_SECONDS
    borders = readings[:, :, 1:-1] * attention.FRAME_SECONDS
    heads, left = attention.choose_heads(borders, truth, [(0, 0), (0, 1)], 2)
    lags = {head.head: head.lag for head in heads}
    assert lags == {0: pytest.approx(1.0, abs=0.25), 1: pytest.approx(0.0, abs=0.1)}
    assert left <= 0.02
    # The rows of the first take over half way to the place of the next: by no constant too early.
    assert np.ptp(borders[0, 0] - truth) > 0.3 and np.ptp(borders[0, 1] - truth) < 0.05
    found = attention.token_starts(attention.Reading(readings, np.ones(8)), [lags[0], lags[1]])
    np.testing.assert_allclose(found[1:-1], truth, atol=0.05)
    assert found[0] == 0.0


def test_peaks_lie_in_their_rows_part_of_the_path() -> None:
    rng = np.random.default_rng(0)
    for rows, frames in ((1, 1), (1, 9), (4, 4), (5, 30), (6, 3)):
        scores = rng.normal(size=(3, rows, frames))
        first = attention.first_frames(scores)
        found = attention.peaks(scores, first)
        assert (found >= first).all() and (np.diff(found) >= 0).all() and (found[:, 0] == 0).all()
        after = np.concatenate([first[:, 1:], np.full((3, 1), frames)], axis=1).astype(int)
        for head, row in np.ndindex(3, rows):
            part = scores[head, row, int(first[head, row]) : after[head, row]]
            if row and len(part):
                assert found[head, row] == first[head, row] + part.argmax()


def test_heads_of_the_kind_of_the_best_are_taken_unless_the_others_are_much_better() -> None:
    truth = np.arange(1.0, 9.0)
    noise = np.tile([0.5, -0.5], 4)

    def head(lag: float, error: float) -> list[np.ndarray]:
        return [truth - 0.2 * lag + error * noise, truth + 0.2 * (1 - lag) + error * noise]

    borders = np.array([head(1.0, 0.04), head(0.3, 0.05), head(0.0, 0.07), head(1.1, 0.08), head(0.9, 0.2)])
    heads, _ = attention.choose_heads(borders, truth, [(0, k) for k in range(5)], 4)
    # 1 and 2 have less error than 3, and less than half of that of 4.
    assert [head.head for head in heads] == [0, 3, 1, 2]
