"""A run that fails ends with an exit status that is not 0 and a last line that says why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from alas_metric.errors import FatalError, UnobtainableError
from alas_tasks.demo.files import QWEN2_AUDIO
from model_patches.harness import failures
from model_patches.run import harness_run

TESTS = Path(__file__).parents[2]
RUN = TESTS / "broken_run.py"


def harness(place: str, output: Path, *extra: str) -> tuple[int, list[str]]:
    """Run the harness with something broken; return its exit status and the lines that it said."""
    model_args = f"pretrained={QWEN2_AUDIO},alas_reference=words"
    command = ["--tasks", "alas_demo_sqa", "--model", "qwen2_audio", "--model_args", model_args, "--limit", "4"]
    command += ["--device", "cpu", "--output_path", str(output), "--log_samples", *extra]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(RUN), place, *command],
        env={**environment, "HF_DATASETS_CACHE": str(output.parent / "datasets")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=570,
    )
    return done.returncode, done.stdout.rstrip().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("import", ("filelock._api", "evaluator.py, line", "alas doctor")),
        ("loading", ("RuntimeError: the data set is not what it was",)),
        ("model", ("RuntimeError: shapes do not fit",)),
        ("aggregation", ("ZeroDivisionError: nothing to divide by",)),
    ],
)
def test_a_broken_harness_ends_the_process(tmp_path, place, said) -> None:
    code, lines = harness(place, tmp_path / "results")
    assert code == 1, lines[-5:]
    assert lines[-1].startswith("alas: error: alas_demo_sqa on qwen2_audio: "), lines[-5:]
    assert all(text in lines[-1] for text in said), lines[-1]
    assert "log above" in lines[-1] or place == "model"
    assert not list(tmp_path.glob("results/**/*_results.json"))


@pytest.mark.slow
def test_results_that_cannot_be_saved_end_the_process(tmp_path) -> None:
    output = tmp_path / "results"
    output.mkdir()
    (output / "__".join(Path(QWEN2_AUDIO).parts[-2:])).write_text("where the folder of results should be")
    code, lines = harness("nothing", output)
    assert code == 1, lines[-5:]
    assert "_results.json" in lines[-1] and "was not written" in lines[-1] and "log above" in lines[-1]


@pytest.mark.slow
def test_options_that_the_harness_refuses_end_the_process(tmp_path) -> None:
    code, lines = harness("nothing", tmp_path / "results", "--tasks", "alas_librisq")
    assert code == 1 and "Tasks not found: alas_librisq" in lines[-1]


def run_of(error: Exception | None, tasks: str, done: tuple = (None, None)) -> Callable[[], object]:
    """Return one run of a harness in which one thing is as given."""
    main = ModuleType("main")

    def cli_evaluate_single(_arguments: SimpleNamespace) -> tuple:
        if error is not None:
            raise error
        return done

    main.cli_evaluate_single = cli_evaluate_single  # type: ignore[attr-defined]
    failures.watch(main)
    return lambda: main.cli_evaluate_single(SimpleNamespace(tasks=tasks, model="qwen2_audio"))


@pytest.fixture(autouse=True)
def no_tasks_loaded(monkeypatch) -> None:
    monkeypatch.setattr(failures, "tasks_loaded", set())


def test_runs_without_alas_fail_as_the_harness_wants() -> None:
    with pytest.raises(ValueError, match="of theirs"):
        run_of(ValueError("of theirs"), "mmlu")()
    assert run_of(None, "mmlu", ({"results": {}}, None))() == ({"results": {}}, None)


@pytest.mark.parametrize("tasks", ["alas_demo_sqa", "mmlu,alas_iemocap"])
def test_runs_with_alas_end(tasks, capsys) -> None:
    with pytest.raises(SystemExit, match="ValueError: of theirs"):
        run_of(ValueError("of theirs"), tasks)()
    assert "Traceback" in capsys.readouterr().err


def test_a_task_of_another_name_counts_once_it_is_loaded() -> None:
    failures.tasks_loaded.add("my_speech")
    with pytest.raises(SystemExit, match="my_speech on qwen2_audio"):
        run_of(ValueError("of theirs"), "my_speech")()


def test_our_own_error_is_found_behind_the_harness(capsys) -> None:
    outer = ImportError("Failed to import function")
    outer.__cause__ = UnobtainableError("the data set\nis not there")
    with pytest.raises(SystemExit) as ended:
        run_of(outer, "alas_iemocap")()
    said = str(ended.value.code)
    assert "the data set is not there" in said and "Failed to import" not in said and "alas doctor" in said
    assert "\n" not in said and "Traceback" not in capsys.readouterr().err


def test_other_errors_of_ours_do_not_send_to_the_doctor() -> None:
    with pytest.raises(SystemExit) as ended:
        run_of(FatalError("unknown model argument"), "alas_iemocap")()
    assert "doctor" not in str(ended.value.code)


@pytest.fixture
def finished(tmp_path, monkeypatch) -> harness_run.HarnessRun:
    """A run whose results lie in its folder."""
    general = SimpleNamespace(model_name_sanitized="model")
    tracker = SimpleNamespace(output_path=str(tmp_path), general_config_tracker=general)
    run = harness_run.HarnessRun(tracker, "20261126_010203")
    monkeypatch.setattr(harness_run, "_ended", [run])
    run.folder.mkdir()
    run.results_file.write_text(json.dumps({"results": {}}))
    run.samples_file("alas_demo_sqa").write_text("{}\n{}\n")
    return run


RESULTS, SAMPLES = {"configs": {"alas_demo_sqa": {}}}, {"alas_demo_sqa": [{}, {}]}


def test_whole_results_pass(finished) -> None:
    failures.require_written(RESULTS, SAMPLES)


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: run.results_file.unlink(),
        lambda run: run.results_file.write_text('{"results": {'),
        lambda run: run.samples_file("alas_demo_sqa").unlink(),
        lambda run: run.samples_file("alas_demo_sqa").write_text("{}\n{"),
    ],
)
def test_results_that_are_not_whole(finished, damage) -> None:
    damage(finished)
    with pytest.raises(FatalError, match="was not written"):
        failures.require_written(RESULTS, SAMPLES)


def test_nothing_is_missing_where_nothing_was_to_be_written(finished, monkeypatch) -> None:
    finished.results_file.unlink()
    finished.tracker.output_path = None
    failures.require_written(RESULTS, SAMPLES)
