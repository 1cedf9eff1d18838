"""A run of the demo as an earlier version left it, with what that version scored: the same to the last digit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alas_metric import score_record
from alas_metric.results.runs import every_record, find_runs, read_documents

FOLDER = Path(__file__).parent / "schema_1"
EXPECTED = json.loads((FOLDER / "columns.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("reference", ["words", "whisper:demo:align"])
def test_the_columns_of_an_earlier_version(reference: str) -> None:
    [run] = find_runs(FOLDER)
    records = {record.uid: record for record in every_record(run)}
    assert set(records) == set(EXPECTED)
    for uid, record in records.items():
        columns = score_record(record, reference).columns
        assert set(columns) - set(EXPECTED[uid][reference]) <= {"modality_gap"}, "that of the answers came later"
        for name, values in EXPECTED[uid][reference].items():
            # The last bit is that of the NumPy that added up.
            np.testing.assert_allclose(
                columns[name], np.full(record.num_layers, values), rtol=1e-14, atol=0, err_msg=f"{uid} {name}"
            )


def test_the_run_is_scored_as_far_as_its_records_go() -> None:
    [run] = find_runs(FOLDER)
    found = read_documents(run)
    assert [scores.skipped for scores in found.documents] == [None] * 3
    assert not any("standardised" in name for scores in found.documents for name in scores.columns)
