"""Qwen's Omni models and its recogniser."""

from __future__ import annotations

from pathlib import Path

import torch

from tiny_families.parts import CHATML, ENCODER, HELPFUL, save, text_sizes, tokenizer_with, whisper_extractor

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
            "audio_config": {**ENCODER, "output_dim": 32},
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
        chat_template=CHATML.format(system=HELPFUL, audio="<|audio_bos|><|AUDIO|><|audio_eos|>"),
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
            "audio_config": {**ENCODER, "output_dim": 32, "downsample_hidden_size": 8},
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
        chat_template=CHATML.format(system="", audio="<|audio_start|><|audio_pad|><|audio_end|>"),
    )
    return save(folder, Qwen3OmniMoeForConditionalGeneration(config), processor)


def make_qwen3_asr(folder: Path) -> Path:
    """``Qwen/Qwen3-ASR-1.7B`` as converted for transformers."""
    from transformers import (
        Qwen3ASRConfig,
        Qwen3ASRFeatureExtractor,
        Qwen3ASRForConditionalGeneration,
        Qwen3ASRProcessor,
    )

    named = {"audio_token": "<|audio_pad|>", "audio_bos_token": "<|audio_start|>", "audio_eos_token": "<|audio_end|>"}
    tokenizer = tokenizer_with(list(named.values()), named)
    config = Qwen3ASRConfig(
        audio_config={**ENCODER, "output_dim": 32, "downsample_hidden_size": 8},
        text_config=text_sizes(len(tokenizer), "qwen3", head_dim=8),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio_pad|>"),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    template = CHATML.format(system="", audio="<|audio_start|><|audio_pad|><|audio_end|>")
    processor = Qwen3ASRProcessor(Qwen3ASRFeatureExtractor(), tokenizer, chat_template=template)
    return save(folder, Qwen3ASRForConditionalGeneration(config), processor)
