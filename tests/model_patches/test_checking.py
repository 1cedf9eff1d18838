"""``alas models --check``: it passes on a sound checkpoint and says what is wrong with others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from alas_metric.commands.main import main
from model_patches import checking
from model_patches.adapters.capture import Decoder
from model_patches.families.qwen2_audio import Qwen2AudioAdapter

AUDIO = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)


def outcome(adapter, check: str) -> tuple[str, str]:
    trial = checking.Trial(adapter, AUDIO, "the quick brown fox")
    found = checking.finding(check, lambda: checking.CHECKS[check](trial))
    return found.outcome, found.detail


@pytest.fixture
def broken(qwen2_audio):
    """Return the tiny Qwen2-Audio with one thing changed."""

    def change(**members):
        kind = type("Broken", (Qwen2AudioAdapter,), members)
        return kind(qwen2_audio.model, qwen2_audio.processor)

    return change


@pytest.mark.parametrize(
    ("check", "members", "expected"),
    [
        (
            "placeholder",
            {"render": lambda _self, said, count: "<|AUDIO|>" * (count + 1) + said},
            "stands 2 times in the audio prompt and 1 in the text prompt",
        ),
        ("positions per second", {"frames_per_position": 5}, "20, and 25 were expected of qwen2_audio"),
        ("positions follow the duration", {"frames_per_position": 5}, "should give about"),
        ("layers", {"decoder": property(lambda self: self.model.lost)}, "AttributeError"),
        (
            "hidden states, audio",
            {"decoder": property(lambda self: swapped(super(Qwen2AudioAdapter, self).decoder))},
            "of 4 are not those of output_hidden_states",
        ),
        (
            "hidden states, text",
            {"decoder": property(lambda self: swapped(super(Qwen2AudioAdapter, self).decoder))},
            "of 4 are not those of output_hidden_states",
        ),
        (
            "the audio arrives",
            {"audio_prompts": lambda self, _audios, said: self.text_prompts(["a"], said, [[]])},
            "other audio changes nothing",
        ),
        (
            "words are found",
            {"text_prompts": lambda self, *given: shifted(Qwen2AudioAdapter.text_prompts(self, *given))},
            "the tokens of the word 'the' read",
        ),
        ("one document", {}, "'Linear' object has no attribute 'config'"),
    ],
)
def test_what_is_broken_fails(broken, check, members, expected) -> None:
    adapter = broken(**members)
    if check == "one document":  # it makes its own adapter, of the model's type
        adapter.model = torch.nn.Linear(1, 1)
    failed, detail = outcome(adapter, check)
    assert failed == "failed" and expected in detail


def swapped(decoder: Decoder) -> Decoder:
    """Return a decoder that reads two layers in the other's place."""
    first, second, *rest = decoder.layers
    return replace(decoder, layers=[second, first, *rest])


def shifted(prompts):
    """Return prompts whose words are said to be one token later."""
    return replace(prompts, words=[[[token + 1 for token in word] for word in row] for row in prompts.words])


def test_a_batch_that_moves_similarities_fails(qwen2_audio, monkeypatch) -> None:
    monkeypatch.setattr(checking, "BATCH_TOLERANCE", -1.0)
    assert outcome(qwen2_audio, "a batch of three")[0] == "failed"
    monkeypatch.setattr(type(qwen2_audio), "batches", False)
    assert outcome(qwen2_audio, "a batch of three") == (
        "not applicable",
        "run one by one whatever --batch_size says",
    )


def test_the_command_on_a_users_own_speech(qwen2_audio_folder, tmp_path, capsys) -> None:
    soundfile.write(tmp_path / "speech.wav", AUDIO, 16000)
    command = ["models", "--check", str(qwen2_audio_folder), "--audio", str(tmp_path / "speech.wav")]
    assert main([*command, "--transcript", "the quick, [brown] fox!", "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "Audio Transcription: the quick, [brown] fox!" in shown and "Qwen2AudioForConditionalGeneration" in shown
    assert all(check in shown for check in checking.CHECKS) and "failed" not in shown


def test_the_command_on_the_demos_utterance(qwen2_audio_folder) -> None:
    utterance = checking.demo_utterance()
    assert [word.word for word in utterance.words] == utterance.transcript.split()
    loads, trial = checking.load(str(qwen2_audio_folder), utterance, device="cpu")
    assert loads.outcome == "passed" and checking.CHECKS["one document"](trial)


def test_what_cannot_be_loaded_is_a_finding_too(tmp_path, capsys) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    assert main(["models", "--check", str(tmp_path)]) == 1
    assert "cross-attention" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--audio", "a.wav"], "add --check"),
        (["--check", "m", "--audio", "a.wav"], "go together"),
        (["--check", "m", "--audio", "a.wav", "--transcript", "?"], "has no word"),
        (["--check", "m", "--audio", "missing.wav", "--transcript", "a"], "missing.wav does not exist"),
    ],
)
def test_options_that_do_not_fit(options, message) -> None:
    with pytest.raises(SystemExit, match=message):
        main(["models", *options])
