"""One line beside a score that says what decides it, in the manner of sacrebleu's signatures.

    alas|form:std|ref:whisper-large-v3-align|unit:word|text:dataset|set:5f0c4a1e|sbert:c8b2f3a0|filter:0.7|layers:1-32|n:2134|v:0.1.0

======  =========================================================================================================
form    of similarity that the ranking metrics are read in: ``std``, standardised
ref     word timestamps that the scores are against
unit    of ``alas``: ``word``, or ``position`` where most documents have fewer positions than words
text    where transcripts come from
set     hash of the other settings of the records, such as the Whisper checkpoint
sbert   hash of the weights that compare free answers; ``none`` where there are none
filter  similarity of answers from which documents are kept, ``+contained`` where answers contained in each other are
        too; ``label`` for closed answers, ``off`` without answers; ``+confidence0.6`` where only documents count whose
        word times are that sure
layers  that the mean goes over
n       documents that the scores rest on
v       version of the plugin that measured
======  =========================================================================================================

``?`` is unknown. Runs of one task on the same data whose signatures are equal but for layers, n and v can be compared.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from alas_metric.corpus.answer_filter import kept
from alas_metric.document.conditions import ANSWERS, REFERENCE, SETTINGS, TRANSCRIPTS, VERSION
from alas_metric.document.scores import DocumentScores

UNKNOWN = "?"
OF_RUN = ("layers", "n", "v")
"""What may differ between runs that are compared."""
_NAME = "alas"
_HASH = 8


def unit(swapped: Sequence[bool]) -> str:
    """Return the unit of ``alas`` from whether each document has fewer positions than words."""
    return "positions" if 2 * sum(swapped) > len(swapped) else "words"


def answer_filter(scores: DocumentScores, threshold: float) -> str:
    """Return by what a document is kept: a similarity, its label, or nothing; and how sure its word times must be."""
    sure = "" if scores.min_confidence is None else f"+confidence{scores.min_confidence}"
    if not scores.answered:
        return f"off{sure}"
    if scores.labels is not None:
        return f"label{sure}"
    return f"{threshold:g}{'+contained' * scores.contained}{sure}"


def joined(texts: Iterable[str | None]) -> str | None:
    """Return what documents say, once; None where none of them knows."""
    known = {text for text in texts if text is not None}
    return " and ".join(sorted(known)) if known else None


def document_facts(scores: DocumentScores, threshold: float) -> dict[str, object]:
    """Return what a document contributes to the signature of a run, JSON-able; nothing if it was skipped."""
    if scores.skipped is not None:
        return {}
    return {
        "conditions": dict(scores.conditions),
        "swapped": scores.swapped,
        "filter": answer_filter(scores, threshold),
        "layers": len(next(iter(scores.columns.values()), ())),
        "kept": kept(scores, threshold),
    }


def signature(facts: Sequence[dict[str, Any]]) -> str | None:
    """Return the signature of a run.

    Args:
        facts: of its documents, see `document_facts`; skipped ones are left out.

    Returns:
        One line, None without documents.
    """
    if not facts:
        return None
    conditions = {
        name: joined(each["conditions"].get(name) for each in facts)
        for name in (REFERENCE, TRANSCRIPTS, SETTINGS, ANSWERS, VERSION)
    }
    by_similarity = any(not each["filter"].startswith(("off", "label")) for each in facts)
    last = max(each["layers"] for each in facts) - 1
    fields = {
        "form": "std",
        "ref": conditions[REFERENCE],
        "unit": unit([each["swapped"] for each in facts]).removesuffix("s"),
        "text": conditions[TRANSCRIPTS],
        "set": _hash(conditions[SETTINGS]),
        "sbert": _hash(conditions[ANSWERS]) if by_similarity else "none",
        "filter": joined(each["filter"] for each in facts),
        "layers": f"1-{last}",
        "n": str(sum(each["kept"] for each in facts)),
        "v": conditions[VERSION],
    }
    return "|".join([_NAME, *(f"{name}:{_plain(value)}" for name, value in fields.items())])


def _hash(text: str | None) -> str | None:
    if text is None or text == "none":
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH]


def _plain(text: str | None) -> str:
    """Return a value without what separates fields."""
    return UNKNOWN if text is None else re.sub(r"[|:\s]+", "-", text)


def parse(text: str) -> dict[str, str]:
    """Return the fields of a signature.

    Raises:
        ValueError: If it is none.

    Example:
        >>> parse("alas|form:std|ref:words|n:64")
        {'form': 'std', 'ref': 'words', 'n': '64'}
    """
    name, *fields = text.strip().split("|")
    pairs = [field.partition(":") for field in fields]
    if name != _NAME or not all(key and colon and value for key, colon, value in pairs):
        raise ValueError(f"expected a signature, alas|form:...|ref:...|..., got {text[:100]!r}")
    return {key: value for key, _, value in pairs}


def comparable(one: str, other: str) -> bool:
    """Return whether two signatures are those of runs that can be compared, on one task and the same data.

    Raises:
        ValueError: If one of them is none.

    Example:
        >>> comparable("alas|ref:words|filter:0.7|n:64|v:0.1", "alas|ref:words|filter:0.7|n:60|v:0.2")
        True
    """
    fields = [{key: value for key, value in parse(text).items() if key not in OF_RUN} for text in (one, other)]
    names = fields[0].keys() | fields[1].keys()
    values = [[each.get(name, UNKNOWN) for each in fields] for name in names]
    return all(a == b or UNKNOWN in (a, b) for a, b in values)
