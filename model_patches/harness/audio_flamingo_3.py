"""The harness's model id ``audio_flamingo_3``."""

from __future__ import annotations

from typing import Any

from lmms_eval.models.simple.audio_flamingo_3 import AudioFlamingo3 as StockAudioFlamingo3

from model_patches.families.audio_flamingo_3 import AudioFlamingo3Adapter
from model_patches.harness.huggingface import HuggingFaceModel


class AudioFlamingo3(HuggingFaceModel, StockAudioFlamingo3):
    """The harness's ``audio_flamingo_3``: stock on every other task, paired runs on ALAS tasks.

    Args:
        pretrained: a hub id or a folder.
        device: ``cuda``, ``cuda:1``, ``mps`` (not tried) or ``cpu``; default: CUDA where there is one.
        device_map: ``auto`` spreads the model over all CUDA devices of one process.
        batch_size: documents per ``generate``.
        use_cache: whether ``generate`` keeps keys and values.
        **options: `model_patches.adapters.loading.LoadOptions`, and `AlasOptions` with the prefix ``alas_``.
    """

    adapter_class = AudioFlamingo3Adapter

    def __init__(
        self,
        pretrained: str = "nvidia/audio-flamingo-3-hf",
        device: str | None = None,
        device_map: str | None = None,
        batch_size: int | str | None = 1,
        use_cache: bool = True,
        **options: Any,
    ) -> None:
        # Not the stock __init__: it hard-codes CUDA and takes no dtype. The attributes are the stock wrapper's.
        self.start_pretrained(pretrained, options, device=device, device_map=device_map, batch_size=batch_size)
        self.use_cache = use_cache
