"""The verdict on each connector and layer of a bench: what the product would say where the truth is known.

    python tools/real_parts/verdicts.py FILE.json ...

reads what ``bench.py`` writes and prints one Markdown table a language model.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alas_metric.corpus.metrics import METRICS
from alas_metric.corpus.verdict import READ, by_layer, verdicts


def curves_of(bench: Mapping[str, Any], connector: str) -> dict[str, Any]:
    """Return the curves that a verdict reads, in the form of ``layers`` in results.

    Args:
        bench: one language model, as ``bench.py`` writes it.
        connector: one of it.
    """
    found = {curve["metric"]: curve for curve in bench["curves"] if curve["connector"] == connector}
    return {key: _as_in_results(found, key) | {"clusters": bench["utterances"]} for key in READ}


def _as_in_results(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a metric's curve; the bench names each form of similarity."""
    form = METRICS[key].form
    curve = found[key] if key in found else found[f"{key}_{form}"]
    ends = dict(zip(("headline_low", "headline_high"), curve["mean_interval"], strict=True))
    return {name: curve[name] for name in ("values", "low", "high")} | {"headline": curve["mean"]} | ends


def table(bench: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a language model's table."""
    yield f"{bench['model']}, {bench['utterances']} utterances"
    yield from ["", "| connector | mean over layers 1 to L | layer by layer |", "|---|---|---|"]
    for connector in dict.fromkeys(curve["connector"] for curve in bench["curves"]):
        found = verdicts(curves_of(bench, connector))
        yield f"| {connector} | {found['leaning'] or found['kind']} | {by_layer(found['layers'])} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", help="bench.json, or one of docs/real-parts")
    for file in parser.parse_args().files:
        for bench in json.loads(file.read_text(encoding="utf-8")):
            print("\n".join(table(bench)), end="\n\n")


if __name__ == "__main__":
    main()
