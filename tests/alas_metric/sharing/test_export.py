"""A run as a data set: read again it gives the same scores, and says no more than it should."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from run_folders import DATE, write_run

from alas_metric import AlignmentRecord, Selection, read_run, score_record
from alas_metric.commands.main import main
from alas_metric.leaderboard.board import board_data, build_board
from alas_metric.sharing.card import TABLES
from alas_metric.sharing.folder import without_texts
from alas_metric.texts import printable

SECRET_TEXTS = ("vexing-transcript", "vexing-word", "vexing-question", "vexing-answer", "vexing-target", "hf_secret")


@pytest.fixture(scope="module")
def records(record: Callable[..., AlignmentRecord]) -> Callable[[float], list[AlignmentRecord]]:
    def make(noise: float) -> list[AlignmentRecord]:
        made = []
        for i in range(6):
            each = record(
                uid=f"d{i}",
                num_words=5 + i,
                noise=noise * (i + 1),
                seed=i,
                speaker=f"s{i % 3}",
                instruction="vexing-question",
                target="vexing-target",
                audio_answer="vexing-answer",
                text_answer="vexing-answer",
                similarities={"responses": 0.5 + 0.1 * i},
            )
            each.transcript = "vexing-transcript"
            each.words[0] = "vexing-word"
            made.append(each)
        return [*made, AlignmentRecord.skip("d9", "missing_audio", "gone with the vexing-word")]

    return make


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, records: Callable[[float], list[AlignmentRecord]]) -> Path:
    """Two models, one with two tasks in one run."""
    folder = tmp_path_factory.mktemp("runs")
    for model, noise in (("org__one", 0.3), ("org__two", 0.5)):
        write_run(folder / model, records(noise))
    write_run(folder / "org__one", records(0.4), task="alas_other")
    results = folder / "org__one" / f"{DATE}_results.json"
    content = json.loads(results.read_text())
    content["results"]["alas_demo_sqa"] = content["results"]["alas_other"]
    content["configs"]["alas_demo_sqa"] = content["configs"]["alas_other"]
    content["samples"] = content["config"]["hostname"] = "vexing-word"
    results.write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def exported(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """The folders with texts and without."""
    folders = {texts: tmp_path_factory.mktemp("export") / "shared" for texts in (True, False)}
    for texts, folder in folders.items():
        assert main(["export", str(runs), "--output", str(folder), *([] if texts else ["--no-text"])]) == 0
    return folders


@pytest.mark.parametrize("texts", [True, False])
def test_the_leaderboard_is_the_same_to_the_digit(runs: Path, exported: dict[bool, Path], texts: bool) -> None:
    before, after = board_data(build_board([runs])), board_data(build_board([exported[texts]]))
    assert before["rows"] and before == after


def test_threshold_and_reference_are_as_of_the_run(runs: Path, exported: dict[bool, Path]) -> None:
    one, other = (
        read_run(folder, "alas_other", selection=Selection(threshold=0.55, reference="gold"))
        for folder in (runs, exported[False])
    )
    assert one.values == other.values and 0 < one.values["kept"] < 6
    assert one.documents.drop(columns="detail").equals(other.documents.drop(columns="detail"))


def everything(folder: Path) -> str:
    """Return all texts that a folder holds."""
    tables = (json.dumps(pq.read_table(path).to_pylist()) for path in folder.rglob("*.parquet"))
    files = (path.read_text() for path in folder.rglob("*") if path.suffix in (".md", ".json"))
    return "\n".join([*tables, *files, *(str(path.relative_to(folder)) for path in folder.rglob("*"))])


def test_what_is_shared(exported: dict[bool, Path]) -> None:
    said = everything(exported[True])
    assert [text for text in SECRET_TEXTS if text not in said] == ["hf_secret"]
    said = everything(exported[False])
    assert [text for text in SECRET_TEXTS if text in said] == []
    assert "w1" not in said  # a word of the transcripts
    assert "no texts" in (exported[False] / "README.md").read_text()
    assert "hostname" not in said and '"speaker": "s1"' in said


def test_without_texts_scores_are_the_same(record: Callable[..., AlignmentRecord]) -> None:
    for made in (record(), record(num_words=9, num_frames=4), record(num_words=1)):
        bare = AlignmentRecord.from_json(without_texts(made).to_json())
        before, after = score_record(made), score_record(bare)
        assert before.columns.keys() == after.columns.keys()
        assert all(np.array_equal(before.columns[name], after.columns[name]) for name in before.columns)


@pytest.mark.parametrize("texts", [True, False])
def test_datasets_loads_it(runs: Path, exported: dict[bool, Path], texts: bool, tmp_path: Path) -> None:
    from datasets import get_dataset_config_names, load_dataset

    folder = str(exported[texts])
    assert get_dataset_config_names(folder) == list(TABLES)
    tables = {name: load_dataset(folder, name, cache_dir=str(tmp_path))["train"] for name in TABLES}
    assert len(tables["documents"]) == len(tables["records"]) == 3 * 7
    run = read_run(runs / "org__two")
    assert set(run.words.columns) == set(tables["words"].column_names)
    assert len(tables["words"]) > len(run.words) and len(tables["layers"]) >= len(run.layers)
    skills = [row["alas_skill"] for row in tables["documents"] if row["uid"] == "d0"]
    assert run.documents.alas_skill[0] in skills


def test_the_card(runs: Path, exported: dict[bool, Path]) -> None:
    from huggingface_hub import DatasetCard

    text = (exported[True] / "README.md").read_text()
    card = DatasetCard(text)
    assert [config["config_name"] for config in card.data.configs] == list(TABLES)
    value = read_run(runs / "org__two").values["alas_skill"]
    assert f"| `alas_skill` | {value:.3f} |" in text
    pictures = [part.split(")")[0] for part in text.split("](") if part.split(")")[0].endswith(".png")]
    assert len(pictures) > 6 and all((exported[True] / picture).is_file() for picture in pictures)


class Hub:
    """Stands for the hub: what was asked of it."""

    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]]
    error: Exception | None = None

    def __init__(self) -> None:
        Hub.calls = []

    def create_repo(self, *args: Any, **kwargs: Any) -> str:
        self.calls.append(("create_repo", args, kwargs))
        if Hub.error is not None:
            raise Hub.error
        return f"https://huggingface.co/datasets/{args[0]}"

    def upload_folder(self, *args: Any, **kwargs: Any) -> None:
        self.calls.append(("upload_folder", args, kwargs))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> type[Hub]:
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    Hub.error = None
    return Hub


@pytest.mark.parametrize("public", [True, False])
def test_it_is_uploaded_if_asked(
    runs: Path, tmp_path: Path, hub: type[Hub], public: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--task", "alas_other", "--output", str(tmp_path / "out")]
    assert main(["export", str(runs), *options, "--hub", "me/run", *(["--public"] if public else [])]) == 0
    [(made, names, how), (sent, _, what)] = hub.calls
    assert (made, names) == ("create_repo", ("me/run",))
    assert how == {"repo_type": "dataset", "private": not public, "exist_ok": True}
    assert sent == "upload_folder" and what["repo_id"] == "me/run" and what["repo_type"] == "dataset"
    assert Path(what["folder_path"]) == tmp_path / "out"
    assert capsys.readouterr().out.splitlines()[-1] == "https://huggingface.co/datasets/me/run"


def test_what_the_hub_refuses_is_said_and_the_folder_stays(runs: Path, tmp_path: Path, hub: type[Hub]) -> None:
    hub.error = OSError("401: who are you?")
    with pytest.raises(SystemExit, match=r"is written, and could not be uploaded to me/run: 401: who are you\?"):
        main(["export", str(runs), "--task", "alas_other", "--output", str(tmp_path), "--hub", "me/run"])
    assert (tmp_path / "README.md").is_file()


def test_what_makes_no_sense_is_refused(runs: Path) -> None:
    with pytest.raises(SystemExit, match="add --hub USER/NAME"):
        main(["export", str(runs), "--public"])


def test_files_of_others_are_read_with_care(exported: dict[bool, Path], tmp_path: Path) -> None:
    [path] = (exported[True] / "org__two").glob("*_records_*.parquet")
    data = path.read_bytes()
    folder = tmp_path / "model"
    folder.mkdir()
    for number, content in enumerate((data[: len(data) // 2], b"", b"PAR1" * 9, data[:-100] + bytes(100))):
        (folder / f"{number}_records_alas.parquet").write_bytes(content)
        with pytest.raises(ValueError, match="holds no records of a shared run, or is damaged"):
            read_run(tmp_path, date=str(number))
    pq.write_table(pq.read_table(path).drop_columns("record"), folder / "9_records_alas.parquet")
    with pytest.raises(ValueError, match=r"9_records_alas\.parquet holds no records"):
        read_run(tmp_path, date="9")
    rows = pq.read_table(path).to_pylist()
    rows[0] |= {"uid": "\x1b[31m", "record": "{}"}
    from alas_metric.files import write_parquet

    write_parquet(rows, ("uid", "record"), folder / "8_records_alas.parquet")
    found = read_run(tmp_path, date="8")
    assert found.documents.skipped[0] == "unreadable_record" and found.documents.uid[0] == printable("\x1b[31m")
