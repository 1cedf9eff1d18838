"""What docs/models.md and the README say of models is what the registry says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from model_patches.registry import FAMILIES, REFUSED
from tools.model_tables import DOCS, TABLES, filled

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_page_holds_the_tables_of_the_registry() -> None:
    page = DOCS.read_text(encoding="utf-8")
    assert all(f"<!-- {name} -->" in page for name in TABLES)
    assert filled(page) == page, "python tools/model_tables.py writes them anew"
    for checkpoint in (c for family in FAMILIES for c in family.checkpoints if "/" in c.pretrained):
        assert f"`{checkpoint.pretrained}`" in page
    assert all(refused.reason in page for refused in REFUSED)


def test_a_table_that_is_old_is_made_anew() -> None:
    old = "before\n<!-- models -->\n| no | such |\n<!-- end -->\nafter"
    assert "such" not in filled(old) and filled(old).startswith("before\n<!-- models -->\n| `--model` |")
    assert filled(old).endswith("\n<!-- end -->\nafter") and filled(filled(old)) == filled(old)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_id)
def test_the_readme_names_every_id_with_its_rate(family) -> None:
    text = README.read_text(encoding="utf-8").partition("| model id | checkpoint | positions per second |\n")[2]
    rows = [line.split(" | ") for line in text.partition("\n\n")[0].splitlines()[1:]]
    (row,) = [row for row in rows if f"`{family.model_id}`" in row[0]]
    ids, rates = re.findall(r"`(\w+)`", row[0]), re.split(r"[^\d.]+", row[-1].strip(" |"))
    if family.model_id == "alas_hf":
        assert f"{len(family.checkpoints)} more families" in row[1]
    else:
        assert float(rates[ids.index(family.model_id)]) == pytest.approx(family.checkpoints[0].rate, abs=0.005)
        assert family.checkpoints[0].pretrained.split("/")[1] in row[1]
