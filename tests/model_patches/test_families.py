"""Every family on transformers: prompts, positions, hidden states and batches, on tiny random checkpoints."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tiny_families import MAKERS

from alas_metric import WordTiming, score_record
from alas_metric.errors import FatalError, SkipDocument
from alas_metric.units import split_units
from model_patches import probe
from model_patches.capture import FrameSimilarity, WordPooling, capture_prefill, verify_capture
from model_patches.registry import FAMILIES, adapter_for, load_object

PROMPTS = Path(__file__).parent / "prompts"
RATES = {"audio_flamingo_3": 25, "qwen2_5_omni": 25, "qwen3_omni": 13}
TRANSCRIPT = "the quick brown fox"
QUESTIONS = {
    "LibriSQA": "What is quick?. Answer the  question as short as possible (in 10-15 words)",
    "IEMOCAP": "classify the emotion of the speaker in only one word including anger, happiness, sadness, neutrality.",
}


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)


@pytest.fixture(scope="module", params=RATES)
def family(request, tmp_path_factory):
    """A family's id and the adapter of its tiny checkpoint."""
    name = request.param
    adapter = load_object(next(family.adapter for family in FAMILIES if family.model_id == name))
    folder = MAKERS[name](tmp_path_factory.mktemp(name))
    return name, adapter(*adapter.load(str(folder), dtype="auto", device_map="cpu"))


def test_the_model_type_finds_the_adapter(family) -> None:
    _, adapter = family
    assert adapter_for(adapter.model.config.model_type) is type(adapter)


def test_prompts_are_those_on_file(family) -> None:
    name, adapter = family
    parts = []
    for task, question in QUESTIONS.items():
        parts += [f"== {task}, audio run\n{adapter.render(question, 1)}"]
        parts += [f"== {task}, text run\n{adapter.render_text(TRANSCRIPT, question)}"]
    assert "\n".join(parts) == (PROMPTS / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("seconds", [1, 7.3, 29, 35])
def test_positions_follow_the_duration(family, seconds) -> None:
    name, adapter = family
    prompts = adapter.audio_prompts([speech(seconds)], ["?"])
    adapter.check_audio(prompts, [seconds])
    (positions,) = prompts.positions
    assert len(positions) == pytest.approx(seconds * RATES[name], abs=0.6)
    assert adapter.seconds_per_position == pytest.approx(1 / RATES[name])


def test_what_is_stated_of_time_is_what_is_measured(family) -> None:
    _, adapter = family
    assert adapter.stride.samples / 16000 == pytest.approx(adapter.seconds_per_position, rel=1e-9)
    assert not adapter.stride.padded


def test_hidden_states_are_those_of_output_hidden_states(family) -> None:
    _, adapter = family
    audio = adapter.audio_prompts([speech(1.3)], ["what?"])
    text = adapter.text_prompts([TRANSCRIPT], ["what?"], [split_units(TRANSCRIPT)])
    for prompts in (audio, text):
        verify_capture(adapter.decoder, partial(adapter.generate, prompts.inputs))


def test_words_are_found(family) -> None:
    _, adapter = family
    prompts = adapter.text_prompts([TRANSCRIPT], [f"repeat: {TRANSCRIPT}"], [split_units(TRANSCRIPT)])
    tokens = [prompts.inputs["input_ids"][0][word] for word in prompts.words[0]]
    assert [adapter.tokenizer.decode(word).strip() for word in tokens] == TRANSCRIPT.split()


def similarities(adapter, audios: list[np.ndarray], texts: list[str]) -> list[np.ndarray]:
    words = adapter.text_prompts(texts, ["?"] * len(texts), [split_units(text) for text in texts])
    pooling = WordPooling(words.words)
    with capture_prefill(adapter.decoder, pooling):
        adapter.generate(words.inputs, max_new_tokens=1, do_sample=False)
    prompts = adapter.audio_prompts(audios, ["?"] * len(texts))
    frames = FrameSimilarity(prompts.positions, pooling.vectors, check=True)
    with capture_prefill(adapter.decoder, frames):
        adapter.generate(prompts.inputs, max_new_tokens=1, do_sample=False)
    return [frames.of_row(row) for row in range(len(audios))]


def test_a_batch_of_three_equals_singles(family) -> None:
    name, adapter = family
    audios = [speech(seconds, seed) for seed, seconds in enumerate([1, 2.2, 3.1])]
    texts = [TRANSCRIPT, "and so my fellow americans", "fox"]
    if not adapter.batches:
        assert name == "qwen3_omni"
        return
    together = similarities(adapter, audios, texts)
    for row, (audio, text) in enumerate(zip(audios, texts, strict=True)):
        np.testing.assert_allclose(together[row], similarities(adapter, [audio], [text])[0], atol=5e-6)


def test_a_record_from_python(family) -> None:
    name, adapter = family
    words = [WordTiming(word, i * 0.5, i * 0.5 + 0.4) for i, word in enumerate(TRANSCRIPT.split())]
    record = probe(adapter.model, adapter.processor, speech(2), TRANSCRIPT, words=words)
    assert record.num_frames == 2 * RATES[name] and record.num_layers == 4
    assert score_record(record).columns["alas"].shape == (4,)


# One family each.


@pytest.fixture(scope="module")
def flamingo_folder(tmp_path_factory):
    return MAKERS["audio_flamingo_3"](tmp_path_factory.mktemp("audio_flamingo_3"))


def test_features_have_the_checkpoints_precision(flamingo_folder) -> None:
    adapter_class = adapter_for("audioflamingo3")
    adapter = adapter_class(*adapter_class.load(str(flamingo_folder), dtype="bfloat16", device_map="cpu"))
    assert isinstance(adapter.answers(adapter.audio_prompts([speech(1)], ["?"]).inputs, max_new_tokens=2), list)


def test_audio_flamingo_3_takes_one_audio_and_says_so(flamingo_folder) -> None:
    adapter_class = adapter_for("audioflamingo3")
    adapter = adapter_class(*adapter_class.load(str(flamingo_folder), dtype="auto", device_map="cpu"))
    assert len(adapter.split(speech(65))) == 1
    with pytest.raises(ValueError, match=r"1 placeholders '<sound>' for 2 pieces of audio"):
        adapter.render("?", 2)
    adapter.processor.max_audio_len = 60
    with pytest.raises(SkipDocument, match=r"too_long: the model hears 60.00 s of 65.00 s"):
        adapter.audio_prompts([speech(65)], ["?"])


def test_what_speaks_is_not_loaded(tmp_path) -> None:
    adapter_class = adapter_for("qwen2_5_omni")
    model, processor = adapter_class.load(str(MAKERS["qwen2_5_omni"](tmp_path)), dtype="auto", device_map="cpu")
    assert not model.has_talker
    adapter = adapter_class(model, processor, system_prompt="Be brief.")
    assert adapter.render("?", 0).startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n?")


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("name", ["qwen2_5_omni", "qwen3_omni"])
def test_both_kinds_are_registered_for_the_omni_models(name, chat) -> None:
    family = next(family for family in FAMILIES if family.model_id == name)
    wrapper = load_object(family.chat_class if chat else family.simple_class)
    assert wrapper.is_simple is not chat


def test_other_tasks_name_the_package_that_they_lack(tmp_path) -> None:
    from model_patches.plain import stock_wrapper

    stand_in = stock_wrapper("package_that_is_not_there.chat.Wrapper")
    assert stand_in.is_simple is False
    with pytest.raises(FatalError, match=r"No module named 'package_that_is_not_there'"):
        stand_in.generate_until(object(), [])
