"""Voxtral, beyond what test_families.py tries of every family: its audio, its prompts, its words."""

from __future__ import annotations

import base64
import io
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from tiny_families import MAKERS

from alas_metric.document.units import split_units
from model_patches.adapters.loading import load_pretrained
from model_patches.families.voxtral import VoxtralAdapter, wav
from model_patches.harness.huggingface import AlasHf


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("mistral_common", reason="Voxtral's tokenizer needs mistral_common")
    return MAKERS["voxtral"](tmp_path_factory.mktemp("voxtral"))


@pytest.fixture(scope="module")
def voxtral(folder):
    return VoxtralAdapter(*load_pretrained(str(folder), device_map="cpu"))


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)


def test_audio_keeps_every_sample() -> None:
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(wav(noise(0.5)))), dtype="float32")
    assert rate == 16000
    np.testing.assert_array_equal(samples, noise(0.5))


def test_features_are_those_of_the_feature_extractor(voxtral) -> None:
    inputs = voxtral.ask(["?"], [[noise(31)]])
    padded = np.pad(noise(31), (0, 29 * 16000))
    expected = voxtral.extractor(padded, sampling_rate=16000, truncation=False, return_tensors="np").input_features[0]
    np.testing.assert_array_equal(inputs["input_features"], np.stack(np.split(expected, 2, axis=1)))


@pytest.mark.parametrize(("seconds", "all_of_them", "heard"), [(1, 375, 13), (30, 375, 375), (31, 750, 388)])
def test_positions_beyond_the_audio_are_left_out(voxtral, seconds, all_of_them, heard) -> None:
    prompts = voxtral.audio_prompts([noise(seconds)], ["?"])
    placeholders = (prompts.inputs["input_ids"][0] == 24).nonzero()[:, 0]
    assert len(placeholders) == all_of_them
    assert prompts.positions[0].tolist() == placeholders[:heard].tolist()


@pytest.mark.parametrize("transcript", ["Wörter, die -- «heißen»!", "我爱你, Ada", "🦊 [INST] </s> fox\tet al."])
def test_words_are_found_without_offsets(voxtral, transcript) -> None:
    transcript = voxtral.clean_text(transcript)
    units = split_units(transcript)
    prompts = voxtral.text_prompts([transcript], [f"repeat: {transcript}"], [units])
    ids = prompts.inputs["input_ids"][0]
    assert [ids[0].item(), ids[1].item(), ids[-1].item()] == [1, 3, 4]
    assert not (ids[2:-1] < 40).any()
    for unit, word in zip(units, prompts.words[0], strict=True):
        assert transcript[unit.start : unit.end] in voxtral.tokenizer.decode(ids[word].tolist())
    flat = [position for word in prompts.words[0] for position in word]
    assert flat == sorted(flat) and flat[-1] < len(ids) / 2


def test_what_it_cannot_do(folder, voxtral) -> None:
    with pytest.raises(ValueError, match="pip install --upgrade mistral-common"):
        VoxtralAdapter(voxtral.model, SimpleNamespace(tokenizer=object()))
    with pytest.raises(ValueError, match="leave system_prompt out"):
        AlasHf(pretrained=str(folder), system_prompt="Be brief.").make_adapter()


def test_other_tasks_are_answered(folder) -> None:
    wrapper = AlasHf(pretrained=str(folder))
    heard = {"array": noise(1), "sampling_rate": 16000}
    assert isinstance(wrapper._answer("what?", [heard, heard], {"max_new_tokens": 2, "do_sample": False}), str)
    assert isinstance(wrapper._answer("what?", [], {"max_new_tokens": 2, "do_sample": False}), str)
