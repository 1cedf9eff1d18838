"""Tiny random checkpoints in the formats that the loaders expect, made by code."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path


def make_whisper(folder: Path) -> Path:
    """Write a random multilingual Whisper checkpoint as openai-whisper reads it by path.

    The full text context of 448 tokens and the full vocabulary are kept, so that limits and tokens are the
    real ones; everything else is small.

    Args:
        folder: an existing folder.

    Returns:
        The path of ``tiny-random.pt`` in it, about 7 MB.
    """
    import torch
    from whisper.model import ModelDimensions, Whisper

    dims = ModelDimensions(
        n_mels=80,
        n_audio_ctx=1500,
        n_audio_state=32,
        n_audio_head=2,
        n_audio_layer=2,
        n_vocab=51865,
        n_text_ctx=448,
        n_text_state=32,
        n_text_head=2,
        n_text_layer=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Whisper(dims)
        # Whisper leaves its positional embedding uninitialised, which may hold anything, NaN included.
        torch.nn.init.normal_(model.decoder.positional_embedding, std=0.02)
    path = Path(folder) / "tiny-random.pt"
    torch.save({"dims": asdict(dims), "model_state_dict": model.state_dict()}, path)
    return path


def make_qwen3_aligner(folder: Path) -> Path:
    """Write a random checkpoint of Qwen3's forced aligner, as converted for transformers, with 400 steps of 80 ms."""
    from tiny_families.parts import ENCODER, save, text_sizes, tokenizer_with
    from transformers import (
        Qwen3ASRConfig,
        Qwen3ASRFeatureExtractor,
        Qwen3ASRForTokenClassification,
        Qwen3ASRProcessor,
    )

    named = {"audio_token": "<|audio_pad|>", "audio_bos_token": "<|audio_start|>", "audio_eos_token": "<|audio_end|>"}
    tokenizer = tokenizer_with([*named.values(), "<timestamp>"], named)
    config = Qwen3ASRConfig(
        audio_config={**ENCODER, "output_dim": 32, "downsample_hidden_size": 8},
        text_config=text_sizes(len(tokenizer), "qwen3", head_dim=8),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio_pad|>"),
        timestamp_token_id=tokenizer.convert_tokens_to_ids("<timestamp>"),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        num_labels=400,
    )
    # The audio first, then each word with the marks of its beginning and its end, as the published template has it.
    template = (
        "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'audio' %}"
        "<|audio_start|><|audio_pad|><|audio_end|>{% else %}{{ c['text'] }}<timestamp><timestamp>{% endif %}"
        "{% endfor %}{% endfor %}"
    )
    processor = Qwen3ASRProcessor(Qwen3ASRFeatureExtractor(), tokenizer, chat_template=template)
    return save(folder, Qwen3ASRForTokenClassification(config), processor)
