"""Where what tasks read is: a local copy, the cache, the hub."""

from __future__ import annotations

from pathlib import Path

import pytest
from worlds import make_iemocap, make_librispeech, make_librisqa

from alas_tasks import needs, sources
from alas_tasks.findings import State
from alas_tasks.needs import of_source, of_tasks


@pytest.fixture(autouse=True)
def nothing_cached(tmp_path, monkeypatch) -> None:
    for source in (sources.LIBRISQA, sources.LIBRISPEECH, sources.IEMOCAP):
        monkeypatch.delenv(source.folder_variable, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.parametrize(
    ("source", "make"),
    [
        (sources.LIBRISQA, make_librisqa),
        (sources.LIBRISPEECH, make_librispeech),
        (sources.IEMOCAP, make_iemocap),
    ],
    ids=lambda value: getattr(value, "repo_id", ""),
)
def test_local_folders(tmp_path, monkeypatch, source, make) -> None:
    folder = tmp_path / "local"
    monkeypatch.setenv(source.folder_variable, str(folder))
    found = of_source(source)
    assert found.state is State.MISSING and "no such folder" in found.found
    folder.mkdir()
    found = of_source(source)
    assert found.state is State.MISSING and "nothing usable" in found.found
    make(folder)
    found = of_source(source)
    assert found.state is State.THERE and found.found == f"local: {folder}"


def test_the_hub_is_asked_last() -> None:
    found = of_source(sources.IEMOCAP, ask=lambda source: ("on the hub", 5_000_000))
    assert (found.state, found.found, found.download) == (State.REACHABLE, "on the hub", 5_000_000)
    found = of_source(sources.IEMOCAP)
    assert (
        found.state is State.MISSING and found.found.startswith("not reachable") and "ALAS_IEMOCAP_DIR" in found.advice
    )


def test_every_task_says_what_it_needs() -> None:
    folder = Path(needs.__file__).parent
    assert {path.stem for path in folder.glob("*/alas_*.yaml")} == set(needs.reads())


def test_groups_name_their_tasks() -> None:
    import yaml

    folder = Path(needs.__file__).parent
    groups = {path.stem: tuple(yaml.safe_load(path.read_text())["task"]) for path in folder.glob("alas*.yaml")}
    assert groups == needs.groups()
    assert [each.subject for each in of_tasks(["alas", "alas_librisqa_mc"])] == [
        sources.LIBRISQA.repo_id,
        sources.LIBRISPEECH.repo_id,
        sources.IEMOCAP.repo_id,
    ]


def test_own_task_files(tmp_path) -> None:
    from alas_metric.commands.main import main

    (tmp_path / "a.wav").write_bytes(b"RIFF")
    (tmp_path / "data.csv").write_text("audio,transcript,answer\na.wav,hello there,yes\n")
    made = ["new-task", "mine", "--data", str(tmp_path / "data.csv"), "--output", str(tmp_path), "--prompt", "?"]
    assert main(made) == 0
    task = str(tmp_path / "mine.yaml")
    (found,) = of_tasks([task])
    assert found.state is State.THERE and found.found == str(tmp_path / "data.csv")
    assert needs.free_answers([task])
    (tmp_path / "data.csv").unlink()
    (found,) = of_tasks([task])
    assert found.state is State.MISSING and "data.csv" in found.found
    (found,) = of_tasks(["nowhere.yaml"])
    assert found.state is State.MISSING and "no such task" in found.found
