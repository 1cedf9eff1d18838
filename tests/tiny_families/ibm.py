"""Granite Speech."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny_families.parts import TEXT_ONLY, save, text_sizes, tokenizer_with


def make_granite_speech(folder: Path) -> Path:
    """``ibm-granite/granite-speech-3.3-8b``; its feature extractor needs torchaudio."""
    return _make(folder, "GraniteSpeech", encoder={}, seen=16)


def make_granite_speech_plus(folder: Path) -> Path:
    """``ibm-granite/granite-speech-4.1-2b-plus``, whose projector also reads a layer within the encoder."""
    return _make(folder, "GraniteSpeechPlus", encoder={"cat_hidden_layers": [1]}, seen=2 * 16)


def _make(folder: Path, name: str, encoder: dict[str, Any], seen: int) -> Path:
    """Save a checkpoint of the classes of this name; `seen` is the size of what the projector reads."""
    import transformers as t

    tokenizer = tokenizer_with(["<|audio|>"])
    config = getattr(t, f"{name}Config")(
        encoder_config={"hidden_dim": 16, "num_layers": 2, "num_heads": 2, "dim_head": 8, "output_dim": 8, **encoder},
        projector_config={
            "model_type": "blip_2_qformer",
            "hidden_size": 16,
            "encoder_hidden_size": seen,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "cross_attention_frequency": 1,
        },
        text_config=text_sizes(len(tokenizer), "granite"),
        audio_token_index=tokenizer.convert_tokens_to_ids("<|audio|>"),
        has_lora_adapter=False,
    )
    processor = t.GraniteSpeechProcessor(t.GraniteSpeechFeatureExtractor(), tokenizer, chat_template=TEXT_ONLY)
    return save(folder, getattr(t, f"{name}ForConditionalGeneration")(config), processor)
