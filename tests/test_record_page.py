"""docs/record.md names every field of the record and every measure."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from alas_metric import AlignmentRecord
from alas_metric.document.measures import MEASURES

PAGE = (Path(__file__).parent.parent / "docs" / "record.md").read_text(encoding="utf-8")


def test_every_field_stands_in_the_table() -> None:
    of_schema_2 = PAGE.partition("## Schema 1")[0]
    rows = [line.split("|")[1] for line in of_schema_2.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    fields = {field.name for field in dataclasses.fields(AlignmentRecord)} | {"schema"}
    assert named == fields | (set(MEASURES) - {"paths"})
