"""The HTML page: self-contained, safe against names that are markup, and working in a real browser."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import DATE, write_run

from alas_metric import AlignmentRecord, WordTiming
from alas_metric.board_page import CURVES, PICTURE_BYTES, page
from alas_metric.dumps import dump_folder, dump_name, write_dump
from alas_metric.leaderboard import COLUMNS, Board, build_board

HOSTILE = "<img src=x onerror=alert(1)>'\"{{7*7}}<b>"
SQA, EMOTION = "alas_demo_sqa", "alas_demo_emotion"
MOST_BYTES = 6_000_000
# A name, or a path, of a browser that Playwright can drive.
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 120_000
"""Milliseconds that a browser may take on a busy machine."""


@pytest.fixture(scope="module")
def board(
    tmp_path_factory: pytest.TempPathFactory,
    record: Callable[..., AlignmentRecord],
    timing: Callable[..., list[WordTiming]],
    similarity: Callable[..., np.ndarray],
) -> Board:
    """Three models on two tasks, one with a hostile name, text and options; the first keeps similarities."""
    root = tmp_path_factory.mktemp("page")
    for name, noise in (("good", 0.6), (HOSTILE, 1.5), ("bad", 30.0)):
        folder = root / name
        for task, date in ((SQA, DATE), (EMOTION, "20260102_000000")):
            made = [record(f"d{i}", 5, 40 + i, noise, i, instruction="<i>what?</i>") for i in range(10)]
            write_run(folder, made, task, date, "</script><script>alert(2)</script>", f"pretrained={HOSTILE}")
        place = dump_folder(folder, DATE, SQA)
        place.mkdir()
        rng = np.random.default_rng(0)
        values = similarity(timing(5, 40, rng), 40, noise, rng)
        write_dump(place / dump_name(0, "d0"), record("d0", 5, 40), values, rng.uniform(-1, 1, 25_600))
    return build_board(sorted(root.iterdir()), sort=f"{SQA}:alas_skill")


@pytest.fixture(scope="module")
def text(board: Board) -> str:
    return page(board, f"alas leaderboard '{HOSTILE}'")


class Elements(HTMLParser):
    """Collects elements with their attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.silent = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.silent = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.silent = False

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.words.append(data)


@pytest.fixture(scope="module")
def elements(text: str) -> Elements:
    return Elements(text)


def test_nothing_is_fetched(elements: Elements, text: str) -> None:
    assert len(text.encode()) < MOST_BYTES
    for tag, attributes in elements.found:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert str(attributes.get("src") or "data:").startswith("data:image/png;base64,") or "src" not in attributes
    [policy] = [found["content"] for tag, found in elements.found if "http-equiv" in found]
    assert policy is not None and policy.startswith("default-src 'none'")


def test_names_stay_text(elements: Elements) -> None:
    assert sum(tag == "script" for tag, _ in elements.found) == 3
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert all(str(found["src"]).startswith("data:") for tag, found in elements.found if tag == "img")
    words = "".join(elements.words)
    assert HOSTILE in words and "</script><script>alert(2)</script>" in words


def test_curves_hold_every_layer(text: str, board: Board) -> None:
    [found] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    data = json.loads(found)
    assert data["models"] == board.models
    for task in (SQA, EMOTION):
        for entry in data["tasks"][task]:
            assert set(entry["curves"]) == set(CURVES) and entry["layers"] == 2 and "<" not in entry["label"]
            own = board.entries[data["models"][entry["model"]], task].layers
            for key, curve in entry["curves"].items():
                assert curve["values"] == pytest.approx(own[key]["values"], abs=1e-4)


def test_table_is_labelled(elements: Elements, board: Board) -> None:
    heads = [found for tag, found in elements.found if tag == "th" and "aria-sort" in found]
    assert len(heads) == 1 + 2 * len(COLUMNS)
    assert sorted(str(found["aria-sort"]) for found in heads)[:2] == ["descending", "none"]
    assert all(found.get("alt") for tag, found in elements.found if tag == "img")
    labelled = {str(found["aria-labelledby"]) for _, found in elements.found if "aria-labelledby" in found}
    assert labelled <= {str(found.get("id")) for _, found in elements.found}


def test_pictures_within_their_room(text: str, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = re.findall(r'<img src="(data:image/png[^"]*)"', text)
    assert len(sources) == 3 and sum(map(len, sources)) < PICTURE_BYTES
    monkeypatch.setattr("alas_metric.board_page.PICTURE_BYTES", len(sources[0]) + 10)
    monkeypatch.setattr("alas_metric.board_page.get_plotlyjs", lambda: "")
    short = page(board, "")
    assert short.count("data:image/png") == 1 and "2 left out" in short


# In a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="the page is tested with Playwright")
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome is installed")
    with playwright.sync_playwright() as driver:
        # A container has no sandbox for root, and little shared memory.
        arguments = ["--disable-dev-shm-usage"] + ["--no-sandbox"] * (getattr(os, "geteuid", lambda: 1)() == 0)
        launched = driver.chromium.launch(executable_path=BROWSER, args=arguments, timeout=PATIENCE)
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Any, text: str, tmp_path: Path) -> Iterator[Any]:
    """The page in a tab; any message, error, dialog or request outside of it fails the test."""
    path = tmp_path / "leaderboard.html"
    path.write_text(text, encoding="utf-8")
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    tab.set_default_timeout(PATIENCE)
    odd: list[str] = []
    tab.on("console", lambda message: odd.append(f"console: {message.text}"))
    tab.on("pageerror", lambda error: odd.append(f"error: {error}"))
    tab.on("dialog", lambda dialog: (odd.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    tab.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else odd.append(request.url))
    tab.goto(path.as_uri(), wait_until="commit")
    tab.wait_for_selector("#curves .scatterlayer .trace", state="attached")
    yield tab
    tab.close()
    assert odd == []


def column(tab: Any, index: int) -> list[str]:
    cells = f"#board tbody tr > :nth-child({index + 1})"
    return tab.eval_on_selector_all(cells, "all => all.map(cell => cell.dataset.value)")


def number_of_lines(tab: Any) -> int:
    return tab.locator("#curves .scatterlayer .trace .lines path.js-line").count()


@pytest.mark.slow  # starts a browser
def test_sorting_by_mouse_and_keyboard(opened: Any) -> None:
    index = 1 + len(COLUMNS) + [column.key for column in COLUMNS].index("alas")
    button = opened.locator("#board thead tr").nth(1).locator("th button").nth(index)
    head = opened.locator("#board thead tr").nth(1).locator("th").nth(index)
    button.click()
    assert head.get_attribute("aria-sort") == "ascending"
    values = [float(value) for value in column(opened, index)]
    assert values == sorted(values)
    button.focus()
    opened.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(value) for value in column(opened, index)] == values[::-1]
    assert opened.locator('#board th[aria-sort="descending"], #board th[aria-sort="ascending"]').count() == 1
    assert opened.locator("#sorted").text_content().endswith("descending")
    opened.keyboard.press("Shift+Tab")
    assert opened.evaluate("document.activeElement.textContent").startswith("Rank")


@pytest.mark.slow  # starts a browser
def test_curves_can_be_toggled_and_hovered(opened: Any) -> None:
    assert number_of_lines(opened) == 6  # a curve and a band for each model
    opened.locator("#bands").uncheck()
    assert number_of_lines(opened) == 3
    opened.locator("#models input").nth(1).focus()
    opened.keyboard.press("Space")
    assert number_of_lines(opened) == 2
    opened.locator("#curves .points path.point").first.hover(force=True)
    opened.wait_for_selector("#curves .hovertext")
    assert "layer 1 of 2" in opened.locator("#curves .hovertext").text_content()
    opened.locator("#metric").select_option("alas")
    title = opened.locator("#curves .ytitle").text_content()
    assert title == "ALAS, words, lower is better"
    opened.locator("#values summary").click()
    assert opened.locator("#values tbody tr").count() == 3 and opened.locator("#values thead th").count() == 3


@pytest.mark.slow  # starts a browser
def test_dark_light_and_paper(opened: Any) -> None:
    grounds = []
    for look in ({"color_scheme": "light"}, {"color_scheme": "dark"}, {"color_scheme": "dark", "media": "print"}):
        opened.emulate_media(**look)
        colours = [
            opened.evaluate("getComputedStyle(document.body).backgroundColor"),
            opened.evaluate("getComputedStyle(document.querySelector('#curves .xtitle')).fill"),
        ]
        grounds.append([sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours])
    (light, ink), (dark, pale), paper = grounds
    assert light > 600 and dark < 150
    assert ink < 200 and pale > 600 and paper == [light, ink]
