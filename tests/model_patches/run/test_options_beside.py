"""What is measured by option, through the paired runs of a tiny model: batches, swapped roles, SALMONN, the journal."""

from __future__ import annotations

import numpy as np
import pytest
from speech_samples import run, sample

from alas_metric import score_record
from alas_metric.document.measure import brief
from alas_metric.errors import FatalError
from model_patches import probe
from model_patches.run.options import AlasOptions
from model_patches.run.session import Session

SAMPLES = [
    sample("a"),
    sample("b", "ask not what your country can do for you", 5),
    sample("c", "hello world", 3.3),
    sample("d", " ".join(f"w{i}" for i in range(60)), 1),
]
"""The last one has more words than positions."""


pytestmark = pytest.mark.usefixtures("no_sentence_bert")


@pytest.fixture
def make(qwen2_audio):
    def build(batch_size: int = 1, adapter=qwen2_audio, **options) -> Session:
        return Session(adapter, AlasOptions(**{"reference": "words", **options}), {}, batch_size=batch_size)

    return build


def test_layer_maps_stand_beside_what_is_measured_anyway(make) -> None:
    plain, mapped = run(make(), SAMPLES), run(make(layer_map=True), SAMPLES)
    for without, made in zip(plain, mapped, strict=True):
        maps, sums = made.layer_maps["words"], made.reference_sums["words"]
        np.testing.assert_array_equal(np.diag(maps["hits"]), brief(sums["retrieval"]["hits"], 4))
        if made.num_words >= 4:
            np.testing.assert_array_equal(np.diag(maps["both"]), brief(sums["cka"]["both"], 4))
        made.layer_maps = {}
        assert made.to_json() == without.to_json()
    assert mapped[3].swapped


def test_batches_move_no_layer_map(make) -> None:
    for single, batched in zip(
        run(make(1, layer_map=True), SAMPLES), run(make(4, layer_map=True), SAMPLES), strict=True
    ):
        for name, values in single.layer_maps["words"].items():
            np.testing.assert_allclose(batched.layer_maps["words"][name], values, rtol=2e-3, atol=1e-6)


def test_batches_move_no_lens(make) -> None:
    for single, batched in zip(run(make(1, lens=20), SAMPLES), run(make(4, lens=20), SAMPLES), strict=True):
        assert batched.lens.top_tokens == single.lens.top_tokens
        for name, values in single.reference_sums["words"]["lens"].items():
            np.testing.assert_array_equal(batched.reference_sums["words"]["lens"][name], values)


def test_salmonn_has_both(make, salmonn) -> None:
    (record,) = run(make(adapter=salmonn, layer_map=True, lens=10), [sample("a", seconds=3)])
    assert record.skipped is None
    assert record.layer_maps["words"]["both"].shape == (record.num_layers,) * 2
    assert record.lens.found.shape == (record.num_layers, 4)


def test_a_journal_serves_runs_of_the_same_options(make, tmp_path) -> None:
    options = {"layer_map": True, "lens": 10, "journal": str(tmp_path)}
    first, again = run(make(**options), SAMPLES[:1]), run(make(**options), SAMPLES[:1])
    assert first[0].to_json() == again[0].to_json()
    (other,) = run(make(journal=str(tmp_path)), SAMPLES[:1])
    assert other.layer_maps == {} and other.lens is None


def test_probe_makes_a_layer_map(qwen2_audio) -> None:
    document = SAMPLES[0]
    record = probe(
        qwen2_audio.model,
        qwen2_audio.processor,
        document.audio["array"],
        document.transcript,
        words=document.words,
        layer_map=True,
    )
    assert score_record(record).layer_map["hits"].shape == (record.num_layers,) * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer_map": "yes"}, "alas_layer_map must be true or false"),
        ({"lens": True}, "alas_lens must be a number of tokens, such as 10"),
        ({"lens": -1}, "from 0 to 1000, got -1"),
        ({"lens": 1001}, "from 0 to 1000"),
    ],
)
def test_options_that_cannot_be(options, message) -> None:
    with pytest.raises(FatalError, match=message):
        AlasOptions(**options)
