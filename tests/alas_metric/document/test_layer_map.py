"""The layer map against a plain loop over pairs, its diagonal against the measures, and what must not change it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric import AlignmentRecord, Measurement
from alas_metric.document.layer_map import LayerMap
from alas_metric.document.measure import Layers, brief
from alas_metric.document.measures.cka import hsic
from alas_metric.document.measures.retrieval import retrieval_hits
from alas_metric.document.timeline import Timeline

torch = pytest.importorskip("torch")
sizes = st.tuples(st.integers(4, 9), st.integers(2, 30), st.integers(0, 99))


def sums_of(layers: Layers, timeline: Timeline) -> dict[str, np.ndarray]:
    made = LayerMap(timeline)
    made.add(layers)
    return made.sums()


def plainly(layers: Layers, timeline: Timeline) -> tuple[np.ndarray, np.ndarray]:
    """Return hits and criteria of every pair, each from its own vectors, in float64."""
    units = []
    for states in (layers.words, layers.stretches(timeline)):
        centred = states.astype(np.float64) - states.mean(axis=1, keepdims=True, dtype=np.float64)
        units.append(centred / np.linalg.norm(centred, axis=-1, keepdims=True))
    words, audio = units
    pairs = [[(audio[a], words[b]) for b in range(len(words))] for a in range(len(audio))]
    hits = [[float(retrieval_hits(text @ heard.T)) for heard, text in row] for row in pairs]
    both = [[hsic([heard @ heard.T, text @ text.T])[0, 1] for heard, text in row] for row in pairs]
    return np.array(hits), np.array(both)


@given(sizes)
def test_every_pair_is_what_the_pair_alone_gives(
    layers: Callable[..., Layers], timeline: Callable[..., Timeline], size: tuple[int, int, int]
) -> None:
    made, times = layers(*size, num_layers=3), timeline(*size)
    if len(np.unique(times.stretches, axis=0)) < times.num_words:
        return  # equal stretches: float64 tells them apart by rounding alone
    hits, both = plainly(made, times)
    found = sums_of(made, times)
    np.testing.assert_array_equal(found["hits"], brief(hits, 4))
    np.testing.assert_allclose(found["both"], both, rtol=1e-3, atol=1e-6)


@given(sizes)
def test_the_diagonal_is_what_the_measures_have(
    layers: Callable[..., Layers], timeline: Callable[..., Timeline], size: tuple[int, int, int]
) -> None:
    """Exactly, up to the four digits that are kept; also where two words share a stretch, and with T below N."""
    from alas_metric.document.measures import cka, retrieval

    made, times = layers(*size, num_layers=4), timeline(*size)
    found = sums_of(made, times)
    np.testing.assert_array_equal(np.diag(found["hits"]), brief(retrieval.MEASURE(made, times)["hits"], 4))
    np.testing.assert_array_equal(np.diag(found["both"]), brief(cka.MEASURE(made, times)["both"], 4))


@given(sizes)
def test_turning_the_audio_leaves_the_criteria(
    layers: Callable[..., Layers], timeline: Callable[..., Timeline], size: tuple[int, int, int]
) -> None:
    made, times = layers(*size), timeline(*size)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))[0].astype(np.float32)
    turned = Layers.of_vectors(made.words, made.frames @ turn)
    np.testing.assert_allclose(sums_of(turned, times)["both"], sums_of(made, times)["both"], rtol=5e-3, atol=1e-5)


def test_a_ridge_is_found_where_it_was_planted(timeline: Callable[..., Timeline]) -> None:
    """Audio layer a holds the words of text layer a + 1, and layer 3 those of no layer."""
    rng, edges = np.random.default_rng(0), np.linspace(0, 8, 13)
    spans = [type(word)(word.word, *edges[at : at + 2]) for at, word in enumerate(timeline(12, 200).words)]
    times = Timeline.of("u", spans, 200, 0.04)
    words = rng.normal(size=(4, 12, 64)).astype(np.float32)
    held = np.concatenate([words[1:], rng.normal(size=(1, 12, 64)).astype(np.float32)])
    found = sums_of(Layers.of_vectors(words, held[:, times.owners]), times)
    for values in found.values():
        assert values[:3].argmax(axis=1).tolist() == [1, 2, 3]
    assert found["hits"][3].max() < 6 < found["hits"][:3].max(axis=1).min()


def test_layers_may_come_one_by_one_and_from_torch(
    layers: Callable[..., Layers], timeline: Callable[..., Timeline]
) -> None:
    made, times = layers(6, 40, num_layers=3), timeline(6, 40)
    whole = sums_of(made, times)
    for array in (np.asarray, torch.from_numpy):
        parts = LayerMap(times)
        for layer in range(3):
            parts.add(Layers.of_vectors(array(made.words[layer, None]), array(made.frames[layer, None])))
        for name, values in parts.sums().items():
            np.testing.assert_allclose(values, whole[name], rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize(("num_words", "names"), [(1, set()), (2, {"hits"}), (3, {"hits"}), (4, {"hits", "both"})])
def test_few_words(
    layers: Callable[..., Layers], timeline: Callable[..., Timeline], num_words: int, names: set[str]
) -> None:
    assert set(sums_of(layers(num_words, 20), timeline(num_words, 20))) == names


@pytest.fixture
def measured(timing: Callable[..., Any]) -> Callable[..., AlignmentRecord]:
    """Return the record of random vectors, with or without a map."""

    def make(layer_map: bool, num_frames: int = 30) -> AlignmentRecord:
        rng = np.random.default_rng(0)
        references = {name: timing(5, num_frames, rng) for name in ("whisper", "gold")}
        options = {"references": references, "reference": "gold", "layer_map": layer_map}
        measurement = Measurement("u", ["a", "b", "a", "c", "d"], num_frames, 0.04, **options)
        for layer in range(3):
            measurement(layer, *(rng.normal(size=(n, 16)).astype(np.float32) for n in (5, num_frames)))
        return measurement.record("t")

    return make


@pytest.mark.parametrize("num_frames", [30, 3])
def test_in_the_record(measured: Callable[..., AlignmentRecord], num_frames: int) -> None:
    made, without = measured(True, num_frames), measured(False, num_frames)
    assert set(made.layer_maps) == {"gold"} and set(made.layer_maps["gold"]) == {"hits", "both"}
    assert without.layer_maps == {} and '"layer_maps":{}' in without.to_json()
    np.testing.assert_array_equal(
        np.diag(made.layer_maps["gold"]["hits"]), brief(made.reference_sums["gold"]["retrieval"]["hits"], 4)
    )
    back = AlignmentRecord.from_json(made.to_json())
    assert back.to_json() == made.to_json()
    for name, values in made.layer_maps["gold"].items():
        np.testing.assert_array_equal(back.layer_maps["gold"][name], values)
    made.layer_maps = {}
    assert made.to_json() == without.to_json(), "nothing else changes"
