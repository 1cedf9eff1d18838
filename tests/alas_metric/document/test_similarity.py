"""Cosine similarities against float64, and where it used to break: magnitudes, halves, zeros."""

from __future__ import annotations

import numpy as np
import pytest

from alas_metric.document.similarity import centre, cosine_similarity, in_all_forms, similarities, standardise

torch = pytest.importorskip("torch")


def slow_cosine(words: np.ndarray, frames: np.ndarray) -> np.ndarray:
    out = np.zeros((len(words), len(frames)))
    for n, word in enumerate(words.astype(np.float64)):
        for t, frame in enumerate(frames.astype(np.float64)):
            lengths = np.sqrt(word @ word) * np.sqrt(frame @ frame)
            out[n, t] = word @ frame / lengths if lengths else 0.0
    return out


@pytest.fixture
def states() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, 16)).astype(np.float32), rng.normal(size=(9, 16)).astype(np.float32)


def test_equals_the_definition(states: tuple[np.ndarray, np.ndarray]) -> None:
    found = cosine_similarity(*states)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow_cosine(*states), atol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e30, 3e37])
def test_scale_does_not_matter(states: tuple[np.ndarray, np.ndarray], scale: float) -> None:
    words, frames = states
    np.testing.assert_allclose(similarities(words * np.float32(scale), frames), similarities(words, frames), atol=2e-6)
    np.testing.assert_allclose(similarities(words, frames * np.float32(scale)), similarities(words, frames), atol=2e-6)


def test_float64_beyond_the_range_of_float32(states: tuple[np.ndarray, np.ndarray]) -> None:
    words, frames = (value.astype(np.float64) for value in states)
    np.testing.assert_allclose(similarities(words * 1e200, frames * 1e-200), similarities(words, frames), atol=2e-6)


def test_zero_vectors_are_similar_to_nothing(states: tuple[np.ndarray, np.ndarray]) -> None:
    words, frames = states[0].copy(), states[1].copy()
    words[1], frames[2] = 0, 0
    found = cosine_similarity(words, frames)
    assert (found[1] == 0).all() and (found[:, 2] == 0).all()


def test_equal_vectors_are_zero_when_centred() -> None:
    frames = np.repeat(np.random.default_rng(0).normal(size=(1, 16)), 749, axis=0) * 1e3
    assert (centre(frames) == 0).all()
    assert (similarities(np.ones((1, 16)), frames)[1] == 0).all()


def test_centre_subtracts_the_mean(states: tuple[np.ndarray, np.ndarray]) -> None:
    moved = states[0] + 100
    np.testing.assert_allclose(centre(moved), states[0] - states[0].mean(0), atol=1e-4)


def test_centring_removes_a_constant_offset(states: tuple[np.ndarray, np.ndarray]) -> None:
    words, frames = states
    np.testing.assert_allclose(similarities(words + 50, frames - 80)[1], similarities(words, frames)[1], atol=1e-4)


def test_similarities_stack_raw_and_centred(states: tuple[np.ndarray, np.ndarray]) -> None:
    words, frames = (np.stack([value, value[::-1], 2 * value]) for value in states)
    found = similarities(words, frames)
    assert found.shape == (3, 2, 4, 9)
    np.testing.assert_array_equal(found[:, 0], cosine_similarity(words, frames))
    np.testing.assert_allclose(found[:, 1], cosine_similarity(centre(words), centre(frames)), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_torch_equals_numpy(states: tuple[np.ndarray, np.ndarray], dtype: str) -> None:
    words, frames = (torch.from_numpy(value).to(getattr(torch, dtype)) for value in states)
    found = similarities(words, frames)
    assert isinstance(found, torch.Tensor) and found.dtype == torch.float32
    expected = similarities(words.float().numpy(), frames.float().numpy())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_half_precision_does_not_overflow() -> None:
    words = torch.full((2, 4096), 6e4, dtype=torch.float16)
    np.testing.assert_allclose(cosine_similarity(words, words).numpy(), 1, atol=1e-5)


def test_vectors_that_are_not_finite_stay_visible() -> None:
    with np.errstate(invalid="ignore"):
        assert np.isnan(cosine_similarity(np.array([[np.inf, 1.0]]), np.array([[1.0, 1.0]]))).all()


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="same layer of one model"):
        cosine_similarity(np.zeros((2, 3)), np.zeros((4, 5)))
    with pytest.raises(ValueError, match="same layer of one model"):
        similarities(np.zeros(3), np.zeros((4, 3)))


def test_standardised_rows(states: tuple[np.ndarray, np.ndarray]) -> None:
    found = in_all_forms(similarities(*states))
    assert found.shape == (3, 4, 9)
    centred = found[1].astype(np.float64)
    expected = (centred - centred.mean(axis=-1, keepdims=True)) / centred.std(axis=-1, keepdims=True)
    np.testing.assert_allclose(found[2], expected, atol=1e-5)
    tensors = in_all_forms(similarities(*(torch.from_numpy(value) for value in states)))
    np.testing.assert_allclose(tensors.numpy(), found, atol=1e-5)


def test_a_word_near_to_every_position_is_like_the_others_when_standardised() -> None:
    rows = np.random.default_rng(0).normal(scale=0.1, size=(2, 30)).astype(np.float32)
    hub = rows * np.array([[1], [0.2]], np.float32) + np.array([[0], [0.7]], np.float32)
    np.testing.assert_allclose(standardise(hub), standardise(rows), atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_noise_is_no_direction(dtype: type) -> None:
    noise = np.random.default_rng(0).uniform(-2e-6, 2e-6, size=(3, 750)).astype(dtype)
    assert (standardise(noise + dtype(0.3)) == 0).all() and (standardise(np.full((2, 1), dtype(0.3))) == 0).all()
    real = standardise(np.float32(0.3) + np.sin(np.arange(750, dtype=np.float32))[None] * np.float32(1e-4))
    assert real.std() == pytest.approx(1, abs=1e-3)


def test_equal_frames_leave_nothing_to_standardise() -> None:
    words = np.random.default_rng(1).normal(size=(3, 16))
    found = in_all_forms(similarities(words, np.repeat(words[:1] * 1e3, 700, axis=0)))
    assert (found[1:] == 0).all() and (found[0, 0] == pytest.approx(1))
