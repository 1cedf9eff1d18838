"""The table of metrics, and what is derived from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from alas_metric.corpus.metrics import METRICS, RANKING, ROWS, few_clusters, in_all_forms, markdown_table, reported
from alas_metric.document.metric import Statistic

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_of_numbers_holds_the_table() -> None:
    """If it does not, print `markdown_table()` and put it there."""
    assert markdown_table() in (ROOT / "docs" / "numbers.md").read_text(encoding="utf-8")


def test_what_the_rows_name_is_there() -> None:
    headings = {
        line.lstrip("# ").lower().replace(" ", "-")
        for line in (ROOT / "docs" / "validation.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("#")
    }
    for row in ROWS:
        assert {anchor.replace(",", "") for anchor in row.validated} <= {head.replace(",", "") for head in headings}
        assert set(row.answers) <= {"free", "options", "labels"}
        if isinstance(row.source, Statistic) and row.source.kind == "best_layer":
            assert row.source.of_form(row.form).of in METRICS
    assert METRICS[RANKING].headline and METRICS[RANKING].direction != "none"


def test_headings_of_the_leaderboard_are_told_apart() -> None:
    headings = [row.column for row in ROWS if row.column]
    assert len(set(headings)) == len(headings) and max(map(len, headings)) <= 16


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_each_form_once(row) -> None:
    keys = in_all_forms(row)
    assert keys[0] == row.key and len({METRICS[key].form for key in keys}) == len(keys) == (3 if row.form else 1)


def test_metrics_of_other_answers_are_left_out() -> None:
    values = {"alas": None, "accuracy_audio": None, "answer_similarity": 0.5}
    assert reported(values, ["alas", "accuracy_audio"]) == {"alas": None, "accuracy_audio": None}
    assert reported(values, []) == {"alas": None, "answer_similarity": 0.5}, "nothing says of what kind the task is"


def test_metrics_that_older_results_lack_are_there() -> None:
    values = {"accuracy_audio": 0.5, "uar_audio": 0.5, "modality_gap": 0.1, "answer_similarity": None}
    assert list(reported(values, ["alas", "accuracy_audio"])) == ["accuracy_audio", "modality_gap"]
    assert list(reported(values, ["alas", "accuracy_audio", "uar_audio"])) == [
        *("accuracy_audio", "uar_audio", "modality_gap")
    ]


def test_few_clusters_are_said() -> None:
    assert few_clusters([(12, 12), (0, 0)]) == few_clusters([]) == few_clusters([(0, 0)]) == ""
    assert few_clusters([(12, 40), (9, 40), (0, 0)]).startswith("Only 9 speakers (40 documents) were resampled")
    assert few_clusters([(1, 1)]).startswith("Only 1 documents were resampled")
