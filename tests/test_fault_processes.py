"""Faults that take whole processes: killed, interrupted, two at once; on the demo's model and Whisper."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from alas_metric.document.record import AlignmentRecord
from alas_tasks.demo.files import QWEN2_AUDIO, WHISPER

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
DOCUMENTS = 16


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return an environment without a network and with a cache of word timestamps of its own."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    paths = {"ALAS_CACHE_DIR": str(folder / "cache"), "HF_DATASETS_CACHE": str(folder / "datasets")}
    return {**os.environ, **offline, **paths, "PYTHONPATH": os.pathsep.join(map(str, (HERE.parent, HERE))), **variables}


def start(folder: Path, output: str, *extra: str, processes: int = 1) -> subprocess.Popen:
    """Start lmms-eval on the demo's questions; what it says goes to a file beside the results."""
    model_args = ",".join([f"pretrained={QWEN2_AUDIO}", f"alas_reference=whisper:{WHISPER}", *extra])
    command = ["-m", "lmms_eval", "--tasks", "alas_demo_sqa", "--model", "qwen2_audio", "--model_args", model_args]
    command += ["--device", "cpu", "--limit", str(DOCUMENTS), "--output_path", str(folder / output), "--log_samples"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)] * (processes > 1)
    with (folder / f"{output}.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, *launch, *command], env=environment(folder), cwd=folder, stdout=log, stderr=log
        )


def ended(process: subprocess.Popen, folder: Path, output: str) -> tuple[int, str]:
    """Return a run's exit code and what it said."""
    return process.wait(timeout=500), (folder / f"{output}.log").read_text()


def records(folder: Path) -> dict[str, str]:
    """Return the records in the sample log by document."""
    (path,) = folder.rglob("*_samples_alas_demo_sqa.jsonl")
    lines = [json.loads(line)["filtered_resps"] for line in path.read_text().splitlines()]
    assert len(lines) == DOCUMENTS
    return {AlignmentRecord.from_json(line).uid: line for line in lines}


def journalled(journal: Path) -> list[str]:
    """Return the ids of the whole records in a journal, as often as they are there."""
    lines = [line for path in journal.glob("*.tsv") for line in path.read_text().split("\n") if line.endswith("}")]
    return sorted(AlignmentRecord.from_json(line.partition("\t")[2]).uid for line in lines)


def wait_until(true: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 400
    while not true():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def undisturbed(world) -> dict[str, str]:
    code, said = ended(start(world, "undisturbed"), world, "undisturbed")
    assert code == 0, said[-3000:]
    return records(world / "undisturbed")


def resumed(world: Path, output: str, journal: Path) -> dict[str, str]:
    """Let one process go on from a journal; return the records of the whole run."""
    code, said = ended(start(world, output, f"alas_journal={journal}"), world, output)
    assert code == 0, said[-3000:]
    return records(world / output)


def test_killed_twenty_times_at_random_moments(tmp_path) -> None:
    command = [sys.executable, str(HERE / "killed_runs.py"), str(tmp_path), "20", "6"]
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found["killed_after"]) == 20 and len(set(found["killed_after"])) > 3 and found["whole"] >= 1


def test_one_of_two_ranks_killed(world, undisturbed) -> None:
    """The launcher stops the other at once, and one process alone goes on."""
    journal = world / "journal-ranks"
    run = start(world, "ranks", f"alas_journal={journal}", processes=2)
    wait_until(lambda: len(journalled(journal)) >= 3, run)
    rank = max(psutil.Process(run.pid).children(), key=lambda child: child.pid)
    rank.send_signal(signal.SIGKILL)
    code, said = ended(run, world, "ranks")
    assert code != 0 and "SIGKILL" in said
    assert len(journalled(journal)) < DOCUMENTS, "it was killed too late"
    assert resumed(world, "ranks-resumed", journal) == undisturbed
    assert journalled(journal) == sorted(undisturbed)


@pytest.mark.parametrize("processes", [1, 2])
def test_interrupted_once(world, undisturbed, processes) -> None:
    output = f"once-{processes}"
    run = start(world, output, f"alas_journal={world / output}-journal", processes=processes)
    journal = world / f"{output}-journal"
    wait_until(lambda: len(journalled(journal)) >= 2, run)
    run.send_signal(signal.SIGINT)
    code, said = ended(run, world, output)
    assert code != 0 and "The same command goes on from here" in said and "Once more stops it at once" in said
    assert not list((world / output).rglob("*_results.json"))
    before = journalled(journal)
    assert 2 <= len(before) == len(set(before)) < DOCUMENTS
    if processes == 1:
        assert resumed(world, f"{output}-resumed", journal) == undisturbed
        assert journalled(journal) == sorted(undisturbed)


def test_interrupted_twice(world, undisturbed) -> None:
    journal = world / "journal-twice"
    run = start(world, "twice", f"alas_journal={journal}")
    wait_until(lambda: len(journalled(journal)) >= 2, run)
    run.send_signal(signal.SIGINT)
    wait_until(lambda: "Once more stops it at once" in (world / "twice.log").read_text(), run)
    run.send_signal(signal.SIGINT)
    code, _ = ended(run, world, "twice")
    assert code != 0
    assert set(journalled(journal)) < set(undisturbed)


def test_two_runs_share_one_cache_at_once(world, undisturbed, tmp_path) -> None:
    runs = [start(tmp_path, output) for output in ("first", "second")]
    for run, output in zip(runs, ("first", "second"), strict=True):
        code, said = ended(run, tmp_path, output)
        assert code == 0, said[-3000:]
        assert records(tmp_path / output) == undisturbed
    entries = [path for path in (tmp_path / "cache" / "alignments").rglob("*") if path.is_file()]
    assert len(entries) == DOCUMENTS and {path.suffix for path in entries} == {".json"}
