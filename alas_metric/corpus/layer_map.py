"""Layer map of a corpus: retrieval skill and CKA of every audio layer with every text layer, and the ridge.

Every row of a map, one audio layer, is a metric over text layers like any other: a ratio of sums over documents, with
the same resamples. The diagonal is `retrieval_skill` and `cka` themselves, up to the digits that a record keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from alas_metric.corpus.best_layer import best_layer
from alas_metric.corpus.bootstrap import resampled
from alas_metric.corpus.layers import Item, items_entering, values_of_layers
from alas_metric.document.measures.cka import cka
from alas_metric.document.metric import Sums, ratio
from alas_metric.document.scores import DocumentScores

Source = Callable[[int], Sums]


def _retrieval(layer: int) -> Sums:
    return ratio(f"gain {layer}", "possible")


def _cka(layer: int) -> Sums:
    return Sums((f"both {layer}", "words", f"audio {layer}"), cka)


_SOURCES: dict[str, Source] = {"retrieval": _retrieval, "cka": _cka}
"""How an audio layer's row comes from the columns of documents, by the name of the map."""
_WORDS = {"retrieval": ("retrieval", "skill"), "cka": ("CKA", "CKA")}
"""What a map is called, and its value, in a sentence."""


def map_item(scores: DocumentScores) -> Item:
    """Return what a document contributes; nothing if its record has no map."""
    found: Item = {name: rows.tolist() for name, rows in scores.layer_map.items()}
    if "hits" in found:
        found["possible"] = float(scores.columns["retrieval_gain_possible"][0])
    if "both" in found:
        found |= {name: scores.columns[f"cka_{name}"].tolist() for name in ("words", "audio")}
    return found


def layer_map(items: Sequence[Item]) -> dict[str, Any] | None:
    """Return the maps of a corpus, None where no document has one.

    Args:
        items: what `map_item` gave for each document, with ``uid`` and ``speaker``.

    Returns:
        By the name of the map, ``retrieval`` (skill) and ``cka``: ``values``, a row of text layers for each audio
        layer, None where undefined; ``nearest``, for each audio layer its text layer with intervals, see `BestLayer`;
        ``documents``, how many entered.
    """
    members = [_with_columns(item) for item in items]
    found = {name: entry for name, source in _SOURCES.items() if (entry := _map(source, members))}
    return found or None


def _with_columns(item: Item) -> Item:
    """Return an item whose columns are the rows of its maps."""
    hits, both = item.get("hits", []), item.get("both", [])
    columns: dict[str, Any] = {f"gain {layer}": np.array(row) - 1 for layer, row in enumerate(hits)}
    columns |= {f"both {layer}": row for layer, row in enumerate(both)}
    columns |= {name: item[name] for name in ("possible", "words") if name in item}
    columns |= {f"audio {layer}": value for layer, value in enumerate(item.get("audio", []))}
    return {"uid": item["uid"], "speaker": item["speaker"], "layers": len(hits), "columns": columns}


def _map(source: Source, items: Sequence[Item]) -> dict[str, Any] | None:
    """Return one map, None where no document has it."""
    entering = items_entering(source(0), items)
    if not entering:
        return None
    rows = {str(layer): source(layer) for layer in range(entering[0]["layers"])}
    values = {key: values_of_layers(sums, entering) for key, sums in rows.items()}
    samples = resampled(rows, entering)
    return {
        "values": list(values.values()),
        "nearest": [asdict(best_layer(row, samples.get(key), first=0)) for key, row in values.items()],
        "documents": len(entering),
    }


def strongest(entry: Mapping[str, Any]) -> int | None:
    """Return the audio layer from 1 up that has the highest value with its nearest text layer, None if there is none.

    Args:
        entry: one map of `layer_map`.
    """
    found = [(nearest["value"], -layer) for layer, nearest in enumerate(entry["nearest"]) if layer]
    defined = [pair for pair in found if pair[0] is not None]
    return -max(defined)[1] if defined else None


def sentence(name: str, entry: Mapping[str, Any]) -> str:
    """Return what one map says: the nearest text layer of the audio layer that has the highest value.

    Example:
        >>> nearest = [{"layer": 0, "low": 0, "high": 1, "value": 0.1}, {"layer": 2, "low": 1, "high": 2, "value": 0.5}]
        >>> sentence("retrieval", {"nearest": nearest})
        'By retrieval, audio layer 1 is nearest to text layer 2 (95 % interval 1 to 2), skill 0.50.'
    """
    layer = strongest(entry)
    if layer is None:
        return ""
    nearest = entry["nearest"][layer]
    ends = "" if nearest["low"] is None else f" (95 % interval {nearest['low']} to {nearest['high']})"
    title, unit = _WORDS[name]
    return (
        f"By {title}, audio layer {layer} is nearest to text layer {nearest['layer']}{ends}, {unit} "
        f"{nearest['value']:.2f}."
    )
