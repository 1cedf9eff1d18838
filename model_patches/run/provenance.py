"""Where a number comes from: the weights, prompts and packages that can move it.

Records say it in `settings`, one short text for each fact, so that two runs can be told apart and what keeps them from
being compared is known. Nothing here depends on the machine, the process or the time: equal runs give equal records.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import xxhash

import alas_metric
from model_patches.adapters.adapter import SpeechAdapter

PACKAGE = "lmms-eval-alas"
_SOFTWARE = ("torch", "transformers", "openai-whisper", "sentence-transformers")
_BLOCK = 1 << 20
_SHORT = 16
"""Hexadecimal digits of a hash in a record: enough to tell runs apart."""

# What a training loop leaves beside the weights; a model is not loaded from it.
_NOT_LOADED = re.compile(r"checkpoint-|global_step|optimizer|scheduler|scaler|rng_state|training_args|trainer_state|\.")


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


def short(fingerprint: str) -> str:
    """Return a fingerprint as records show it: hashes cut, hub ids with their commits whole."""
    return fingerprint if "@" in fingerprint else fingerprint[:_SHORT]


def weights_fingerprint(pretrained: str, revision: str | None = None) -> str:
    """Return what tells one set of weights from another.

    A hub checkpoint is known by the commit that lies in the cache, hence only once it was loaded. A local file or
    folder is known by the names and the content of its files, wherever it lies, whenever it was copied; what a training
    loop leaves beside the weights does not count.

    Args:
        pretrained: a file, a folder, or ``owner/name`` on the hub, with or without a file's name behind it.
        revision: the hub revision; None: the main branch.
    """
    place = Path(pretrained)
    if not place.exists():
        return f"{pretrained}@{_commit(pretrained, revision)}"
    digest = hashlib.sha256()
    for path in _loaded_files(place):
        digest.update(f"{path.relative_to(place).as_posix()}\0{_content(path)}\n".encode())
    return digest.hexdigest()


def _loaded_files(place: Path) -> Iterator[Path]:
    """Return a file itself, or the files of a folder, sorted."""
    if place.is_file():
        yield place
        return
    for path in sorted(place.iterdir()):
        if not _NOT_LOADED.match(path.name):
            yield from _below(path)


def _below(path: Path) -> list[Path]:
    return sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def _content(path: Path) -> str:
    """Return a hash of a file; xxhash, since SHA-256 of 15 GB takes a minute and nobody is kept out by it."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _commit(pretrained: str, revision: str | None) -> str | None:
    """Return the commit of a hub checkpoint in the cache; transformers no longer keeps it in the configuration."""
    from huggingface_hub import constants

    owner_and_name = pretrained.split("/")[:2]
    reference = Path(constants.HF_HUB_CACHE, "--".join(["models", *owner_and_name]), "refs", revision or "main")
    return reference.read_text().strip() if reference.is_file() else revision
