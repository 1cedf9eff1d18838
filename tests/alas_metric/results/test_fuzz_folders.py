"""Results folders from others: every command shows what can be read, says what cannot, and writes where it should."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from fuzzing import MARKUP, SURROGATES, fuzz, json_values, memory_below, numbers, places, put, texts
from hypothesis import given
from hypothesis import strategies as st
from run_folders import DATE, short_record, write_run

from alas_metric import AlignmentRecord
from alas_metric.commands.main import main
from alas_metric.report import folder as report_folder
from alas_metric.results import runs
from alas_metric.results.dumps import dump_folder, dump_name, write_dump
from alas_metric.results.runs import find_runs, read_documents

TASK = "alas_demo_sqa"
COMMANDS = ("score", "report", "leaderboard", "compare", "picture")
names = st.one_of(st.sampled_from([*MARKUP, "..", ".", "...", "-rf", "~", "__proto__", "a\nb", "\x1b[31m"]), texts)


def safe_in_terminals(text: str) -> bool:
    """Return whether a text moves no cursor, sets no title and turns no direction, and UTF-8 can hold it."""
    turns = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return not any(c in turns or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text if c not in "\n\t")


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


VIEWED = re.compile(r"view[\w.%-]*\.html#uid=[\w.~%+*-]*(&layer=\d+)?")
"""The only addresses that lead out of a page or a summary: to a document, in the viewer's page beside it."""
OWN_TAGS = re.compile(r"<br>|</?details>|<summary>All other figures \(\d+\)</summary>")


def check_page(html: str) -> None:
    """Texts have become neither elements nor attributes nor addresses."""
    elements = Elements(html).found
    viewer = ("div", {"id": "panels"}) in elements
    own = {"script": 1, "svg": 1} if viewer else {"script": 2, "svg": 0}
    for name, count in own.items():  # data are scripts of a type of their own, which nothing runs
        assert sum(tag == name and "type" not in attributes for tag, attributes in elements) == count, name
    for tag, attributes in elements:
        assert tag not in ("iframe", "object", "embed", "base"), tag
        assert not any(name.startswith("on") for name in attributes), attributes
        target = attributes.get("src") or attributes.get("href") or "data:"
        assert VIEWED.fullmatch(target) if tag == "a" else target.startswith("data:"), attributes


def check_markdown(text: str) -> None:
    """Texts have become neither HTML nor links nor cells."""
    for line in OWN_TAGS.sub("", re.sub(r"`[^`\n]*`", "", text)).splitlines():
        assert not re.search(r"(?<!\\)<(?!\s)", line.removeprefix("> ")), line
        targets = re.findall(r"(?<!\\)\]\(([^)]*)\)", line)
        assert all(re.fullmatch(r"figures/[\w.-]+", each) or VIEWED.fullmatch(each) for each in targets), line
    widths: set[int] = set()
    for line in text.split("\n"):
        if not line.startswith("|"):
            widths = set()
            continue
        widths.add(len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)))
        assert len(widths) == 1, line


def check_latex(text: str) -> None:
    """Texts have become no commands."""
    known = r"\\(?:begin|end)\{tabular\}|\\(?:toprule|midrule|bottomrule|scriptsize|uparrow|downarrow|\\)"
    known += r"|\\text(?:backslash|asciitilde|asciicircum)\{\}|\\[&%$#_{}]"
    for line in text.splitlines():
        if not line.startswith("%"):
            assert "\\" not in re.sub(known, "", line), line
            assert not re.search(r"[#~^]|(?<!\\)%", re.sub(known, "", line)), line


def check_outputs(folder: Path) -> None:
    """Everything that was written is whole, and in UTF-8."""
    for path in folder.rglob("*"):
        if not path.is_file() or path.suffix in (".png", ".svg", ".pdf", ".parquet"):
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            json.loads(text, parse_constant=pytest.fail)
        elif path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                assert len({len(row) for row in csv.reader(file)}) <= 1
        check = {".html": check_page, ".md": check_markdown, ".tex": check_latex}.get(path.suffix)
        if check is not None:
            check(text)


def tree(folder: Path) -> dict[str, bytes | str]:
    """Return all that a folder holds."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        kind = os.readlink(path) if path.is_symlink() else "" if path.is_dir() else path.read_bytes()
        found[os.fsdecode(path.relative_to(folder))] = kind
    return found


class World:
    """Two runs in a folder ``runs``, what the user owns beside it, and a folder for output.

    Args:
        base: an empty folder.
        records: of both runs.
    """

    def __init__(self, base: Path, records: list[AlignmentRecord]) -> None:
        self.base, self.runs, self.out = base, base / "runs", base / "out"
        self.own = base / "own"
        self.own.mkdir(parents=True)
        (self.own / "report.md").write_text("mine")
        self.first = write_run(self.runs / "first", records)
        self.second = write_run(self.runs / "second", records[::-1])

    def run(self, command: str, capsys: pytest.CaptureFixture[str], output: bool = True) -> str | None:
        """Run a command on the runs; return why it ended, None if it did not, and check what is outside."""
        before = tree(self.own)
        folders = {"compare": [self.first, self.second]}.get(command, [self.runs])
        where = [] if not output else ["--json", self.base / "s.json"] if command == "score" else ["--output", self.out]
        try:
            assert main([command, *map(str, [*folders, *where])]) == 0
            reason = None
        except SystemExit as error:
            reason = str(error.code)
        printed = capsys.readouterr()
        assert safe_in_terminals(printed.out) and safe_in_terminals(printed.err) and safe_in_terminals(reason or "")
        assert tree(self.own) == before
        if (self.base / "s.json").exists():
            json.loads((self.base / "s.json").read_text(), parse_constant=pytest.fail)
        check_outputs(self.out)
        return reason


@pytest.fixture(scope="module")
def records(record: Callable[..., AlignmentRecord]) -> list[AlignmentRecord]:
    return [
        record(
            f"d{i}",
            num_words=3,
            num_frames=8,
            num_layers=2,
            seed=i,
            speaker=f"s{i % 2}",
            audio_answer="a",
            text_answer="b",
            similarities={"responses": 0.9},
            settings={"torch": "2"},
        )
        for i in range(3)
    ]


@pytest.fixture
def world(tmp_path: Path, records: list[AlignmentRecord]) -> Callable[[], World]:
    """Return a function that makes a fresh world."""

    def make() -> World:
        for path in tmp_path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return World(tmp_path, records)

    return make


@pytest.fixture
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out figures, which take most of the time."""
    monkeypatch.setattr("alas_metric.report.folder.figures", lambda report: iter(()))
    for name in ("report.folder.save", "figures.figures.save", "figures.style.save"):
        monkeypatch.setattr(f"alas_metric.{name}", lambda figure, stem: [stem.with_suffix(".png")])


@pytest.mark.usefixtures("_no_figures")
@pytest.mark.parametrize("command", COMMANDS[:4])
@fuzz(2, share=0.1)
@given(data=st.data())
def test_results_of_others(
    command: str, world: Callable[[], World], capsys: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    """results.json with a few values replaced by anything."""
    here = world()
    path = here.first / f"{DATE}_results.json"
    whole = json.loads(path.read_text())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.sampled_from([p for p in places(whole) if "results" not in p[:1]]))
        if place:
            put(whole, place, data.draw(json_values | numbers | texts | names))
    path.write_text(json.dumps(whole))
    here.run(command, capsys)


@pytest.mark.usefixtures("_no_figures")
@pytest.mark.parametrize("command", COMMANDS[:4])
@fuzz(2, share=0.1)
@given(data=st.data())
def test_samples_of_others(
    command: str, world: Callable[[], World], capsys: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    """Records whose texts are hostile, lines that are damaged, lines that are anything."""
    here = world()
    path = here.first / f"{DATE}_samples_{TASK}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    written = []
    for line in lines:
        made = json.loads(line["filtered_resps"])
        for name in ("uid", "speaker", "audio_answer", "instruction", "transcript"):
            if data.draw(st.booleans()):
                made[name] = data.draw(names)
        if data.draw(st.integers(0, 3)) == 0:
            made["settings"] = {data.draw(names): data.draw(names)}
        if data.draw(st.integers(0, 3)) == 0:
            made["skipped"] = {"cause": "error", "detail": data.draw(names)}
        if data.draw(st.integers(0, 5)) == 0:
            made[data.draw(st.sampled_from(sorted(made)))] = data.draw(json_values)
        line["filtered_resps"] = data.draw(st.sampled_from([json.dumps(made), [json.dumps(made)], [[]], None, {}, 5]))
        line["doc_id"] = data.draw(st.just(1) | json_values)
        text = json.dumps(line)
        written.append(data.draw(st.sampled_from([text] * 6 + [text[:-9], "null", "[" * 50_000, "\x00", "5"])))
    path.write_text("\n".join(written))
    here.run(command, capsys)


def file_name(name: str) -> str:
    """Return a name that a file can have."""
    name = name.replace("/", "_").replace("\x00", "_")
    content = name.encode("utf-8", "surrogatepass")[:120]
    return os.fsdecode(content) or "_"


@pytest.mark.usefixtures("_no_figures")
@pytest.mark.parametrize("command", COMMANDS)
@fuzz(2, share=0.1)
@given(data=st.data())
def test_names_of_files_and_folders(
    command: str, world: Callable[[], World], capsys: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    here = world()
    task, date, model = (data.draw(names.map(file_name)) for _ in range(3))
    (here.first / f"{DATE}_samples_{TASK}.jsonl").rename(here.first / f"{date}_samples_{task}.jsonl")
    (here.first / f"{DATE}_results.json").rename(here.first / f"{date}_results.json")
    values = np.zeros((2, 2, 2, 4), np.float16)
    dumps = dump_folder(here.first, date, task)
    dumps.mkdir()
    write_dump(dumps / dump_name(0, "a"), short_record("a", values), values, np.zeros(100))
    if model not in (".", "..", "second"):
        here.first = here.first.rename(here.runs / model)
    here.run(command, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_one_hostile_folder_with_its_figures(
    command: str,
    tmp_path: Path,
    record: Callable[..., AlignmentRecord],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Figures too take every text there is, matplotlib's formulas among them."""
    hostile = "".join([*MARKUP, "\x1b[2J$\\frac{$", *SURROGATES])
    made = record(hostile, num_words=3, num_frames=8, num_layers=2, audio_answer=hostile, settings={"a": hostile})
    made.words[:] = [hostile, "$", "_^{"]
    here = World(tmp_path, [made, record("d2", num_words=3, num_frames=8, num_layers=2)])
    here.first = here.first.rename(here.runs / file_name("$\\frac{$_ [/red] <b> \x1b[2J | \udc80 `a`"))
    dumps = dump_folder(here.first, DATE, TASK)
    dumps.mkdir()
    write_dump(dumps / dump_name(0, hostile), made, np.zeros((2, 2, 3, 8)), np.zeros(5120))
    drawn = report_folder.figures
    monkeypatch.setattr(report_folder, "figures", lambda made: itertools.islice(drawn(made), 3))  # the others are alike
    assert here.run(command, capsys) is None


@pytest.mark.parametrize("date", ["20260101", "..", "."])
def test_a_task_named_like_a_folder_stays_inside(world: Callable[[], World], date: str, monkeypatch) -> None:
    """Outputs are put into folders that are named after models and tasks."""
    here = world()
    here.first.joinpath(f"{DATE}_samples_{TASK}.jsonl").rename(here.first / f"{date}_samples_...jsonl")
    assert ".." not in {run.task for run in find_runs(here.runs)}
    monkeypatch.chdir(here.first / "..")
    monkeypatch.chdir("first")
    assert {run.model for run in find_runs(Path(".."))} <= {"first", "second"}
    assert {run.model for run in find_runs(Path("../../runs/second"))} == {"second"}
    (here.first / "deep").mkdir()
    monkeypatch.chdir("deep")
    shutil.copy(here.second / f"{DATE}_samples_{TASK}.jsonl", here.first / f"{DATE}_samples_{TASK}.jsonl")
    assert {run.model for run in find_runs(Path(".."))} == {"first"}


@pytest.mark.usefixtures("_no_figures")
@pytest.mark.parametrize(("command", "folder"), [("report", "alas_report"), ("picture", "alas_pictures")])
@pytest.mark.parametrize("depth", range(4))
def test_links_in_the_folder_lead_nowhere(
    command: str, folder: str, depth: int, world: Callable[[], World], capsys: pytest.CaptureFixture[str]
) -> None:
    """Reports go into the folder itself by default, where whoever packed it may have put links to the user's files."""
    here = world()
    values = np.zeros((2, 2, 2, 4), np.float16)
    dumps = dump_folder(here.first, DATE, TASK)
    dumps.mkdir()
    write_dump(dumps / dump_name(0, "a"), short_record("a", values), values, np.zeros(100))
    place = here.runs.joinpath(folder, "first", TASK, "report.md" if command == "report" else "figures")
    link = [place, *place.parents][3 - depth]
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(here.own / "report.md" if link.suffix else here.own)
    assert "is a link" in (here.run(command, capsys, output=False) or "")
    assert (here.own / "report.md").read_text() == "mine"


def test_long_lines_are_left_out(world: Callable[[], World], monkeypatch: pytest.MonkeyPatch) -> None:
    here = world()
    monkeypatch.setattr(runs, "MAX_LINE_CHARACTERS", 100_000)
    path = here.first / f"{DATE}_samples_{TASK}.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    with path.open("w") as file:
        file.write(lines[0] + '{"filtered_resps": "' + "x" * 100_000 + '"}\n' + lines[1])
        file.flush()
        os.truncate(path, path.stat().st_size + 2**27)  # zeros without an end
    [run] = find_runs(here.first)
    with memory_below(3_000_000):
        found = read_documents(run)
    assert [scores.uid for scores in found.documents] == ["d0", "d1"]
    assert [message.split(": ")[1] for message in found.messages] == ["line 2 left out", "line 4 left out"]
    assert all("characters" in message for message in found.messages)


def test_large_results_are_left_out(world: Callable[[], World]) -> None:
    here = world()
    os.truncate(here.first / f"{DATE}_results.json", 2**34)
    [run] = find_runs(here.first)
    with memory_below(50_000_000):
        found = read_documents(run)
    assert len(found.documents) == 3 and "bytes" in found.messages[0]


def test_a_run_of_two_models_costs_only_itself(
    tmp_path: Path, record: Callable[..., AlignmentRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    deep = [record(f"d{i}", num_words=3, num_frames=8, num_layers=2 + i) for i in range(2)]
    even = [record(f"d{i}", num_words=3, num_frames=8, num_layers=2) for i in range(2)]
    for name, records in (("deep", deep), ("even", even)):
        write_run(tmp_path / name, records)
    assert main(["leaderboard", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "left out: deep: documents have different numbers of layers" in printed.err and "even" in printed.out
