"""What tells one set of weights from another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import xxhash

_BLOCK = 1 << 20
_SHORT = 16
"""Hexadecimal digits of a hash in a record: enough to tell runs apart."""

# What a training loop leaves beside the weights; a model is not loaded from it.
_NOT_LOADED = re.compile(r"checkpoint-|global_step|optimizer|scheduler|scaler|rng_state|training_args|trainer_state|\.")


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
