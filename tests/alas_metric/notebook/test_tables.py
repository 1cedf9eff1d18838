"""A run as data frames: the same numbers as `alas score` and `alas report` give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from run_folders import write_run

from alas_metric import AlignmentRecord, Selection, read_run, score_record, summarise
from alas_metric.corpus.documents import document_value
from alas_metric.notebook.tables import RunTables


@pytest.fixture(scope="module")
def records(record: Callable[..., AlignmentRecord]) -> list[AlignmentRecord]:
    made = [record(uid=f"d{i}", seed=i, noise=0.4 * (i + 1), num_words=5 + i) for i in range(4)]
    return [*made, record(uid="forced", num_words=1), AlignmentRecord.skip("d9", "missing_audio", "gone")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, records: list[AlignmentRecord]) -> RunTables:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "model", records)
    return read_run(str(folder))


def test_frames_hold_the_runs_numbers(run: RunTables, records: list[AlignmentRecord]) -> None:
    scores = [score_record(record) for record in records]
    values = summarise(scores)
    assert run.values["alas_skill"] == values["alas_skill"]
    summary = run.summary.set_index("metric")
    assert summary.value["alas"] == values["alas"] and summary.low["alas"] == values["layers"]["alas"]["headline_low"]
    layers = run.layers[run.layers.metric == "alas_skill_raw"]
    assert layers.value.tolist() == values["layers"]["alas_skill_raw"]["values"] and set(layers.form) == {"raw"}
    documents = run.documents.set_index("uid")
    assert documents.index.tolist() == [record.uid for record in records]
    assert documents.alas.tolist()[:-1] == [document_value(each, "alas") for each in scores[:-1]]
    assert documents.alas.dtype == float and np.isnan(documents.alas_skill["forced"])
    assert documents.skipped["d9"] == "missing_audio" and run.scores["d9"].skipped


def test_words_in_a_frame(run: RunTables, records: list[AlignmentRecord]) -> None:
    words = run.words
    assert set(words.group) == {"entry", "lower third", "middle third", "all", "best layer"}
    own = words[(words.group == "all") & (words.uid == "d2")]
    assert own.word.tolist() == records[2].words
    value = document_value(run.scores["d2"], "alas_standardised")
    assert np.average(own.error.fillna(0), weights=own.entries) == pytest.approx(value)
    assert words[words.uid == "forced"].random_seconds.isna().all()


def test_a_record_and_figures(run: RunTables) -> None:
    record = run.record("d1")
    assert repr(record) == "AlignmentRecord('d1', 6 words, 40 positions, 3 layers, reference 'whisper')"
    with pytest.raises(KeyError):
        run.record("nobody")
    assert run.plot().get_suptitle() == "model, alas_demo_sqa"
    with pytest.raises(ValueError, match="'kept' is no metric"):
        run.plot("kept")


def test_which_run(tmp_path: Path, records: list[AlignmentRecord]) -> None:
    write_run(tmp_path / "model", records)
    write_run(tmp_path / "model", records[:2], task="alas_other")
    with pytest.raises(ValueError, match=r"holds 2 runs \(model alas_demo_sqa, model alas_other\): name a task="):
        read_run(tmp_path)
    assert len(read_run(tmp_path, task="alas_other", selection=Selection(reference="gold")).documents) == 2
    with pytest.raises(ValueError, match="which is not a folder"):
        read_run(tmp_path / "nothing")


def test_a_run_says_what_it_is(run: RunTables) -> None:
    assert repr(run) == "RunTables(model, alas_demo_sqa, run 20260101_120000: 6 documents, 5 kept)"
    assert f'<td style="text-align: left">{run.values["alas_skill"]:.3f}</td>' in run._repr_html_()
