"""Qwen2.5-Omni and Qwen3-Omni: the thinker alone, which is what hears and answers; what speaks is not loaded."""

from __future__ import annotations

from typing import Any, ClassVar

from model_patches.adapters.huggingface import HuggingFaceAdapter

SYSTEM_PROMPT = (
    "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of perceiving auditory and "
    "visual inputs, as well as generating text and speech."
)
"""The system turn of the harness's wrappers and of the models' cards."""


class Qwen25OmniAdapter(HuggingFaceAdapter):
    """Prompts and positions of Qwen2.5-Omni's thinker; audio beyond 300 s is cut into pieces of one prompt."""

    verify = False
    batches = True
    frames_per_position: ClassVar[float | None] = 4

    def __init__(self, model: Any, processor: Any, *, system_prompt: str | None = SYSTEM_PROMPT) -> None:
        super().__init__(model, processor, system_prompt=system_prompt)


class Qwen3OmniAdapter(Qwen25OmniAdapter):
    """Prompts and positions of Qwen3-Omni's thinker: 13 positions for every second.

    Within a second they are not quite even: 12 of 80 ms, the last of 40 ms. Their centres lie within 20 ms of those of
    13 even ones. One by one, since padding audio to a batch changes its features.
    """

    batches = False
    frames_per_position = 100 / 13
