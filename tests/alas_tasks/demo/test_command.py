"""``alas demo`` around the harness: its folder, its command, a failure, and what it says about the numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.console import Console
from viewed_runs import write_viewed_run

from alas_metric.commands.main import main
from alas_metric.errors import FatalError
from alas_tasks.demo import command


def test_a_folder_of_something_else_is_left_alone(tmp_path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(FatalError, match="not from an earlier demo"):
        command.free_folder(tmp_path)
    assert command.free_folder(tmp_path / "new" / "folder").is_dir()


def test_the_command_is_one_that_a_user_could_type(tmp_path) -> None:
    arguments = command.harness_command(tmp_path, "words", 5)
    assert arguments[arguments.index("--tasks") + 1] == "alas_demo_sqa,alas_demo_emotion"
    assert "alas_reference=words" in arguments[arguments.index("--model_args") + 1]
    assert arguments[-2:] == ["--limit", "5"]


def harness_that(script: str, folder: Path, monkeypatch) -> None:
    """Let a shell script be what runs lmms-eval."""
    program = folder / "harness"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


@pytest.mark.parametrize("code", [0, 3])
def test_a_failure_shows_the_end_of_what_the_harness_said(tmp_path, monkeypatch, capsys, code) -> None:
    script = f"echo '\033[31mTraceback\033[0m'; echo 'alas: error: something is missing.'; exit {code}"
    harness_that(script, tmp_path, monkeypatch)
    monkeypatch.setattr(command, "complaints", lambda: ["filelock 4.3.1 does not fit"])
    output = tmp_path / "demo"
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--output", str(output)])
    said = str(ended.value.code)
    assert said == (
        f"alas: error: lmms-eval wrote no results (exit status {code}); the last that it said is: "
        f"something is missing. filelock 4.3.1 does not fit. All that it said is in {output / 'lmms-eval.log'}"
    )
    assert "alas: Traceback" in capsys.readouterr().err
    assert "\x1b" not in (output / "lmms-eval.log").read_text()


def test_results_of_an_earlier_demo_are_not_taken_for_those_of_this_one(tmp_path, monkeypatch) -> None:
    for task in command.TASKS:
        (tmp_path / "results" / "model").mkdir(parents=True, exist_ok=True)
        (tmp_path / "results" / "model" / f"20260101_000000_samples_{task}.jsonl").write_text("{}\n")
    harness_that("true", tmp_path, monkeypatch)
    with pytest.raises(FatalError, match="wrote no results"):
        command.run_harness([], tmp_path / "results", tmp_path / "log", Console())


def test_the_explanation_holds_the_runs_own_numbers() -> None:
    scalars = {"alas": 0.5, "alas_chance": 2.0, "alas_uniform": 0.8, "alas_linear": 0.25, "accuracy_text": 1.0}
    layers = {"alas_evidence": {"values": [0.99, 0.625, 0.75]}}
    question = {**scalars, "layers": layers, "best_layer": 2, "accuracy_audio": 0.97}
    lines = command.explanation({"alas_demo_sqa": question, "alas_demo_emotion": {**question, "accuracy_text": None}})
    assert len(lines) == 4
    assert "97% of the questions" in lines[0] and "N/A" in lines[0]
    assert "0.990 at layer 0" in lines[1] and "0.750 at the best layer 2" in lines[1]
    assert "0.500 words away" in lines[2] and "2.000" in lines[2]


def test_nothing_kept_is_said_as_such() -> None:
    nothing = dict.fromkeys(("alas", "alas_chance", "alas_uniform", "alas_linear", "accuracy_audio", "accuracy_text"))
    values = {**nothing, "layers": {"alas_evidence": {"values": [None, None]}}, "best_layer": None}
    lines = command.explanation(dict.fromkeys(command.TASKS, values))
    assert "N/A" in lines[1] and "N/A" in lines[2]


def test_a_page_a_task_is_written(tmp_path: Path) -> None:
    write_viewed_run(tmp_path / "results" / "model")
    [page] = command.write_views(tmp_path / "results", tmp_path)
    assert page == tmp_path / "view-alas_demo_sqa.html" and "audio-0-0" in page.read_text(encoding="utf-8")
