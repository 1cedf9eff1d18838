"""What only a CUDA device can show; run with ``-m gpu`` where there is one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kept_similarities import KeptSimilarities

from alas_metric.document.units import split_units
from model_patches.adapters.capture import WordPooling, capture_prefill
from model_patches.families.qwen2_audio import Qwen2AudioAdapter
from model_patches.harness.qwen2_audio import Qwen2Audio

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
GREEDY = {"max_new_tokens": 5, "do_sample": False}


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_equals_output_hidden_states_bit_for_bit(qwen2_audio_folder, dtype) -> None:
    adapter = Qwen2AudioAdapter(*Qwen2AudioAdapter.load(str(qwen2_audio_folder), dtype=dtype, device_map="cuda:0"))
    prompts = adapter.audio_prompts([noise(7.3)], ["what is said?"])
    inputs = {name: value.to(adapter.device) for name, value in prompts.inputs.items()}
    states = {}
    with capture_prefill(adapter.decoder, lambda entry, tensor: states.setdefault(entry, tensor.clone())):
        adapter.model.generate(**inputs, **GREEDY)
    expected = adapter.model.generate(
        **inputs, **GREEDY, output_hidden_states=True, return_dict_in_generate=True
    ).hidden_states[0]
    assert all(torch.equal(states[entry], tensor) for entry, tensor in enumerate(expected))


def test_similarities_equal_those_of_the_cpu(qwen2_audio_folder, qwen2_audio) -> None:
    text = "ask not what your country can do"
    found = []
    on_cuda = Qwen2AudioAdapter.load(str(qwen2_audio_folder), dtype="float32", device_map="cuda:0")
    for adapter in (qwen2_audio, Qwen2AudioAdapter(*on_cuda)):
        prompts = adapter.text_prompts([text], ["?"], [split_units(text)])
        pooling = WordPooling(prompts.words)
        audio = adapter.audio_prompts([noise(3)], ["?"])
        frames = KeptSimilarities(audio.positions, pooling.vectors, check=True)
        for batch, on_layer in ((prompts, pooling), (audio, frames)):
            inputs = {name: value.to(adapter.device) for name, value in batch.inputs.items()}
            with capture_prefill(adapter.decoder, on_layer):
                adapter.model.generate(**inputs, **GREEDY)
        found.append(frames.of_row(0))
    np.testing.assert_allclose(found[0], found[1], atol=2e-3)


def test_the_wrapper_takes_the_device_of_its_process(qwen2_audio_folder) -> None:
    wrapper = Qwen2Audio(pretrained=str(qwen2_audio_folder))
    assert wrapper.device == torch.device("cuda", 0)
    assert wrapper.model.device == torch.device("cuda", 0)
    spread = Qwen2Audio(pretrained=str(qwen2_audio_folder), device_map="auto")
    assert spread.device_map == "auto"
