"""The harness's model id ``qwen2_audio``."""

from __future__ import annotations

from typing import Any

from lmms_eval.models.simple.qwen2_audio import Qwen2_Audio as StockQwen2Audio

from model_patches.families.qwen2_audio import TURN, Qwen2AudioAdapter
from model_patches.harness.huggingface import HuggingFaceModel


class Qwen2Audio(HuggingFaceModel, StockQwen2Audio):
    """The harness's ``qwen2_audio``: stock on every other task, paired runs on ALAS tasks.

    Args:
        add_generation_prompt: whether the assistant's turn is opened.
        add_system_prompt: whether the chat template's system turn is kept.
        simple_prompt: no chat template, for the base model.
        **options: as `HuggingFaceModel`.
    """

    adapter_class = Qwen2AudioAdapter
    checkpoint = "Qwen/Qwen2-Audio-7B-Instruct"

    def __init__(
        self,
        pretrained: str | None = None,
        add_generation_prompt: bool = True,
        add_system_prompt: bool = True,
        simple_prompt: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(pretrained, **options)
        self.add_generation_prompt = add_generation_prompt
        self.add_system_prompt = add_system_prompt
        self.simple_prompt = simple_prompt
        if not add_system_prompt:
            self.processor.chat_template = TURN

    def make_adapter(self) -> Qwen2AudioAdapter:
        """Return the adapter for the loaded model, with this wrapper's prompt options."""
        return Qwen2AudioAdapter(
            self.model,
            self.processor,
            add_generation_prompt=self.add_generation_prompt,
            simple_prompt=self.simple_prompt,
        )
