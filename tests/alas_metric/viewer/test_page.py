"""The viewer's page: what stands in it, that nothing in it comes from outside, and every control in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import write_run
from viewed_runs import SIZES, TASK, keep, make_document, read_by_lens, viewed, write_viewed_run

from alas_metric.commands.main import main
from alas_metric.results.runs import find_runs
from alas_metric.viewer.page import names, viewer_page

HOSTILE = """<script>fail('x')</script><img src=http://evil.example/x onerror="fail('y')">"'&{{ 7*7 }}</script>"""


def page_of(*folders: Path) -> str:
    return viewer_page([viewed(folder, runs=len(folders)) for folder in folders])


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the texts of its scripts.

    Args:
        html: the page.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._open = tag
        if tag in self.inside:
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.inside:
            self.inside[self._open][-1] += data


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models on the same documents, the second of six layers and worse."""
    place = tmp_path_factory.mktemp("runs")
    return write_viewed_run(place / "first"), write_viewed_run(place / "second", 0.8, 6)


def test_the_policy_allows_the_pages_own_code_and_no_request(folders: tuple[Path, Path]) -> None:
    page = Elements(page_of(folders[0]))
    [policy] = [a["content"] for tag, a in page.found if a.get("http-equiv") == "Content-Security-Policy"]
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (page.inside["script"][1], page.inside["style"][0])
    ]
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digests[0]}'; style-src 'sha256-{digests[1]}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert "innerHTML" not in page.inside["script"][1]
    for tag, attributes in page.found:
        for name in ("src", "href", "action", "srcset", "data"):
            assert str(attributes.get(name, "data:")).startswith("data:"), (tag, attributes)


def test_blocks_are_those_of_the_index(folders: tuple[Path, Path]) -> None:
    page = Elements(page_of(*folders))
    index = json.loads(page.inside["script"][0])
    assert [run["name"] for run in index["runs"]] == ["first", "second"]
    assert [run["layers"] for run in index["runs"]] == [4, 6]
    assert [document["uid"] for document in index["documents"]] == ["alpha", "beta", "gamma"]
    assert len(index["notes"]) == 2 and index["notes"][0].endswith("could not be scored: too long (1).")
    held = {attributes["id"] for tag, attributes in page.found if tag == "script" and "id" in attributes} - {"index"}
    expected = {
        f"{kind}-{number}-{column}"
        for number, document in enumerate(index["documents"])
        for column, run in enumerate(document["runs"])
        for kind in ("details", *(name for name in ("similarity", "audio") if run[name]))
    }
    assert held == expected and "audio-0-1" in held and "similarity-2-0" not in held


def test_runs_of_one_model_are_told_apart_by_their_dates(folders: tuple[Path, Path]) -> None:
    found = viewed(folders[0])
    assert names([found, found]) == ["first 20260101_120000"] * 2


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose every text was written by an attacker."""
    record, similarity = make_document(HOSTILE, instruction=HOSTILE, audio_answer=HOSTILE, target=HOSTILE)
    record.words, record.transcript, record.speaker = [HOSTILE] * 6, HOSTILE, HOSTILE
    record.references = {HOSTILE: record.references["whisper"]}
    record.reference, record.word_values = HOSTILE, {HOSTILE: {HOSTILE: [0.5] * 6}}
    record.reference_sums = {HOSTILE: record.reference_sums["whisper"]}
    record.lens = read_by_lens(record, HOSTILE[:32])
    folder = write_run(tmp_path_factory.mktemp("hostile") / "model&<b>", [record], TASK)
    keep(folder, 0, record, similarity, audio=True)
    return folder


def test_hostile_texts_are_data(hostile: Path) -> None:
    page = Elements(page_of(hostile))
    plain = Elements(re.sub("model&.*?: ALAS", ": ALAS", page_of(hostile)))
    assert [tag for tag, _ in page.found if tag in ("img", "b")] == [] == [t for t, _ in plain.found if t == "img"]
    assert len(page.inside["script"]) == 5, "three blocks, the index and the page's own"
    assert json.loads(page.inside["script"][0])["documents"][0]["uid"] == HOSTILE
    assert "model&<b>" in page.inside["title"][0]


# The command


def test_the_command_writes_a_page_a_model_and_task(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(folders[0].parent), "--output", str(tmp_path)]) == 0
    made = [tmp_path / f"{name}-{TASK}.html" for name in ("first", "second")]
    assert capsys.readouterr().out.split() == [str(path) for path in made] and all(path.is_file() for path in made)
    assert main(["view", str(folders[0]), str(folders[1]), "--output", str(tmp_path)]) == 0
    assert "first beside second" in (tmp_path / f"{TASK}.html").read_text(encoding="utf-8")


def test_the_page_lies_beside_the_run_by_default(tmp_path: Path) -> None:
    folder = write_viewed_run(tmp_path / "model")
    assert main(["view", str(folder)]) == 0
    assert (folder / "alas_view" / f"model-{TASK}.html").is_file()


def test_what_cannot_stand_side_by_side_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    other = write_run(tmp_path / "model", [make_document("x")[0]], "other_task")
    with pytest.raises(SystemExit, match="no task in common"):
        main(["view", str(folders[0]), str(other)])
    with pytest.raises(SystemExit, match=r"holds first, second: name the folder of one model"):
        main(["view", str(folders[0].parent), str(other)])
    with pytest.raises(SystemExit, match="which is not a folder"):
        main(["view", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="no page could be made"):
        main(["view", str(folders[0]), "--reference", "mfa", "--output", str(tmp_path)])


# In a browser


LISTEN = """
window.heard = [];
const { start } = AudioBufferSourceNode.prototype;
AudioBufferSourceNode.prototype.start = function (when, offset) {
  window.heard.push([offset, this.buffer.duration, this.buffer.getChannelData(0).reduce((a, b) => Math.max(a, b))]);
  start.call(this, when, offset);
};
"""
"""Notes what is played: from when on, of how many seconds, how loud at most."""


class Opened:
    """A page in the browser, with everything that it says and asks for.

    Args:
        browser: see the fixture.
        path: of the file, which is opened from disk.
        fragment: what follows in the address.
        options: of the browser's page.
    """

    def __init__(self, browser: Any, path: Path, fragment: str = "", **options: Any) -> None:
        self.page = browser.new_page(**{"viewport": {"width": 1300, "height": 1000}} | options)
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.add_init_script(LISTEN)
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_selector("body[data-number]", timeout=60_000)

    def close(self) -> None:
        """Close it; it must have been silent, and have asked for nothing but itself."""
        assert self.said == []
        assert len(self.requests) == 1 and self.requests[0].startswith("file:")
        self.page.close()

    def text(self, selector: str) -> str:
        """Return the text of an element in one line."""
        return " ".join(self.page.locator(selector).first.inner_text().split())

    def all(self, selector: str) -> list[str]:
        """Return the texts of all such elements."""
        return self.page.locator(selector).all_inner_texts()

    def chosen(self) -> str:
        """Return the id of the document that is shown, once it is."""
        name = self.text("#documents [aria-selected=true] .uid")
        self.until(lambda: self.text("#title") == name)
        return name

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for something; the page's policy forbids Playwright's own way, which evaluates text."""
        for _ in range(3000):
            if true():
                return
            self.page.wait_for_timeout(20)
        raise AssertionError("it did not happen within a minute")

    def plays(self) -> bool:
        """Tell whether the cursor runs."""
        return self.page.locator("#play").get_attribute("aria-pressed") == "true"

    def pixels(self, selector: str) -> str:
        """Return what a canvas shows."""
        return self.page.evaluate("s => document.querySelector(s).toDataURL()", selector)

    def time(self) -> float:
        """Return where the cursor is."""
        return float(self.page.locator(".cursor").first.get_attribute("data-time"))


@pytest.fixture(scope="module")
def pages(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The page of the first model and that of both."""
    place = tmp_path_factory.mktemp("pages")
    made = place / "one.html", place / "two.html"
    made[0].write_text(page_of(folders[0]), encoding="utf-8")
    made[1].write_text(page_of(*folders), encoding="utf-8")
    return made


@pytest.fixture
def one(browser: Any, pages: tuple[Path, Path]) -> Iterator[Opened]:
    opened = Opened(browser, pages[0])
    yield opened
    opened.close()


@pytest.fixture
def two(browser: Any, pages: tuple[Path, Path]) -> Iterator[Opened]:
    opened = Opened(browser, pages[1])
    yield opened
    opened.close()


UIDS = "#documents .uid"
LENGTH = {"alpha": 10.0, "beta": 16.0}
"""Seconds; long enough for a busy machine to press a button before they are over."""


@pytest.mark.slow
def test_documents_are_sorted_and_searched(one: Opened) -> None:
    """Slow: starts a browser."""
    assert one.all(UIDS) == ["alpha", "beta", "gamma"] and one.chosen() == "alpha"
    skill = dict(zip(one.all(UIDS), map(float, one.all("#documents .skill")), strict=True))
    one.page.select_option("#sort", label="lowest skill first")
    assert one.all(UIDS) == sorted(skill, key=skill.__getitem__)
    one.page.select_option("#sort", label="highest skill first")
    assert one.all(UIDS) == sorted(skill, key=skill.__getitem__, reverse=True)
    one.page.select_option("#sort", label="longest first")
    assert one.all(UIDS) == ["beta", "alpha", "gamma"]
    one.page.select_option("#sort", label="shortest first")
    assert one.all(UIDS) == ["gamma", "alpha", "beta"]
    assert "least confident times first" not in one.all("#sort option"), "no source of word times says so"
    one.page.fill("#search", "JUMPS")
    assert one.all(UIDS) == ["alpha", "beta"] and one.text("#count") == "2 of 3 documents"
    assert one.all("#documents mark") == ["jumps", "jumps"]
    assert one.all(".spoken .searched") == ["jumps"]
    one.page.locator("#documents [role=option]").nth(1).click()
    assert one.chosen() == "beta" and one.text("#transcript").endswith("beta")
    one.page.fill("#search", "nowhere")
    assert one.all(UIDS) == [] and one.text("#count") == "0 of 3 documents"


@pytest.mark.slow
def test_the_layer_moves_everything(one: Opened) -> None:
    """Slow: starts a browser."""
    canvas = ".matrix canvas"
    one.page.locator("#layer").fill("1")
    before, facts = one.pixels(canvas), one.text(".facts")
    assert one.text("#layer-text") == "1/3" and "layer 1 of 3" in facts
    one.page.locator("#layer").fill("3")
    assert one.pixels(canvas) != before and one.text("#layer-text") == "3/3"
    assert one.page.locator("#layer").get_attribute("aria-valuetext") == "layer 3 of 3"
    curve = one.page.locator(".curve svg")
    assert curve.get_attribute("data-layer") == "3" and curve.locator("circle.now").count() == 1
    assert curve.get_attribute("aria-label").startswith("Skill over layers 0 to 3")
    box = curve.bounding_box()
    one.page.mouse.click(box["x"] + 51, box["y"] + 60)  # where layer 0 stands
    assert one.text("#layer-text") == "0/3" and "layer=0" in one.page.url


@pytest.mark.slow
def test_numbers_are_those_of_the_scores(one: Opened, folders: tuple[Path, Path]) -> None:
    """Slow: starts a browser."""
    from alas_metric.corpus.documents import document_layers
    from alas_metric.results.runs import read_documents

    [run] = find_runs(folders[0])
    scores = read_documents(run).documents[0]
    for form in ("raw", "centred", "standardised"):
        one.page.locator("#forms label", has_text=form).click()
        for layer in (1, 3):
            one.page.locator("#layer").fill(str(layer))
            values = {key: document_layers(scores, f"{key}_{form}")[layer] for key in ("alas_skill", "alas")}
            expected = f"skill {values['alas_skill']:.2f} ALAS {values['alas']:.2f} words".replace(
                "-", "\N{MINUS SIGN}"
            )
            assert expected in one.text(".facts"), (form, layer)


@pytest.mark.slow
def test_forms_of_similarity(one: Opened, folders: tuple[Path, Path]) -> None:
    """Slow: starts a browser."""
    assert one.all("#forms label") == ["raw", "centred", "standardised"]
    assert one.page.locator("#forms input").nth(2).is_checked(), "the one that ranks comes first"
    drawn, ranges = {}, {}
    one.page.locator("#layer").fill("2")
    for form in ("raw", "centred", "standardised"):
        one.page.locator("#forms label", has_text=form).click()
        drawn[form], ranges[form] = one.pixels(".matrix canvas"), one.text(".range")
    assert len(set(drawn.values())) == 3 and "form=standardised" in one.page.url
    assert ranges["raw"].startswith("cosine") and ranges["standardised"].startswith("standard deviations")
    _, similarity = make_document("alpha", 0.3, 4, *SIZES["alpha"])
    low, high = np.percentile(similarity[2, 0], [1, 99.5])
    found = [float(x.replace("\N{MINUS SIGN}", "-")) for x in re.findall(r"\S+\d", ranges["raw"])]
    assert found == pytest.approx([low, high], abs=0.05)


@pytest.mark.slow
def test_the_cursor_runs_with_the_speech_and_without(one: Opened) -> None:
    """Slow: starts a browser."""
    play = one.page.locator("#play")
    for uid, silent in (("alpha", False), ("beta", True)):
        one.page.locator("#documents [role=option]", has_text=uid).click()
        assert one.chosen() == uid and ("kept no speech" in play.get_attribute("title")) is silent
        assert one.time() == 0 and play.get_attribute("aria-label") == "Play"
        play.click()
        assert play.get_attribute("aria-pressed") == "true" and play.get_attribute("aria-label") == "Pause"
        one.until(lambda: one.time() > 0.2)
        assert one.page.locator(".spoken .now").count() == 1, "the word that is spoken is marked"
        play.click()
        assert play.get_attribute("aria-pressed") == "false"
        stopped = one.time()
        one.page.wait_for_timeout(150)
        assert one.time() == stopped > 0.2
        box = one.page.locator(".wave .field").bounding_box()
        one.page.mouse.click(box["x"] + 0.95 * box["width"], box["y"] + 10)
        assert one.time() == pytest.approx(0.95 * LENGTH[uid], abs=0.02)
        play.click()
        one.until(lambda: not one.plays())
        assert one.time() == pytest.approx(LENGTH[uid], abs=1e-3), "it stops at the end"
    heard = one.page.evaluate("window.heard")
    assert len(heard) == 2, "of the document whose speech was kept"
    assert np.allclose(heard, [[0.0, 10.0, 0.3], [9.5, 10.0, 0.3]], atol=0.02)


@pytest.mark.slow
def test_a_word_says_its_row_its_times_and_its_error(one: Opened, folders: tuple[Path, Path]) -> None:
    """Slow: starts a browser."""
    from alas_metric.document.timeline import Timeline
    from alas_metric.document.words import word_seconds

    one.page.locator("#forms label", has_text="raw").click()
    one.page.locator("#layer").fill("3")
    assert "Point at a word" in one.text(".word") and one.page.locator(".band").is_hidden()
    empty = one.pixels(".row canvas")
    one.page.locator(".spoken button").nth(2).hover()
    shown = one.text(".word")
    record, _ = make_document("alpha", 0.3, 4, *SIZES["alpha"])
    timeline = Timeline.of("alpha", record.references["whisper"], record.num_frames, record.frame_seconds)
    error = word_seconds(record.paths["raw"], timeline)[3, 2]
    said = re.match(r"brown error here (\S+) s found at ", shown)
    assert said is not None and float(said[1]) == pytest.approx(error, abs=0.006)
    positions = np.flatnonzero(record.paths["raw"][3] == 2)
    assert f"found at {positions[0] * 0.04:.2f} to {(positions[-1] + 1) * 0.04:.2f} s" in shown
    assert "whisper 3.37 to 5.00 s" in shown and "gold 3.42 to 5.05 s" in shown
    assert one.text(".row .gutter") == "brown" and one.pixels(".row canvas") != empty
    assert one.page.locator(".band").is_visible() and one.all(".labels .chosen") == ["brown"]
    box = one.page.locator(".matrix .field").bounding_box()
    one.page.mouse.move(box["x"] + 30, box["y"] + box["height"] - 4)
    assert one.text(".word").startswith("alpha ")
    one.page.mouse.move(1, 1)
    assert "Point at a word" in one.text(".word")
    one.page.locator(".spoken button").nth(1).click()
    one.page.mouse.move(1, 1)
    assert one.text(".word").startswith("quick ") and one.time() == pytest.approx(1.733), (
        "a click holds it, and goes there"
    )
    one.page.select_option("#reference", "gold")
    assert one.text(".spoken button >> nth=1") == "quick"
    assert "1.78 to 3.42" in one.page.locator(".spoken button").nth(1).get_attribute("aria-label")


@pytest.mark.slow
def test_the_keyboard_does_everything(one: Opened) -> None:
    """Slow: starts a browser."""
    press = one.page.keyboard.press
    layer = int(one.text("#layer-text")[0])
    press("ArrowRight")
    assert one.text("#layer-text") == f"{layer + 1}/3"
    press("ArrowLeft")
    assert one.text("#layer-text") == f"{layer}/3"
    press("ArrowDown")
    assert one.chosen() == "beta"
    press("ArrowDown")
    press("ArrowDown")
    assert one.chosen() == "gamma", "the last one stays"
    press("ArrowUp")
    assert one.chosen() == "beta"
    press("n")
    press("n")
    assert one.text(".word").startswith("quick ")
    press("p")
    assert one.text(".word").startswith("the ")
    press("Escape")
    assert one.page.locator(".spoken .now").count() == 1
    press("Space")
    one.until(one.plays)
    press("Space")
    one.until(lambda: not one.plays())
    one.page.locator("#search").focus()
    one.page.keyboard.type("n p")
    assert one.page.locator("#search").input_value() == "n p", "letters and spaces are typed where there is a field"
    press("ArrowLeft")
    assert one.text("#layer-text") == f"{layer}/3"
    one.page.fill("#search", "")
    focus = []
    for _ in range(7):
        press("Tab")
        focus.append(one.page.evaluate("(e => e.id || e.name || e.localName)(document.activeElement)"))
    assert focus == ["sort", "documents", "summary", "play", "layer", "form", "reference"]
    assert one.page.locator("#documents").get_attribute("aria-activedescendant") == "option-1"


@pytest.mark.slow
def test_documents_without_similarities_say_what_keeps_them(one: Opened) -> None:
    """Slow: starts a browser."""
    assert one.page.locator(".missing").is_hidden()
    with_similarities = one.pixels(".matrix canvas")
    one.page.locator("#documents [role=option]", has_text="gamma").click()
    assert one.chosen() == "gamma" and "alas_dump=N keeps" in one.text(".missing")
    first = one.pixels(".matrix canvas")
    assert first != with_similarities
    one.page.locator("#layer").fill("0")
    assert one.pixels(".matrix canvas") != first, "the record's paths are drawn"
    assert one.page.locator(".curve svg circle.own").count() == 3
    assert one.text(".answers") == "answer to the audio heard gamma answer to the text read gamma right answer a letter"


@pytest.mark.slow
def test_the_lens_says_what_each_stretch_reads_as(one: Opened) -> None:
    """Slow: starts a browser."""
    table = one.page.locator(".lens table")
    assert one.chosen() == "alpha" and table.is_visible()
    assert table.locator("thead th").all_inner_texts() == ["layer", "the", "quick", "brown", "fox", "jumps", "alpha"]
    rows = table.locator("tbody tr")
    assert rows.locator("th").all_inner_texts() == ["3", "2", "1", "0"], "the last layer on top"
    assert [text.strip() for text in rows.nth(0).locator("td").all_inner_texts()][:2] == ["the", "quick"]
    kinds = [rows.nth(row).locator("td").first.get_attribute("class") for row in range(4)]
    assert [kind.split()[0] for kind in kinds] == ["own", "own", "found", "other"]
    assert "among the 5 largest" in one.text(".lens .legend") and one.text(".lens .legend").endswith("whisper.")
    rows.nth(2).locator("td").nth(3).click()
    assert one.text("#layer-text") == "1/3" and one.text(".word .name dd") == "fox"
    assert one.all(".lens tr.now th") == ["1"] and one.all(".lens thead .chosen") == ["fox"]
    one.page.locator("#layer").fill("3")
    assert one.all(".lens tr.now th") == ["3"]
    one.page.locator("#documents [role=option]").nth(1).click()
    assert one.chosen() == "beta" and not table.is_visible(), "nothing was read of it"


@pytest.mark.slow
def test_two_runs_go_in_step(two: Opened) -> None:
    """Slow: starts a browser."""
    assert two.all(".panel h3") == ["first", "second"]
    two.page.locator("#layer").fill("1")
    assert two.text("#layer-text") == "1/3 · 2/5", "as deep"
    two.page.select_option("#step", "number")
    assert two.text("#layer-text") == "1/3 · 1/5"
    two.page.select_option("#step", "depth")
    two.page.locator("#layer").fill("3")
    assert two.text("#layer-text") == "3/3 · 5/5"
    two.page.locator(".spoken").nth(1).locator("button").nth(3).click()
    assert two.all(".labels .chosen") == ["fox", "fox"]
    times = two.page.locator(".cursor").evaluate_all("all => all.map((each) => each.dataset.time)")
    assert times[0] == times[1] and float(times[0]) == pytest.approx(5.0)
    boxes = [two.page.locator(".panel").nth(place).bounding_box() for place in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]
    two.page.select_option("#sort", label="skill differs most first")
    skills = [[float(text.replace("\N{MINUS SIGN}", "-")) for text in two.all(f"#documents .m{n}")] for n in (0, 1)]
    differences = np.abs(np.subtract(*skills)).tolist()
    assert differences == sorted(differences, reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything_in_its_width(browser: Any, pages: tuple[Path, Path], scheme: str) -> None:
    """Slow: starts a browser."""
    for path in pages:
        opened = Opened(browser, path, viewport={"width": 420, "height": 860}, color_scheme=scheme, has_touch=True)
        assert opened.page.evaluate("document.documentElement.scrollWidth") == 420
        opened.page.locator(".spoken button").nth(2).tap()
        assert opened.text(".word").startswith("brown ")
        opened.page.locator("#zoom").fill("4")
        assert opened.page.evaluate("document.documentElement.scrollWidth") == 420, "a zoomed panel scrolls in itself"
        assert opened.page.evaluate("(e => e.scrollWidth / e.clientWidth)(document.querySelector('.scroll'))") > 3.9
        ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(243, 245, 248)" if scheme == "light" else "rgb(16, 18, 22)")
        opened.close()


@pytest.mark.slow
def test_the_address_names_document_layer_and_form(browser: Any, pages: tuple[Path, Path]) -> None:
    """Slow: starts a browser."""
    opened = Opened(browser, pages[0], "#uid=beta&layer=2&form=raw")
    assert opened.chosen() == "beta" and opened.text("#layer-text") == "2/3"
    assert opened.page.locator("#forms input").first.is_checked()
    opened.page.evaluate("location.hash = '#uid=gamma&layer=99'")
    opened.until(lambda: opened.text("#title") == "gamma")
    assert opened.text("#layer-text") == "3/3", "beyond the last is the last"
    opened.page.evaluate("location.hash = '#uid=nobody&layer=-1'")
    assert opened.chosen() == "gamma"
    opened.close()


@pytest.mark.slow
def test_hostile_texts_stay_text(browser: Any, hostile: Path, tmp_path: Path) -> None:
    """Slow: starts a browser."""
    path = tmp_path / "hostile.html"
    path.write_text(page_of(hostile), encoding="utf-8")
    opened = Opened(browser, path)
    for selector in ("#title", "#transcript", "#instruction", ".uid", ".answers", ".spoken button", ".labels span"):
        assert HOSTILE in opened.page.locator(selector).first.text_content(), selector
    opened.page.fill("#search", "<script>")
    opened.page.locator(".spoken button").first.hover()
    assert HOSTILE in opened.page.locator(".word").text_content() and opened.all("#documents mark") == ["<script>"]
    assert HOSTILE[:32] in opened.page.locator(".lens td").all_text_contents()
    assert opened.page.locator(".lens thead th").nth(1).text_content() == HOSTILE
    assert opened.page.locator("img").count() == 0
    assert opened.page.locator("script").count() == 5
    opened.close()


@pytest.mark.slow
def test_a_script_that_got_in_would_not_run(browser: Any, pages: tuple[Path, Path], tmp_path: Path) -> None:
    """Slow: starts a browser."""
    path = tmp_path / "changed.html"
    html = pages[0].read_text(encoding="utf-8")
    path.write_text(html.replace("</main>", "<script>document.title = 'hacked'</script></main>"), encoding="utf-8")
    opened = Opened(browser, path)
    assert opened.page.title() != "hacked" and "Content Security Policy" in opened.said.pop()
    opened.close()
