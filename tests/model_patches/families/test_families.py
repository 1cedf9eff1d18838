"""Every family on transformers: prompts, positions, hidden states and batches, on tiny random checkpoints."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from packaging.version import Version
from tiny_families import MAKERS, NEEDS, NEEDS_TRANSFORMERS
from transformers import CONFIG_MAPPING, Qwen2Config, __version__

from alas_metric import WordTiming, score_record
from alas_metric.errors import FatalError, SkipDocument
from alas_tasks.speech import SpeechSample
from model_patches import checking, probe
from model_patches.adapters.capture import (
    CaptureMismatch,
    Decoder,
    verify_capture,
)
from model_patches.adapters.huggingface import HuggingFaceAdapter, require_parts
from model_patches.adapters.lens import Lens, verify_lens
from model_patches.adapters.loading import load_pretrained
from model_patches.adapters.stride import measure_stride
from model_patches.harness.huggingface import AlasHf
from model_patches.registry import FAMILIES, REFUSED, adapter_for, load_object, refusal
from model_patches.run.paired import PairedRuns
from model_patches.run.preparation import Preparation

PROMPTS = Path(__file__).parent / "prompts"
OWN_ID = ("audio_flamingo_3", "qwen2_5_omni", "qwen3_omni")
HEARS_30_S = ("gemma3n", "gemma4")
TRANSCRIPT = "the quick brown fox"
QUESTIONS = {
    "LibriSQA": "What is quick?. Answer the  question as short as possible (in 10-15 words)",
    "IEMOCAP": "classify the emotion of the speaker in only one word including anger, happiness, sadness, neutrality.",
}


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)


CHECKPOINTS = {c.model_type: c for family in FAMILIES for c in family.checkpoints}


@pytest.fixture(scope="module", params=MAKERS)
def family(request, tmp_path_factory):
    """A family's name and the adapter of its tiny checkpoint."""
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param], reason=f"it needs {NEEDS[request.param]}")
    needed = NEEDS_TRANSFORMERS.get(request.param, "5.16")
    if Version(__version__) < Version(needed):
        pytest.skip(f"{request.param} came with transformers {needed}, installed is {__version__}")
    folder = MAKERS[request.param](tmp_path_factory.mktemp(request.param))
    model, processor = load_pretrained(str(folder), device_map="cpu")
    return request.param, adapter_for(model.config.model_type)(model, processor)


@pytest.fixture(scope="module")
def trial(family):
    """The family's adapter with something to hear and to read."""
    return checking.Trial(family[1], speech(2.3), TRANSCRIPT, instruction=f"repeat: {TRANSCRIPT}")


def rate_of(adapter) -> float:
    return CHECKPOINTS[adapter.model.config.model_type].rate


def test_prompts_are_those_on_file(family) -> None:
    name, adapter = family
    parts = []
    for task, question in QUESTIONS.items():
        parts += [f"== {task}, audio run\n{adapter.render(question, 1)}"]
        parts += [f"== {task}, text run\n{adapter.render_text(TRANSCRIPT, question)}"]
    assert "\n".join(parts) == (PROMPTS / f"{name}.txt").read_text(encoding="utf-8")


def test_the_registry_says_what_it_needs(family) -> None:
    name, adapter = family
    known = CHECKPOINTS[adapter.model.config.model_type]
    assert known.since == NEEDS_TRANSFORMERS.get(name, "")
    assert NEEDS.get(name) in (None, *known.needs)


@pytest.mark.parametrize("seconds", [1, 7.3, 29, 35])
def test_positions_follow_the_duration(family, seconds) -> None:
    name, adapter = family
    if seconds == 35 and name in HEARS_30_S:
        with pytest.raises(SkipDocument, match="too_long: the model hears 30"):
            adapter.audio_prompts([speech(seconds)], ["?"])
        return
    prompts = adapter.audio_prompts([speech(seconds)], ["?"])
    adapter.check_audio(prompts, [seconds])
    (positions,) = prompts.positions
    assert len(positions) == pytest.approx(seconds * rate_of(adapter), abs=adapter.tolerance - 1)
    assert adapter.seconds_per_position == pytest.approx(1 / rate_of(adapter))


@pytest.mark.parametrize("name", OWN_ID)
def test_what_is_stated_of_time_is_what_is_measured(name, tmp_path) -> None:
    model, processor = load_pretrained(str(MAKERS[name](tmp_path)), device_map="cpu")
    measured = HuggingFaceAdapter(model, processor)
    stated = adapter_for(model.config.model_type)(model, processor)
    assert stated.frames_per_position is not None and measured.frames_per_position is None
    assert measured.seconds_per_position == pytest.approx(stated.seconds_per_position, rel=1e-9)
    assert not measured.padded


def test_a_record_from_python(family) -> None:
    _, adapter = family
    words = [WordTiming(word, i * 0.5, i * 0.5 + 0.4) for i, word in enumerate(TRANSCRIPT.split())]
    record = probe(adapter.model, adapter.processor, speech(2), TRANSCRIPT, words=words)
    assert record.num_frames == pytest.approx(2 * rate_of(adapter), abs=adapter.tolerance - 1)
    # A layer is what the stack holds, also where it is experts alone, or Mamba; what predicts further tokens is none.
    assert record.num_layers == adapter.model.config.get_text_config().num_hidden_layers + 1
    assert score_record(record).columns["alas_raw"].shape == (record.num_layers,)


def test_the_lens_is_held_against_the_model(family) -> None:
    name, adapter = family
    prompts = adapter.audio_prompts([speech(1)], ["?"])
    check = partial(verify_lens, Lens.of(adapter, 10), partial(adapter.generate, prompts.inputs))
    if name != "gemma3n":
        check()
        return
    with pytest.raises(FatalError, match="more than its final norm between the last layer and the output head"):
        check()


@pytest.mark.parametrize("check", checking.CHECKS)
def test_what_alas_models_checks(family, trial, check) -> None:
    found = checking.finding(check, partial(checking.CHECKS[check], trial))
    one_by_one = check == "a batch of three" and family[0] not in ("audio_flamingo_3", "qwen2_5_omni")
    assert found.outcome == ("not applicable" if one_by_one else "passed"), found.detail


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


@pytest.mark.parametrize("name", ["qwen2_5_omni", "qwen3_omni"])
def test_a_thinker_saved_alone(name, tmp_path) -> None:
    model, processor = load_pretrained(str(MAKERS[name](tmp_path)), device_map="cpu")
    model.thinker.save_pretrained(tmp_path / "thinker")
    processor.save_pretrained(tmp_path / "thinker")
    alone, processor = load_pretrained(str(tmp_path / "thinker"), device_map="cpu")
    assert alone.config.model_type in CHECKPOINTS and adapter_for(alone.config.model_type) is adapter_for(
        model.config.model_type
    )
    answers = []
    for each in (model, alone):
        adapter = adapter_for(each.config.model_type)(each, processor)
        inputs = adapter.audio_prompts([speech(1)], ["what?"]).inputs
        answers.append(adapter.answers(inputs, max_new_tokens=4, do_sample=False))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("name", ["qwen2_5_omni", "qwen3_omni"])
def test_both_kinds_are_registered_for_the_omni_models(name, chat) -> None:
    family = next(family for family in FAMILIES if family.model_id == name)
    wrapper = load_object(family.chat_class if chat else family.simple_class)
    assert wrapper.is_simple is not chat


def test_other_tasks_name_the_package_that_they_lack(tmp_path) -> None:
    from model_patches.harness.plain import stock_wrapper

    stand_in = stock_wrapper("package_that_is_not_there.chat.Wrapper")
    assert stand_in.is_simple is False
    with pytest.raises(FatalError, match=r"No module named 'package_that_is_not_there'"):
        stand_in.generate_until(object(), [])


@pytest.mark.parametrize("name", ["apertus1p5", "nemotron3_5_transcribe"])
def test_features_stay_whole_where_what_takes_them_does(name, tmp_path) -> None:
    if Version(__version__) < Version(NEEDS_TRANSFORMERS[name]):
        pytest.skip(f"{name} came with transformers {NEEDS_TRANSFORMERS[name]}")
    model, processor = load_pretrained(str(MAKERS[name](tmp_path)), device_map="cpu", dtype="bfloat16")
    adapter = adapter_for(model.config.model_type)(model, processor)
    inputs = adapter.audio_prompts([speech(1)], ["?"]).inputs
    features = [v.dtype for v in inputs.values() if torch.is_tensor(v) and v.is_floating_point()]
    assert adapter.dtype == torch.bfloat16 and features == [torch.float32]
    assert isinstance(adapter.answers(inputs, max_new_tokens=2)[0], str)


def test_gemma_4_without_an_audio_encoder_is_refused(tmp_path) -> None:
    model, processor = load_pretrained(str(MAKERS["gemma4"](tmp_path)), device_map="cpu")
    model.config.audio_config = None
    with pytest.raises(ValueError, match="it has no audio encoder"):
        HuggingFaceAdapter(model, processor).require()


# The general adapter, and what it refuses.


@pytest.mark.parametrize("model_type", [t for refused in REFUSED for t in refused.model_types])
def test_what_cannot_be_read_is_refused_with_its_reason(model_type, tmp_path) -> None:
    if model_type not in CONFIG_MAPPING:
        pytest.skip(f"transformers {__version__} has no {model_type}")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(ValueError, match=re.escape(f"{model_type!r} cannot be read: {refusal(model_type)}")):
        load_pretrained(str(tmp_path))


def test_audio_reaches_an_extractor_of_another_rate(qwen2_audio, monkeypatch) -> None:
    monkeypatch.setattr(qwen2_audio.extractor, "sampling_rate", 24000)
    seconds = np.arange(16000) / 16000
    given = qwen2_audio.at_its_rate(np.sin(2 * np.pi * 1000 * seconds).astype(np.float32))
    expected = np.sin(2 * np.pi * 1000 * np.arange(24000) / 24000)
    np.testing.assert_allclose(given[500:-500], expected[500:-500], atol=1e-3)


class NextAudioProcessor:
    """As in transformers' main branch: other names for the window and for what is returned; no rate is asked for."""

    sampling_rate = 16000
    max_length = 480000

    def __call__(self, audio, *_args, **kwargs):
        assert not kwargs
        frames = [min(len(piece), self.max_length) // 160 for piece in audio]
        return {"audio_features": torch.zeros(len(frames), max(frames), 128), "lengths": frames}


class NextProcessor:
    """A processor with such a part."""

    def __init__(self, processor) -> None:
        self.tokenizer, self.audio_processor = processor.tokenizer, NextAudioProcessor()
        self.chat_template, self.apply_chat_template = processor.chat_template, processor.apply_chat_template
        self.audio_token = processor.audio_token

    def __call__(self, text, audio, return_tensors, text_kwargs, audio_kwargs):
        features = self.audio_processor(audio, **audio_kwargs)
        counts = iter(features.pop("lengths"))
        expanded = [re.sub(re.escape(self.audio_token), lambda m: m[0] * (next(counts) // 4), each) for each in text]
        return {**self.tokenizer(expanded, return_tensors=return_tensors, **text_kwargs), **features}


def test_audio_processors_that_replace_feature_extractors(qwen2_audio) -> None:
    adapter = HuggingFaceAdapter(qwen2_audio.model, NextProcessor(qwen2_audio.processor))
    assert adapter.seconds_per_position == pytest.approx(0.04)
    assert [len(piece) for piece in adapter.split(speech(65))] == [480000, 480000, 80000]
    prompts = adapter.audio_prompts([speech(65)], ["?"])
    adapter.check_audio(prompts, [65])
    assert "audio_features" in prompts.inputs


def test_a_checkpoint_that_asks_for_chunks_is_read_whole(qwen2_audio, monkeypatch) -> None:
    inputs = qwen2_audio.audio_prompts([speech(2)], ["what?"]).inputs
    expected = qwen2_audio.answers(inputs, max_new_tokens=3, do_sample=False)
    monkeypatch.setattr(qwen2_audio.model.generation_config, "prefill_chunk_size", 16)
    verify_capture(qwen2_audio.decoder, partial(qwen2_audio.generate, inputs))
    assert qwen2_audio.answers(inputs, max_new_tokens=3, do_sample=False) == expected


def test_a_list_of_states_that_ends_before_the_norm_is_sound(qwen2_audio, monkeypatch) -> None:
    prompts = qwen2_audio.audio_prompts([speech(1)], ["?"])
    generate = partial(qwen2_audio.generate, prompts.inputs)
    monkeypatch.setattr(qwen2_audio.model.config.get_text_config(), "tie_last_hidden_states", False, raising=False)
    verify_capture(qwen2_audio.decoder, generate)
    layers, norm = qwen2_audio.decoder.layers, qwen2_audio.decoder.norm
    hooks = [len(module._forward_hooks) for module in (*layers, norm)]
    with pytest.raises(CaptureMismatch, match="entry 2 of 4"):
        verify_capture(Decoder([layers[0], layers[2], layers[1]], norm), generate)
    assert [len(module._forward_hooks) for module in (*layers, norm)] == hooks


def test_configurations_that_ask_for_some_states_only(qwen2_audio, monkeypatch) -> None:
    """Newer versions take a list there, and return no more; the first document is compared whole all the same."""
    generate = partial(qwen2_audio.generate, qwen2_audio.audio_prompts([speech(2)], ["what?"]).inputs)
    model, (first, second, third), norm = qwen2_audio.model, qwen2_audio.decoder.layers, qwen2_audio.decoder.norm
    for config in (model.config, model.config.get_text_config(), model.generation_config):
        monkeypatch.setattr(config, "output_hidden_states", [1], raising=False)
    verify_capture(qwen2_audio.decoder, generate)
    with pytest.raises(CaptureMismatch, match="entry 2 of 4"):
        verify_capture(Decoder([first, third, second], norm), generate)


class Encoded(Exception):
    """Carries what a language model was about to read."""


class EncodesFirst:
    """A ``generate`` that runs the audio encoder before the prefill, as transformers' own does with images."""

    def __init__(self, model) -> None:
        self.model, self.generate, self.forward = model, model.generate, model.model.forward

    def __call__(self, **inputs):
        if "input_features" not in inputs:
            return self.generate(**inputs)
        embeddings = self.encoded(
            **{name: inputs[name] for name in ("input_ids", "attention_mask")}, **self.audio(inputs)
        )
        rest = {name: value for name, value in inputs.items() if name not in self.audio(inputs)}

        def forward(**arguments):
            assert set(self.audio(arguments).values()) <= {None}
            if arguments["input_ids"].shape[1] > 1:
                arguments |= {"input_ids": None, "inputs_embeds": embeddings}
            return self.forward(**arguments)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(self.model.model, "forward", forward)
            return self.generate(**rest)

    def audio(self, inputs):
        return {name: inputs[name] for name in ("input_features", "feature_attention_mask") if name in inputs}

    @torch.no_grad()
    def encoded(self, **inputs):
        def stop(inputs_embeds, **_arguments):
            raise Encoded(inputs_embeds)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(self.model.model.language_model, "forward", stop)
            with pytest.raises(Encoded) as found:
                self.forward(**inputs)
        return found.value.args[0]


def test_an_encoder_that_runs_before_the_prefill(qwen2_audio, monkeypatch) -> None:
    document = Preparation(qwen2_audio)(
        SpeechSample(
            uid="u", audio=None, transcript="the fox", words=[WordTiming("the", 0, 1), WordTiming("fox", 1, 2)]
        ),
        "what?",
        speech(2),
    )

    def record() -> str:
        generation = {"max_new_tokens": 3, "do_sample": False}
        (made,) = PairedRuns(qwen2_audio, settings={})([document], [speech(2)], generation)
        return made.to_json()

    expected = record()
    monkeypatch.setattr(qwen2_audio.model, "generate", EncodesFirst(qwen2_audio.model))
    assert record() == expected


@pytest.mark.parametrize("seconds", [1.3, 35, 60.001])
def test_the_general_adapter_equals_the_one_for_qwen2_audio(qwen2_audio, seconds) -> None:
    general = HuggingFaceAdapter(qwen2_audio.model, qwen2_audio.processor)
    words = [WordTiming(word, i * 0.3, i * 0.3 + 0.2) for i, word in enumerate(TRANSCRIPT.split())]
    sample = SpeechSample(uid="u", audio=None, transcript=TRANSCRIPT, words=words)
    records = []
    for adapter in (qwen2_audio, general):
        document = Preparation(adapter)(sample, "what?", speech(seconds))
        generation = {"max_new_tokens": 3, "do_sample": False}
        (record,) = PairedRuns(adapter, settings={})([document], [speech(seconds)], generation)
        records.append(record.to_json())
    assert records[0] == records[1]


def test_other_layers_than_the_models_own_are_noticed(qwen2_audio) -> None:
    prompts = qwen2_audio.audio_prompts([speech(1)], ["?"])
    decoder = qwen2_audio.decoder
    encoder = qwen2_audio.model.model.audio_tower.layers
    for wrong in (Decoder(decoder.layers, decoder.layers[-1]), Decoder(list(encoder), decoder.norm)):
        with pytest.raises(CaptureMismatch, match=r"not those of output_hidden_states|the hooks read"):
            verify_capture(wrong, partial(qwen2_audio.generate, prompts.inputs))


def test_a_stride_that_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match=r"10 s and 92 s of audio both get 188"):
        measure_stride(lambda _samples: 188)


@pytest.mark.parametrize(
    ("count", "seconds", "step", "padded"),
    [
        (lambda n: n // 640, 0.04, 1, False),
        (lambda n: -(-n // 4800) * 3, 0.1, 3, False),
        (lambda n: -(-n // 480000) * 375, 0.08, 375, True),
        (lambda n: n // 16000 * 13 + -(-(n % 16000) // 1280), 1 / 13, 1, False),
    ],
)
def test_a_stride_is_measured_exactly(count, seconds, step, padded) -> None:
    stride = measure_stride(count)
    assert stride.samples / 16000 == pytest.approx(seconds, rel=1e-12)
    assert (stride.step, stride.padded) == (step, padded)


def test_what_the_general_adapter_refuses(qwen2_audio, tmp_path, monkeypatch) -> None:
    processor = qwen2_audio.processor
    with pytest.raises(ValueError, match="no audio feature extractor and tokenizer"):
        require_parts(SimpleNamespace(tokenizer=processor.tokenizer))
    Qwen2Config().save_pretrained(tmp_path)
    with pytest.raises(FatalError, match=r"pretrained=.*no model of type 'qwen2' that takes audio and text"):
        AlasHf(pretrained=str(tmp_path))
    with pytest.raises(FatalError, match="needs --model_args pretrained="):
        AlasHf()
    monkeypatch.setattr(processor, "chat_template", "{{ messages[0]['role'] }}")
    with pytest.raises(ValueError, match="puts no placeholder"):
        HuggingFaceAdapter(qwen2_audio.model, processor).render("?", 1)


def test_what_does_not_fit_shows_before_the_first_document(tmp_path) -> None:
    folder = MAKERS["glmasr"](tmp_path)
    (folder / "chat_template.jinja").write_text("{{ messages[0]['role'] }}")
    with pytest.raises(FatalError, match=r"hidden states of .* cannot be read: the chat template .* no placeholder"):
        AlasHf(pretrained=str(folder)).alas_adapter  # noqa: B018 - made at first need


def test_other_tasks_are_answered_through_the_adapter(tmp_path) -> None:
    wrapper = AlasHf(pretrained=str(MAKERS["glmasr"](tmp_path)), system_prompt="Be brief.")
    adapter = wrapper.alas_adapter
    assert adapter.render("?", 1).startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n")
    expected = adapter.answers(adapter.audio_prompts([speech(1)], ["what?"]).inputs, max_new_tokens=4, do_sample=False)
    heard = {"array": speech(1), "sampling_rate": 16000}
    arguments = {"max_new_tokens": 4, "do_sample": False}
    assert wrapper._answer("what?", [heard], arguments) == expected[0]
    assert isinstance(wrapper._answer("what?", [], arguments), str)
    with pytest.raises(FatalError, match=r"a document cannot be asked: Got 1 text but 2 audios"):
        wrapper._answer("what?", [heard, heard], arguments)
