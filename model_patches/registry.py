"""Which model ids of the harness run the ALAS tasks, and where their code is; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

_GENERAL = "model_patches.huggingface.HuggingFaceAdapter"


@dataclass(frozen=True)
class Family:
    """One family of speech LLMs.

    Args:
        model_id: the harness's model id, as in ``--model``.
        simple_class: the class that takes the harness's simple requests.
        adapter: the `SpeechAdapter` of the family.
        model_types: values of ``config.model_type`` in transformers that this adapter reads; `probe` finds it by them.
        chat_class: the class that takes chat requests, for ids that the harness knows in both kinds.
    """

    model_id: str
    simple_class: str
    adapter: str
    model_types: tuple[str, ...]
    chat_class: str | None = None


FAMILIES = (
    Family(
        model_id="qwen2_audio",
        simple_class="model_patches.qwen2_audio.Qwen2Audio",
        adapter="model_patches.qwen2_audio.Qwen2AudioAdapter",
        model_types=("qwen2_audio",),
    ),
    Family(
        model_id="salmonn",
        simple_class="model_patches.salmonn.wrapper.Salmonn",
        adapter="model_patches.salmonn.adapter.SalmonnAdapter",
        model_types=("salmonn",),
    ),
    Family(
        model_id="audio_flamingo_3",
        simple_class="model_patches.audio_flamingo_3.AudioFlamingo3",
        adapter="model_patches.audio_flamingo_3.AudioFlamingo3Adapter",
        model_types=("audioflamingo3",),
    ),
    Family(
        model_id="qwen2_5_omni",
        simple_class="model_patches.qwen_omni.Qwen25Omni",
        chat_class="model_patches.qwen_omni.Qwen25OmniChat",
        adapter="model_patches.qwen_omni.Qwen25OmniAdapter",
        model_types=("qwen2_5_omni", "qwen2_5_omni_thinker"),
    ),
    Family(
        model_id="qwen3_omni",
        simple_class="model_patches.qwen_omni.Qwen3Omni",
        chat_class="model_patches.qwen_omni.Qwen3OmniChat",
        adapter="model_patches.qwen_omni.Qwen3OmniAdapter",
        model_types=("qwen3_omni_moe", "qwen3_omni_moe_thinker"),
    ),
    Family(
        model_id="alas_hf",
        simple_class="model_patches.huggingface.AlasHf",
        adapter=_GENERAL,
        model_types=(),
    ),
)

MODEL_IDS = tuple(family.model_id for family in FAMILIES)
"""The ids that work with the ALAS tasks."""


def load_object(path: str) -> Any:
    """Import ``package.module.Name``."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def adapter_for(model_type: str) -> Any:
    """Return the adapter class for a ``config.model_type`` of transformers: the family's own, else the general one."""
    own = (family.adapter for family in FAMILIES if model_type in family.model_types)
    return load_object(next(own, _GENERAL))
