"""Gemma 3n, 4 and 4 unified."""

from __future__ import annotations

from pathlib import Path

from transformers import Qwen2TokenizerFast

from tiny_families.parts import CHATML, save, text_sizes, tokenizer_with

_GEMMA_NAMED = {
    "image_token": "<image_soft_token>",
    "audio_token": "<audio_soft_token>",
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
    "boa_token": "<start_of_audio>",
    "eoa_token": "<end_of_audio>",
}


def _gemma_ids(tokenizer: Qwen2TokenizerFast) -> dict[str, int]:
    return {f"{name}_id": tokenizer.convert_tokens_to_ids(token) for name, token in _GEMMA_NAMED.items()}


def make_gemma3n(folder: Path) -> Path:
    """``google/gemma-3n-E2B-it``."""
    from transformers import (
        Gemma3nAudioFeatureExtractor,
        Gemma3nConfig,
        Gemma3nForConditionalGeneration,
        Gemma3nProcessor,
        SiglipImageProcessor,
    )

    tokenizer = tokenizer_with(list(_GEMMA_NAMED.values()), _GEMMA_NAMED)
    size = len(tokenizer)
    sizes = text_sizes(size, "gemma3n_text", head_dim=8, num_hidden_layers=4)
    config = Gemma3nConfig(
        text_config={
            **sizes,
            "vocab_size": size + 256,
            "vocab_size_per_layer_input": size,
            "hidden_size_per_layer_input": 8,
            "num_kv_shared_layers": 2,
            "laurel_rank": 4,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "activation_sparsity_pattern": [0.0] * 4,
        },
        audio_config={
            "hidden_size": 16,
            "conf_num_attention_heads": 2,
            "conf_num_hidden_layers": 1,
            "sscp_conv_channel_size": (8, 4),
            "vocab_offset": size + 128,
        },
        vision_config={"hidden_size": 16, "vocab_offset": size, "architecture": "mobilenetv3_small_050"},
        **_gemma_ids(tokenizer),
    )
    template = CHATML.format(system="", audio="<audio_soft_token>")
    parts = (Gemma3nAudioFeatureExtractor(), SiglipImageProcessor(), tokenizer)
    return save(folder, Gemma3nForConditionalGeneration(config), Gemma3nProcessor(*parts, chat_template=template))


def make_gemma4(folder: Path) -> Path:
    """``google/gemma-4-E2B-it``."""
    from transformers import (
        Gemma4AudioFeatureExtractor,
        Gemma4Config,
        Gemma4ForConditionalGeneration,
        Gemma4ImageProcessor,
        Gemma4Processor,
        Gemma4VideoProcessor,
    )

    named = {**_GEMMA_NAMED, "video_token": "<video>"}
    tokenizer = tokenizer_with(list(named.values()), named)
    size = len(tokenizer)
    sizes = text_sizes(size, "gemma4_text", head_dim=8, num_hidden_layers=4, global_head_dim=8)
    config = Gemma4Config(
        text_config={
            **sizes,
            "vocab_size_per_layer_input": size,
            "hidden_size_per_layer_input": 8,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
        },
        audio_config={
            "hidden_size": 16,
            "num_attention_heads": 2,
            "num_hidden_layers": 1,
            "subsampling_conv_channels": (128, 4),
            "output_proj_dims": 24,
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 8,
        },
        **_gemma_ids(tokenizer),
        video_token_id=tokenizer.convert_tokens_to_ids("<video>"),
    )
    template = CHATML.format(system="", audio="<audio_soft_token>")
    parts = (Gemma4AudioFeatureExtractor(), Gemma4ImageProcessor(), tokenizer, Gemma4VideoProcessor())
    return save(folder, Gemma4ForConditionalGeneration(config), Gemma4Processor(*parts, chat_template=template))


def make_gemma4_unified(folder: Path) -> Path:
    """``google/gemma-4-12B-it``, which has no audio encoder: 640 samples of the waveform are a position."""
    import transformers as t

    named = {**_GEMMA_NAMED, "video_token": "<|video|>"}
    tokenizer = tokenizer_with(list(named.values()), named)
    sizes = text_sizes(len(tokenizer), "gemma4_unified_text", head_dim=8, num_hidden_layers=4, global_head_dim=8)
    ids = _gemma_ids(tokenizer)
    config = t.Gemma4UnifiedConfig(
        text_config={**sizes, "layer_types": ["sliding_attention", "full_attention"] * 2, "sliding_window": 64},
        audio_config={},
        vision_config={"mm_embed_dim": 16, "mm_posemb_size": 16, "patch_size": 4, "output_proj_dims": 16},
        eoa_token_index=ids.pop("eoa_token_id"),
        **ids,
        video_token_id=tokenizer.convert_tokens_to_ids("<|video|>"),
    )
    template = CHATML.format(system="", audio="<audio_soft_token>")
    images, videos = t.Gemma4UnifiedImageProcessor(), t.Gemma4UnifiedVideoProcessor()
    parts = (t.Gemma4UnifiedAudioFeatureExtractor(), images, tokenizer, videos)
    processor = t.Gemma4UnifiedProcessor(*parts, chat_template=template)
    return save(folder, t.Gemma4UnifiedForConditionalGeneration(config), processor)
