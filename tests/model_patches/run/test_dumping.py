"""Which documents' similarities a run keeps: the first ones, in whatever order and number of processes they come."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from loguru import logger
from run_folders import short_record

from alas_metric import AlignmentRecord
from alas_metric.errors import FatalError
from alas_metric.results.dumps import audio_file, read_audio, read_dump
from alas_metric.results.states import read_states
from model_patches.harness.entry import remember_runs
from model_patches.run import harness_run
from model_patches.run.dumping import Dumps, StateFiles
from model_patches.run.options import AlasOptions, check_options

SIMILARITY = np.zeros((2, 2, 2, 4), np.float32)
AUDIO = np.zeros(1600, np.float32)


def record(uid: str) -> AlignmentRecord:
    return short_record(uid, SIMILARITY)


def measurement(similarity: np.ndarray = SIMILARITY) -> Any:
    """Return what the keepers ask of a measurement."""
    return SimpleNamespace(similarity=similarity, states=(np.ones((2, 2, 3)), np.ones((2, 2, 3))))


def kept(folder: Path) -> list[str]:
    return [read_dump(path).record.uid for path in sorted(folder.glob("20260101_000000_dump_task/*.npz"))]


@pytest.mark.parametrize("order", itertools.islice(itertools.permutations(range(5)), 0, 120, 17))
def test_the_first_documents_are_kept_in_any_order(tmp_path: Path, order: tuple[int, ...]) -> None:
    processes = [Dumps(tmp_path, "20260101_000000", 3) for _ in range(2)]
    for number in order:
        # Document 1 was skipped: its successor moves up.
        if number != 1:
            processes[number % 2].add("task", number, record(f"d{number}"), measurement(), AUDIO)
    assert kept(tmp_path) == ["d0", "d2", "d3"]
    assert len(list(tmp_path.rglob("*.*"))) == 3, "nothing unfinished is left"


def test_a_full_disk_costs_the_picture_only(tmp_path: Path) -> None:
    lines: list[str] = []
    handle = logger.add(lines.append, format="{message}")
    (tmp_path / "20260101_000000_dump_task").write_text("in the way")
    Dumps(tmp_path, "20260101_000000", 3).add("task", 0, record("d0"), measurement(), AUDIO)
    logger.remove(handle)
    assert any("similarities of d0 could not be kept" in line for line in lines)


def test_speech_is_kept_with_the_same_documents_and_its_licence_named(tmp_path: Path) -> None:
    lines: list[str] = []
    handle = logger.add(lines.append, format="{message}")
    dumps = Dumps(tmp_path, "20260101_000000", 2, audio=True)
    logger.remove(handle)
    assert any("alas_dump_audio" in line and "licence" in line for line in lines)
    speech = np.linspace(-0.5, 0.5, 1600, dtype=np.float32)
    for number in (3, 2, 0):
        dumps.add("task", number, record(f"d{number}"), measurement(), speech)
    folder = tmp_path / "20260101_000000_dump_task"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{number:08d}-d{number}.{ending}" for number in (0, 2) for ending in ("flac", "npz")
    ]
    heard, rate = soundfile.read(io.BytesIO(read_audio(audio_file(folder / "00000000-d0.npz")) or b""), dtype="float32")
    assert rate == 16_000 and np.abs(heard - speech).max() <= 2**-15


def test_no_place_for_dumps_shows_before_the_model_is_loaded() -> None:
    with pytest.raises(FatalError, match="add --output_path"):
        check_options(AlasOptions(reference="words", dump=2), "cpu")
    with (
        harness_run.running(SimpleNamespace(output_path=None), "d"),
        pytest.raises(FatalError, match="add --output_path"),
    ):
        check_options(AlasOptions(reference="words", dump=2), "cpu")
    with harness_run.running(SimpleNamespace(output_path="somewhere"), "d"):
        check_options(AlasOptions(reference="words", dump=2), "cpu")


def test_hidden_states_are_kept_likewise_and_their_size_is_said_first(tmp_path: Path) -> None:
    lines: list[str] = []
    handle = logger.add(lines.append, format="{message}")
    files = StateFiles(tmp_path, "20260101_000000", 2)
    for number in (3, 0, 2):
        files.add("task", number, record(f"d{number}"), measurement(), AUDIO)
    logger.remove(handle)
    folder = tmp_path / "20260101_000000_states_task"
    assert [read_states(path).record.uid for path in sorted(folder.glob("*.npz"))] == ["d0", "d2"]
    # Two modalities, two layers of three, float16.
    assert "2.4e-05 MB a word, at 20 words a document 0.00096 MB a task" in lines[0]
    assert sum("a word" in line for line in lines) == 1 and "hidden states of d3 kept" in lines[1]


@pytest.mark.parametrize("states", [-1, 1001, 1.5, "all", True])
def test_wrong_numbers_of_states_are_refused(states: Any) -> None:
    with pytest.raises(FatalError, match="alas_states must be a number of documents from 0 to 1000"):
        AlasOptions(states=states)


@pytest.mark.parametrize("dump", [-1, 1.5, "all", True])
def test_wrong_numbers_are_refused(dump) -> None:
    with pytest.raises(FatalError, match="alas_dump must be a number of documents"):
        AlasOptions(dump=dump)


def test_speech_without_similarities_is_refused() -> None:
    assert AlasOptions.from_model_args({"alas_dump": 2, "alas_dump_audio": True}).dump_audio is True
    with pytest.raises(FatalError, match="alas_dump=N keeps: give both"):
        AlasOptions(dump_audio=True)
    with pytest.raises(FatalError, match="alas_dump_audio must be true or false, got 'yes'"):
        AlasOptions(dump=1, dump_audio="yes")


def test_the_harness_run_is_known_while_it_goes_on() -> None:
    def simple_evaluate(model, evaluation_tracker=None, datetime_str="2026-01-01T10:00:00"):
        run = harness_run.current_run()
        return run.folder, run.date, run.writes

    evaluator = SimpleNamespace(simple_evaluate=simple_evaluate)
    remember_runs(evaluator)
    remember_runs(evaluator)
    tracker = SimpleNamespace(output_path="out", general_config_tracker=SimpleNamespace(model_name_sanitized="m"))
    assert evaluator.simple_evaluate("x", evaluation_tracker=tracker) == (Path("out/m"), "2026-01-01T10-00-00", True)
    assert harness_run.current_run() is None
    remember_runs(None)
