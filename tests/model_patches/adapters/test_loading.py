"""Adapters of peft, quantised weights and models that are spread: the hidden states read are still the model's own."""

from __future__ import annotations

import shutil
from functools import partial

import numpy as np
import pytest
import torch
from accelerate import dispatch_model
from kept_similarities import KeptSimilarities
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tiny_families import MAKERS

from alas_metric.errors import FatalError
from model_patches.adapters.capture import WordPooling, capture_prefill, verify_capture
from model_patches.adapters.loading import LoadOptions, load_pretrained, quantisation
from model_patches.harness.audio_flamingo_3 import AudioFlamingo3
from model_patches.registry import adapter_for

SPEECH = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)


def adapter_of(folder, **options):
    model, processor = load_pretrained(str(folder), device_map="cpu", **options)
    return adapter_for(model.config.model_type)(model, processor)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    names = ("audio_flamingo_3", "qwen2_5_omni")
    return {name: MAKERS[name](tmp_path_factory.mktemp(name)) for name in names}


@pytest.fixture(scope="module", params=["audio_flamingo_3", "qwen2_5_omni"])
def tuned(request, folders, tmp_path_factory):
    """A family's name, a LoRA that was saved for its language model, and the logits with it."""
    folder = tmp_path_factory.mktemp("lora")
    adapter = adapter_of(folders[request.param])
    inputs = adapter.audio_prompts([SPEECH], ["?"]).inputs
    lora = LoraConfig(r=2, target_modules=r".*(language_model|model)\.layers\.\d+\.self_attn\.[qv]_proj")
    model = get_peft_model(adapter.model, lora)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.3)
    model.save_pretrained(folder)
    return request.param, folder, model(**inputs).logits


def test_lora_on_top(folders, tuned) -> None:
    name, lora, expected = tuned
    adapter = adapter_of(folders[name], peft=str(lora))
    prompts = adapter.audio_prompts([SPEECH], ["?"])
    assert torch.equal(adapter.model(**prompts.inputs).logits, expected)
    assert not torch.equal(adapter_of(folders[name]).model(**prompts.inputs).logits, expected)
    verify_capture(adapter.decoder, partial(adapter.generate, prompts.inputs))


def test_an_adapter_with_other_layers_is_refused(folders, tuned, tmp_path) -> None:
    name, lora, _ = tuned
    shutil.copytree(lora, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "adapter_model.safetensors")
    renamed = {key.replace("layers.2", "layers.3"): value for key, value in weights.items()}
    save_file(renamed, tmp_path / "adapter_model.safetensors")
    with pytest.raises(ValueError, match=r"peft=.* is no adapter for a .*8 weights differ"):
        load_pretrained(str(folders[name]), device_map="cpu", peft=str(tmp_path))


def test_an_adapter_that_adds_positions_is_refused(folders, tmp_path) -> None:
    PrefixTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM").save_pretrained(tmp_path)
    with pytest.raises(FatalError, match=r"pretrained=.* cannot be loaded on cpu: ValueError: peft=.* adds positions"):
        AudioFlamingo3(pretrained=str(folders["audio_flamingo_3"]), peft=str(tmp_path))


def test_the_adapter_is_part_of_what_tells_runs_apart(folders, tuned) -> None:
    name, lora, _ = tuned
    if name == "audio_flamingo_3":
        identity = AudioFlamingo3(pretrained=str(folders[name]), peft=str(lora))._identity
        assert identity["load"]["peft"] == str(lora) and len(identity["peft"]) == 64


def test_both_quantisations_at_once_are_refused() -> None:
    with pytest.raises(FatalError, match="cannot both be true"):
        LoadOptions.take({"load_in_4bit": True, "load_in_8bit": True})


@pytest.mark.parametrize("bits", [4, 8])
def test_quantisation_leaves_the_audio_encoder_alone(bits) -> None:
    config = quantisation(bits == 4, bits == 8)["quantization_config"]
    assert config.load_in_4bit is (bits == 4) and config.load_in_8bit is (bits == 8)
    assert "audio_tower" in config.llm_int8_skip_modules
    assert quantisation(False, False) == {}


def test_eight_bits(folders) -> None:
    pytest.importorskip("bitsandbytes")
    adapter = adapter_of(folders["audio_flamingo_3"], load_in_8bit=True)
    kinds = {type(module).__name__ for module in adapter.model.modules()}
    assert "Linear8bitLt" in kinds
    prompts = adapter.audio_prompts([SPEECH], ["?"])
    verify_capture(adapter.decoder, partial(adapter.generate, prompts.inputs))


def test_layers_that_are_fetched_from_disk_are_read_alike(folders, tmp_path) -> None:
    """What device_map=auto does where the devices are too small: layers wrapped by accelerate's hooks."""
    whole, spread = (adapter_of(folders["audio_flamingo_3"]) for _ in range(2))
    places = {"lm_head": "cpu", "model.audio_tower": "cpu", "model.multi_modal_projector": "cpu"}
    stack = spread.model.model.language_model
    places |= {f"model.language_model.{name}": "cpu" for name, _ in stack.named_children() if name != "layers"}
    places |= {f"model.language_model.layers.{i}": "disk" if i else "cpu" for i in range(len(stack.layers))}
    dispatch_model(spread.model, places, main_device="cpu", offload_dir=str(tmp_path))
    similarities = []
    for adapter in (whole, spread):
        words = WordPooling([[[1], [2, 3]]])
        with capture_prefill(adapter.decoder, words):
            adapter.generate(adapter.encode_text(["the quick brown fox"]), max_new_tokens=1, do_sample=False)
        prompts = adapter.audio_prompts([SPEECH], ["?"])
        frames = KeptSimilarities(prompts.positions, words.vectors, check=True)
        with capture_prefill(adapter.decoder, frames):
            adapter.generate(prompts.inputs, max_new_tokens=1, do_sample=False)
        similarities.append(frames.of_row(0))
    np.testing.assert_array_equal(similarities[0], similarities[1])
