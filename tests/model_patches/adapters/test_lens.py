"""The lens against the whole computation and the model's own logits; what it must not disturb, and what it refuses."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from alas_metric import AlignmentRecord, WordTiming, score_record, summarise
from alas_metric.document.paths import circular_shift
from alas_metric.errors import FatalError
from model_patches import probe
from model_patches.adapters import lens as lens_module
from model_patches.adapters.capture import Decoder, capture_prefill
from model_patches.adapters.lens import Lens, find_head, verify_lens

AUDIO = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
TRANSCRIPT = "the quick brown fox"
WORDS = [WordTiming(word, i * 0.5, i * 0.5 + 0.4) for i, word in enumerate(TRANSCRIPT.split())]
GREEDY = {"max_new_tokens": 1, "do_sample": False, "num_beams": 1}


def probed(adapter, **options) -> AlignmentRecord:
    return probe(adapter.model, adapter.processor, AUDIO, TRANSCRIPT, words=WORDS, uid="u", **options)


@pytest.fixture(scope="module")
def states(qwen2_audio) -> torch.Tensor:
    """Every layer's states of the audio run's prompt."""
    kept: list[torch.Tensor] = []
    prompts = qwen2_audio.audio_prompts([AUDIO], [""])
    with capture_prefill(qwen2_audio.decoder, lambda _entry, found: kept.append(found[0])):
        qwen2_audio.generate(prompts.inputs, **GREEDY)
    return torch.stack(kept)[:, prompts.positions[0]]


@pytest.mark.parametrize("largest", [1, 5, 40])
def test_equals_the_whole_computation(qwen2_audio, states, largest) -> None:
    """All layers, all positions, the whole vocabulary at once; first tokens by tokenising the text prompt anew."""
    record = probed(qwen2_audio, lens=largest)
    model, decoder = qwen2_audio.model, qwen2_audio.decoder
    with torch.no_grad():
        normed = torch.stack([*(decoder.norm(layer) for layer in states[:-1]), states[-1]])
        logits = model.get_output_embeddings()(normed)
    prompt = qwen2_audio.render_text(TRANSCRIPT, "")
    encoded = qwen2_audio.tokenizer(prompt, return_offsets_mapping=True)
    start = prompt.index(TRANSCRIPT)
    begins = [start + TRANSCRIPT.index(word) for word in TRANSCRIPT.split()]
    firsts = [
        next(i for i, (a, b) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True) if a <= at < b)
        for at in begins
    ]
    own = logits[..., firsts].movedim(-1, 0)[..., None]  # (words, layers, positions, 1)
    ranks = (logits > own).sum(-1)
    readable = np.moveaxis((ranks < largest).numpy(), 0, 1)  # (layers, words, positions)
    centres = (np.arange(record.num_frames) + 0.5) * record.frame_seconds
    shift = circular_shift("u", record.num_frames)
    for name, turned in (("hits", readable), ("shifted", np.roll(readable, shift, axis=-1))):
        inside = [[(word.start <= c < word.end) for c in centres] for word in WORDS]
        expected = [sum(any(turned[layer, i][inside[i]]) for i in range(4)) for layer in range(record.num_layers)]
        assert record.reference_sums["words"]["lens"][name].tolist() == expected
    assert record.lens.first_tokens == [qwen2_audio.token_text(token) for token in firsts]
    probabilities = logits.softmax(-1).max(-1)
    for layer in range(record.num_layers):
        for word, timing in enumerate(WORDS):
            own = [t for t, c in enumerate(centres) if timing.start <= c < timing.end]
            surest = max(own, key=lambda t: float(probabilities.values[layer, t]))
            token = int(probabilities.indices[layer, surest])
            assert record.lens.top_tokens[layer][word] == qwen2_audio.token_text(token)


def test_the_last_layer_gives_the_models_own_logits(qwen2_audio) -> None:
    prompts = qwen2_audio.audio_prompts([AUDIO], ["what?"])
    kept: list[torch.Tensor] = []
    with capture_prefill(qwen2_audio.decoder, lambda _entry, found: kept.append(found[0])):
        output = qwen2_audio.generate(prompts.inputs, **GREEDY, output_logits=True, return_dict_in_generate=True)
    lens = Lens.of(qwen2_audio, 7)
    with torch.no_grad():
        tokens, probabilities = lens(len(kept) - 1, kept[-1][-1:])
    own = output.logits[0][0]
    assert tokens[0].tolist() == own.topk(7).indices.tolist()
    assert probabilities[0].item() == pytest.approx(own.float().softmax(-1).max().item(), rel=1e-5)


def test_nothing_else_of_the_record_changes(qwen2_audio) -> None:
    plain, read = probed(qwen2_audio), probed(qwen2_audio, lens=10)
    assert read.lens is not None and plain.lens is None
    back = AlignmentRecord.from_json(read.to_json())
    assert back.to_json() == read.to_json()
    assert back.lens.found.tolist() == read.lens.found.tolist()
    assert read.reference_sums["words"].pop("lens")["hits"].tolist() == read.lens.found.sum(axis=-1).tolist()
    read.lens = None
    assert read.to_json() == plain.to_json()


def test_positions_in_pieces(qwen2_audio, monkeypatch) -> None:
    whole = probed(qwen2_audio, lens=10).to_json()
    monkeypatch.setattr(lens_module, "_CELLS", 7 * qwen2_audio.model.get_output_embeddings().out_features)
    assert probed(qwen2_audio, lens=10).to_json() == whole


def test_no_matrix_of_all_positions_is_held(qwen2_audio, monkeypatch) -> None:
    head = qwen2_audio.model.get_output_embeddings()
    rows = []
    monkeypatch.setattr(lens_module, "_CELLS", 7 * head.out_features)
    handle = head.register_forward_hook(lambda _module, _args, output: rows.append(output.shape[0]))
    try:
        probed(qwen2_audio, lens=10)
    finally:
        handle.remove()
    assert max(rows) <= 7


def test_metrics_follow(qwen2_audio) -> None:
    values = summarise([score_record(probed(qwen2_audio, lens=40))])
    curves = dict(values["layers"].items())
    for layer in range(4):
        recall, chance, evidence = (
            curves[f"lens_{name}"]["values"][layer] for name in ("recall", "recall_chance", "evidence")
        )
        assert evidence == pytest.approx(recall - chance) and 0 <= recall <= 1
    assert summarise([score_record(probed(qwen2_audio))])["lens_recall"] is None


def test_in_autocast(qwen2_audio) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        record = probed(qwen2_audio, lens=10, layer_map=True)
    assert record.lens is not None and set(record.layer_maps["words"]) == {"hits", "both"}


def test_no_hook_is_left(qwen2_audio) -> None:
    def hooks() -> list[int]:
        return [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in qwen2_audio.model.modules()]

    probed(qwen2_audio)  # transformers leaves hooks of its own where hidden states were asked for
    before = hooks()
    probed(qwen2_audio, lens=10)
    assert hooks() == before


class Swapped(nn.Module):
    """A head with its tokens in another order."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.head(states).flip(-1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lens: Lens(lens.decoder, Swapped(lens.head), 10), "does not rank the largest tokens"),
        (lambda lens: Lens(lens.decoder, nn.Linear(3, 5), 10), "cannot be had of this model: RuntimeError"),
        (
            lambda lens: Lens(Decoder(lens.decoder.layers[:-1], lens.decoder.norm), lens.head, 10),
            "more than its final norm",
        ),
    ],
)
def test_what_is_not_the_models_is_refused(qwen2_audio, change, message) -> None:
    lens = change(Lens.of(qwen2_audio, 10))
    prompts = qwen2_audio.audio_prompts([AUDIO], ["?"])
    with pytest.raises(FatalError, match=message):
        verify_lens(lens, partial(qwen2_audio.generate, prompts.inputs))


def test_scaled_and_capped_logits_pass(qwen2_audio, monkeypatch) -> None:
    prompts = qwen2_audio.audio_prompts([AUDIO], ["?"])

    def scaled(**generation):
        output = qwen2_audio.generate(prompts.inputs, **generation)
        output.logits = tuple(3 * torch.tanh(logits / 30) for logits in output.logits)
        return output

    verify_lens(Lens.of(qwen2_audio, 10), scaled)


def test_a_model_without_a_head_is_refused(qwen2_audio) -> None:
    with pytest.raises(FatalError, match="names no output head"):
        find_head(qwen2_audio.model.get_decoder(), qwen2_audio.decoder)
