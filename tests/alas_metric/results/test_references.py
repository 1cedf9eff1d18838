"""Several sources of word times in one run's records: distances, scores by each, and how sure they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import record_of_two_sources, write_run

from alas_metric import AlignmentRecord, Selection, WordTiming, score_record, summarise
from alas_metric.commands.main import main
from alas_metric.corpus.signature import answer_filter
from alas_metric.document.agreement import border_distances, disagreement, far_words
from alas_metric.report.run_report import make_report
from alas_metric.report.trust import terciles
from alas_metric.results.references import References, Sources
from alas_metric.results.runs import find_runs, read_documents, score_run

LATE = (0.0, 0.05, 0.2)
"""Seconds by which the second source of a document is late."""


@pytest.fixture(scope="module")
def records(timing: Callable[..., list[WordTiming]], similarity: Callable[..., np.ndarray]) -> list[AlignmentRecord]:
    """Twelve documents with gold times, and an aligner's that are late by 0, 50 and 200 ms in turn, and less sure."""

    def made(number: int) -> AlignmentRecord:
        rng = np.random.default_rng(number)
        words = timing(6, 80, rng)
        late = LATE[number % 3]
        aligned = [WordTiming(w.word, w.start + late, w.end + late, 0.9 - late) for w in words]
        return record_of_two_sources(f"d{number:02}", similarity(words, 80, 0.1 + 5 * late, rng), words, aligned)

    return [*map(made, range(12)), AlignmentRecord.skip("d99", "missing_audio", "")]


@pytest.fixture
def run_dir(tmp_path: Path, records: list[AlignmentRecord]) -> Path:
    write_run(tmp_path / "runs" / "org__model", records)
    return tmp_path / "runs"


def test_distances_by_hand() -> None:
    one = [WordTiming("a", 0.0, 0.4), WordTiming("b", 0.4, 0.8), WordTiming("c", 1.0, 1.2)]
    other = [WordTiming("a", 0.0, 0.5), WordTiming("b", 0.5, 0.7), WordTiming("c", 0.7, 1.2)]
    np.testing.assert_allclose(border_distances(one, other), [0.1, 0.2])
    assert far_words(border_distances(one, other), 0.15).tolist() == [False, True, True]
    assert far_words(np.zeros(0)).tolist() == [False]
    assert disagreement({"x": one, "y": other}, "x") == pytest.approx(0.15)
    assert disagreement({"x": one, "y": other, "z": one}, "x") == pytest.approx(0.075)
    assert disagreement({"x": one}, "x") is None and disagreement({"x": one[:1], "y": other[:1]}, "x") is None
    with pytest.raises(ValueError, match="2 and 3 words"):
        border_distances(one[:2], other)


def compared(records: list[AlignmentRecord]) -> References:
    sources = Sources()
    for record in records:
        if record.skipped is None:
            sources.add(record, score_record(record))
    found = sources.compared()
    assert found is not None
    return found


def test_sources_side_by_side(records: list[AlignmentRecord]) -> None:
    found = compared(records)
    assert found.names == ["whisper:x:align", "words"] and found.documents == 12
    [distance] = found.distances
    assert (distance.first, distance.second, distance.documents) == ("whisper:x:align", "words", 12)
    assert distance.borders == 12 * 5
    assert distance.median == pytest.approx(0.05, abs=0.01) and distance.p95 == pytest.approx(0.2, abs=0.01)
    assert distance.far == pytest.approx(1 / 3, abs=0.03)
    for name in found.names:
        expected = summarise([score_record(r, name) for r in records if r.skipped is None])
        assert found.values[name]["alas_skill"] == expected["alas_skill"]
    assert found.values["words"]["alas_skill"] > found.values["whisper:x:align"]["alas_skill"]


def test_only_documents_that_hold_all(records: list[AlignmentRecord]) -> None:
    without = replace(records[0], references={"whisper:x:align": records[0].references["whisper:x:align"]})
    found = compared([without, *records[1:]])
    assert found.documents == 11 and found.distances[0].documents == 11


def test_values_of_documents_and_runs(run_dir: Path, records: list[AlignmentRecord]) -> None:
    scores = score_record(records[2])
    assert scores.reference_confidence == pytest.approx(0.7)
    assert scores.reference_disagreement == pytest.approx(0.2, abs=0.01)
    gold = score_record(records[2], "words")
    assert gold.reference_confidence is None and gold.reference_disagreement == scores.reference_disagreement
    [run] = find_runs(run_dir)
    values = score_run(run).values
    assert values["reference_confidence"] == pytest.approx(np.mean([0.9, 0.85, 0.7]))
    assert values["reference_disagreement"] == pytest.approx(np.mean(LATE), abs=0.01)
    assert score_run(run, Selection(reference="words")).values["reference_confidence"] is None


def test_min_confidence(run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [run] = find_runs(run_dir)
    found = score_run(run, Selection(min_confidence=0.85)).values
    assert found["kept"] == 8 and dict(found["skipped"].items()) == {"missing_audio": 1, "uncertain_times": 4}
    assert found["alas_skill"] > score_run(run).values["alas_skill"]
    with pytest.raises(ValueError, match=r"no document has word times of confidence 0.95 or more.*confidence 0\.900"):
        score_run(run, Selection(min_confidence=0.95))
    with pytest.raises(ValueError, match=r"the first: no confidence\. Gold times have none"):
        score_run(run, Selection(reference="words", min_confidence=0.1))
    out = tmp_path / "values.json"
    assert main(["score", str(run_dir), "--min-confidence", "0.85", "--json", str(out)]) == 0
    (entry,) = json.loads(out.read_text())["runs"]
    assert entry["min_confidence"] == 0.85 and entry["values"]["kept"] == 8


def test_contained_answers_are_kept_if_asked(tmp_path: Path, records: list[AlignmentRecord]) -> None:
    similar = [0.9, 0.5, 0.5]
    answers = [
        replace(
            record,
            audio_answer="Boston",
            text_answer="to Boston",
            similarities={"responses": similar[number % 3], "contained": float(number % 3 == 1)},
        )
        for number, record in enumerate(records[:12])
    ]
    write_run(tmp_path / "org__model", answers)
    [run] = find_runs(tmp_path)
    assert (score_run(run).values["kept"], score_run(run, Selection(contained=True)).values["kept"]) == (4, 8)
    found = read_documents(run, Selection(contained=True)).documents
    assert (
        answer_filter(found[0], 0.7) == "0.7+contained"
        and answer_filter(read_documents(run).documents[0], 0.7) == "0.7"
    )
    assert (
        len(make_report(run, Selection(contained=True)).kept) == 8
        and main(["score", str(tmp_path), "--contained"]) == 0
    )


def test_thirds_of_the_documents(run_dir: Path) -> None:
    [run] = find_runs(run_dir)
    report = make_report(run)
    sure = terciles(report, "reference_confidence")
    assert [(round(each.low, 2), round(each.high, 2), each.documents) for each in sure] == [
        (0.7, 0.7, 4),
        (0.85, 0.85, 4),
        (0.9, 0.9, 4),
    ]
    assert sure[0].values["alas_skill"] < sure[1].values["alas_skill"] < sure[2].values["alas_skill"]
    assert terciles(make_report(run, Selection(reference="words")), "reference_confidence") == []
    assert len(terciles(make_report(run, Selection(reference="words")), "reference_disagreement")) == 3


def test_report_and_compare_show_them(
    run_dir: Path, tmp_path: Path, records: list[AlignmentRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run_dir), "--output", str(tmp_path / "report")]) == 0
    folder = tmp_path / "report" / "org__model" / "alas_demo_sqa"
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "| whisper:x:align | words | 12 | 60 |" in text
    assert "| metric | whisper:x:align | words |" in text
    assert "Kept documents in thirds by reference_confidence" in text
    for name in ("trust_reference_confidence.png", "trust_reference_disagreement.png"):
        assert f"](figures/{name})" in text and (folder / "figures" / name).stat().st_size > 1000
    header = (folder / "documents.csv").read_text().splitlines()[0]
    assert "reference_confidence,reference_disagreement" in header
    write_run(tmp_path / "other" / "org__other", records)
    capsys.readouterr()
    command = ["compare", str(run_dir), str(tmp_path / "other"), "--output", str(tmp_path / "compared")]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert shown.count("borders between words by one reference and another") == 2
    data: dict[str, Any] = json.loads((tmp_path / "compared" / "compare.json").read_text())
    assert data["tasks"][0]["references"]["org/model"]["distances"][0]["documents"] == 12
