"""The harness's model id ``audio_flamingo_3``."""

from __future__ import annotations

from lmms_eval.models.simple.audio_flamingo_3 import AudioFlamingo3 as StockAudioFlamingo3

from model_patches.families.audio_flamingo_3 import AudioFlamingo3Adapter
from model_patches.harness.huggingface import HuggingFaceModel


class AudioFlamingo3(HuggingFaceModel, StockAudioFlamingo3):
    """The harness's ``audio_flamingo_3``: stock on every other task, paired runs on ALAS tasks."""

    adapter_class = AudioFlamingo3Adapter
    checkpoint = "nvidia/audio-flamingo-3-hf"
