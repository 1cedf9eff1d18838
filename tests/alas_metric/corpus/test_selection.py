"""Which documents count: as the command line selects them, wherever it does, and as signatures tell it."""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from run_folders import record_of_two_sources, write_run

from alas_metric import AlignmentRecord, Selection, WordTiming, summarise
from alas_metric.commands.main import main
from alas_metric.commands.shared import add_selection_options, selected
from alas_metric.corpus.signature import comparable, parse
from alas_metric.results.runs import find_runs, score_run

SELECTIONS = {
    "usual": Selection(),
    "threshold": Selection(threshold=0.95),
    "reference": Selection(reference="words"),
    "min_confidence": Selection(min_confidence=0.8),
    "contained": Selection(contained=True),
    "all": Selection(0.8, "whisper:x:align", 0.7, True),
}
KEPT = {"usual": 8, "threshold": 0, "reference": 8, "min_confidence": 4, "contained": 12, "all": 6}
TASK = "alas_demo_sqa"


@pytest.fixture(scope="module")
def records(timing: Callable[..., list[WordTiming]], similarity: Callable[..., np.ndarray]) -> list[AlignmentRecord]:
    """Twelve documents with two references.

    One of every second document is sure to 0.9, the others' to 0.5; the answers of every third are unlike, one
    contained in the other.
    """

    def made(number: int) -> AlignmentRecord:
        rng = np.random.default_rng(number)
        words = timing(5, 60, rng)
        sure = 0.5 if number % 2 else 0.9
        heard = [WordTiming(word.word, word.start + 0.02, word.end + 0.02, sure) for word in words]
        record = record_of_two_sources(f"d{number:02}", similarity(words, 60, 0.2, rng), words, heard)
        contained = number % 3 == 0
        similar = {"responses": 0.1 if contained else 0.9, "contained": float(contained)}
        return replace(record, audio_answer="Boston", text_answer="to Boston", similarities=similar)

    return [*map(made, range(12)), AlignmentRecord.skip("d99", "missing_audio", "")]


@pytest.fixture
def folders(tmp_path: Path, records: list[AlignmentRecord]) -> tuple[Path, Path]:
    write_run(tmp_path / "one" / "org__one", records)
    write_run(tmp_path / "two" / "org__two", records)
    return tmp_path / "one", tmp_path / "two"


@pytest.mark.parametrize("name", SELECTIONS)
def test_options_are_read_as_they_are_written(name: str) -> None:
    parser = argparse.ArgumentParser()
    add_selection_options(parser)
    assert selected(parser.parse_args(SELECTIONS[name].options)) == SELECTIONS[name]


def test_differently_selected_scores_never_look_comparable(records: list[AlignmentRecord]) -> None:
    told = {
        name: summarise(map(selection.score, records), selection.threshold, ["signature"])["signature"]
        for name, selection in SELECTIONS.items()
    }
    for first, second in itertools.product(told, told):
        assert comparable(told[first], told[second]) is (first == second)
    filters = {name: parse(text)["filter"] for name, text in told.items()}
    assert filters == {
        "usual": "0.7",
        "threshold": "0.95",
        "reference": "0.7",
        "min_confidence": "0.7+confidence0.8",
        "contained": "0.7+contained",
        "all": "0.8+contained+confidence0.7",
    }


def test_how_sure_word_times_must_be_stands_beside_every_filter(records: list[AlignmentRecord]) -> None:
    labels = {"audio": "yes", "text": "yes", "target": None}
    silent = replace(records[0], audio_answer=None, text_answer=None, similarities={})
    for record, filtered in ((replace(records[0], labels=labels), "label"), (silent, "off")):
        told = [
            summarise([Selection(min_confidence=least).score(record)], keys=["signature"])["signature"]
            for least in (None, 0.9, 0.25)
        ]
        assert [parse(text)["filter"] for text in told] == [
            filtered,
            f"{filtered}+confidence0.9",
            f"{filtered}+confidence0.25",
        ]
        assert not comparable(told[0], told[1]) and not comparable(told[1], told[2])


@pytest.mark.parametrize("name", SELECTIONS)
def test_what_is_kept(name: str, records: list[AlignmentRecord]) -> None:
    selection = SELECTIONS[name]
    assert sum(selection.keeps(selection.score(record)) for record in records) == KEPT[name]


def test_every_command_selects_alike(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """``score``, ``leaderboard``, ``compare`` and ``export`` give the values of Python's `score_run`."""
    one, two = map(str, folders)
    [run] = find_runs(folders[0])
    selection = SELECTIONS["all"]
    expected = score_run(run, selection).values
    signature, options = expected["signature"], selection.options
    out = {command: tmp_path / command for command in ("score", "leaderboard", "compare", "export")}
    assert main(["score", one, *options, "--json", str(out["score"])]) == 0
    [scored] = json.loads(out["score"].read_text())["runs"]
    assert scored["values"]["signature"] == signature and scored.items() >= asdict(selection).items()

    assert main(["leaderboard", one, two, *options, "--output", str(out["leaderboard"])]) == 0
    board = json.loads((out["leaderboard"] / "leaderboard.json").read_text())
    assert board.items() >= asdict(selection).items() and board["mixed"] == []
    rows = [row["tasks"][TASK] for row in board["rows"]]
    assert [row["signature"] for row in rows] == [signature] * 2
    assert all(row["values"]["alas_skill"] == expected["alas_skill"] for row in rows)
    assert shlex.split(board["command"])[-len(options) :] == options

    assert main(["compare", one, two, *options, "--output", str(out["compare"])]) == 0
    compared = json.loads((out["compare"] / "compare.json").read_text())
    assert compared.items() >= asdict(selection).items()
    assert compared["tasks"][0]["signatures"] == [signature] * 2
    assert compared["tasks"][0]["references"]["org/one"]["documents"] == expected["kept"]

    assert main(["export", one, *options, "--output", str(out["export"])]) == 0
    card = (out["export"] / "README.md").read_text(encoding="utf-8")
    assert f"`{signature}`" in card and f"`alas leaderboard FOLDER {shlex.join(options)}`" in card
    [path] = out["export"].glob("*/*_documents_*.parquet")
    assert sum(pq.read_table(path)["kept"].to_pylist()) == expected["kept"]
    assert main(["score", str(out["export"]), *options, "--json", str(out["score"])]) == 0
    [again] = json.loads(out["score"].read_text())["runs"]
    assert again["values"] == scored["values"]


@pytest.mark.parametrize("command", ["leaderboard", "compare", "export"])
def test_where_nothing_is_sure_enough_the_command_says_so(
    command: str, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    given = folders[:1] if command == "export" else folders
    with pytest.raises(SystemExit) as error:
        main([command, *map(str, given), "--min-confidence", "0.99"])
    said = f"{capsys.readouterr().err} {error.value}"
    assert "no document has word times of confidence 0.99 or more" in said
