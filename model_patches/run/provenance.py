"""Where a number comes from: the weights, prompts and packages that can move it.

Records say it in `settings`, one short text for each fact, so that two runs can be told apart and what keeps them from
being compared is known. Nothing here depends on the machine, the process or the time: equal runs give equal records.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

import alas_metric
from model_patches.adapters.adapter import SpeechAdapter
from model_patches.adapters.fingerprint import short

PACKAGE = "lmms-eval-alas"
_SOFTWARE = ("torch", "transformers", "openai-whisper", "sentence-transformers")


@cache
def software() -> dict[str, str]:
    """Return the versions that a record names: of what computes its numbers."""
    return {"plugin": alas_metric.__version__, **{name: version(name) for name in _SOFTWARE}}


@cache
def dependencies() -> dict[str, str]:
    """Return the installed version of every package that ours asks for, by name."""
    try:
        asked = [line for line in requires(PACKAGE) or [] if "extra ==" not in line]
    except PackageNotFoundError:  # run from a checkout that is not installed
        asked = list(_SOFTWARE)
    names = sorted({re.split(r"[^\w.-]", line)[0] for line in asked})
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def of_model(adapter: SpeechAdapter) -> dict[str, str]:
    """Return what a record says of the loaded model: number format, device, attention and prompts."""
    attention = getattr(adapter.model.config, "_attn_implementation", None)
    return {
        "dtype": str(adapter.dtype).removeprefix("torch."),
        "device": adapter.device.type,
        "prompts": prompts_digest(adapter),
        **({"attention": str(attention)} if attention else {}),
    }


def of_weights(identity: Mapping[str, Any]) -> dict[str, str]:
    """Return what a record says of the checkpoint.

    Args:
        identity: ``weights``, a fingerprint or one for each file of a model of several; ``peft``, one or None;
            ``load``, the arguments that it was loaded with. Any may be missing.
    """
    weights, load = identity.get("weights"), identity.get("load", {})
    parts = weights.items() if isinstance(weights, Mapping) else [("", weights)]
    shown = [f"{name}={short(each)}" if name else short(each) for name, each in parts if each]
    found = {
        "model_weights": ", ".join(shown),
        "peft_weights": short(identity.get("peft") or ""),
        "quantised": ", ".join(name for name in ("load_in_4bit", "load_in_8bit") if load.get(name)),
    }
    return {name: text for name, text in found.items() if text}


def prompts_digest(adapter: SpeechAdapter) -> str:
    """Return a hash of both prompts as rendered, with marks in place of what a document brings.

    Template, system prompt, placeholder and the wording around the transcript are in it; what the task asks is in every
    record's ``instruction``.
    """
    # Characters of the private use area, which no template gives a meaning; audio is one placeholder.
    transcript, instruction = "\ue000", "\ue001"
    rendered = [adapter.render(instruction, 1), adapter.render_text(transcript, instruction)]
    return short(hashlib.sha256(json.dumps(rendered).encode()).hexdigest())
