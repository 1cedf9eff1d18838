"""What tiny checkpoints of speech LLMs share: sizes, a tokenizer, templates, how they are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tiny_speech_llm import train_bpe
from transformers import PreTrainedModel, Qwen2TokenizerFast, WhisperFeatureExtractor

CHATML = (
    "{{% for m in messages %}}{{% if loop.first and m['role'] != 'system' %}}{system}{{% endif %}}"
    "<|im_start|>{{{{ m['role'] }}}}\n{{% if m['content'] is string %}}{{{{ m['content'] }}}}{{% else %}}"
    "{{% for c in m['content'] %}}{{% if c['type'] == 'audio' %}}{audio}"
    "{{% elif 'text' in c %}}{{{{ c['text'] }}}}{{% endif %}}{{% endfor %}}{{% endif %}}<|im_end|>\n{{% endfor %}}"
    "{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
)


HELPFUL = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


# Audio Flamingo 3 puts one placeholder first, wherever the audio stands in the turn.
FLAMINGO = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for m in messages if m['content'] is not none %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}"
    "{{ m['content'] }}{% else %}{% set audio = namespace(found=False) %}{% set text_buf = namespace(v='') %}"
    "{% for c in m['content'] %}{% if c.get('type') == 'audio' or 'audio' in c %}{% set audio.found = True %}"
    "{% elif c.get('type') == 'text' or 'text' in c %}{% set text_buf.v = text_buf.v + c['text'] %}{% endif %}"
    "{% endfor %}{% if audio.found %}{{ '<sound>' }}{% endif %}{{ text_buf.v }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


# Granite's template takes the turn's content as one text.
TEXT_ONLY = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


ENCODER = {"encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "d_model": 16}
"""Sizes of a small audio encoder, by Whisper's names."""
AUDIO = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
"""The same, by most others'."""


def text_sizes(vocab_size: int, model_type: str = "qwen2", **more: Any) -> dict[str, Any]:
    """Sizes of a small language model of three layers."""
    return {
        "model_type": model_type,
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        **more,
    }


def tokenizer_with(specials: list[str], named: dict[str, str] | None = None) -> Qwen2TokenizerFast:
    """A byte-level tokenizer with a family's special tokens, some of them known by name."""
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *specials]
    return Qwen2TokenizerFast(
        tokenizer_object=train_bpe(specials),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=named or specials[3:],
    )


def save(folder: Path, model: PreTrainedModel, processor: Any, seed: int = 0) -> Path:
    """Save a checkpoint with random weights that are large enough for layers to differ."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.2)
    if model.can_generate():
        model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
        model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def whisper_extractor(**more: Any) -> WhisperFeatureExtractor:
    """The feature extractor of most families."""
    return WhisperFeatureExtractor(feature_size=128, return_attention_mask=True, **more)
