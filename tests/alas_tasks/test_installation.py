"""Versions against what is asked for, tried, and known to break."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from alas_tasks import installation
from alas_tasks.installation import KNOWN_BROKEN, complaint, read_lock

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
BOUNDS = {each.name: each for each in map(Requirement, tomllib.loads(PROJECT.read_text())["project"]["dependencies"])}


def near(specifier: str) -> list[Version]:
    """Return versions at, just below and just above each that a specifier names."""
    named = [Version(text) for text in re.findall(r"\d[\d.]*", specifier)]
    parts = [[*version.release, 0, 0][:3] for version in named]
    shifted = [(*part[:2], part[2] + step) for part in parts for step in (-1, 0, 1) if part[2] + step >= 0]
    shifted += [(part[0], part[1] + step, 0) for part in parts for step in (-1, 1) if part[1] + step >= 0]
    shifted += [(part[0] - 1, 9, 9) for part in parts if part[0]]
    return [Version(".".join(map(str, each))) for each in shifted]


@pytest.mark.parametrize("broken", KNOWN_BROKEN, ids=lambda broken: f"{broken.package}{broken.versions}")
def test_the_bounds_exclude_what_is_known_to_break(broken) -> None:
    breaking = [version for version in near(broken.versions) if version in SpecifierSet(broken.versions)]
    assert breaking
    assert [str(each) for each in breaking if each in BOUNDS[broken.package].specifier] == []


def test_a_broken_version_names_the_package_and_the_bound() -> None:
    said = complaint(BOUNDS["filelock"], "4.3.1")
    assert said is not None and said.startswith("filelock 4.3.1 ") and "filelock._api" in said
    assert re.search(r'pip install "filelock.*<4\.3', said)


def test_versions_in_bounds_out_of_them_and_missing() -> None:
    asked = Requirement("numpy>=1.26.4")
    assert complaint(asked, "2.0") is None
    assert complaint(asked, "2.1.0rc1") is None
    assert "never tried" in str(complaint(asked, "1.20"))
    assert complaint(asked, None) == 'numpy is not installed: pip install "numpy>=1.26.4"'


def test_this_environment_has_nothing_to_complain_about() -> None:
    assert installation.requirements() and installation.complaints() == []


def test_a_lock_is_read_by_its_markers() -> None:
    text = (
        "# by a tool\n--no-index\nnumpy==2.2.6 ; python_full_version < '3.0'  # a remark\n"
        "numpy==2.3.1 ; python_full_version >= '3.0'\nfilelock==4.2.12\n"
    )
    assert dict(read_lock(text)) == {"numpy": "2.3.1", "filelock": "4.2.12"}
