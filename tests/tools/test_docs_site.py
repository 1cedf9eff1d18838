"""The documentation site: links into the repository, and that what must not be ends a strict build."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytest.importorskip("mkdocs", reason="the site needs the extra docs")
pytest.importorskip("material", reason="the site needs the extra docs")

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from tools.docs_site import PAGES, site_links

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("page", "written", "read"),
    [
        ("index.md", "[docs/data.md](docs/data.md#audio)", "[docs/data.md](data.md#audio)"),
        ("index.md", "![a path](docs/images/alas.svg)", "![a path](images/alas.svg)"),
        ("index.md", '<img src="docs/images/curves.png" width="4">', '<img src="images/curves.png" width="4">'),
        ("index.md", "[CITATION.cff](CITATION.cff)", "CITATION.cff"),
        ("record.md", "[the measures](../alas_metric/document/measures)", "the measures"),
        ("record.md", "[guide](../CONTRIBUTING.md#style)", "[guide](contributing.md#style)"),
        ("api/alas_metric.md", "[guide](../../CONTRIBUTING.md)", "[guide](../contributing.md)"),
        ("demo-models.md", "[data](../../../docs/data.md)", "[data](data.md)"),
        ("data.md", "[mkdocs names it](nothing.md) and [x](https://a.b/c), [y](#z)", None),
    ],
)
def test_links_into_the_repository(page: str, written: str, read: str | None) -> None:
    assert site_links(written, page, ROOT) == (written if read is None else read)


def strict_build(folder: Path, **pages: str) -> None:
    """Build a site of our settings and of these pages; only the first one, which is the start, is in nav."""
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    settings |= {"nav": [{"Start": "index.md"}], "plugins": [], "hooks": [str(ROOT / "tools" / "docs_site.py")]}
    for source in PAGES.values():
        (folder / source).parent.mkdir(parents=True, exist_ok=True)
        (folder / source).write_text("# A page\n")
    settings["nav"] += [{page: page} for page in PAGES if page != "index.md"]
    (folder / "docs" / "assets").mkdir(parents=True)
    (folder / "docs" / "assets" / "site.css").touch()
    for name, text in pages.items():
        (folder / ("README.md" if name == "index" else f"docs/{name}.md")).write_text(text)
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(settings))
    build(load_config(str(folder / "mkdocs.yml"), strict=True, site_dir=str(folder / "site")))


def test_a_site_without_a_fault_is_built(tmp_path: Path) -> None:
    strict_build(
        tmp_path, index="# Start\n\n[here](#start), [elsewhere](https://example.org), [guide](CONTRIBUTING.md)\n"
    )
    assert 'href="contributing.html"' in (tmp_path / "site" / "index.html").read_text()


@pytest.mark.parametrize(
    "pages",
    [
        {"index": "# Start\n", "forgotten": "# In no nav\n"},
        {"index": "[nowhere](docs/nothing.md)\n"},
        {"index": "# Start\n\n[nowhere](#end)\n"},
        {"index": '<script src="https://example.org/x.js"></script>\n'},
        {"index": "![far](https://example.org/x.png)\n"},
    ],
    ids=["not in nav", "no such page", "no such section", "a script of others", "a picture of others"],
)
def test_a_fault_ends_the_build(tmp_path: Path, pages: dict[str, str]) -> None:
    with pytest.raises(Abort, match="1 warnings in strict mode"):
        strict_build(tmp_path, **pages)
