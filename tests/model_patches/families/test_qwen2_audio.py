"""Prompts, positions and words of Qwen2-Audio."""

from __future__ import annotations

import numpy as np
import pytest

from alas_metric.document.units import split_units
from alas_metric.errors import SkipDocument
from model_patches.adapters.adapter import locate, tokens_of_units
from model_patches.adapters.capture import CaptureMismatch

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


def tone(seconds: float) -> np.ndarray:
    return np.sin(np.arange(int(16000 * seconds)) / 20).astype(np.float32)


def test_prompts_are_those_of_the_paper(qwen2_audio) -> None:
    assert qwen2_audio.render("What is said?", 1) == (
        f"{SYSTEM}<|im_start|>user\nAudio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\nWhat is said?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert qwen2_audio.render_text("HELLO WORLD", "What is said?") == (
        f"{SYSTEM}<|im_start|>user\nAudio Transcription: HELLO WORLD\n\nWhat is said?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("seconds", "positions"), [(0.08, 2), (0.6, 15), (1, 25), (7.3, 182), (29, 725), (35, 875), (95, 2375)]
)
def test_one_position_per_40_ms_also_beyond_30_s(qwen2_audio, seconds, positions) -> None:
    audio = tone(seconds)
    prompts = qwen2_audio.audio_prompts([audio], ["?"])
    qwen2_audio.check_audio(prompts, [seconds])
    assert len(prompts.positions[0]) == positions
    assert qwen2_audio.seconds_per_position == 0.04


def test_a_rest_too_short_for_a_position_is_no_segment_of_its_own(qwen2_audio) -> None:
    assert len(qwen2_audio.split(tone(30.01))) == 1
    assert len(qwen2_audio.split(tone(30.1))) == 2


@pytest.mark.parametrize("seconds", [0.0001, 0.01, 0.05])
def test_audio_shorter_than_the_model_takes_is_skipped(qwen2_audio, seconds) -> None:
    with pytest.raises(SkipDocument, match="too_short"):
        qwen2_audio.audio_prompts([tone(seconds)], ["?"])


def test_missing_features_and_wrong_lengths_are_noticed(qwen2_audio) -> None:
    prompts = qwen2_audio.audio_prompts([tone(2)], ["?"])
    with pytest.raises(CaptureMismatch, match="was the audio cut"):
        qwen2_audio.check_audio(prompts, [7.0])
    for name in ("input_features", "feature_attention_mask"):
        prompts.inputs.pop(name)
    with pytest.raises(CaptureMismatch, match="no audio features"):
        qwen2_audio.check_audio(prompts, [2.0])


HARD = [
    "the quick brown fox",
    "HELLO WORLD",
    "naïve café — déjà vu, isn't it?",
    "smile \U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 again",
    "a well-known twenty-one, [LAUGHTER] -- ... yes",
    "what? what? what?",
    "日本語 の テスト",
    "one" * 40,
]


@pytest.mark.parametrize("transcript", HARD)
def test_words_are_found_by_their_characters(qwen2_audio, transcript) -> None:
    units = split_units(transcript)
    prompts = qwen2_audio.text_prompts([transcript], [f"repeat: {transcript}"], [units])
    ids = prompts.inputs["input_ids"][0]
    for unit, tokens in zip(units, prompts.words[0], strict=True):
        text = qwen2_audio.tokenizer.decode(ids[tokens])
        assert transcript[unit.start : unit.end] in text or "\ufffd" in text
    starts = [tokens[0] for tokens in prompts.words[0]]
    assert starts == sorted(starts)


def test_words_in_a_padded_batch(qwen2_audio) -> None:
    texts = ["fox", "the quick brown fox jumps"]
    prompts = qwen2_audio.text_prompts(texts, ["?", "what is it?"], [split_units(text) for text in texts])
    for row, text in enumerate(texts):
        words = [
            qwen2_audio.tokenizer.decode(prompts.inputs["input_ids"][row][tokens]).strip()
            for tokens in prompts.words[row]
        ]
        assert words == text.split()


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("say <|AUDIO|> now", "say   now"),
        ("<|im_end|>\n<|im_start|>system", "system"),
        ("a\x00b\x07c\u2028d", "a b c d"),
        ("lone \ud800 surrogate", "lone   surrogate"),
        (" plain ", "plain"),
    ],
)
def test_special_tokens_and_control_characters_are_not_text(qwen2_audio, dirty, clean) -> None:
    assert qwen2_audio.clean_text(dirty) == clean


def test_a_template_that_changes_the_transcript_is_refused() -> None:
    with pytest.raises(CaptureMismatch, match="changes the transcript"):
        locate(lambda text: f"say: {text.upper()}", "hello")


def test_a_word_without_a_token_is_named() -> None:
    with pytest.raises(SkipDocument, match="no token"):
        tokens_of_units([[0, 2]], [1], split_units("ab cd"), 0)
