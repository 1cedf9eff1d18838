"""The harness's model id ``gemma4``."""

from __future__ import annotations

from typing import Any

from lmms_eval.models.simple.gemma4 import DEFAULT_MAX_FRAMES, DEFAULT_MAX_SOFT_TOKENS
from lmms_eval.models.simple.gemma4 import Gemma4 as StockGemma4

from model_patches.adapters.adapter import SpeechAdapter
from model_patches.harness.huggingface import HuggingFaceModel


class Gemma4(HuggingFaceModel, StockGemma4):
    """The harness's ``gemma4``: stock on every other task, paired runs on ALAS tasks.

    Args:
        pretrained: a hub id or a folder; not every Gemma 4 hears, and ALAS tasks refuse those that do not.
        device_map: ``auto`` spreads the model over all CUDA devices of one process.
        trust_remote_code: taken and not used; the model is transformers' own.
        attn_implementation: as in transformers.
        max_soft_tokens: of images in other tasks, as the two below it.
        max_num_frames: of videos.
        interleave_visuals: images where the question names them.
        system_prompt: the system turn, of all tasks.
        reasoning_prompt: added to the questions of other tasks.
        **options: as `HuggingFaceModel`. Other tasks give the model bfloat16 whatever its ``dtype``.
    """

    checkpoint = "google/gemma-4-31B-it"

    def __init__(
        self,
        pretrained: str | None = None,
        device_map: str | None = "auto",
        trust_remote_code: bool | None = True,
        attn_implementation: str | None = None,
        max_soft_tokens: int = DEFAULT_MAX_SOFT_TOKENS,
        max_num_frames: int = DEFAULT_MAX_FRAMES,
        interleave_visuals: bool | None = False,
        system_prompt: str | None = "You are a helpful assistant.",
        reasoning_prompt: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(pretrained, device_map=device_map, attn_implementation=attn_implementation, **options)
        self.processor.video_processor.sample_frames = self._sample_video_frames
        self._max_length = self._config.text_config.max_position_embeddings
        self.system_prompt = system_prompt
        self.interleave_visuals = interleave_visuals
        self.max_soft_tokens = max_soft_tokens
        self.max_num_frames = max_num_frames
        self.reasoning_prompt = reasoning_prompt.replace("\\n", "\n") if reasoning_prompt else None

    def make_adapter(self) -> SpeechAdapter:
        """Return the adapter for the loaded model, with this wrapper's system turn."""
        return self.adapter_of_its_type(self.system_prompt)
