"""Which versions are installed, against those that the package asks for, those tried, and those known to break it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import alas_metric

PACKAGE = "lmms-eval-alas"
LOCK = Path(alas_metric.__file__).parent / "constraints.txt"
"""The versions that were tried, exact, with markers for every system; pip takes it as constraints."""


@dataclass(frozen=True)
class Broken:
    """Versions that were seen to break the package; its requirements exclude them.

    Args:
        package: its name on PyPI.
        versions: which, as a specifier.
        reason: what goes wrong.
    """

    package: str
    versions: str
    reason: str


KNOWN_BROKEN = (
    Broken("filelock", ">=4.3", "lmms-eval 0.7.3 imports filelock._api, which 4.3 no longer has: every run fails"),
    Broken("torch", "<2.10", "a checkpoint can run code although it is read with weights_only=True"),
    Broken("transformers", ">=5.10.0,<=5.10.3", "Qwen2-Audio is loaded with the wrong embeddings tied"),
    Broken("transformers", "<5.16", "Qwen2-Audio's processor takes its arguments another way"),
    Broken("sentence-transformers", "<6", "code in the folder of a local model is run unasked"),
    Broken("lmms-eval", "<0.7.3", "it has no entry point for models, or another one"),
    Broken("array-api-compat", "<1.12", "the vector norm of torch tensors does not work"),
)


@cache
def requirements() -> list[Requirement]:
    """Return what the installed package asks for here, extras left out; nothing where it is not installed."""
    try:
        asked = [Requirement(line) for line in metadata.requires(PACKAGE) or []]
    except metadata.PackageNotFoundError:
        return []
    return [each for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]


def installed(package: str) -> str | None:
    """Return the version of a package, None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def complaints() -> list[str]:
    """Return for each requirement that is not met what is wrong and how to mend it, one line each."""
    return [text for requirement in requirements() if (text := complaint(requirement, installed(requirement.name)))]


def complaint(requirement: Requirement, version: str | None) -> str | None:
    """Return what is wrong with an installed version, None where nothing is.

    Example:
        >>> complaint(Requirement("filelock>=3.20.3,<4.3"), "4.3.1")  # doctest: +ELLIPSIS
        'filelock 4.3.1 does not fit (lmms-eval 0.7.3 imports ...): pip install "filelock<4.3,>=3.20.3"'
    """
    cure = f'pip install "{requirement.name}{requirement.specifier}"'
    if version is None:
        return f"{requirement.name} is not installed: {cure}"
    if requirement.specifier.contains(version, prereleases=True):
        return None
    return f"{requirement.name} {version} does not fit ({reason(requirement.name, version)}): {cure}"


def reason(package: str, version: str) -> str:
    """Return what is known of a version that is out of bounds."""
    known = (each.reason for each in KNOWN_BROKEN if each.package == package and _holds(each.versions, version))
    return next(known, "it was never tried")


def _holds(specifier: str, version: str) -> bool:
    return SpecifierSet(specifier).contains(version, prereleases=True)


@cache
def tried() -> dict[str, str]:
    """Return the version of each package in the lock that is for this Python and system."""
    return dict(read_lock(LOCK.read_text(encoding="utf-8"))) if LOCK.is_file() else {}


def read_lock(text: str) -> Iterator[tuple[str, str]]:
    """Yield packages and versions of a constraints file, as far as their markers hold here."""
    for line in text.splitlines():
        stripped = re.sub(r"(^|\s)#.*", "", line).strip()
        if not stripped or stripped.startswith("-"):
            continue
        requirement = Requirement(stripped)
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement.name, str(requirement.specifier).removeprefix("==")
