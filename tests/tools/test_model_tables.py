"""What docs/models.md and the README say of models is what the registry says."""

from __future__ import annotations

from pathlib import Path

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


def test_the_readme_counts_the_families() -> None:
    (generic,) = [family for family in FAMILIES if family.model_id == "alas_hf"]
    assert f"and {len(generic.checkpoints)} more families" in README.read_text(encoding="utf-8")
