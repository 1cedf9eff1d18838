"""The leaderboard's page: what stands in it, that nothing in it comes from outside, and how it works in a browser."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alas_metric import AlignmentRecord
from alas_metric.corpus.metrics import METRICS
from alas_metric.leaderboard import page as board_page
from alas_metric.leaderboard.figures import alignment_and_gap
from alas_metric.leaderboard.page import Picture, dump_pictures, entries_of_task
from alas_metric.leaderboard.page import board_page as make_page
from alas_metric.results.dumps import write_dump

HOSTILE = """<script>fail('x')</script><img src=http://evil.example/x onerror="fail('y')">"'&{{ 7*7 }}</script>"""
VOID = {"meta", "link", "img", "input", "br"}
COLUMNS = [
    ("rank", "Rank", "lower", ""),
    ("alas", "ALAS", "lower", "words"),
    ("alas_skill", "Skill", "higher", "1"),
    ("best_depth", "Best layer", "none", "share of depth"),
    ("kept_share", "Kept", "higher", "share"),
    ("documents", "Documents", "none", ""),
]


def make_entry(quality: float | None, depth: int = 4) -> dict[str, Any]:
    """Return a model's entry on a task; without a quality nothing is defined."""

    def curve(shift: float) -> dict[str, Any]:
        values = [] if quality is None else [quality + shift - 0.02 * layer for layer in range(depth + 1)]
        return {"values": values, "low": [v - 0.1 for v in values], "high": [v + 0.1 for v in values]}

    keys = [key for key, metric in METRICS.items() if metric.curve]
    return {
        "run": "20260101_120000",
        "values": {
            "rank": None if quality is None else 1,
            "alas": None if quality is None else 1 - quality,
            "alas_skill": quality,
            "best_depth": None if quality is None else 0.25,
            "kept_share": 0.5,
            "documents": 24,
        },
        "intervals": {} if quality is None else {"alas_skill": [quality - 0.1, quality + 0.1]},
        "num_layers": depth,
        "signature": f"alas|form:std|ref:words|layers:1-{depth}|n:24",
        "layers": {key: curve(0.1 * ("centred" in key)) for key in keys}
        | {
            "verdicts": {
                "kind": "aligned",
                "detail": "Where a <word> is spoken. It rests on alas_skill 0.80 (0.70 to 0.90).",
            }
        },
        "provenance": {"reference": "whisper:large-v3:align", "data": None, "lmms-eval-alas": "0.1.0"},
        "command": "python -m lmms_eval --model qwen2_audio --tasks t",
    }


def make_board(qualities: dict[str, list[float | None]], tasks: list[str], **changes: Any) -> dict[str, Any]:
    """Return a leaderboard's data.

    Args:
        qualities: by model, its skill on each task.
        tasks: their names.
        changes: entries of the data that are to be others.
    """
    models = list(qualities)
    rows = [
        {"model": model, "tasks": {task: make_entry(quality, 4 + n) for task, quality in zip(tasks, each, strict=True)}}
        for n, (model, each) in enumerate(qualities.items())
    ]
    pair = {"first": models[0], "second": models[-1], "documents": 20, "clusters": 6, "difference": -0.25}
    pair |= {"low": -0.4, "high": -0.1, "p": 0.0004, "p_holm": 0.0008, "significant": True}
    return {
        "threshold": 0.7,
        "contained": False,
        "min_confidence": None,
        "ranked_by": "alas_skill",
        "significant": 0.05,
        "sorted_by": {"task": tasks[0], "column": "alas_skill"},
        "mixed": [],
        "messages": [],
        "columns": [
            dict(
                zip(
                    ("key", "title", "direction", "unit", "description"), (*column, f"what {column[0]} is"), strict=True
                )
            )
            for column in COLUMNS
        ],
        "rows": rows,
        "pairs": [{"task": task, "metric": key} | pair for task in tasks for key in ("alas", "alas_skill")],
        "distinctions": {task: {} for task in tasks},
        "cautions": {tasks[0]: "Only 6 speakers"},
    } | changes


@pytest.fixture(scope="module")
def board() -> dict[str, Any]:
    """Three models on two tasks, one of them without a value."""
    return make_board({"base": [0.3, 0.5], "tuned": [0.8, 0.6], "deaf": [None, 0.1]}, ["sqa", "emotion"])


class Page(HTMLParser):
    """What stands in a page.

    Args:
        html: the page.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} is not closed where it should be"

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        """What can be read, in one line."""
        return " ".join(" ".join(text for tag, text in self.texts if tag not in ("script", "style")).split())


def test_what_stands_in_the_page(board: dict[str, Any]) -> None:
    html = make_page(board)
    page = Page(html)
    assert page.open == [], "every element is closed"
    assert len(html) < 2_000_000
    for text in (
        "base",
        "tuned",
        "deaf",
        "0.80",
        "0.70 to 0.90",
        "50 %",
        "\N{MINUS SIGN}0.25",
        "< 0.001",
        "whisper:large-v3:align",
        "Only 6 speakers",
    ):
        assert text in page.text, text
    assert "python -m lmms_eval --model qwen2_audio --tasks t" in page.text
    assert "N/A" in page.text
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    labelled = {name for _, attributes in page.elements if (name := attributes.get("aria-labelledby"))}
    assert labelled <= set(identifiers)


def test_the_verdicts_come_first(board: dict[str, Any]) -> None:
    text = Page(make_page(board)).text
    first = text.index("tuned, sqa: Aligned. Where a <word> is spoken. It rests on alas_skill 0.80 (0.70 to 0.90).")
    assert text.index("ALAS leaderboard") < first < text.index("ranked by")
    assert first < text.index("base, sqa: Aligned.") < text.index("tuned, emotion: Aligned.")


def test_alignment_is_drawn_over_the_gap(board: dict[str, Any]) -> None:
    assert "Modality gap over ALAS skill" not in make_page(board)
    drawn = copy.deepcopy(board)
    for row, gap in zip(drawn["rows"], (0.25, -0.125, 0.5), strict=True):
        row["tasks"]["sqa"]["values"]["modality_gap"] = gap
        row["tasks"]["sqa"]["intervals"]["modality_gap"] = [gap - 0.1, gap + 0.1]
    page = Page(make_page(drawn))
    [picture] = [image for image in page.all("img") if "Modality gap" in (image["alt"] or "")]
    assert (
        "base: ALAS skill 0.30" in (picture["alt"] or "") and "tuned: Modality gap \N{MINUS SIGN}0.12" in picture["alt"]
    )
    figure = alignment_and_gap(dict(entries_of_task(drawn, "sqa")), "alas_skill")
    [axis] = figure.axes
    assert [lines.get_label() for lines in axis.containers] == ["base", "tuned"], "deaf has no skill"
    marks = [lines[0] for lines in axis.containers]
    assert [(float(mark.get_xdata()[0]), float(mark.get_ydata()[0])) for mark in marks] == [(0.3, 0.25), (0.8, -0.125)]
    with pytest.raises(ValueError, match="no model has both"):
        alignment_and_gap(dict(entries_of_task(drawn, "emotion")), "alas_skill")


def test_the_method_takes_four_sentences_and_what_each_metric_is(board: dict[str, Any]) -> None:
    method = re.search(r"Method (.*?) To repeat each row", Page(make_page(board)).text)
    assert method is not None
    assert len(re.findall(r"\.(?= [A-Z]|$)", re.sub(r"et al\.", "et al", method[1]))) == 4
    assert "ALAS skill, standardised 1 perfect, 0 a random monotone path" in method[1]


def test_rows_begin_in_the_order_of_the_chosen_column(board: dict[str, Any]) -> None:
    page = Page(make_page(board))
    values = [attributes.get("data-value") for attributes in page.all("td") if "data-value" in attributes]
    # After the overview of three models and two tasks come the tasks' tables of three rows and six columns.
    sqa = np.array(values[6 : 6 + 18]).reshape(3, 6)
    assert sqa[:, 2].tolist() == ["0.8", "0.3", ""], "missing values come last and are no zero"
    assert [head.get("aria-sort") for head in page.all("th") if "aria-sort" in head] == ["descending"] * 2


def test_the_verdict_knows_which_way_is_better(board: dict[str, Any]) -> None:
    """The first model is 0.25 below the last: worse in skill, better in words of distance."""
    by_metric = {pair["metric"]: board_page.verdict(pair) for pair in board["pairs"]}
    assert by_metric == {"alas": "base is better", "alas_skill": "deaf is better"}
    assert board_page.verdict(board["pairs"][0] | {"significant": False}) == "tie"
    assert board_page.verdict(board["pairs"][0] | {"significant": False, "p_holm": None}) == "cannot tell"


def test_one_task_has_no_overview() -> None:
    page = Page(make_page(make_board({"a": [0.5], "b": [0.4]}, ["sqa"], command="alas leaderboard one two")))
    assert "Made by alas leaderboard one two" in page.text
    assert "All tasks" not in page.text and "2 models, 1 task," in page.text


def test_nothing_comes_from_outside(board: dict[str, Any]) -> None:
    page = Page(make_page(board))
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "srcset", "data"):
            assert str(attributes.get(name, "data:")).startswith("data:"), (tag, attributes)
    [policy] = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None and policy.startswith("default-src 'none'")


def hostile_board() -> dict[str, Any]:
    """Return a leaderboard whose every text was written by an attacker."""
    found = make_board({HOSTILE: [0.3], "good": [0.8]}, [HOSTILE], messages=[HOSTILE], mixed=[HOSTILE])
    for row in found["rows"]:
        row["tasks"][HOSTILE] |= {"command": HOSTILE, "provenance": {HOSTILE: HOSTILE}}
    found["distinctions"][HOSTILE] = {HOSTILE: {HOSTILE: HOSTILE, "good": None}}
    return found


def test_hostile_names_are_text() -> None:
    page = Page(make_page(hostile_board(), [Picture(HOSTILE, HOSTILE, HOSTILE, b"png", HOSTILE)]))
    scripts = [attributes.get("type") for attributes in page.all("script")]
    assert scripts == ["application/json", None, None]
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert page.text.count("fail('x')") > 10 and "{{ 7*7 }}" in page.text
    [data] = [text for tag, text in page.texts if tag == "script"][:1]
    assert json.loads(data)["models"] == [HOSTILE, "good"]
    assert [image["alt"] for image in page.all("img")] == [HOSTILE]


def test_curves_are_those_of_the_board(board: dict[str, Any]) -> None:
    page = Page(make_page(board))
    data = json.loads(next(text for tag, text in page.texts if tag == "script"))
    drawn, given = (
        data["curves"]["sqa"]["tuned"]["alas_skill"],
        board["rows"][1]["tasks"]["sqa"]["layers"]["alas_skill"],
    )
    assert set(drawn) == {"values", "low", "high"}
    assert all(drawn[part] == pytest.approx(given[part], abs=1e-5) for part in drawn)
    assert data["curves"]["sqa"]["deaf"] == {}
    assert data["labels"]["alas"] == "ALAS, words, lower is better"
    chosen = [option["value"] for option in page.all("option")]
    assert chosen[:2] == ["sqa", "emotion"] and chosen[2:] == [str(i) for i in range(len(data["metrics"]))]
    first, second = data["metrics"][:2]
    assert first["name"] == "ALAS skill" and second["name"] == "ALAS", "that of the ranks, then the other headlines"
    assert next(iter(first["keys"].items())) == ("standardised", "alas_skill"), "the default form comes first"
    assert first["keys"] | {"raw": "alas_skill_raw", "centred": "alas_skill_centred"} == first["keys"]
    assert {key for metric in data["metrics"] for key in metric["keys"].values()} == set(data["labels"])


def test_a_task_shows_the_columns_that_it_has(board: dict[str, Any]) -> None:
    other = json.loads(json.dumps(board))
    for row in other["rows"]:
        del row["tasks"]["emotion"]["values"]["kept_share"]
    heads = Page(make_page(other)).text.count("Kept")
    assert heads == Page(make_page(board)).text.count("Kept") - 1


def test_a_library_cannot_end_its_element(board: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_page.vl_convert, "javascript_bundle", lambda _: "const x = '</script><b>';")
    board_page._library.cache_clear()
    try:
        assert not Page(make_page(board)).all("b")
    finally:
        board_page._library.cache_clear()


@pytest.fixture
def dumped(
    tmp_path: Path, board: dict[str, Any], record: Callable[..., AlignmentRecord]
) -> tuple[dict[str, Any], list[str]]:
    """The leaderboard with similarities of a document of two models, one of them also with a broken file."""
    found, names = json.loads(json.dumps(board)), ["00000000-a.npz", "00000001-b.npz"]
    for row in found["rows"][:2]:
        folder = tmp_path / row["model"]
        folder.mkdir()
        similarity = np.random.default_rng(0).normal(size=(3, 2, 6, 40))
        write_dump(folder / names[0], record(uid="doc a"), similarity, np.zeros(1600))
        row["tasks"]["sqa"]["dumps"] = [str(folder / names[0])]
    (folder / names[1]).write_bytes(b"broken")
    found["rows"][1]["tasks"]["sqa"]["dumps"].append(str(folder / names[1]))
    return found, names


def test_pictures(dumped: tuple[dict[str, Any], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    found, names = dumped
    messages: list[str] = []
    pictures = dump_pictures(found, messages)
    assert [(picture.task, picture.model, picture.uid) for picture in pictures] == [
        ("sqa", "base", "doc a"),
        ("sqa", "tuned", "doc a"),
    ]
    assert len(messages) == 1 and messages[0].startswith(f"tuned: no picture of {names[1]}: ")
    assert "Layer 0 ALAS" in pictures[0].description and "of base" in pictures[0].description
    page = Page(make_page(found, pictures))
    assert len(page.all("img")) == 2 and all(image["alt"] for image in page.all("img"))
    assert "Alignment of single documents" in page.text
    monkeypatch.setattr(board_page, "MAX_PICTURE_BYTES", len(pictures[0].png))
    assert len(dump_pictures(found, messages)) == 1
    assert messages[-1] == "the page holds 1 pictures; more would make it too large"


# In a browser


class Opened:
    """A page in the browser, with everything that it says and asks for.

    Args:
        browser: see the fixture.
        path: of the file, which is opened from disk.
        scheme: ``light`` or ``dark``.
    """

    def __init__(self, browser: Any, path: Path, scheme: str = "light") -> None:
        self.page = browser.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 900})
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("#chart[data-curves]", timeout=60_000)

    def first_column(self, table: str) -> list[str]:
        """Return a table's models from top to bottom."""
        return self.page.locator(f"{table} tbody th").all_inner_texts()


@pytest.fixture
def opened(browser: Any, board: dict[str, Any], tmp_path: Path) -> Iterator[Opened]:
    path = tmp_path / "leaderboard.html"
    path.write_text(make_page(board), encoding="utf-8")
    found = Opened(browser, path)
    yield found
    assert found.said == [], "the console stays empty"
    assert [url for url in found.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    found.page.close()


SQA = "section[aria-labelledby=task-1] table.sortable"


@pytest.mark.slow
def test_sorting_by_mouse_and_keyboard(opened: Opened) -> None:
    """Slow: starts a browser."""
    page = opened.page
    heads = page.locator(f"{SQA} thead th")
    assert opened.first_column(SQA) == ["tuned", "base", "deaf"]
    heads.nth(2).get_by_role("button").click()  # ALAS, lower is better
    assert heads.nth(2).get_attribute("aria-sort") == "ascending" and heads.nth(3).get_attribute("aria-sort") is None
    assert opened.first_column(SQA) == ["tuned", "base", "deaf"]
    page.keyboard.press("Enter")
    assert heads.nth(2).get_attribute("aria-sort") == "descending"
    assert opened.first_column(SQA) == ["base", "tuned", "deaf"], "missing values stay last"
    assert page.locator("#status").inner_text() == "Sorted by ALAS, descending"
    heads.nth(0).get_by_role("button").focus()
    page.keyboard.press("Space")
    assert opened.first_column(SQA) == ["base", "deaf", "tuned"]
    assert len(opened.first_column("section[aria-labelledby=task-2] table.sortable")) == 3


@pytest.mark.slow
def test_curves_hover_and_toggles(opened: Opened) -> None:
    """Slow: starts a browser."""
    page, chart = opened.page, opened.page.locator("#chart")
    assert chart.get_attribute("data-curves") == "2"
    assert page.locator("#models label").nth(2).inner_text().split("\n")[-1].endswith("(no values here)")
    chart.scroll_into_view_if_needed()
    marks = page.locator("#chart svg [aria-roledescription=point]")
    assert marks.count() == 5 + 6
    assert marks.nth(7).get_attribute("aria-label") == "tuned, layer 2 of 5: 0.760, 95 % interval 0.660 to 0.860"
    box = marks.nth(7).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2 + 3)
    tooltip = page.wait_for_selector("#vg-tooltip-element.visible")
    shown = " ".join(tooltip.inner_text().split())
    assert shown == "model tuned layer 2 of 5 value 0.760 95 % 0.660 to 0.860"
    page.mouse.move(0, 0)
    page.locator("#models input").nth(0).focus()
    page.keyboard.press("Space")
    page.wait_for_selector("#chart[data-curves='1']")
    assert marks.count() == 6
    page.select_option("#task", "emotion")
    page.wait_for_selector("#chart[data-curves='2']")
    page.select_option("#metric", label="ALAS")
    assert page.locator("#form option").all_inner_texts() == ["raw", "centred", "standardised"]
    page.select_option("#form", "alas_centred")
    page.wait_for_function("document.querySelector('#chart svg').textContent.includes('ALAS, centred, words, lower')")
    page.locator("#chart-values summary").click()
    assert page.locator("#chart-values tbody tr").count() == 6 + 7


@pytest.mark.slow
def test_dark_and_print(browser: Any, board: dict[str, Any], tmp_path: Path) -> None:
    """Slow: starts a browser."""
    path = tmp_path / "leaderboard.html"
    path.write_text(make_page(board), encoding="utf-8")
    opened = Opened(browser, path, "dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    curve = "getComputedStyle(document.querySelector('#chart svg [aria-roledescription=point]')).stroke"
    dark = (opened.page.evaluate(ground), opened.page.evaluate(curve))
    opened.page.emulate_media(media="print")
    printed = (opened.page.evaluate(ground), opened.page.evaluate(curve))
    assert dark == ("rgb(20, 22, 26)", "rgb(86, 180, 233)") and printed == ("rgb(255, 255, 255)", "rgb(0, 114, 178)")
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.page.locator("details:not([open])").count() == 0
    assert opened.page.pdf().startswith(b"%PDF")
    assert opened.said == []
    opened.page.close()


@pytest.mark.slow
def test_hostile_names_do_nothing(browser: Any, tmp_path: Path) -> None:
    """Slow: starts a browser."""
    path = tmp_path / "leaderboard.html"
    path.write_text(make_page(hostile_board()), encoding="utf-8")
    opened = Opened(browser, path)
    assert opened.page.locator("img").count() == 0
    assert HOSTILE in opened.page.locator("#models").inner_text()
    opened.page.locator("#chart").scroll_into_view_if_needed()
    box = opened.page.locator("#chart svg [aria-roledescription=point]").first.bounding_box()
    opened.page.mouse.move(box["x"] + 4, box["y"] + 4)
    assert "fail('x')" in opened.page.wait_for_selector("#vg-tooltip-element.visible").inner_text()
    assert opened.page.locator("img").count() == 0
    assert opened.said == [] and len(opened.requests) == 1
    opened.page.close()
