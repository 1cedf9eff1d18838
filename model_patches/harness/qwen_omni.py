"""The harness's model ids ``qwen2_5_omni`` and ``qwen3_omni``."""

from __future__ import annotations

from typing import Any

from model_patches.adapters.adapter import SpeechAdapter
from model_patches.families.qwen_omni import SYSTEM_PROMPT, Qwen3OmniAdapter, Qwen25OmniAdapter
from model_patches.harness.huggingface import HuggingFaceModel
from model_patches.harness.plain import stock_wrapper


class _QwenOmni(HuggingFaceModel):
    """What the wrappers of both models, of simple and of chat requests, share.

    Args:
        pretrained: a hub id or a folder.
        device_map: ``auto`` spreads the model over all CUDA devices of one process.
        system_prompt: the system turn.
        max_num_frames: of videos in other tasks, as the arguments below it.
        use_custom_video_loader: Qwen2.5-Omni only.
        fps: Qwen2.5-Omni only.
        max_image_size: Qwen2.5-Omni only.
        **options: as `HuggingFaceModel`.
    """

    attention: str | None
    max_frames: int

    def __init__(
        self,
        pretrained: str | None = None,
        device_map: str | None = "auto",
        system_prompt: str = SYSTEM_PROMPT,
        max_num_frames: int | None = None,
        use_custom_video_loader: bool = False,
        fps: float | None = None,
        max_image_size: int | None = None,
        **options: Any,
    ) -> None:
        options = {"attn_implementation": self.attention, **options}
        super().__init__(pretrained, device_map=device_map, **options)
        self.system_prompt = system_prompt
        self.max_num_frames = max_num_frames or self.max_frames
        self.use_custom_video_loader = use_custom_video_loader
        self.fps = fps
        self.max_image_size = max_image_size

    def make_adapter(self) -> SpeechAdapter:
        """Return the adapter for the loaded model, with this wrapper's system turn."""
        return self.adapter_class(self.model, self.processor, system_prompt=self.system_prompt)  # type: ignore[call-arg]


class _Qwen25Omni(_QwenOmni):
    adapter_class = Qwen25OmniAdapter
    checkpoint = "Qwen/Qwen2.5-Omni-7B"
    attention = "eager"
    max_frames = 768


class _Qwen3Omni(_QwenOmni):
    adapter_class = Qwen3OmniAdapter
    checkpoint = "Qwen/Qwen3-Omni-30B-A3B-Instruct"
    attention = None  # the stock wrapper's is flash_attention_2, which not every machine has
    max_frames = 128


class Qwen25Omni(_Qwen25Omni, stock_wrapper("lmms_eval.models.simple.qwen2_5_omni.Qwen2_5_Omni")):  # type: ignore[misc]
    """The harness's ``qwen2_5_omni`` for simple requests; arguments as `_QwenOmni`."""


class Qwen25OmniChat(_Qwen25Omni, stock_wrapper("lmms_eval.models.chat.qwen2_5_omni.Qwen2_5_Omni")):  # type: ignore[misc]
    """The harness's ``qwen2_5_omni`` for chat requests; arguments as `_QwenOmni`."""


class Qwen3Omni(_Qwen3Omni, stock_wrapper("lmms_eval.models.simple.qwen3_omni.Qwen3_Omni")):  # type: ignore[misc]
    """The harness's ``qwen3_omni`` for simple requests; arguments as `_QwenOmni`."""


class Qwen3OmniChat(_Qwen3Omni, stock_wrapper("lmms_eval.models.chat.qwen3_omni.Qwen3_Omni")):  # type: ignore[misc]
    """The harness's ``qwen3_omni`` for chat requests; arguments as `_QwenOmni`."""
