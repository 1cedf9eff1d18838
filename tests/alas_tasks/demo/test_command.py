"""``alas demo`` around the harness: its folder, its command, a failure, and what it says about the numbers."""

from __future__ import annotations

import sys

import pytest
from rich.console import Console

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


def test_a_failure_shows_the_end_of_what_the_harness_said(tmp_path, monkeypatch) -> None:
    fails = tmp_path / "fails"
    fails.write_text("#!/bin/sh\necho something is missing\nexit 3\n")
    fails.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fails))
    with pytest.raises(FatalError, match=r"(?s)lmms-eval failed.*something is missing"):
        command.run_harness([], tmp_path / "log", Console())


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
