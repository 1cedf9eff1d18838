"""The lock holds one version of each package for every Python and system, within our bounds, and no address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "alas_metric" / "constraints.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
}
PYTHONS = ("3.10.13", "3.11.7", "3.12.1", "3.13.0", "3.14.0")
ENVIRONMENTS = {
    f"{system}-{python}": SYSTEMS[system] | {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    for system, python in product(SYSTEMS, PYTHONS)
}


def lines(text: str) -> list[str]:
    """Return the lines of a lock that are no comment."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def asked_for() -> Iterator[Requirement]:
    """Yield what pyproject.toml asks for, all extras together."""
    texts = PROJECT["dependencies"] + [text for extra in PROJECT["optional-dependencies"].values() for text in extra]
    yield from (each for each in map(Requirement, texts) if each.name != PROJECT["name"])


def holds(requirement: Requirement, environment: dict[str, str]) -> bool:
    """Return whether a requirement's marker is true there."""
    return requirement.marker is None or requirement.marker.evaluate(environment | {"extra": ""})


def misfits(text: str, environment: dict[str, str]) -> list[str]:
    """Return what a lock lacks there, holds twice, or holds out of pyproject.toml's bounds."""
    held: dict[str, list[str]] = {}
    for each in filter(lambda each: holds(each, environment), map(Requirement, lines(text))):
        held.setdefault(canonicalize_name(each.name), []).append(str(each.specifier).removeprefix("=="))
    found = [f"{name} {versions}" for name, versions in held.items() if len(versions) > 1]
    for each in filter(lambda each: holds(each, environment), asked_for()):
        versions = held.get(canonicalize_name(each.name), [])
        if not versions or not each.specifier.contains(versions[0], prereleases=True):
            found.append(f"{each} {versions}")
    return found


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_the_lock_fits_what_we_ask_for(environment: dict[str, str]) -> None:
    assert misfits(LOCK.read_text(encoding="utf-8"), environment) == []


@pytest.mark.parametrize(
    ("pattern", "instead", "found"),
    [
        (r"\nfilelock==4\.2[^\n]*", "\nfilelock==4.3.1 ; python_version >= '3.11'", "filelock<4.3,>=3.20.3 ['4.3.1']"),
        (r"\npeft==[^\n]*", "", "peft>=0.18 []"),
        (r"\ntorch==[^\n]*", "\ntorch==2.14.1\ntorch==2.15.0", "torch ['2.14.1', '2.15.0']"),
    ],
    ids=["out of bounds", "missing", "twice"],
)
def test_a_lock_that_does_not_fit_is_found(pattern: str, instead: str, found: str) -> None:
    broken, times = re.subn(pattern, instead, LOCK.read_text(encoding="utf-8"))
    assert times == 1
    assert misfits(broken, ENVIRONMENTS["linux-3.11.7"]) == [found]


def test_the_lock_holds_exact_versions_and_no_address() -> None:
    held = lines(LOCK.read_text(encoding="utf-8"))
    assert len(held) > 200
    assert [line for line in held if not re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [\w<>=!.*'() ]+)?", line)] == []


def test_what_a_python_cannot_take_is_not_held_for_it() -> None:
    held = [Requirement(line) for line in lines(LOCK.read_text(encoding="utf-8")) if line.startswith("transformers==")]
    on_3_10 = [each for each in held if holds(each, ENVIRONMENTS["linux-3.10.13"])]
    assert [SpecifierSet("<5.21").contains(str(each.specifier)[2:]) for each in on_3_10] == [True]
    assert len(held) == 2


def test_the_readme_installs_from_the_lock_and_ci_runs_the_readme() -> None:
    readme, run = (ROOT / name for name in ("README.md", ".ci/run"))
    commands = re.findall(r"^python3 -m venv .*$", readme.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [command.split(" && ")[1:] for command in commands] == [
        [".venv/bin/pip install -c alas_metric/constraints.txt .", ".venv/bin/alas demo"],
        ['.venv/bin/pip install -c alas_metric/constraints.txt ".[test]"', ".venv/bin/pytest"],
    ]
    assert "grep '^python3 -m venv' README.md" in run.read_text(encoding="utf-8")
