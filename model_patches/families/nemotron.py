"""Nemotron 3 Nano Omni and Nemotron 3.5 Transcribe: Mamba, attention and experts in turn, each of them a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from model_patches.adapters.huggingface import HuggingFaceAdapter


class NemotronAdapter(HuggingFaceAdapter):
    """Prompts and positions of ``NemotronH_Omni_Reasoning_V3`` and ``Nemotron3_5TranscribeForConditionalGeneration``.

    Their chat templates open a thought unless they are told not to; an answer would then end before it is given.
    """

    template_options: ClassVar[Mapping[str, Any]] = {"enable_thinking": False}
