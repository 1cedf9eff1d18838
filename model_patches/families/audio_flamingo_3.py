"""Audio Flamingo 3: 25 positions a second, one audio per prompt, heard in windows of 30 s up to 10 minutes."""

from __future__ import annotations

from model_patches.adapters.huggingface import HuggingFaceAdapter


class AudioFlamingo3Adapter(HuggingFaceAdapter):
    """Prompts and positions of ``AudioFlamingo3ForConditionalGeneration``."""

    verify = False
    batches = True
    frames_per_position = 4
