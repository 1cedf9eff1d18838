"""Hooks of the documentation site (mkdocs.yml).

The README and its like are pages too. A link into the repository leads to the page that is made of that file, or
becomes plain text where there is none. A page that would fetch something from another host is a warning, which
``--strict`` makes an error.
"""

from __future__ import annotations

import logging
import os
import posixpath
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "demo-models.md": "alas_tasks/demo/models/README.md",
}
"""Files of the repository that are pages, by the page."""
LINK = re.compile(r"(?<!!)\[(?P<text>[^\[\]]*)\]\((?P<target>[^\s()#:]+)(?P<anchor>#[^\s()]*)?\)")
IMAGE = re.compile(r'(?P<before>!\[[^\[\]]*\]\(|<img src=")(?P<target>[^\s()#:"]+)')
FETCHED = re.compile(r'<(?:script|img|iframe|source|video|audio|link)\b[^>]*?\b(?:src|href)="((?:https?:)?//[^"]*)"')
log = logging.getLogger("mkdocs.plugins.docs_site")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside of docs/."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(_root(config) / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links into the repository to pages of the site."""
    return site_links(markdown, page.file.src_uri, _root(config))


def site_links(markdown: str, page: str, root: Path) -> str:
    """Return a page's text with its links as the site needs them.

    Args:
        markdown: with links relative to where the file lies in the repository.
        page: its place in the site, relative to docs/.
        root: of the repository.
    """
    folder = posixpath.dirname(PAGES.get(page, f"docs/{page}"))

    def place(target: str) -> str | None:
        """Return a file's place relative to the page, empty where the site does not have it, None where nobody does."""
        path = posixpath.normpath(posixpath.join(folder, target))
        if not (root / path).exists():
            return None
        found = {source: made for made, source in PAGES.items()}.get(path)
        if found is None and path.startswith("docs/"):
            found = path.removeprefix("docs/")
        return posixpath.relpath(found, posixpath.dirname(page) or ".") if found else ""

    def link(match: re.Match[str]) -> str:
        found = place(match["target"])
        if found is None:
            return match[0]  # mkdocs says so
        return f"[{match['text']}]({found}{match['anchor'] or ''})" if found else match["text"]

    def image(match: re.Match[str]) -> str:
        return f"{match['before']}{place(match['target']) or match['target']}"

    return IMAGE.sub(image, LINK.sub(link, markdown))


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """Warn of what a built page would fetch from another host."""
    for address in FETCHED.findall(output):
        log.warning("%s fetches %s: pages must work without a network", page.file.src_uri, address)
    return output


def _root(config: MkDocsConfig) -> Path:
    return Path(os.path.dirname(config.config_file_path))


class Examples(griffe.Extension):
    """Read ``Example:`` in a docstring as the section ``Examples:``, which is the name that is known to the site."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
