"""What the machine has: versions of packages, a device with memory, room on disk, a way to the hub."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from alas_tasks.findings import Finding, State, size
from alas_tasks.installation import complaint, complaints, installed, requirements, tried
from model_patches.harness.failures import import_error

_SECONDS = 5


def versions() -> list[Finding]:
    """Return what is wrong with the installed packages, and how they differ from those that were tried."""
    lock = tried()
    asked = {requirement.name: requirement for requirement in requirements()}
    names = sorted(asked)
    wrong = [Finding("packages", State.MISSING, *_halves(text)) for text in complaints()]
    other = [
        f"{name} {version} (tried: {lock[name]})"
        for name in names
        if name in lock and (version := installed(name)) != lock[name] and not complaint(asked[name], version)
    ]
    same = sum(1 for name in names if name in lock and installed(name) == lock[name])
    shown = f"Python {platform.python_version()}; {same} of {len(names)} packages as tried"
    if not lock:
        shown = f"Python {platform.python_version()}; {len(names)} packages; no list of tried versions here"
    rest = [Finding("packages", State.NOTE, ", ".join(other), "not known to break")] if other else []
    return [Finding("packages", State.THERE, shown), *rest, *wrong]


def _halves(complaint: str) -> tuple[str, str]:
    found, _, cure = complaint.rpartition(": ")
    return found, cure


def device(asked: str | None) -> tuple[Finding, float]:
    """Return the device that a run takes, and its free memory in bytes.

    Args:
        asked: the harness's ``--device`` or the model argument, or None.
    """
    try:
        import torch
    except Exception as error:  # a package that does not fit the driver, the system or another package
        return Finding("device", State.MISSING, f"torch cannot be imported: {error}", "install it anew"), 0
    has_cuda = torch.cuda.is_available()
    kind = asked or ("cuda" if has_cuda else "cpu")
    if kind.startswith("cuda") and not has_cuda:
        advice = "leave it out, or use cpu; is the driver new enough for this build of torch?"
        return Finding("device", State.MISSING, f"torch {torch.__version__} sees no CUDA device", advice), 0
    free, total, name = _cuda(kind) if kind.startswith("cuda") else _host(kind)
    found = f"torch {torch.__version__}: {name}, {size(free)} of {size(total)} free"
    return Finding("device", State.THERE, found), free


def _cuda(kind: str) -> tuple[float, float, str]:
    import torch

    free, total = torch.cuda.mem_get_info(kind)
    return free, total, torch.cuda.get_device_name(kind)


def _host(kind: str) -> tuple[float, float, str]:
    import psutil

    found = psutil.virtual_memory()
    return found.available, found.total, f"{kind}, {os.cpu_count()} cores"


def harness() -> Finding:
    """Return whether lmms-eval can be imported, with all that it imports."""
    name = f"lmms-eval {installed('lmms-eval')}"
    error = import_error()
    if error is not None:
        advice = "a package does not fit: pip install with the lock of tried versions (README)"
        return Finding("harness", State.MISSING, f"{name} cannot be imported: {type(error).__name__}: {error}", advice)
    return Finding("harness", State.THERE, f"{name} imports")


def memory(free: float, needed: Mapping[str, float], unknown: Iterable[str]) -> Finding:
    """Return whether the weights fit into the free memory.

    Args:
        free: in bytes.
        needed: bytes by what takes them.
        unknown: what takes memory too, nobody knows how much.
    """
    total = sum(needed.values())
    parts = [f"{name} {size(count)}" for name, count in needed.items()] + [f"{name} unknown" for name in unknown]
    found = f"{' + '.join(parts)} of {size(free)} free"
    if total <= free:
        return Finding("memory", State.THERE, found)
    advice = "load_in_4bit=true or dtype=bfloat16 makes the model smaller, alas_whisper_device=cpu moves Whisper"
    return Finding("memory", State.MISSING, found, advice)


def disk(downloads: Mapping[Path, int]) -> list[Finding]:
    """Return whether what is to be downloaded fits on disk.

    Args:
        downloads: bytes by the folder that they go to, which need not be there yet.
    """
    findings = []
    for folder, needed in downloads.items():
        there = next(place for place in (folder, *folder.parents) if place.exists())
        free = shutil.disk_usage(there).free
        found = f"{folder}: {size(free)} free" + (f", {size(needed)} to be downloaded" if needed else "")
        short = Finding("disk", State.MISSING, found, "make room, or set HF_HOME or XDG_CACHE_HOME to another disk")
        findings.append(short if needed > free else Finding("disk", State.THERE, found))
    return findings


def hub() -> Finding:
    """Return whether the Hugging Face hub answers."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return Finding("hub", State.NOTE, "not asked: HF_HUB_OFFLINE is set", "only what is in the cache can be used")
    if reachable(constants.ENDPOINT) is None:
        advice = "only what is in the cache can be used; behind a proxy set HTTPS_PROXY"
        return Finding("hub", State.NOTE, f"{constants.ENDPOINT} does not answer", advice)
    return Finding("hub", State.THERE, constants.ENDPOINT)


def reachable(address: str) -> int | None:
    """Return the size in bytes of what an address offers (0: not said), None where there is no answer."""
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(address, method="HEAD"), timeout=_SECONDS) as answer:
            return int(answer.headers.get("Content-Length") or 0)
    except (OSError, ValueError):
        return None
