"""Which words fail: a table with a row for each word and group of layers, and skill by what is known of words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alas_metric.corpus.bootstrap import resampled
from alas_metric.corpus.layers import Item, values_of_layers
from alas_metric.document.metric import skill
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.units import split_units
from alas_metric.document.words import WordSums, word_sums

ALL = "all"
"""The group of layers 1 to L, over which headlines are means."""
_THIRDS = ("lower third", "middle third", "upper third")
OF_WORD = (
    *("uid", "speaker", "kept", "word", "index", "start", "end", "duration", "place", "frequency", "num_tokens"),
    "entries",
)
OF_GROUP = ("group", "layers", "error", "seconds", "random_seconds", "hit")
TEXTS = ("uid", "speaker", "word", "group", "layers")
"""The columns that are texts."""
PROPERTIES = {
    "duration": "Duration, seconds",
    "frequency": "Occurrences in these documents",
    "place": "Place in the utterance, 0 first, 1 last",
    "num_tokens": "Tokens",
    "confidence": "Confidence of the word times",
}
"""What the skill of words is drawn against, as far as the records hold it."""
_BINS = 5
_SKILL = skill("seconds", "random_seconds")


@dataclass(frozen=True)
class DocumentWords:
    """The words of one document.

    Args:
        uid: the document.
        speaker: who speaks, None if unknown.
        kept: whether the document passes the answer filter.
        words: with their punctuation.
        known: numbers of each word by name, None where there is none, ``(N,)`` each: ``start``, ``end`` and
            ``duration`` in seconds, ``place`` from 0 to 1, ``num_tokens``, and what the source of the word times says.
        sums: see `word_sums`.
    """

    uid: str
    speaker: str | None
    kept: bool
    words: Sequence[str]
    known: Mapping[str, Sequence[float | None]]
    sums: WordSums


@dataclass
class Words:
    """The words of a run.

    Args:
        form: of similarity that the paths are those of.
        best_layer: the layer from 1 up with the highest skill, None if there is none.
        documents: in the order of the run; those that cannot be scored, or are older than the form, are missing.
        frequency: how often each word occurs in them, by its spelling.
    """

    form: str
    best_layer: int | None = None
    documents: list[DocumentWords] = field(default_factory=list)
    frequency: Counter[str] = field(default_factory=Counter)

    def add(self, record: AlignmentRecord, reference: str, kept: bool) -> None:
        """Add the words of a document; nothing where its record lacks the form.

        Args:
            record: of the document, with scores.
            reference: name of the word timestamps, which it holds.
            kept: whether the document passes the answer filter.
        """
        sums = word_sums(record, reference, self.form)
        if sums is not None:
            known = _known(record, reference)
            self.documents.append(DocumentWords(record.uid, record.speaker, kept, record.words, known, sums))
            self.frequency.update(map(spelling, record.words))

    @property
    def columns(self) -> list[str]:
        """The names of the columns of `rows`."""
        told = dict.fromkeys(name for document in self.documents for name in document.known if name not in OF_WORD)
        return [*OF_WORD, *told, *OF_GROUP]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each word and group of layers.

        ``error`` (words; positions where the document is swapped), ``seconds`` and ``hit`` (share) are means over the
        word's entries of the path and over the layers of the group; ``random_seconds`` is what a random path gives in
        place of ``seconds``. They are None for a word without entries.
        """
        told = [name for name in self.columns if name not in (*OF_WORD, *OF_GROUP)]
        for document in self.documents:
            yield from self._rows_of(document, told)

    def _rows_of(self, document: DocumentWords, told: Sequence[str]) -> Iterator[dict[str, Any]]:
        sums = document.sums
        groups = layer_groups(len(sums.errors), self.best_layer)
        means = {name: _group_means(sums, list(layers)) for name, layers in groups.items()}
        random = _means(sums.random_seconds, sums.entries)
        known = {name: document.known.get(name, [None] * len(document.words)) for name in (*_NUMBERS, *told)}
        for index, word in enumerate(document.words):
            own = {
                "uid": document.uid,
                "speaker": document.speaker,
                "kept": document.kept,
                "word": word,
                "index": index,
                "frequency": self.frequency[spelling(word)],
                "entries": int(sums.entries[index]),
                **{name: values[index] for name, values in known.items()},
            }
            for group, layers in groups.items():
                values = {name: found[index] for name, found in means[group].items()}
                yield own | {"group": group, "layers": _span(layers), "random_seconds": random[index]} | values

    def skill_by(self, name: str) -> dict[str, Any] | None:
        """Return the skill of the kept documents' words, over layers 1 to L, by what is known of them.

        Args:
            name: of `PROPERTIES`.

        Returns:
            ``labels`` of the bins, and for each bin ``values``, ``low`` and ``high``, its skill with the 95 % interval
            of the bootstrap over speakers or documents, and ``words``, how many it holds. None where all words are of
            one bin.
        """
        kept = [document for document in self.documents if document.kept]
        values = [self._numbers(document, name) for document in kept]
        edges = _edges(np.concatenate(values)) if values else np.zeros(0)
        if len(edges) < 3:
            return None
        made = (_item(document, _bins(own, edges), len(edges) - 1) for document, own in zip(kept, values, strict=True))
        items = [item for item in made if item is not None]
        if not items:
            return None
        samples = resampled({"skill": _SKILL}, items).get("skill")
        intervals = [(None, None)] * (len(edges) - 1) if samples is None else samples.layer_intervals()
        return {
            "labels": _bin_labels(edges, np.concatenate(values)),
            "values": values_of_layers(_SKILL, items),
            "low": [low for low, _ in intervals],
            "high": [high for _, high in intervals],
            "words": np.sum([item["words"] for item in items], axis=0).tolist(),
        }

    def _numbers(self, document: DocumentWords, name: str) -> np.ndarray:
        """Return a property of each word, NaN where it is not known."""
        if name == "frequency":
            return np.array([self.frequency[spelling(word)] for word in document.words], np.float64)
        return np.array(document.known.get(name, [None] * len(document.words)), np.float64)


_NUMBERS = ("start", "end", "duration", "place", "num_tokens")


def spelling(word: str) -> str:
    """Return a word without its punctuation and case.

    Example:
        >>> [spelling(word) for word in ('"Well,"', "don't", "Ärger")]
        ['well', "don't", 'ärger']
    """
    units = split_units(word)
    return (word[units[0].start : units[-1].end] if units else word).casefold()


def layer_groups(num_layers: int, best_layer: int | None) -> dict[str, range]:
    """Return groups of layers by name: layer 0, thirds of layers 1 to L, all of these, the best layer.

    Args:
        num_layers: number L + 1 of layers.
        best_layer: the layer from 1 up with the highest skill, None if there is none.

    Example:
        >>> {name: list(layers) for name, layers in layer_groups(6, 4).items()}  # doctest: +NORMALIZE_WHITESPACE
        {'entry': [0], 'lower third': [1, 2], 'middle third': [3, 4], 'upper third': [5], 'all': [1, 2, 3, 4, 5],
         'best layer': [4]}
    """
    thirds = [part for part in np.array_split(np.arange(1, num_layers), 3) if len(part)]
    groups = {"entry": range(1)}
    groups |= {name: range(part[0], part[-1] + 1) for name, part in zip(_THIRDS, thirds, strict=False)}
    groups |= {ALL: range(1, num_layers)} if num_layers > 1 else {}
    return groups | (
        {} if best_layer is None or best_layer >= num_layers else {"best layer": range(best_layer, best_layer + 1)}
    )


def _known(record: AlignmentRecord, reference: str) -> dict[str, Sequence[float | None]]:
    words = record.references[reference]
    last = max(len(words) - 1, 1)
    return {
        "start": [word.start for word in words],
        "end": [word.end for word in words],
        "duration": [round(word.end - word.start, 6) for word in words],
        "place": [index / last for index in range(len(words))],
        **({} if record.num_tokens is None else {"num_tokens": record.num_tokens}),
        **record.word_values.get(reference, {}),
    }


def _group_means(sums: WordSums, layers: Sequence[int]) -> dict[str, list[float | None]]:
    """Return means of each word over its entries and over some layers."""
    found = {"error": sums.errors, "seconds": sums.seconds, "hit": sums.hits}
    return {name: _means(values[layers].mean(axis=0), sums.entries) for name, values in found.items()}


def _means(sums: np.ndarray, counts: np.ndarray) -> list[float | None]:
    """Return sums over counts, None where there is nothing to divide or to divide by."""
    pairs = zip(sums.tolist(), counts.tolist(), strict=True)
    return [total / count if count and total == total else None for total, count in pairs]


def _span(layers: range) -> str:
    return str(layers[0]) if len(layers) == 1 else f"{layers[0]}-{layers[-1]}"


def _edges(values: np.ndarray) -> np.ndarray:
    """Return edges of bins that hold about as many values each, ``edges[b] <= value < edges[b + 1]``.

    Equal values stay together, so that a bin may hold many more; a small rest joins the last one.
    """
    found, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    share, held, starts = counts.sum() / _BINS, 0, [0]
    for place, count in enumerate(counts.tolist()):
        if held >= share:
            starts.append(place)
            held = 0
        held += count
    if held < share / 2 and len(starts) > 2:
        starts.pop()
    return np.concatenate([[-np.inf], found[starts[1:]], [np.inf]])


def _bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the bin of each value, -1 where it is unknown."""
    return np.where(np.isfinite(values), np.searchsorted(edges, values, side="right") - 1, -1)


def _bin_labels(edges: np.ndarray, values: np.ndarray) -> list[str]:
    """Return the lowest and the highest value in each bin."""
    bins = _bins(values, edges)
    ends = [(values[bins == place].min(), values[bins == place].max()) for place in range(len(edges) - 1)]
    return [_brief(low) if low == high else f"{_brief(low)} to {_brief(high)}" for low, high in ends]


def _brief(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"


def _item(document: DocumentWords, bins: np.ndarray, size: int) -> Item | None:
    """Return what a document contributes to each bin, in the place of layers; None if it has only one path."""
    sums = document.sums
    if np.isnan(sums.random_seconds).any() or len(sums.seconds) < 2:
        return None
    inside = bins >= 0
    totals = {"seconds": sums.seconds[1:].mean(axis=0), "random_seconds": sums.random_seconds}
    return {
        "uid": document.uid,
        "speaker": document.speaker,
        "layers": size,
        "columns": {name: np.bincount(bins[inside], total[inside], size).tolist() for name, total in totals.items()},
        "words": np.bincount(bins[inside], minlength=size),
    }
