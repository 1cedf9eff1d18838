"""Texts on their way to files: what any reader of CSV gets back."""

from __future__ import annotations

import csv
import io

from fuzzing import fuzz, unicode_texts
from hypothesis import example, given
from hypothesis import strategies as st

from alas_metric.texts import csv_text


@fuzz(60)
@given(rows=st.lists(st.tuples(unicode_texts, unicode_texts), max_size=4))
@example(rows=[("\0", "a\r b"), ("\n", '"')])
def test_tables_come_back(rows: list[tuple[str, str]]) -> None:
    text = csv_text([{"a": first, "b": second} for first, second in rows], ("a", "b"))
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert found == [["a", "b"], *([cell.replace("\0", "\ufffd") for cell in row] for row in rows)]


def test_what_is_not_there_is_empty() -> None:
    assert csv_text([{"a": None, "b": 0.5}]) == "a,b\r\n,0.5\r\n"
    assert csv_text([], ("a", "b")) == "a,b\r\n"
    assert csv_text([]) == ""
