"""Records as earlier versions wrote them."""

from __future__ import annotations

from typing import Any


def as_schema_1(data: dict[str, Any]) -> dict[str, Any]:
    """Return a record's JSON, of the schema written now, as schema 1 has it: two forms, frame hits in a field."""
    kinds = ("raw", "centred", "raw_chance", "centred_chance")
    later = ("sums", "reference_sums", "word_values", "num_tokens")
    hits = {
        name: {form: sums["frame_hits"][form] for form in kinds[:2]} for name, sums in data["reference_sums"].items()
    }
    return {key: value for key, value in data.items() if key not in later} | {
        "schema": 1,
        "paths": {kind: data["paths"][kind] for kind in kinds if kind in data["paths"]},
        "hits": hits,
    }
