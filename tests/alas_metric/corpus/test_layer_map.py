"""The layer map of a corpus: its diagonal is the layer curves, its rows ratios of sums, its ridge is planted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from alas_metric import Measurement, WordTiming, score_record, summarise
from alas_metric.corpus.aggregate import aggregate, document_items
from alas_metric.corpus.layer_map import sentence, strongest
from alas_metric.corpus.metrics import reported
from alas_metric.document.scores import DocumentScores

NUM_WORDS = (6, 9, 5, 7, 3, 1)


def document(number: int, layer_map: bool = True) -> DocumentScores:
    """Return a document whose audio layer a holds, in noise, the words of text layer a + 1, the last its own."""
    rng, count = np.random.default_rng(number), NUM_WORDS[number % len(NUM_WORDS)]
    timing = [WordTiming(f"w{i}", 0.2 * i, 0.2 * i + 0.2) for i in range(count)]
    measurement = Measurement(
        f"d{number}", [word.word for word in timing], 5 * count, 0.04, {"gold": timing}, "gold", layer_map=layer_map
    )
    words = rng.normal(size=(4, count, 24))
    frames = np.repeat(words[[1, 2, 3, 3]], 5, axis=1)
    frames += 0.7 * rng.normal(size=frames.shape)
    for layer in range(4):
        measurement(layer, words[layer].astype(np.float32), frames[layer].astype(np.float32))
    return score_record(measurement.record("", speaker=f"s{number % 4}"))


@pytest.fixture(scope="module")
def documents() -> list[DocumentScores]:
    return [document(number) for number in range(18)]


def test_the_diagonal_is_the_curves(documents: list[DocumentScores]) -> None:
    values = summarise(documents, keys=["layer_map", "layers"])
    maps, curves = (dict(values[key].items()) for key in ("layer_map", "layers"))
    assert np.diag(maps["retrieval"]["values"]).tolist() == curves["retrieval_skill"]["values"]
    assert np.diag(maps["cka"]["values"]) == pytest.approx(curves["cka"]["values"], abs=1e-4)
    assert (maps["retrieval"]["documents"], maps["cka"]["documents"]) == (15, 12)


def test_every_entry_is_a_ratio_of_sums(documents: list[DocumentScores]) -> None:
    maps = summarise(documents, keys=["layer_map"])["layer_map"]
    members = [scores for scores in documents if "both" in scores.layer_map]
    both = sum(scores.layer_map["both"] for scores in members)
    words, audio = (sum(scores.columns[f"cka_{name}"] for scores in members) for name in ("words", "audio"))
    np.testing.assert_allclose(maps["cka"]["values"], both / np.sqrt(words[None, :] * audio[:, None]), rtol=1e-12)


def test_the_ridge_and_its_interval(documents: list[DocumentScores]) -> None:
    maps = dict(summarise(documents, keys=["layer_map"])["layer_map"].items())
    for name, entry in maps.items():
        assert [nearest["layer"] for nearest in entry["nearest"]] == [1, 2, 3, 3]
        assert all(nearest["low"] <= nearest["layer"] <= nearest["high"] for nearest in entry["nearest"])
        layer = strongest(entry)
        assert layer in (1, 2, 3) and f"audio layer {layer} is nearest to text layer" in sentence(name, entry)


def test_what_the_harness_gets_and_prints(documents: list[DocumentScores]) -> None:
    items = [document_items(scores)["layer_map"] for scores in documents]
    found = aggregate("layer_map", json.loads(json.dumps(items)))
    assert dict(found.items()) == dict(summarise(documents)["layer_map"].items())
    assert set(dict(found)) == {"audio layer", "nearest text layer"} and json.loads(json.dumps(found)) == found


def test_without_the_option_there_is_none(documents: list[DocumentScores]) -> None:
    plain = [document(number, layer_map=False) for number in range(4)]
    values: dict[str, Any] = summarise(plain)
    assert values["layer_map"] is None and "layer_map" not in reported(values, [])
    assert summarise([])["layer_map"] is None
    mixed = summarise([*plain, *documents[4:]])["layer_map"]
    assert mixed["retrieval"]["documents"] == sum("hits" in scores.layer_map for scores in documents[4:])


def test_one_speaker_has_no_interval(documents: list[DocumentScores]) -> None:
    entry = summarise(documents[:1])["layer_map"]["retrieval"]
    assert entry["nearest"][1]["low"] is None and entry["nearest"][1]["layer"] is not None
    assert "interval" not in sentence("retrieval", entry)
