"""A checkpoint of transformers, to model and processor; quantised, or with an adapter of peft on top, if asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from loguru import logger

from alas_metric.errors import FatalError
from model_patches.registry import refusal


def load_pretrained(
    pretrained: str,
    *,
    dtype: str = "auto",
    device_map: Any = None,
    revision: str | None = None,
    attn_implementation: str | None = None,
    peft: str | None = None,
    load_in_4bit: bool = False,
    load_in_8bit: bool = False,
) -> tuple[Any, Any]:
    """Load a model that takes audio and text, and its processor.

    Args:
        pretrained: a hub id or a folder.
        dtype: ``auto`` (the checkpoint's), ``float32``, ``bfloat16`` or ``float16``.
        device_map: where it goes.
        revision: the hub revision of the checkpoint.
        attn_implementation: ``eager``, ``sdpa``, ``flash_attention_2``; default: transformers' choice.
        peft: folder or hub id of an adapter on top.
        load_in_4bit: quantise with bitsandbytes (NF4), the audio encoder and what follows it left as they are.
        load_in_8bit: the same with 8 bits.

    Raises:
        ValueError: If transformers has no class for such a model, it cannot be read, or the adapter is not for it.
    """
    from transformers import AutoProcessor

    hub = {"revision": revision} if revision else {}
    config = read_config(pretrained, **hub)
    if reason := refusal(config.model_type):
        raise ValueError(f"models of type {config.model_type!r} cannot be read: {reason}")
    attention = {"attn_implementation": attn_implementation} if attn_implementation else {}
    quantised = quantisation(load_in_4bit, load_in_8bit)
    model = model_class(config).from_pretrained(
        pretrained, config=config, dtype=dtype, device_map=device_map, **attention, **quantised, **hub
    )
    if peft is not None:
        add_adapter(model, peft)
    return model.eval(), AutoProcessor.from_pretrained(pretrained, trust_remote_code=False, **hub)


def read_config(pretrained: str, **hub: Any) -> Any:
    """Return a checkpoint's configuration, without the part of the model that speaks."""
    from transformers import AutoConfig

    # Said outright: left open, transformers asks on the terminal whether a checkpoint's own code may run.
    config = AutoConfig.from_pretrained(pretrained, trust_remote_code=False, **hub)
    if hasattr(config, "enable_audio_output"):
        config.enable_audio_output = False
    return config


# Parts of models that read audio or images, and the head. Quantising them saves little.
_NOT_QUANTISED = [
    "lm_head",
    "audio_tower",
    "audio_encoder",
    "speech_encoder",
    "encoder",
    "visual",
    "vision_tower",
    "projector",
    "multi_modal_projector",
    "embed_audio",
    "embed_vision",
    "audio_embed",
    "vision_embed",
]


def quantisation(load_in_4bit: bool, load_in_8bit: bool) -> dict[str, Any]:
    """Return the arguments that quantise a model while it is loaded."""
    if not (load_in_4bit or load_in_8bit):
        return {}
    import torch
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=load_in_4bit,
        load_in_8bit=load_in_8bit,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=_NOT_QUANTISED,
    )
    return {"quantization_config": config}


def add_adapter(model: Any, name: str) -> None:
    """Put an adapter of peft into a model's layers; the model stays the object, and the class, that it was.

    Of a model that also speaks, the adapter may be of the thinker alone.

    Raises:
        ValueError: If it is not for this model: peft itself only warns, and the run would be that of the bare model.
    """
    from peft import PeftConfig, PeftModel, get_peft_model_state_dict
    from peft.utils import load_peft_weights

    config = PeftConfig.from_pretrained(name)
    if config.is_prompt_learning:
        raise ValueError(f"peft={name} is {config.peft_type}, which adds positions; only changes of layers can be read")
    saved = set(load_peft_weights(name, device="cpu"))
    problems = []
    for part in filter(None, (getattr(model, "thinker", None), model)):
        try:
            wrapped = PeftModel.from_pretrained(part, name)
        except ValueError as error:
            problems.append(str(error))
            continue
        expected = set(get_peft_model_state_dict(wrapped))
        if expected == saved:
            logger.info(f"{len(saved)} weights of the adapter {name} stand in {type(part).__name__}")
            return
        wrapped.unload()
        odd = sorted(expected ^ saved)
        problems.append(f"{len(odd)} weights differ, {odd[0]} among them")
    raise ValueError(f"peft={name} is no adapter for a {type(model).__name__}: {'; '.join(problems)}")


def model_class(config: Any) -> Any:
    """Return the class of transformers that answers prompts of a configuration's model type.

    Raises:
        ValueError: If there is none.
    """
    from transformers import AutoModelForMultimodalLM, AutoModelForSeq2SeqLM, __version__

    # Audio Flamingo 3 and Music Flamingo are filed under the second.
    for auto in (AutoModelForMultimodalLM, AutoModelForSeq2SeqLM):
        if type(config) in auto._model_mapping:
            return auto._model_mapping[type(config)]
    raise ValueError(f"transformers {__version__} has no model of type {config.model_type!r} that takes audio and text")


@dataclass(frozen=True)
class LoadOptions:
    """How a checkpoint of transformers is loaded; model arguments without a prefix.

    Args:
        dtype: ``auto`` (the checkpoint's), ``float32``, ``bfloat16`` or ``float16``.
        attn_implementation: ``eager``, ``sdpa``, ``flash_attention_2``; default: transformers' choice.
        revision: the hub revision of the checkpoint.
        peft: folder or hub id of an adapter on top (LoRA and its kin), as peft saves it.
        load_in_4bit: quantise the weights with bitsandbytes (NF4) while loading.
        load_in_8bit: the same with 8 bits.

    Raises:
        FatalError: If both are asked for.
    """

    dtype: str = "auto"
    attn_implementation: str | None = None
    revision: str | None = None
    peft: str | None = None
    load_in_4bit: bool = False
    load_in_8bit: bool = False

    def __post_init__(self) -> None:
        if self.load_in_4bit and self.load_in_8bit:
            raise FatalError("load_in_4bit and load_in_8bit cannot both be true")

    @classmethod
    def take(cls, arguments: Mapping[str, Any]) -> tuple[LoadOptions, dict[str, Any]]:
        """Return these options, and the arguments that are none of them."""
        names = {field.name for field in fields(cls)}
        mine = {name: value for name, value in arguments.items() if name in names}
        return cls(**mine), {name: value for name, value in arguments.items() if name not in names}

    def chosen(self) -> dict[str, Any]:
        """Return those that are set."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}
