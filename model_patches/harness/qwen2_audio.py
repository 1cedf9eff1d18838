"""The harness's model id ``qwen2_audio``."""

from __future__ import annotations

from typing import Any

from lmms_eval.models.simple.qwen2_audio import Qwen2_Audio as StockQwen2Audio

from model_patches.families.qwen2_audio import TURN, Qwen2AudioAdapter
from model_patches.harness.huggingface import HuggingFaceModel


class Qwen2Audio(HuggingFaceModel, StockQwen2Audio):
    """The harness's ``qwen2_audio``: stock on every other task, paired runs on ALAS tasks.

    Args:
        pretrained: a hub id or a folder.
        device: ``cuda``, ``cuda:1``, ``mps`` (not tried) or ``cpu``; default: CUDA where there is one.
        device_map: ``auto`` spreads the model over all CUDA devices of one process.
        batch_size: documents per ``generate``.
        use_cache: whether ``generate`` keeps keys and values.
        add_generation_prompt: whether the assistant's turn is opened.
        add_system_prompt: whether the chat template's system turn is kept.
        simple_prompt: no chat template, for the base model.
        **options: `model_patches.adapters.loading.LoadOptions`, and `AlasOptions` with the prefix ``alas_``.
    """

    adapter_class = Qwen2AudioAdapter

    def __init__(
        self,
        pretrained: str = "Qwen/Qwen2-Audio-7B-Instruct",
        device: str | None = None,
        device_map: str | None = None,
        batch_size: int | str | None = 1,
        use_cache: bool = True,
        add_generation_prompt: bool = True,
        add_system_prompt: bool = True,
        simple_prompt: bool = False,
        **options: Any,
    ) -> None:
        # Not the stock __init__: it hard-codes CUDA and takes no dtype. The attributes are the stock wrapper's.
        self.start_pretrained(pretrained, options, device=device, device_map=device_map, batch_size=batch_size)
        self.use_cache = use_cache
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
