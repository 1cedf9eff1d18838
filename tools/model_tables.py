"""Write the tables of models in docs/models.md from the registry.

Run::

    python tools/model_tables.py

A test compares them, so that what is said of a model is said once, in `model_patches/registry.py`.
"""

from __future__ import annotations

from pathlib import Path

from model_patches.registry import FAMILIES, REFUSED, Checkpoint, Family

DOCS = Path(__file__).resolve().parents[1] / "docs" / "models.md"


def models() -> str:
    """Return the table of what each id reads; a thinker saved alone is a row of its whole model."""
    lines = [
        "| `--model` | model type | published checkpoint | positions per second | hears |",
        "|---|---|---|---|---|",
    ]
    for family in FAMILIES:
        published = [checkpoint for checkpoint in family.checkpoints if "/" in checkpoint.pretrained]
        lines += [_row(family, checkpoint, first=place == 0) for place, checkpoint in enumerate(published)]
    return "\n".join(lines)


def _row(family: Family, checkpoint: Checkpoint, first: bool) -> str:
    needs = [package.replace("_", "-") for package in checkpoint.needs]
    needs += [f"transformers {checkpoint.since}"] if checkpoint.since else []
    kind = checkpoint.model_type + (f" (needs {' and '.join(needs)})" if needs else "")
    name = f"`{family.model_id}`" if first else ""
    return f"| {name} | {kind} | `{checkpoint.pretrained}` | {checkpoint.rate:.3g} | {checkpoint.longest} |"


def refused() -> str:
    """Return the table of what cannot be read."""
    lines = ["| model types | such as | why not |", "|---" * 3 + "|"]
    return "\n".join(lines + [f"| {', '.join(r.model_types)} | `{r.example}` | {r.reason} |" for r in REFUSED])


TABLES = {"models": models, "refused": refused}
_END = "<!-- end -->"


def filled(text: str) -> str:
    """Return a page with each table between its two marks, ``<!-- models -->`` and ``<!-- end -->``, made anew."""
    for name, table in TABLES.items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        if mark:
            text = before + mark + table() + "\n" + rest[rest.index(_END) :]
    return text


if __name__ == "__main__":
    DOCS.write_text(filled(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
