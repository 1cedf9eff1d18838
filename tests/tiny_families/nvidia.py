"""The Flamingos and the Nemotrons."""

from __future__ import annotations

from pathlib import Path

from tiny_families.parts import AUDIO, CHATML, FLAMINGO, save, text_sizes, tokenizer_with, whisper_extractor


def make_audio_flamingo_3(folder: Path) -> Path:
    """``nvidia/audio-flamingo-3-hf``."""
    return _make_flamingo(folder, "AudioFlamingo3", {"audio_token_id": "<sound>"})


def make_music_flamingo(folder: Path) -> Path:
    """``nvidia/music-flamingo-hf``."""
    around = {"audio_bos_token_id": "<|sound_bos|>", "audio_eos_token_id": "<|sound_eos|>"}
    return _make_flamingo(folder, "MusicFlamingo", {"audio_token_id": "<sound>", **around})


def _make_flamingo(folder: Path, name: str, tokens: dict[str, str]) -> Path:
    """Save a checkpoint of the classes of this name, with the special tokens that its configuration names."""
    import transformers as t

    tokenizer = tokenizer_with(list(tokens.values()))
    config = getattr(t, f"{name}Config")(
        audio_config={"model_type": "audioflamingo3_encoder", "num_mel_bins": 128, **AUDIO},
        text_config=text_sizes(len(tokenizer)),
        **{key: tokenizer.convert_tokens_to_ids(token) for key, token in tokens.items()},
    )
    processor = getattr(t, f"{name}Processor")(whisper_extractor(), tokenizer, chat_template=FLAMINGO)
    return save(folder, getattr(t, f"{name}ForConditionalGeneration")(config), processor)


# Thinking is on unless the template is told otherwise, as in the published ones.
_THINKING = (
    CHATML.format(system="", audio="<AUDIO>")
    + "{% if add_generation_prompt %}<think>{% if enable_thinking is defined and not enable_thinking %}</think>"
    "{% else %}\n{% endif %}{% endif %}"
)

_HYBRID = {
    "model_type": "nemotron_h",
    "layers_block_type": ["linear_attention", "moe", "full_attention", "mlp"],
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 64,
    "ssm_state_size": 8,
    "mamba_num_heads": 4,
    "mamba_head_dim": 16,
    "n_groups": 2,
    "chunk_size": 16,
    "n_routed_experts": 4,
    "moe_intermediate_size": 16,
    "moe_shared_expert_intermediate_size": 16,
    "max_position_embeddings": 8192,
    "num_nextn_predict_layers": 1,
}
"""One layer of each kind, and a head that predicts a second token, which transformers does not load."""


def make_nemotron_h_omni(folder: Path) -> Path:
    """``nvidia/Nemotron-3-Nano-Omni-30B-A3B-Reasoning-BF16``."""
    import transformers as t

    tokenizer = tokenizer_with(["<image>", "<video>", "<so_embedding>", "<so_start>", "<so_end>", "<img>", "</img>"])
    index = tokenizer.convert_tokens_to_ids
    config = t.NemotronH_Omni_Reasoning_V3_Config(
        text_config={**_HYBRID, "vocab_size": len(tokenizer)},
        audio_config={
            **AUDIO,
            "subsampling_conv_channels": 8,
            "num_mel_bins": 128,
            "projection_hidden_size": 16,
            "projection_bias": False,
        },
        vision_config={
            "model_type": "radio",
            "hidden_size": 16,
            "num_attention_heads": 2,
            "num_hidden_layers": 1,
            "video_temporal_patch_size": 2,
            "max_img_size": 64,
        },
        projector_hidden_size=16,
        vision_hidden_size=16,
        image_token_id=index("<image>"),
        video_token_id=index("<video>"),
        audio_token_id=index("<so_embedding>"),
    )
    processor = t.NemotronH_Omni_Reasoning_V3Processor(
        t.NemotronH_Omni_Reasoning_V3ImageProcessor(),
        t.NemotronH_Omni_Reasoning_V3VideoProcessor(),
        tokenizer,
        t.ParakeetFeatureExtractor(feature_size=128),
        chat_template=_THINKING.replace("<AUDIO>", "<so_embedding>\n"),
    )
    return save(folder, t.NemotronH_Omni_Reasoning_V3(config), processor)


def make_nemotron3_5_transcribe(folder: Path) -> Path:
    """``nvidia/NVIDIA-Nemotron-3.5-Transcribe-30B-A4B``; its placeholder has no row in the embeddings."""
    import transformers as t

    tokenizer = tokenizer_with(["<|audio|>"])
    diarization = {
        "model_type": "nemotron3_diarization",
        "audio_config": {**AUDIO},
        "head_config": {"hidden_size": 8, "audio_hidden_size": 16, "num_speakers": 2},
        "streaming_config": {"num_speakers": 2, "speaker_cache_length": 188},
        "chunk_length": 500,
        "chunk_left_context": 50,
        "chunk_right_context": 50,
    }
    config = t.Nemotron3_5TranscribeConfig(
        audio_config={"asr_config": {**AUDIO}, "diarization_config": diarization},
        text_config={**_HYBRID, "vocab_size": len(tokenizer) - 1},
        word_timestamp_config={**AUDIO, "vocab_size": 11, "blank_token_id": 10},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio|>"),
    )
    processor = t.Nemotron3_5TranscribeProcessor(
        t.NemotronAsrStreamingFeatureExtractor(feature_size=128),
        tokenizer,
        tokenizer_with([]),
        chat_template=_THINKING.replace("<AUDIO>", "<|audio|>"),
    )
    return save(folder, t.Nemotron3_5TranscribeForConditionalGeneration(config), processor)
