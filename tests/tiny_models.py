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
