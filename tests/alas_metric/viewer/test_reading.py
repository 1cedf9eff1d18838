"""What a page gets to know of a run."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from viewed_runs import SIZES, make_document, viewed, write_viewed_run

from alas_metric import score_record
from alas_metric.document.timeline import Timeline
from alas_metric.document.words import word_seconds
from alas_metric.results.dumps import audio_file, find_dumps
from alas_metric.results.runs import find_runs
from alas_metric.viewer import reading
from alas_metric.viewer.reading import ViewedRun


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_viewed_run(tmp_path_factory.mktemp("runs") / "model")


def details(found: ViewedRun, uid: str) -> dict[str, Any]:
    return json.loads(zlib.decompress(base64.b64decode(found.documents[uid].details)))


def test_what_the_lens_read_is_there_where_it_was_asked_for(folder: Path) -> None:
    found = viewed(folder)
    lens = details(found, "alpha")["lens"]
    assert lens["levels"] == ["000000", "111111", "222222", "222222"] and lens["read"][2] == lens["first"]
    assert lens["first"][:2] == [" the", " quick"] and "among the 5 largest" in lens["meanings"][1]
    assert details(found, "beta")["lens"] is None


@given(st.integers(1, 9), st.integers(1, 40), st.sampled_from(["raw", "standardised"]))
def test_the_errors_of_words_are_those_of_the_document(num_words: int, num_frames: int, form: str) -> None:
    record, _ = make_document("u", 1.0, 3, num_words, num_frames)
    timeline = Timeline.of("u", record.references["whisper"], num_frames, record.frame_seconds)
    errors = word_seconds(record.paths[form], timeline)
    counts = np.ones(num_words) if record.swapped else np.bincount(timeline.owners, minlength=num_words)
    assert errors.shape == (3, num_words) and (np.isnan(errors) == (counts == 0)).all()
    mean = (np.nan_to_num(errors) * counts).sum(axis=-1) / counts.sum()
    np.testing.assert_allclose(mean, score_record(record).columns[f"alas_seconds_{form}"], atol=1e-9)


def test_what_a_page_knows_of_each_document(folder: Path) -> None:
    found = viewed(folder)
    assert list(found.documents) == ["alpha", "beta", "gamma"] and found.left_out == {"too_long": 1}
    assert found.num_layers == 4 and found.messages == []
    kinds = [(d.similarity is not None, d.audio is not None) for d in found.documents.values()]
    assert kinds == [(True, True), (True, False), (False, False)]
    summaries = {uid: document.summary for uid, document in found.documents.items()}
    assert summaries["alpha"]["words"] == 6 and summaries["beta"]["seconds"] == 16.0
    assert [summary["kept"] for summary in summaries.values()] == [True, True, False]
    assert summaries["alpha"]["skill"] > summaries["beta"]["skill"] and summaries["alpha"]["confidence"] is None
    assert found.documents["alpha"].text == "the quick brown fox jumps alpha"
    flac = base64.b64decode(found.documents["alpha"].audio or "")
    assert flac == audio_file(find_dumps(folder)[0].path).read_bytes()


def test_details_hold_the_records_paths_times_and_answers(folder: Path) -> None:
    record, _ = make_document("gamma", 0.9, 4, *SIZES["gamma"])
    found = details(viewed(folder), "gamma")
    for form, path in record.paths.items():
        if "chance" not in form:
            assert [
                np.searchsorted(steps, np.arange(record.num_frames), side="right").tolist()
                for steps in found["paths"][form]
            ] == (path.tolist())
    assert found["reference"] == "whisper" and list(found["references"]) == ["whisper", "gold"]
    whisper = found["references"]["whisper"]
    assert whisper["times"] == [[word.start, word.end] for word in record.references["whisper"]]
    scores = score_record(record).columns
    np.testing.assert_allclose(whisper["curves"]["alas"]["raw"], scores["alas_raw"], atol=1e-4)
    assert len(whisper["curves"]["alas_skill"]["standardised"]) == 4
    assert found["answers"] == {"audio": "heard gamma", "text": "read gamma", "gold": "a letter"}
    assert found["envelope"] is None and len(details(viewed(folder), "beta")["envelope"]) == 1600


def test_the_runs_skill_is_that_of_its_kept_documents(folder: Path) -> None:
    from alas_metric.results.runs import score_run

    [run] = find_runs(folder)
    curves = score_run(run).values["layers"]
    for form, values in viewed(folder).skill.items():
        assert values == pytest.approx(curves[f"alas_skill_{form}"]["values"])


def test_another_reference_is_shown_first(folder: Path) -> None:
    found = viewed(folder, reference="gold")
    assert details(found, "alpha")["reference"] == "gold"
    assert found.documents["alpha"].summary["skill"] != viewed(folder).documents["alpha"].summary["skill"]
    with pytest.raises(ValueError, match="no document can be scored with 'mfa'"):
        viewed(folder, reference="mfa")


def test_a_page_of_nothing_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"no document to be shown; left out: too_long \(1\)"):
        viewed(folder, only=["nobody"])


def test_chosen_documents_stand_before_the_curve_of_all(folder: Path) -> None:
    found = viewed(folder, only=["beta"])
    assert list(found.documents) == ["beta"] and found.skill == viewed(folder).skill
    assert found.messages == ["1 chosen documents; alas view makes the page of all"]


def test_confidence_is_the_mean_over_words(tmp_path: Path) -> None:
    from run_folders import write_run

    record, _ = make_document("sure")
    record.word_values = {"whisper": {"confidence": [0.5, None, 1.0, 1.0, 0.5, 0.5]}}
    found = viewed(write_run(tmp_path / "m", [record]))
    assert found.documents["sure"].summary["confidence"] == 0.7
    assert details(found, "sure")["references"]["whisper"]["values"]["confidence"][:2] == [0.5, None]


def test_damaged_files_cost_what_they_hold(tmp_path: Path) -> None:
    folder = write_viewed_run(tmp_path / "model")
    first, second = (file.path for file in find_dumps(folder))
    audio_file(first).write_bytes(b"ID3 is no FLAC")
    second.write_bytes(b"broken")
    found = viewed(folder)
    assert len(found.documents) == 3 and all(document.similarity is None for document in found.documents.values())
    assert [message.partition(" ")[0] for message in found.messages] == ["00000000-alpha.flac", "00000001-beta.npz"]


def test_a_page_that_would_be_too_large_gets_coarser_then_less(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = viewed(folder).documents["beta"].similarity or ""
    monkeypatch.setattr(reading, "GOAL", 100)
    coarse = viewed(folder).documents["beta"].similarity or ""
    assert 0 < len(coarse) < 0.8 * len(fine)
    monkeypatch.setattr(reading, "MOST", 3 * len(coarse))
    found = viewed(folder, runs=2)
    assert [document.similarity is None for document in found.documents.values()] == [True, True, True]
    assert len(found.messages) == 1 and "are left out" in found.messages[0]
