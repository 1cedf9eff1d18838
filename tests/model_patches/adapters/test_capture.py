"""The captured hidden states are those of ``output_hidden_states``, and the model is left as it was."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from kept_similarities import KeptSimilarities

from alas_metric.document.units import split_units
from model_patches.adapters.capture import CaptureMismatch, WordPooling, capture_prefill, pool_words

GREEDY = {"max_new_tokens": 5, "do_sample": False}


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)


def capture(adapter, prompts, **generation):
    states = {}
    with capture_prefill(adapter.decoder, lambda entry, tensor: states.setdefault(entry, tensor.clone())) as seen:
        output = adapter.model.generate(**prompts.inputs, **{**GREEDY, **generation})
    seen.check(prompts.batch_size, prompts.length, adapter.decoder.num_entries)
    return states, output


def num_hooks(model) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.mark.parametrize("seconds", [0.08, 1.0, 7.3, 35.0])
def test_equals_output_hidden_states_bit_for_bit(qwen2_audio, seconds) -> None:
    prompts = qwen2_audio.audio_prompts([noise(seconds)], ["what is said?"])
    states, _ = capture(qwen2_audio, prompts)
    expected = qwen2_audio.model.generate(
        **prompts.inputs, **GREEDY, output_hidden_states=True, return_dict_in_generate=True
    ).hidden_states[0]
    assert len(states) == len(expected) == 4
    for entry, tensor in enumerate(expected):
        assert torch.equal(states[entry], tensor), f"entry {entry}"


def test_text_run_equals_output_hidden_states(qwen2_audio) -> None:
    transcript = "the quick brown fox"
    prompts = qwen2_audio.text_prompts([transcript], ["who?"], [split_units(transcript)])
    states, _ = capture(qwen2_audio, prompts)
    expected = qwen2_audio.model(**prompts.inputs, output_hidden_states=True).hidden_states
    for entry, tensor in enumerate(expected):
        torch.testing.assert_close(states[entry], tensor, rtol=0, atol=0)


def test_generation_is_the_same_with_and_without_hooks(qwen2_audio) -> None:
    prompts = qwen2_audio.audio_prompts([noise(1)], ["what?"])
    plain = qwen2_audio.model.generate(**prompts.inputs, **GREEDY)
    _, hooked = capture(qwen2_audio, prompts)
    assert torch.equal(plain, hooked)


def test_no_hook_outlives_the_context_nor_an_exception(qwen2_audio) -> None:
    before = num_hooks(qwen2_audio.model)
    prompts = qwen2_audio.audio_prompts([noise(1)], ["what?"])
    capture(qwen2_audio, prompts)
    assert num_hooks(qwen2_audio.model) == before

    def fail(_entry, _states):
        raise ValueError("in the middle of a forward pass")

    with pytest.raises(ValueError, match="in the middle"), capture_prefill(qwen2_audio.decoder, fail):
        qwen2_audio.model.generate(**prompts.inputs, **GREEDY)
    assert num_hooks(qwen2_audio.model) == before


def test_decode_steps_are_not_captured(qwen2_audio) -> None:
    prompts = qwen2_audio.audio_prompts([noise(1)], ["what?"])
    entries = []
    with capture_prefill(qwen2_audio.decoder, lambda entry, _: entries.append(entry)):
        qwen2_audio.model.generate(**prompts.inputs, max_new_tokens=7, do_sample=False)
    assert entries == [0, 1, 2, 3]


def test_a_prefill_in_chunks_is_noticed(qwen2_audio) -> None:
    prompts = qwen2_audio.audio_prompts([noise(1)], ["what?"])
    with capture_prefill(qwen2_audio.decoder, lambda *_: None) as seen:
        qwen2_audio.model(
            **{
                name: value[:, :8]
                for name, value in prompts.inputs.items()
                if name.startswith(("input_ids", "attention"))
            }
        )
    with pytest.raises(CaptureMismatch, match="processed in chunks"):
        seen.check(1, prompts.length, 4)


def test_beam_search_reads_the_first_beam_of_each_row(qwen2_audio) -> None:
    audios = [noise(1), noise(2, seed=1)]
    prompts = qwen2_audio.audio_prompts(audios, ["what?", "who?"])
    vectors = [[torch.randn(3, 32), torch.randn(2, 32)] for _ in range(4)]
    results = []
    for beams in (1, 3):
        frames = KeptSimilarities(prompts.positions, vectors)
        with capture_prefill(qwen2_audio.decoder, frames):
            qwen2_audio.model.generate(**prompts.inputs, **GREEDY, num_beams=beams)
        results.append([frames.of_row(0), frames.of_row(1)])
    for one, three in zip(*results, strict=True):
        np.testing.assert_allclose(one, three, atol=1e-5)
    assert results[0][0].shape == (4, 2, 3, 25)
    assert results[0][1].shape == (4, 2, 2, 50)


def test_left_padded_batch_equals_single_runs(qwen2_audio) -> None:
    audios = [noise(1), noise(7.3, seed=1), noise(35, seed=2)]
    texts = ["the quick brown fox", "ask not", "what your country can do for you"]
    units = [split_units(text) for text in texts]
    questions = ["what?", "who is it that speaks here?", "?"]

    def similarities(rows: list[int]) -> list[np.ndarray]:
        pick = lambda values: [values[row] for row in rows]  # noqa: E731
        text = qwen2_audio.text_prompts(pick(texts), pick(questions), pick(units))
        pooling = WordPooling(text.words)
        with capture_prefill(qwen2_audio.decoder, pooling):
            qwen2_audio.model.generate(**text.inputs, **GREEDY)
        audio = qwen2_audio.audio_prompts(pick(audios), pick(questions))
        frames = KeptSimilarities(audio.positions, pooling.vectors, check=True)
        with capture_prefill(qwen2_audio.decoder, frames):
            qwen2_audio.model.generate(**audio.inputs, **GREEDY)
        return [frames.of_row(row) for row in range(len(rows))]

    together = similarities([0, 1, 2])
    for row in range(3):
        np.testing.assert_allclose(together[row], similarities([row])[0], atol=2e-5)


def test_audio_that_was_not_merged_is_noticed() -> None:
    placeholder = torch.ones(1, 6, 4)
    frames = KeptSimilarities([torch.arange(1, 5)], [[torch.ones(2, 4)]], check=True)
    with pytest.raises(CaptureMismatch, match="embedded the placeholder"):
        frames(0, placeholder)


def test_pooling_is_the_mean_of_each_words_tokens_in_float32() -> None:
    states = torch.arange(12, dtype=torch.bfloat16).reshape(6, 2)
    pooled = pool_words(states, [[0, 1], [5], [1, 2, 3]])
    assert pooled.dtype == torch.float32
    assert pooled.tolist() == [[1.0, 2.0], [10.0, 11.0], [4.0, 5.0]]


def test_no_hidden_state_outlives_its_layer(qwen2_audio) -> None:
    """Beyond word vectors and similarities nothing is held: as many states are alive as without the comparison."""
    prompts = qwen2_audio.audio_prompts([noise(3)], ["what?"])
    frames = KeptSimilarities(prompts.positions, [[torch.randn(4, 32)] for _ in range(4)], check=True)

    def alive_after_each_entry(on_layer) -> list[int]:
        alive, seen = [], []

        def watch(entry: int, states: torch.Tensor) -> None:
            on_layer(entry, states)
            seen.append(weakref.ref(states.untyped_storage()))
            alive.append(sum(ref() is not None for ref in seen))

        with capture_prefill(qwen2_audio.decoder, watch):
            qwen2_audio.model.generate(**prompts.inputs, **GREEDY)
        return alive

    assert alive_after_each_entry(frames) == alive_after_each_entry(lambda *_: None)
    held = frames.kept[0]
    assert sum(t.numel() * t.element_size() for t in held) == 4 * 2 * 4 * len(prompts.positions[0]) * 4
