"""Whether weights are there, to be had, or missing; and how much memory they take, from their configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alas_tasks.findings import Finding, State, size

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_QUANTISED = {"load_in_4bit": 0.5, "load_in_8bit": 1}
_WHISPER_PARAMETERS = {"tiny": 39e6, "base": 74e6, "small": 244e6, "medium": 769e6, "large": 1550e6, "turbo": 809e6}
"""Parameters by the beginning of a checkpoint's name, as openai-whisper states them; files hold two bytes each."""

Ask = Callable[[str, str | None], dict[str, int]]
"""Asks the hub for the files of a model (id, revision): sizes in bytes by name. Raises where there is no answer."""


@dataclass(frozen=True)
class Weights:
    """What was found of one checkpoint.

    Args:
        finding: the row of the table.
        memory: bytes that it takes once loaded; 0 where that is not known.
    """

    finding: Finding
    memory: float = 0


def ask_hub(name: str, revision: str | None) -> dict[str, int]:
    """Return the sizes of a model's files on the hub, in bytes."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(name, revision=revision, timeout=5, files_metadata=True)
    return {file.rfilename: file.size or 0 for file in info.siblings or []}


def of_model(subject: str, name: str, revision: str | None = None, ask: Ask = ask_hub) -> Weights:
    """Return what was found of a checkpoint in the manner of transformers, or of one of its files.

    Args:
        subject: what it is for.
        name: a folder, a file, ``owner/name`` on the hub, or ``owner/name/file``.
        revision: of the hub.
        ask: asks the hub.
    """
    place = Path(name).expanduser()
    if place.exists():
        return _of_local(subject, place, f"local: {place}")
    repository, _, file = _split(name)
    if place.is_absolute() or not repository:
        advice = "name a folder that is there, or an id on the hub (owner/name)"
        return Weights(Finding(subject, State.MISSING, f"{name}: there is no such folder or file", advice))
    cached = snapshot(repository, revision)
    found = _of_local(subject, cached / file, f"{name} in the cache") if cached else None
    if found and found.finding.state is State.THERE:
        return found
    offered = _of_hub(subject, name, revision, ask)
    return found if found and offered.finding.state is State.MISSING else offered


def _split(name: str) -> tuple[str, str, str]:
    owner, _, rest = name.partition("/")
    repository, slash, file = rest.partition("/")
    return (f"{owner}/{repository}" if repository else "", slash, file)


def snapshot(repository: str, revision: str | None) -> Path | None:
    """Return the folder in the hub's cache that holds a commit of a model, None where nothing of it is there."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except Exception:  # not in the cache; the hub's library says so in several ways
        return None


def _of_local(subject: str, place: Path, found: str) -> Weights:
    if not place.exists():
        return Weights(Finding(subject, State.MISSING, f"{found}: there is no such file"))
    if place.is_file():
        return Weights(Finding(subject, State.THERE, f"{found}, {size(place.stat().st_size)}"), place.stat().st_size)
    files = weight_files(place)
    lost = [name for name in _named_in_index(place) if not (place / name).exists()]
    if lost or not files:
        what = f"{len(lost)} of its files missing, {lost[0]} among them" if lost else "no weights in it"
        return Weights(Finding(subject, State.MISSING, f"{found}: {what}", "copy or download it again"))
    stored = sum(file.stat().st_size for file in files)
    return Weights(Finding(subject, State.THERE, f"{found}, {size(stored)}"), stored)


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a folder that hold weights; of two formats that which transformers takes."""
    for ending in WEIGHTS:
        if files := sorted(folder.glob(f"*{ending}")):
            return files
    return []


def _named_in_index(folder: Path) -> list[str]:
    """Return the files that a checkpoint in several says it has."""
    names: set[str] = set()
    for index in folder.glob("*.index.json"):
        names |= set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
    return sorted(names)


def _of_hub(subject: str, name: str, revision: str | None, ask: Ask) -> Weights:
    repository, _, file = _split(name)
    try:
        sizes = ask(repository, revision)
    except Exception as error:  # no connection, offline mode, no access, no such model
        found = f"{name} is not in the cache, and the hub cannot be asked: {type(error).__name__}"
        advice = f"fetch it where there is a connection: hf download {repository}; or name a folder with it"
        return Weights(Finding(subject, State.MISSING, found, advice))
    chosen = {file} if file else {each for each in sizes if each in _taken(sizes)}
    stored = sum(count for each, count in sizes.items() if each in chosen)
    if not stored:
        return Weights(Finding(subject, State.MISSING, f"{name}: no weights there", "is the id right?"))
    advice = f"downloaded at the first run: {size(stored)}"
    return Weights(Finding(subject, State.REACHABLE, f"{name} on the hub", advice, stored), stored)


def _taken(names: dict[str, int]) -> set[str]:
    for ending in WEIGHTS:
        if found := {name for name in names if "/" not in name and name.endswith(ending)}:
            return found
    return set()


def in_memory(name: str, arguments: dict[str, str]) -> float:
    """Return how many bytes the weights of a checkpoint of transformers take, from its configuration alone.

    Args:
        name: a folder, or ``owner/name`` in the cache.
        arguments: of the model: ``dtype``, ``revision``, ``load_in_4bit``, ``load_in_8bit``.

    Returns:
        0 where the configuration is not at hand, or transformers cannot build such a model.
    """
    import torch

    from model_patches.adapters.loading import model_class, read_config

    try:
        revision = {"revision": arguments["revision"]} if "revision" in arguments else {}
        config = read_config(name, local_files_only=True, **revision)
        with torch.device("meta"):
            model = model_class(config)(config)
    except Exception:  # no configuration, or one that this version does not know; loading says what is wrong
        return 0
    stored = str(getattr(config, "dtype", None) or "float32").removeprefix("torch.")
    chosen = arguments.get("dtype", "auto")
    usual = _BYTES.get(stored if chosen == "auto" else chosen, 4)
    asked = (share for name, share in _QUANTISED.items() if arguments.get(name, "").lower() == "true")
    return float(sum(parameter.numel() for parameter in model.parameters()) * next(asked, usual))


def of_whisper(name: str, reachable: Callable[[str], int | None]) -> Weights:
    """Return what was found of a Whisper that times words.

    Args:
        name: of an official checkpoint, or the path of one.
        reachable: the size in bytes of what an address offers, None where there is no answer.
    """
    import whisper

    from model_patches.reference.whisper_reference import official_file

    address = whisper._MODELS.get(name)
    if address is None:
        found = _of_local("Whisper", Path(name).expanduser(), f"local: {name}")
        return Weights(found.finding, 2 * found.memory)  # files hold float16, and it runs in float32
    file = official_file(name)
    parameters = next(count for start, count in _WHISPER_PARAMETERS.items() if name.startswith(start))
    return Weights(_whisper_file(name, file, 2 * parameters, address, reachable), 4 * parameters)


def _whisper_file(
    name: str, file: Path, expected: float, address: str, reachable: Callable[[str], int | None]
) -> Finding:
    if file.is_file():
        stored = file.stat().st_size
        if stored < 0.9 * expected:
            return Finding("Whisper", State.MISSING, f"{file} is cut short: {size(stored)}", "delete it")
        return Finding("Whisper", State.THERE, f"{name} in {file.parent}, {size(stored)}")
    offered = reachable(address)
    if offered is None:
        advice = f"put the file from {address} there, or name one: alas_reference=whisper:PATH"
        return Finding("Whisper", State.MISSING, f"{name} is not in {file.parent}, and cannot be downloaded", advice)
    download = int(offered or expected)
    return Finding("Whisper", State.REACHABLE, name, f"downloaded at the first run: {size(download)}", download)
