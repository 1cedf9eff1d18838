"""What the numbers of a layer, and of a model, say in words: a rule over intervals, the same for everybody.

Each verdict asks for some metrics to be above a bar with their whole 95 % interval; `RUNGS` are tried from the top, and
the first one whose metrics all are is the verdict. Where none is, nothing was found. No verdict is given where the data
cannot carry one: below `FEW_CLUSTERS` speakers or documents, or where a metric that decides is undefined or has an
interval wider than `WIDEST` that reaches both sides of its bar.

Which metrics are asked for was decided on connectors of known truth in front of real language models
(docs/real-parts.md). `alas_skill` and `alas_evidence` above 0 are no proof that words are at their time: words one word
late have both. `frame_skill` and `retrieval_skill` tell these apart. Where connectors that carry sound alone are above
0 too, the bar is higher: `BARS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from alas_metric.corpus.bootstrap import FEW_CLUSTERS
from alas_metric.numbers import number, span

WIDEST = 0.5
"""Wider intervals on both sides of a bar decide nothing."""
BARS = {"cka_evidence": 0.1, **dict.fromkeys(("frame_skill", "frame_skill_centred", "retrieval_skill"), 0.05)}
"""Above what a metric must be, where it is not 0: sound alone gives some of it. In the mean over the layers of a
language model log-mel features and random projections of Whisper's reach up to 0.10 and 0.15 of the first and 0.03 of
the others (docs/verdict.md)."""
CANNOT_TELL, NOTHING = "cannot tell", "nothing found"


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, None where undefined."""

    value: float | None
    low: float | None
    high: float | None

    def above(self, bar: float) -> bool | None:
        """Return whether the whole interval is above a bar; None if that cannot be told.

        Example:
            >>> [Estimate(0, *ends).above(0) for ends in ((0.1, 0.9), (-0.1, 0.3), (-0.1, 0.5), (-0.9, -0.1))]
            [True, False, None, False]
        """
        if self.low is None or self.high is None:
            return None
        if self.low > bar:
            return True
        return None if self.high > bar and self.high - self.low > WIDEST else False


@dataclass(frozen=True)
class Rung:
    """One verdict: the metrics that must be above their bars for it, and what it says."""

    kind: str
    needs: tuple[str, ...]
    says: str

    def holds(self, found: Mapping[str, Estimate]) -> bool | None:
        """Return whether all are; None if one cannot be told and no other is not."""
        each = [found[key].above(BARS.get(key, 0.0)) for key in self.needs]
        return False if False in each else None if None in each else True


RUNGS = (
    Rung(
        "aligned",
        ("alas_evidence", "alas_skill", "frame_skill", "retrieval_skill"),
        "Where a word is spoken, the audio inside the model resembles that word as it reads it.",
    ),
    Rung(
        "aligned behind an offset",
        ("alas_evidence_centred", "alas_skill_centred", "frame_skill_centred", "retrieval_skill"),
        "Where a word is spoken, the audio inside the model resembles that word as it reads it, once a constant "
        "difference between audio and text is taken out.",
    ),
    Rung(
        "weakly aligned",
        ("alas_evidence", "frame_skill", "retrieval_skill"),
        "Where a word is spoken, the audio inside the model resembles that word more often than by chance, but too "
        "seldom to follow the words through an utterance.",
    ),
    Rung(
        "out of time",
        ("alas_evidence", "alas_skill"),
        "The audio inside the model follows the words in their order, but not at the times when they are spoken.",
    ),
    Rung(
        "in its own directions",
        ("cka_evidence",),
        "Audio and words have the same structure inside the model, but the audio is kept apart from the text, in "
        "directions of its own, where similarity does not see it. It may well hear every word.",
    ),
)
_SAYS = {rung.kind: rung.says for rung in RUNGS} | {
    NOTHING: "Nothing was found inside the model that ties the audio to its words. That does not prove that it does "
    "not hear them: look at its answers."
}
READ = tuple(dict.fromkeys(key for rung in RUNGS for key in rung.needs))
"""Every metric that decides."""


@dataclass(frozen=True)
class Verdict:
    """What is said of a layer or of a model.

    Args:
        kind: that of a rung, `NOTHING` or `CANNOT_TELL`.
        leaning: with too few speakers or documents, what it would be.
        because: the metrics that it rests on.
    """

    kind: str
    leaning: str | None
    because: tuple[str, ...]


def verdict(found: Mapping[str, Estimate], clusters: int) -> Verdict:
    """Return the verdict on one layer, or on the mean over layers.

    Args:
        found: the metrics of `READ`.
        clusters: the fewest speakers, or documents, that one of them rests on.
    """
    kind, because = _first(found)
    if clusters >= FEW_CLUSTERS or kind == CANNOT_TELL:
        return Verdict(kind, None, because)
    return Verdict(CANNOT_TELL, kind, because)


def _first(found: Mapping[str, Estimate]) -> tuple[str, tuple[str, ...]]:
    for rung in RUNGS:
        holds = rung.holds(found)
        if holds or holds is None:
            return rung.kind if holds else CANNOT_TELL, rung.needs
    return NOTHING, tuple(key for key in READ if not key.endswith("_centred"))


def verdicts(curves: Mapping[str, Any]) -> dict[str, Any]:
    """Return the verdict on a model and on each of its layers, as JSON.

    Args:
        curves: of every metric of `READ`, see ``layers`` of `aggregate`.

    Returns:
        ``kind``, ``leaning`` and ``clusters``; ``text``, all of it in words, and ``detail``, the same without the kind;
        ``because``, value and interval by metric; ``layers``, the kind of each layer 0..L, with too few clusters what
        it would be.
    """
    clusters = min(curves[key]["clusters"] for key in READ)
    headline = {key: Estimate(*(curves[key][f"headline{end}"] for end in ("", "_low", "_high"))) for key in READ}
    own = verdict(headline, clusters)
    num_layers = min(len(curves[key]["values"]) for key in READ)
    layers = [verdict(_of_layer(curves, layer), clusters) for layer in range(num_layers)]
    kinds = [each.leaning or each.kind for each in layers]
    because = {key: headline[key] for key in own.because}
    detail = " ".join(filter(None, [_detail(own, clusters), _numbers(because), _layers(kinds)]))
    return {
        "kind": own.kind,
        "leaning": own.leaning,
        "clusters": clusters,
        "detail": detail,
        "text": f"{own.kind.capitalize()}. {detail}",
        "because": {key: vars(estimate) for key, estimate in because.items()},
        "layers": kinds,
    }


def _of_layer(curves: Mapping[str, Any], layer: int) -> dict[str, Estimate]:
    return {key: Estimate(*(curves[key][part][layer] for part in ("values", "low", "high"))) for key in READ}


def _detail(found: Verdict, clusters: int) -> str:
    if found.kind != CANNOT_TELL:
        return _SAYS[found.kind]
    if not clusters:
        return (
            "No document has all the numbers that decide: did the answer filter keep any, or are the records of an "
            "older version?"
        )
    if clusters < FEW_CLUSTERS:
        few = f"{clusters} speakers or documents are too few, {FEW_CLUSTERS} are needed."
        return f'{few} So far it looks like "{found.leaning}": {_SAYS[found.leaning]}' if found.leaning else few
    return "A number that decides is missing, or its interval is too wide: more documents are needed."


def _numbers(because: Mapping[str, Estimate]) -> str:
    known = {key: each for key, each in because.items() if each.low is not None}
    shown = [f"{key} {number(each.value, 2)} ({span(each.low, each.high, 2)})" for key, each in known.items()]
    return f"It rests on {', '.join(shown)}." if shown else ""


def _layers(kinds: Sequence[str]) -> str:
    return f"By layer: {by_layer(kinds)}." if len(set(kinds)) > 1 else ""


def by_layer(kinds: Sequence[str]) -> str:
    """Return which layers have which verdict.

    Example:
        >>> by_layer(["aligned", "aligned", "nothing found", "aligned"])
        'aligned in 0 to 1 and 3; nothing found in 2'
    """
    runs: dict[str, list[str]] = {}
    for kind, group in groupby(enumerate(kinds), key=lambda entry: entry[1]):
        numbers = [layer for layer, _ in group]
        first, last = numbers[0], numbers[-1]
        runs.setdefault(kind, []).append(str(first) if first == last else f"{first} to {last}")
    return "; ".join(f"{kind} in {_listed(places)}" for kind, places in runs.items())


def _listed(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
