"""What position gives is taken out of Gram matrices exactly; checked against plain projections."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric.document.position import FEWEST, beyond_position, left_of

counts, seeds = st.integers(FEWEST, 14), st.integers(0, 99)


def grams(count: int, seed: int, width: int = 5) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(2, count, width))
    return vectors @ np.swapaxes(vectors, -1, -2)


def plainly(values: np.ndarray) -> np.ndarray:
    """Return what is left of Gram matrices: residuals of regressions, first of vectors and then of entries."""
    count = values.shape[-1]
    trend = np.linalg.qr(np.stack([np.arange(count) ** power for power in range(3)], axis=1).astype(float))[0]
    residual = np.eye(count) - trend @ trend.T
    apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    regressors = np.stack([(residual @ (apart == far) @ residual).ravel() for far in range(count)], axis=1)
    left = (residual @ values @ residual).reshape(len(values), -1).T
    return (left - regressors @ np.linalg.lstsq(regressors, left, rcond=1e-10)[0]).T


@given(counts, seeds)
def test_equals_regressions(count: int, seed: int) -> None:
    values = grams(count, seed)
    left = plainly(values)
    np.testing.assert_allclose(beyond_position(values), left @ left.T, rtol=1e-7, atol=1e-9 * (values**2).sum())


@given(counts, seeds, st.floats(-3, 3), st.floats(-3, 3))
def test_a_trend_and_distance_change_nothing(count: int, seed: int, bend: float, nearness: float) -> None:
    values, places = grams(count, seed), np.linspace(0, 1, count)
    vectors = np.random.default_rng(seed).normal(size=(2, count, 5))
    trend = np.stack([1 + places - bend * places**2] * 5, axis=1)
    moved = vectors + 3 * trend * np.arange(1, 6)
    distance = nearness * np.cos(np.subtract.outer(np.arange(count), np.arange(count)))
    found = beyond_position(moved @ np.swapaxes(moved, -1, -2) + distance)
    np.testing.assert_allclose(found, beyond_position(values), rtol=1e-6, atol=1e-9 * (moved**2).sum() ** 2)


def test_stationary_sequences_with_trends_have_nothing_in_common_in_the_mean() -> None:
    """Both sides slide from one place to another and resemble their neighbours; neither knows the other."""
    rng, count, tries = np.random.default_rng(0), 9, 4000
    near = np.linalg.cholesky(0.8 ** np.abs(np.subtract.outer(np.arange(count), np.arange(count))))
    slide = np.linspace(0, 1, count)[:, None] ** 2
    sides = near @ rng.normal(size=(2, tries, count, 6)) + 2 * slide * rng.normal(size=(2, tries, 1, 6))
    products = beyond_position(np.stack([side @ np.swapaxes(side, -1, -2) for side in sides], axis=1))
    both = products[:, 0, 1]
    assert both.mean() == pytest.approx(0, abs=3 * both.std() / np.sqrt(tries))
    plain = np.stack([side - side.mean(axis=1, keepdims=True) for side in sides])
    raw = np.einsum("tij,tij->t", *(side @ np.swapaxes(side, -1, -2) for side in plain))
    assert raw.mean() > 30 * raw.std() / np.sqrt(tries), "which is what position gives"


@given(counts, seeds)
def test_another_matrix_is_taken_out_in_the_same_way(count: int, seed: int) -> None:
    values, [other] = grams(count, seed), grams(count, seed + 100, 2)[:1]
    *left, out = plainly(np.stack([*values, other]))
    rest = np.stack([each - out * (each @ out) / (out @ out) for each in left])
    np.testing.assert_allclose(
        beyond_position(values, left_of(other)), rest @ rest.T, rtol=1e-7, atol=1e-9 * (values**2).sum()
    )


@given(counts, seeds)
def test_of_trend_and_distance_nothing_is_left(count: int, seed: int) -> None:
    places = np.random.default_rng(seed).normal(size=3) @ np.arange(count) ** np.arange(3)[:, None] / count**2
    assert left_of(np.eye(count) + np.outer(places, places)) is None
