"""Runs side by side: planted quality in the right order, what cannot be compared refused, broken folders left out."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from run_folders import DATE, write_run

from alas_metric import AlignmentRecord, Selection
from alas_metric.commands.main import main
from alas_metric.corpus.significance import HEADLINES
from alas_metric.leaderboard import reading
from alas_metric.leaderboard.board import Board, board_data, build_board, pair_rows, sorted_models
from alas_metric.leaderboard.entry import COLUMNS
from alas_metric.leaderboard.page import board_page, shown
from alas_metric.leaderboard.tables import csv_table, latex, markdown, terminal_tables
from alas_metric.results.runs import find_runs, score_run
from alas_metric.texts import csv_text

Make = Callable[..., list[AlignmentRecord]]
HOSTILE = '<script>alert(1)</script>&"|$x_{1}[red]'
SQA, EMOTION = "alas_demo_sqa", "alas_demo_emotion"


@pytest.fixture(scope="module")
def make(record: Callable[..., AlignmentRecord]) -> Make:
    """Return a function that makes the documents of a model whose paths are as good as its noise is small."""

    def made(noise: float, count: int = 24, uids: str = "d", **fields: Any) -> list[AlignmentRecord]:
        return [
            record(
                uid=f"{uids}{i:02}",
                num_words=4 + i % 4,
                num_frames=40 + i,
                noise=noise,
                seed=i,
                speaker=f"s{i % 12}",
                **({"instruction": "what?", "settings": {"plugin": "0.1.0"}} | fields),
            )
            for i in range(count)
        ]

    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make: Make) -> Path:
    """Four models on a task, two of them equally bad, and three on a second task."""
    root = tmp_path_factory.mktemp("runs")
    labels = {"audio": "sad", "text": "sad", "target": "sad"}
    for name, noise, seconds in (("best", 0.6, 12.0), ("middle", 1.6, "24"), ("bad", 30.0, None), ("worse", 40.0, 6)):
        write_run(root / name / f"org__{name}", make(noise, audio_answer="sad", labels=labels), SQA, seconds=seconds)
        if name != "worse":
            write_run(root / name / f"org__{name}", make(noise), EMOTION, "20260102_000000")
    return root


@pytest.fixture(scope="module")
def board(folder: Path) -> Board:
    return build_board(sorted(folder.iterdir()), sort=f"{SQA}:alas_skill")


def test_planted_quality_is_ranked(board: Board) -> None:
    assert board.models[:2] == ["org/best", "org/middle"] and set(board.models[2:]) == {"org/bad", "org/worse"}
    assert board.tasks == [EMOTION, SQA]
    assert {entry.model: entry.values["rank"] for entry in board.of_task(SQA)} == {
        "org/best": 1,
        "org/middle": 2,
        "org/bad": 3,
        "org/worse": 3,
    }
    assert [entry.values["rank"] for entry in board.of_task(EMOTION)] == [1, 2, 3]
    assert board.messages == [] and board.mixed == []


def test_values_are_those_of_the_run(board: Board, folder: Path) -> None:
    entry = board.entries["org/best", SQA]
    [run] = find_runs(folder / "best", task=SQA)
    own = score_run(run).values
    for key in ("alas", "alas_skill", "alas_evidence", "frame_skill", "kept_share"):
        assert entry.values[key] == own[key]
    curve = own["layers"]["alas"]
    assert entry.intervals["alas"] == (curve["headline_low"], curve["headline_high"])
    assert entry.values["best_depth"] == own["best_layer"] / 2 and entry.num_layers == 2
    assert (entry.values["documents"], entry.values["accuracy_audio"], entry.values["accuracy_text"]) == (24, 1.0, 1.0)
    assert {column.key for column in board.columns(SQA)} >= {"rank", "alas", "accuracy_audio", "seconds"}
    assert "answer_similarity_audio" not in {column.key for column in board.columns(SQA)}, "no run has a value"
    assert entry.intervals["alas_skill"][0] < entry.values["alas_skill"] < entry.intervals["alas_skill"][1]
    seconds = {model: board.entries[model, SQA].values["seconds"] for model in board.models}
    assert seconds["org/middle"] == 1 and seconds["org/bad"] is None


def test_pairs(board: Board) -> None:
    rows = pair_rows(board)
    assert len(rows) == len(HEADLINES) * (6 + 3)
    [row] = [
        row
        for row in rows
        if (row["task"], row["metric"], row["first"], row["second"]) == (SQA, "alas", "org/bad", "org/best")
    ]
    assert row["significant"] and row["documents"] == 24 and row["clusters"] == 12
    assert row["difference"] == row["value_first"] - row["value_second"] > row["low"] > 0
    assert row["p_holm"] == pytest.approx(row["p"] * 6, rel=1) and row["p_holm"] > row["p"]
    for end in ("first", "second"):
        assert row[f"signature_{end}"] == board.entries[row[end], SQA].signature


def test_p_values_are_printed_as_such_everywhere(board: Board) -> None:
    """Never 0.000: a p-value that small is said to be below 0.001."""
    key = (board.models[0], SQA)
    entry = board.entries[key]
    values = entry.values | {"mcnemar_p": 0.00004}
    told = replace(board, entries=board.entries | {key: replace(entry, values=values)})
    console = Console(width=200, file=io.StringIO())
    console.print(*terminal_tables(told))
    for text in (markdown(told), latex(told), console.file.getvalue()):
        assert "< 0.001" in text
    assert shown(0.00004, {"unit": "p"}) == "< 0.001"


@pytest.mark.parametrize(
    ("task", "key", "first", "last"),
    [
        (EMOTION, "alas", "org/best", "org/worse"),
        (EMOTION, "documents", "org/bad", "org/worse"),
        (SQA, "seconds", "org/worse", "org/bad"),
        (SQA, "rank", "org/best", "org/worse"),
    ],
)
def test_sorting(board: Board, task: str, key: str, first: str, last: str) -> None:
    """The better first, those without a value last, equal ones by name."""
    [column] = [column for column in COLUMNS if column.key == key]
    models = sorted_models(board.entries, task, column)
    assert (models[0], models[-1]) == (first, last) and sorted(models) == sorted(board.models)


def test_unknown_columns_and_tasks(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"--sort: expected one of \['rank', 'alas'.*got 'beauty'"):
        build_board([folder / "best"], "beauty")
    with pytest.raises(ValueError, match=r"--sort: expected one of the tasks .*got 'mmlu'"):
        build_board([folder / "best"], "mmlu:alas")


# What cannot be compared


def fields_for(name: str) -> dict[str, Any]:
    return {
        "prompts": {"instruction": "how?"},
        "settings": {"settings": {"plugin": "0.1.0", "whisper_checkpoint": "tiny"}},
        "source of transcripts": {"transcript_source": "whisper"},
        "answer filter": {"audio_answer": "a", "text_answer": "a", "similarities": {"responses": 0.9}},
    }.get(name, {})


@pytest.mark.parametrize("name", ["prompts", "settings", "source of transcripts", "answer filter", "data"])
def test_what_cannot_be_compared_is_refused(tmp_path: Path, make: Make, name: str) -> None:
    write_run(tmp_path / "a" / "m__a", make(0.5, 6))
    other = {"data": "org/data@fff"} if name == "data" else {}
    write_run(tmp_path / "b" / "m__b", make(0.5, 6, **fields_for(name)), **other)
    folders = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(ValueError, match=rf"{name} differ.*m/a.*m/b[\s\S]*--mix"):
        build_board(folders)
    mixed = build_board(folders, mix=True)
    assert len(mixed.models) == 2 and [name in text for text in mixed.mixed] == [True]
    assert "--mix" in markdown(mixed) and "--mix" in latex(mixed) and board_data(mixed)["mixed"] == mixed.mixed


def test_another_reference_is_refused(tmp_path: Path, make: Make) -> None:
    write_run(tmp_path / "a", make(0.5, 6))
    texts = [made.to_json().replace('"reference":"whisper"', '"reference":"gold"') for made in make(0.5, 6)]
    write_run(tmp_path / "b", [AlignmentRecord.from_json(text) for text in texts])
    with pytest.raises(ValueError, match="reference differs: 'whisper' in a; 'gold' in b"):
        build_board([tmp_path / "a", tmp_path / "b"])
    assert len(build_board([tmp_path / "a", tmp_path / "b"], selection=Selection(reference="gold")).models) == 2


def test_positions_are_not_words(tmp_path: Path, make: Make, record: Callable[..., AlignmentRecord]) -> None:
    write_run(tmp_path / "a", make(0.5, 6))
    coarse = [record(f"d{i:02}", 9, 5, seed=i, instruction="what?", settings={"plugin": "0.1.0"}) for i in range(6)]
    write_run(tmp_path / "b", coarse)
    with pytest.raises(ValueError, match="unit differs: 'words' in a; 'positions' in b"):
        build_board([tmp_path / "a", tmp_path / "b"])
    board = build_board([tmp_path / "a", tmp_path / "b"], mix=True)
    assert board.entries["b", SQA].values["alas"] is None and board.entries["b", SQA].values["alas_skill"] is not None


def test_notes(tmp_path: Path, make: Make) -> None:
    write_run(tmp_path / "a", make(0.5, 6))
    write_run(tmp_path / "b", make(0.5, 9, settings={"plugin": "0.2.0"}))
    board = build_board([tmp_path / "a", tmp_path / "b"])
    assert len(board.messages) == 2
    assert "versions of lmms-eval-alas differ: '0.1.0' in a; '0.2.0' in b" in board.messages[0]
    assert "different documents (a 6, b 9; 6 in all)" in board.messages[1]
    assert pair_rows(board)[0]["documents"] == 6


OLD = {"plugin": "0.1.0", "torch": "2.14.0"}
NEW = {
    **OLD,
    "openai-whisper": "20250625",
    "model_weights": "org/a@0123",
    "dtype": "bfloat16",
    "prompts": "0123456789abcdef",
    "answer_similarity_weights": "org/sbert@0123",
}


def test_rows_are_told_apart(tmp_path: Path, make: Make) -> None:
    """What belongs to a model may differ, is no condition and no oddity, and stands in the tables and on the page."""
    write_run(tmp_path / "a", make(0.5, 6, settings=NEW), commits={"org/data": "c" * 40})
    write_run(tmp_path / "b", make(0.9, 6, settings=NEW | {"model_weights": "org/a@4567", "dtype": "float32"}))
    board = build_board([tmp_path / "a", tmp_path / "b"])
    assert board.mixed == [] and board.messages == []
    expected = {
        "model_weights": {"a": "org/a@0123", "b": "org/a@4567"},
        "dtype": {"a": "bfloat16", "b": "float32"},
        "commit of org/data": {"a": "c" * 40, "b": None},
    }
    assert board_data(board)["distinctions"][SQA] == expected
    text = markdown(board)
    assert r"| Model | model\_weights | dtype | commit of org/data |" in text
    assert "| b | org/a@4567 | float32 | unknown |" in text
    page = board_page(board_data(board))
    assert "<td>org/a@4567</td><td>float32</td><td>unknown</td>" in page and "<dt>prompts</dt>" in page
    console = Console(width=200, file=io.StringIO())
    for table in terminal_tables(board):
        console.print(table)
    assert "org/a@4567" in console.file.getvalue()


def test_old_records_know_less_and_agree(tmp_path: Path, make: Make) -> None:
    write_run(tmp_path / "old", make(0.5, 6, settings=OLD))
    write_run(tmp_path / "new", make(0.5, 6, settings=NEW))
    board = build_board([tmp_path / "old", tmp_path / "new"])
    assert board.mixed == [] and board.messages == []
    assert board_data(board)["distinctions"][SQA]["prompts"] == {"old": None, "new": NEW["prompts"]}


def test_rows_that_have_all_in_common_have_no_table_of_it(tmp_path: Path, make: Make) -> None:
    for name in "ab":
        write_run(tmp_path / name, make(0.5, 6, settings=NEW))
    board = build_board([tmp_path / "a", tmp_path / "b"])
    assert board_data(board)["distinctions"] == {SQA: {}} and len(list(terminal_tables(board))) == 1
    assert "in common" not in markdown(board) and "in common" not in board_page(board_data(board))


def test_other_weights_of_the_answer_similarity_are_refused(tmp_path: Path, make: Make) -> None:
    write_run(tmp_path / "a", make(0.5, 6, settings=NEW))
    write_run(tmp_path / "b", make(0.5, 6, settings=NEW | {"answer_similarity_weights": "org/sbert@4567"}))
    with pytest.raises(ValueError, match="weights of the answer similarity differs: 'org/sbert@0123' in a"):
        build_board([tmp_path / "a", tmp_path / "b"])


def test_data_of_other_commits_and_local_copies(tmp_path: Path, make: Make) -> None:
    """A branch that has moved is told; a local copy may be any revision, and is listed as what it is."""
    write_run(tmp_path / "a", make(0.5, 6), data="org/data@main", commits={"org/data": "c" * 40})
    write_run(tmp_path / "b", make(0.5, 6), data="org/data@main", commits={"org/data": "d" * 40})
    write_run(tmp_path / "c", make(0.5, 6), data="org/data (local copy)")
    board = build_board([tmp_path / name for name in "abc"])
    [message] = board.messages
    assert message == f"{SQA}: commits of org/data differ: '{'c' * 40}' in a; '{'d' * 40}' in b"
    assert board_data(board)["distinctions"][SQA]["data"]["c"] == "org/data (local copy)"


# Folders


def break_samples(path: Path) -> None:
    path.write_text(path.read_text()[:-500], encoding="utf-8")


def test_broken_folders_leave_the_rest(tmp_path: Path, make: Make) -> None:
    write_run(tmp_path / "good", make(0.5, 6))
    killed = write_run(tmp_path / "killed", make(0.5, 6))
    break_samples(killed / f"{DATE}_samples_{SQA}.jsonl")
    (killed / f"{DATE}_results.json").unlink()
    foreign = write_run(tmp_path / "foreign", [])
    (foreign / f"{DATE}_samples_{SQA}.jsonl").write_text('{"doc_id": 0, "filtered_resps": ["A"]}\n')
    (foreign / f"{DATE}_results.json").write_text('{"results": {}}')
    newer = write_run(tmp_path / "newer", make(0.5, 2))
    path = newer / f"{DATE}_samples_{SQA}.jsonl"
    path.write_text(path.read_text().replace('\\"schema\\":2', '\\"schema\\":3'), encoding="utf-8")
    skipped = [AlignmentRecord.skip("d00", "missing_audio", "no file")]
    write_run(tmp_path / "skipped", skipped)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    broken = write_run(tmp_path / "broken", make(0.5, 6))
    (broken / f"{DATE}_results.json").write_text('{"results": [')
    board = build_board([*sorted(tmp_path.iterdir()), tmp_path / "absent"])
    assert sorted(board.models) == ["broken", "good", "killed"]
    text = "\n".join(board.messages)
    for expected in (
        r"left out: foreign: .*holds no alignment record: is alas_demo_sqa an ALAS task",
        r"newer: .*expected schema .*, got 3: another version wrote it",
        r"left out: newer: .*holds no document that can be scored",
        r"left out: skipped: .*holds no document that can be scored",
        r"left out: no logged samples in .*empty",
        r"left out: .*file, which is not a folder",
        r"left out: .*absent, which is not a folder",
        r"killed: .*was the run killed\?",
        r"broken: .*not results of this task",
    ):
        assert re.search(expected, text), expected
    assert board.entries["killed", SQA].facts.command is None
    with pytest.raises(ValueError, match="no run could be read; left out: "):
        build_board([tmp_path / "empty", tmp_path / "absent"])


def test_several_processes_read_the_same(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = write_run(tmp_path / "foreign", [])
    (foreign / f"{DATE}_samples_{SQA}.jsonl").write_text('{"doc_id": 0, "filtered_resps": ["A"]}\n')
    folders = [*sorted(folder.iterdir()), tmp_path]
    one = build_board(folders)
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    monkeypatch.setattr(reading, "_BYTES_FOR_A_PROCESS", 1)
    assert reading._num_processes([entry.run for entry in one.entries.values()]) == 2
    two = build_board(folders)
    assert "left out: foreign: " in "\n".join(two.messages)
    assert board_data(two) == board_data(one)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"configs": 3, "config": {"model": ["x"]}, "n-samples": {"t": 1}, "versions": []}',
        '{"configs": {"alas_demo_sqa": {"metadata": 1}}, "total_evaluation_time_seconds": "soon", "n-samples": []}',
    ],
)
def test_odd_results(tmp_path: Path, make: Make, text: str) -> None:
    folder = write_run(tmp_path / "m", make(0.5, 3))
    (folder / f"{DATE}_results.json").write_text(text)
    entry = build_board([folder]).entries["m", SQA]
    assert entry.values["alas"] is not None and entry.values["seconds"] is None and entry.facts.command is None


def test_rows(tmp_path: Path, make: Make) -> None:
    """A folder counts once; tasks of one model from two folders share a row; two runs of one model do not."""
    write_run(tmp_path / "1" / "m__a", make(0.5, 3), SQA)
    write_run(tmp_path / "2" / "m__a", make(0.5, 3), EMOTION)
    one, two = tmp_path / "1", tmp_path / "2"
    board = build_board([one, two, one / "m__a"])
    assert board.models == ["m/a"] and board.tasks == [EMOTION, SQA]
    write_run(two / "m__a", make(0.9, 3), SQA)
    assert sorted(build_board([one, two]).models) == [f"m/a ({one})", f"m/a ({two})"]


def test_command_repeats_the_run_without_its_secrets(board: Board) -> None:
    command = board.entries["org/best", SQA].facts.command
    assert command == (
        "python -m lmms_eval --model qwen2_audio --tasks alas_demo_sqa --model_args "
        "pretrained=org/model,token=...,max_new_tokens=8 --batch_size 8 --log_samples --output_path runs"
    )
    versions = board.entries["org/best", SQA].facts.versions
    assert versions == {"lmms-eval-alas": "0.1.0", "lmms-eval": "0.7.3", "git": "abc1234"}


# Tables


def test_csv_has_one_row_a_model(board: Board) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_table(board))))
    assert [row["model"] for row in rows] == board.models
    assert float(rows[0][f"{SQA}:alas"]) == board.entries["org/best", SQA].values["alas"]
    assert float(rows[0][f"{SQA}:alas_low"]) < float(rows[0][f"{SQA}:alas_high"])
    worse = rows[board.models.index("org/worse")]
    assert {value for name, value in worse.items() if name.startswith(EMOTION)} == {""}
    assert len(list(csv.DictReader(io.StringIO(csv_text(pair_rows(board)))))) == len(HEADLINES) * 9
    assert csv_text([]) == ""


def test_markdown_and_latex(board: Board) -> None:
    text = markdown(board)
    [line] = [line for line in text.split(r"## alas\_demo\_sqa")[1].splitlines() if line.startswith("| org/best | 1 |")]
    value, ends = board.entries["org/best", SQA].values["alas"], board.entries["org/best", SQA].intervals["alas"]
    assert f"| {value:.3f} ({ends[0]:.3f} to {ends[1]:.3f}) |" in line
    assert line.count("|") == len(board.columns(SQA)) + 2
    table = latex(board)
    assert all(r"\begin{tabular}{l" + "r" * len(board.columns(task)) + "}" in table for task in (SQA, EMOTION))
    assert table.count(r"\bottomrule") == 2
    assert rf"org/best & $1$ & ${value:.3f}$" in table and "alas_demo" not in re.sub("%.*", "", table)


def test_json(board: Board) -> None:
    data = json.loads(json.dumps(board_data(board), allow_nan=False))
    assert [row["model"] for row in data["rows"]] == board.models
    found = data["rows"][0]["tasks"][SQA]
    assert found["values"]["rank"] == 1 and len(found["layers"]["alas"]["values"]) == 3
    assert data["rows"][board.models.index("org/worse")]["tasks"][EMOTION] is None
    assert len(data["pairs"]) == len(HEADLINES) * 9 and data["sorted_by"] == {"task": SQA, "column": "alas_skill"}


def table_cells(text: str, mark: str) -> set[int]:
    return {len(re.split(r"(?<!\\)\|", line)) for line in text.splitlines() if mark in line and line.startswith("|")}


def test_hostile_names_in_tables(tmp_path: Path, make: Make) -> None:
    name = HOSTILE.replace("/", "")
    write_run(tmp_path / name, make(0.5, 3))
    board = build_board([tmp_path / name])
    assert board.models == [name]
    assert table_cells(markdown(board), "alert") == {len(board.columns(SQA)) + 3} and r"\<script\>" in markdown(board)
    assert r"\&" in latex(board) and r"\$x\_\{1\}" in latex(board)
    assert next(csv.DictReader(io.StringIO(csv_table(board))))["model"] == name


# The command


def run_command(arguments: Sequence[object], capsys: pytest.CaptureFixture[str], status: int = 0) -> tuple[str, str]:
    assert main([str(argument) for argument in arguments]) == status
    found = capsys.readouterr()
    return found.out, found.err


def test_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "board"
    out, err = run_command(
        ["leaderboard", folder / "best", folder / "bad", tmp_path / "no", "--output", output, "--task", SQA],
        capsys,
        status=1,  # one of the folders is not there
    )
    assert "org/best" in out and "Holm-corrected" in out and "left out:" in err
    for ending in ("md", "csv", "json", "tex"):
        assert f"leaderboard.{ending}" in out and (output / f"leaderboard.{ending}").stat().st_size > 100


def test_command_refuses(folder: Path, tmp_path: Path, make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "b", make(0.5, 6, instruction="how?"), SQA)
    for arguments, message in (
        ([tmp_path / "absent"], "no run could be read"),
        ([folder / "best", tmp_path / "b"], "prompts differ: document 'd00' has 'what?' in org/best; 'how?' in b"),
        ([folder / "best", "--output", tmp_path / "b" / f"{DATE}_results.json"], "could not write"),
    ):
        with pytest.raises(SystemExit, match=re.escape(message)):
            main(["leaderboard", *map(str, arguments)])
    out, err = run_command(["leaderboard", folder / "best", tmp_path / "b", "--mix"], capsys)
    assert "mixed: alas_demo_sqa: " in err and "org/best" in out
