"""Wrappers of transformers' models: what they share, and ``alas_hf``."""

from __future__ import annotations

from typing import Any, ClassVar

from alas_metric.errors import FatalError
from model_patches.adapters.adapter import SpeechAdapter
from model_patches.adapters.huggingface import HuggingFaceAdapter
from model_patches.adapters.loading import LoadOptions
from model_patches.harness.plain import PlainModel
from model_patches.harness.wrapper import AlasModel
from model_patches.registry import adapter_for


class HuggingFaceModel(AlasModel):
    """Mixin for wrappers whose checkpoint is one of transformers; a subclass names its ``checkpoint``.

    Args:
        pretrained: a hub id or a folder; default: the ``checkpoint``.
        device: ``cuda``, ``cuda:1``, ``mps`` (not tried) or ``cpu``; default: CUDA where there is one.
        device_map: ``auto`` spreads the model over all CUDA devices of one process.
        batch_size: documents per ``generate`` in ALAS tasks, for families where tests show that it does no harm.
        use_cache: whether ``generate`` keeps keys and values.
        **options: `model_patches.adapters.loading.LoadOptions`, and `AlasOptions` with the prefix ``alas_``.
    """

    adapter_class: ClassVar[type[SpeechAdapter]] = HuggingFaceAdapter
    checkpoint: ClassVar[str]

    def __init__(
        self,
        pretrained: str | None = None,
        device: str | None = None,
        device_map: str | None = None,
        batch_size: int | str | None = 1,
        use_cache: bool = True,
        **options: Any,
    ) -> None:
        # Not the stock __init__: it hard-codes CUDA and takes no dtype. The attributes are the stock wrapper's.
        loading, others = LoadOptions.take(options)
        self.start(
            pretrained=pretrained or self.checkpoint,
            device=device,
            device_map=device_map,
            batch_size=batch_size,
            options=others,
            load_arguments=loading.chosen(),
        )
        self.use_cache = use_cache

    def adapter_of_its_type(self, system_prompt: str | None) -> SpeechAdapter:
        """Return the adapter of the checkpoint's model type, with a system turn if one is given."""
        named = {} if system_prompt is None else {"system_prompt": system_prompt}
        adapter: HuggingFaceAdapter = adapter_for(self.model.config.model_type)(self.model, self.processor, **named)
        adapter.require()
        return adapter


class AlasHf(HuggingFaceModel, PlainModel):
    """``alas_hf``: any model of transformers that takes audio placeholders, on ALAS tasks and on audio questions.

    Args:
        pretrained: a hub id or a folder.
        system_prompt: a system turn before the user's.
        **options: as `HuggingFaceModel`.
    """

    def __init__(self, pretrained: str | None = None, system_prompt: str | None = None, **options: Any) -> None:
        if not pretrained:
            raise FatalError("alas_hf needs --model_args pretrained=<hub id or folder>")
        super().__init__(pretrained, **options)
        self.system_prompt = system_prompt

    def make_adapter(self) -> SpeechAdapter:
        """Return the family's own adapter where there is one, else the general one."""
        return self.adapter_of_its_type(self.system_prompt)
