"""Tiny random checkpoints of many families, with the real configuration, processor and tokenizer classes.

Sizes are small; frame rates, windows and token names are the published ones. Chat templates are the published ones as
far as prompts of text and audio reach them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tiny_speech_llm import train_bpe
from transformers import PreTrainedModel, Qwen2TokenizerFast, WhisperFeatureExtractor

_CHATML = (
    "{{% for m in messages %}}{{% if loop.first and m['role'] != 'system' %}}{system}{{% endif %}}"
    "<|im_start|>{{{{ m['role'] }}}}\n{{% if m['content'] is string %}}{{{{ m['content'] }}}}{{% else %}}"
    "{{% for c in m['content'] %}}{{% if c['type'] == 'audio' %}}{audio}"
    "{{% elif 'text' in c %}}{{{{ c['text'] }}}}{{% endif %}}{{% endfor %}}{{% endif %}}<|im_end|>\n{{% endfor %}}"
    "{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
)
_HELPFUL = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
# Audio Flamingo 3 puts one placeholder first, wherever the audio stands in the turn.
_FLAMINGO = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for m in messages if m['content'] is not none %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}"
    "{{ m['content'] }}{% else %}{% set audio = namespace(found=False) %}{% set text_buf = namespace(v='') %}"
    "{% for c in m['content'] %}{% if c.get('type') == 'audio' or 'audio' in c %}{% set audio.found = True %}"
    "{% elif c.get('type') == 'text' or 'text' in c %}{% set text_buf.v = text_buf.v + c['text'] %}{% endif %}"
    "{% endfor %}{% if audio.found %}{{ '<sound>' }}{% endif %}{{ text_buf.v }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_ENCODER = {"encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "d_model": 16}


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
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def whisper_extractor(**more: Any) -> WhisperFeatureExtractor:
    """The feature extractor of most families."""
    return WhisperFeatureExtractor(feature_size=128, return_attention_mask=True, **more)


def make_audio_flamingo_3(folder: Path) -> Path:
    """``nvidia/audio-flamingo-3-hf``."""
    from transformers import AudioFlamingo3Config, AudioFlamingo3ForConditionalGeneration, AudioFlamingo3Processor

    tokenizer = tokenizer_with(["<sound>"])
    audio = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = AudioFlamingo3Config(
        audio_config={"model_type": "audioflamingo3_encoder", "num_mel_bins": 128, **audio},
        text_config=text_sizes(len(tokenizer)),
        audio_token_id=tokenizer.convert_tokens_to_ids("<sound>"),
    )
    processor = AudioFlamingo3Processor(whisper_extractor(), tokenizer, chat_template=_FLAMINGO)
    return save(folder, AudioFlamingo3ForConditionalGeneration(config), processor)


_OMNI_VISION = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32}


def make_qwen2_5_omni(folder: Path, chunk_length: int = 40) -> Path:
    """``Qwen/Qwen2.5-Omni-7B``, without what speaks but for the file of its voices.

    Its feature extractor pads all audio to 300 s; the window is smaller here, for time's sake.
    """
    from transformers import (
        Qwen2_5OmniConfig,
        Qwen2_5OmniForConditionalGeneration,
        Qwen2_5OmniProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    named = {
        "image_token": "<|IMAGE|>",
        "audio_token": "<|AUDIO|>",
        "video_token": "<|VIDEO|>",
        "vision_bos_token": "<|vision_bos|>",
        "vision_eos_token": "<|vision_eos|>",
        "audio_bos_token": "<|audio_bos|>",
        "audio_eos_token": "<|audio_eos|>",
    }
    tokenizer = tokenizer_with(list(named.values()), named)
    index = tokenizer.convert_tokens_to_ids
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e6}
    config = Qwen2_5OmniConfig(
        thinker_config={
            "audio_config": {**_ENCODER, "output_dim": 32},
            "vision_config": {**_OMNI_VISION, "fullatt_block_indexes": [0]},
            "text_config": text_sizes(
                len(tokenizer), "qwen2_5_omni_text", rope_parameters=rope, tie_word_embeddings=False
            ),
            "audio_token_index": index("<|AUDIO|>"),
            "image_token_index": index("<|IMAGE|>"),
            "video_token_index": index("<|VIDEO|>"),
            "audio_start_token_id": index("<|audio_bos|>"),
            "audio_end_token_id": index("<|audio_eos|>"),
            "vision_start_token_id": index("<|vision_bos|>"),
        },
        enable_audio_output=False,
    )
    processor = Qwen2_5OmniProcessor(
        Qwen2VLImageProcessor(),
        Qwen2VLVideoProcessor(),
        whisper_extractor(chunk_length=chunk_length),
        tokenizer,
        chat_template=_CHATML.format(system=_HELPFUL, audio="<|audio_bos|><|AUDIO|><|audio_eos|>"),
    )
    torch.save({"Chelsie": {}}, folder / "spk_dict.pt")
    return save(folder, Qwen2_5OmniForConditionalGeneration(config), processor)


def make_qwen3_omni(folder: Path) -> Path:
    """``Qwen/Qwen3-Omni-30B-A3B-Instruct``, without what speaks."""
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
        Qwen3OmniMoeConfig,
        Qwen3OmniMoeForConditionalGeneration,
        Qwen3OmniMoeProcessor,
    )

    named = {
        "image_token": "<|image_pad|>",
        "audio_token": "<|audio_pad|>",
        "video_token": "<|video_pad|>",
        "vision_bos_token": "<|vision_start|>",
        "vision_eos_token": "<|vision_end|>",
        "audio_bos_token": "<|audio_start|>",
        "audio_eos_token": "<|audio_end|>",
    }
    tokenizer = tokenizer_with(list(named.values()), named)
    index = tokenizer.convert_tokens_to_ids
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "mrope_interleaved": True, "rope_theta": 1e6}
    config = Qwen3OmniMoeConfig(
        thinker_config={
            "audio_config": {**_ENCODER, "output_dim": 32, "downsample_hidden_size": 8},
            "vision_config": {**_OMNI_VISION, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]},
            "text_config": text_sizes(len(tokenizer), "qwen3_omni_moe_text", rope_parameters=rope, **experts),
            "audio_token_id": index("<|audio_pad|>"),
            "image_token_id": index("<|image_pad|>"),
            "video_token_id": index("<|video_pad|>"),
            "audio_start_token_id": index("<|audio_start|>"),
            "vision_start_token_id": index("<|vision_start|>"),
        },
        enable_audio_output=False,
    )
    processor = Qwen3OmniMoeProcessor(
        Qwen2VLImageProcessor(),
        Qwen2VLVideoProcessor(),
        whisper_extractor(),
        tokenizer,
        chat_template=_CHATML.format(system="", audio="<|audio_start|><|audio_pad|><|audio_end|>"),
    )
    return save(folder, Qwen3OmniMoeForConditionalGeneration(config), processor)


MAKERS: dict[str, Callable[[Path], Path]] = {
    "audio_flamingo_3": make_audio_flamingo_3,
    "qwen2_5_omni": make_qwen2_5_omni,
    "qwen3_omni": make_qwen3_omni,
}
