"""Finished runs, as the harness writes them, scored again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alas_metric import AlignmentRecord, Selection, score_record, summarise
from alas_metric.corpus.metrics import METRICS
from alas_metric.results.runs import find_runs, score_run

DATE = "20260101_120000"
Make = Callable[..., list[AlignmentRecord]]


@pytest.fixture(scope="module")
def records(record: Callable[..., AlignmentRecord]) -> list[AlignmentRecord]:
    made = [
        record(
            uid=f"d{i}",
            num_words=3 + i,
            seed=i,
            speaker=f"s{i % 4}",
            audio_answer="<b>",
            text_answer="b",
            similarities={"responses": 0.55 + 0.05 * i},
        )
        for i in range(9)
    ]
    return [*made, AlignmentRecord.skip("d9", "missing_audio", "no file")]


def write_samples(folder: Path, records: list[Any], date: str = DATE, task: str = "alas_demo") -> Path:
    """Write samples as the harness does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{date}_samples_{task}.jsonl"
    texts = [made.to_json() if isinstance(made, AlignmentRecord) else made for made in records]
    lines = [json.dumps({"doc_id": i, "filtered_resps": text, "target": "x"}) for i, text in enumerate(texts)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_results(
    folder: Path, records: list[AlignmentRecord], date: str = DATE, task: str = "alas_demo", **keywords: Any
) -> dict[str, Any]:
    """Write results as the harness does; return the values."""
    values = summarise([score_record(made) for made in records], **keywords)
    entry: dict[str, Any] = {"alias": task} | {f"{key},none": value for key, value in values.items()}
    entry |= {"alas_stderr,none": "N/A", "alas_stderr_clt,none": 0.1}
    text = json.dumps({"results": {task: entry}}, indent=2, ensure_ascii=False)
    (folder / f"{date}_results.json").write_text(text, encoding="utf-8")
    return values


def test_values_equal_the_runs_own_results(tmp_path: Path, records: list[AlignmentRecord]) -> None:
    model = tmp_path / "org__model"
    write_samples(model, records[::-1])
    write_results(model, records)
    for folder in (tmp_path, model):
        [run] = find_runs(folder)
        assert (run.model, run.task, run.date) == ("org__model", "alas_demo", DATE)
        found = score_run(run)
        stored = json.loads((model / f"{DATE}_results.json").read_text())["results"]["alas_demo"]
        assert (found.documents, found.messages) == (10, [])
        for key, value in json.loads(json.dumps(found.values)).items():
            assert value == stored[f"{key},none"]
    assert 0 < found.values["kept"] < 9


def test_only_the_metrics_of_the_task(tmp_path: Path, records: list[AlignmentRecord]) -> None:
    write_samples(tmp_path / "m", records)
    write_results(tmp_path / "m", records, keys=["alas", "kept", "uar_audio"])
    values = score_run(find_runs(tmp_path)[0]).values
    ours = {key for key, metric in METRICS.items() if not metric.answers or "labels" in metric.answers}
    assert set(values) == ours - {key for key, metric in METRICS.items() if metric.option}
    assert "answer_similarity" not in values


def test_another_threshold_and_reference(tmp_path: Path, records: list[AlignmentRecord]) -> None:
    write_samples(tmp_path / "m", records)
    write_results(tmp_path / "m", records)
    [run] = find_runs(tmp_path)
    base, loose, gold = (
        score_run(run),
        score_run(run, Selection(threshold=0.0)),
        score_run(run, Selection(reference="gold")),
    )
    assert loose.values["kept"] == 9 > base.values["kept"]
    assert gold.values["alas"] == summarise([score_record(made, "gold") for made in records])["alas"]
    with pytest.raises(ValueError, match=r"no document can be scored with 'mfa'.*\['gold', 'whisper'\]"):
        score_run(run, Selection(reference="mfa"))


def test_documents_without_the_reference_are_skipped(tmp_path: Path, records: list[AlignmentRecord]) -> None:
    data = json.loads(records[0].to_json())
    del data["references"]["gold"], data["reference_sums"]["gold"]
    write_samples(tmp_path / "m", [json.dumps(data), *records[1:]])
    values = score_run(find_runs(tmp_path)[0], Selection(reference="gold")).values
    assert dict(values["skipped"].items()) == {"missing_audio": 1, "no_word_timestamps": 1}


def test_newest_run_of_each_model_and_task(tmp_path: Path, records: list[AlignmentRecord]) -> None:
    for model, date, task in [
        ("a", "20260101_120000", "alas_demo"),
        ("a", "20260102_080000", "alas_demo"),
        ("a", "20260101_120000", "alas_other_samples_x"),
        ("b", "20251231_000000", "alas_demo"),
    ]:
        write_samples(tmp_path / model, records[:2], date, task)
    (tmp_path / "notes.jsonl").write_text("")
    found = [(run.model, run.date, run.task) for run in find_runs(tmp_path)]
    assert found == [
        ("a", "20260102_080000", "alas_demo"),
        ("a", "20260101_120000", "alas_other_samples_x"),
        ("b", "20251231_000000", "alas_demo"),
    ]
    assert [run.model for run in find_runs(tmp_path, date="20251231_000000")] == ["b"]
    assert [run.task for run in find_runs(tmp_path, task="alas_other_samples_x")] == ["alas_other_samples_x"]
    with pytest.raises(ValueError, match=r"of run 'x' in .*: it holds 20251231_000000 alas_demo"):
        find_runs(tmp_path, date="x")


def test_no_runs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--log_samples"):
        find_runs(tmp_path)
    with pytest.raises(ValueError, match="not a folder"):
        find_runs(tmp_path / "absent")


def test_killed_run(tmp_path: Path, records: list[AlignmentRecord]) -> None:
    path = write_samples(tmp_path / "m", records)
    path.write_text(path.read_text()[:-2000], encoding="utf-8")
    path.write_text(path.read_text().rstrip("\n") + '\n{"doc_id": 11, "filt', encoding="utf-8")
    found = score_run(find_runs(tmp_path)[0])
    assert 5 < found.documents < 10 and found.values["alas"] is not None
    assert any("was the run killed?" in message for message in found.messages)
    assert any("left out" in message for message in found.messages)


def test_broken_records_are_counted(tmp_path: Path, records: list[AlignmentRecord]) -> None:
    write_samples(tmp_path / "m", [records[0], "Sorry, I cannot.", [records[1].to_json()], None])
    found = score_run(find_runs(tmp_path)[0])
    assert found.documents == 4 and dict(found.values["skipped"].items()) == {"unreadable_record": 2}
    assert sum("document 1" in message or "document 3" in message for message in found.messages) == 2


def test_other_tasks_and_empty_files(tmp_path: Path) -> None:
    write_samples(tmp_path / "m", ["A", "B"], task="mmlu")
    with pytest.raises(ValueError, match="is mmlu an ALAS task"):
        score_run(find_runs(tmp_path)[0])
    (tmp_path / "m" / f"{DATE}_samples_mmlu.jsonl").write_text("\n")
    with pytest.raises(ValueError, match="holds no sample"):
        score_run(find_runs(tmp_path)[0])


@pytest.mark.parametrize("text", ["", "[]", '{"results": {}}', '{"results": {"alas_demo": 3}}', "[" * 100_000])
def test_broken_results(tmp_path: Path, records: list[AlignmentRecord], text: str) -> None:
    write_samples(tmp_path / "m", records)
    (tmp_path / "m" / f"{DATE}_results.json").write_text(text)
    found = score_run(find_runs(tmp_path)[0])
    assert found.values["alas"] is not None and len(found.messages) == 1
