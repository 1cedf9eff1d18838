"""A checkpoint of transformers, to model and processor."""

from __future__ import annotations

from typing import Any


def load_pretrained(
    pretrained: str,
    *,
    dtype: str = "auto",
    device_map: Any = None,
    revision: str | None = None,
    attn_implementation: str | None = None,
) -> tuple[Any, Any]:
    """Load a model that takes audio and text, and its processor.

    Args:
        pretrained: a hub id or a folder.
        dtype: ``auto`` (the checkpoint's), ``float32``, ``bfloat16`` or ``float16``.
        device_map: where it goes.
        revision: the hub revision of the checkpoint.
        attn_implementation: ``eager``, ``sdpa``, ``flash_attention_2``; default: transformers' choice.

    Raises:
        ValueError: If transformers has no class for such a model.
    """
    from transformers import AutoConfig, AutoProcessor

    hub = {"revision": revision} if revision else {}
    config = AutoConfig.from_pretrained(pretrained, **hub)
    if hasattr(config, "enable_audio_output"):
        config.enable_audio_output = False  # what speaks is not loaded
    attention = {"attn_implementation": attn_implementation} if attn_implementation else {}
    model = model_class(config).from_pretrained(
        pretrained, config=config, dtype=dtype, device_map=device_map, **attention, **hub
    )
    return model.eval(), AutoProcessor.from_pretrained(pretrained, **hub)


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
