"""How each word of one document is aligned, from its record.

An entry of the path belongs to a word: the position to the word in whose territory its centre lies, or, with fewer
positions than words, the entry is the word's own. Counted here are sums over a word's entries, so that those over all
words of a document, divided by its entries, are the document's ``alas``, ``alas_seconds`` and ``alas_seconds_uniform``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alas_metric.document.path_errors import entry_expectations, entry_seconds, seconds_distances
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.timeline import Timeline


@dataclass(frozen=True)
class WordSums:
    """Sums over the path entries of each word.

    Args:
        entries: how many entries are the word's, int ``(N,)``; on coarse positions a short word may have none.
        errors: distances of the path from the reference, in words (swapped: in positions), ``(L + 1, N)``.
        seconds: distances in seconds, see `alignment_seconds`, ``(L + 1, N)``.
        hits: entries at which the path is where the reference is, ``(L + 1, N)``.
        random_seconds: what a random monotone path is expected to give in place of ``seconds``, ``(N,)``; NaN in a
            document with only one path.
    """

    entries: np.ndarray
    errors: np.ndarray
    seconds: np.ndarray
    hits: np.ndarray
    random_seconds: np.ndarray


def word_sums(record: AlignmentRecord, reference: str | None = None, form: str = "standardised") -> WordSums | None:
    """Return the sums of each word.

    Args:
        record: of the document.
        reference: name of the word timestamps to compare with, the record's primary one by default.
        form: of similarity, of `similarity.FORMS`.

    Returns:
        None where the record was skipped or is older than the form.

    Raises:
        ValueError: If the record does not hold that reference.
    """
    if record.skipped is not None or form not in record.paths:
        return None
    name = record.reference if reference is None else reference
    if name not in record.references:
        raise ValueError(f"document {record.uid!r} has no reference {name!r}, only {sorted(record.references)}")
    timeline = Timeline.of(record.uid, record.references[name], record.num_frames, record.frame_seconds)
    path, size = record.paths[form], record.num_words
    owners = _entry_owners(timeline)
    times = (timeline.words, record.num_frames, record.frame_seconds)
    distances = np.abs(path - timeline.path)
    random = np.full(len(owners), np.nan)
    if not record.forced:
        shorter = min(size, record.num_frames)
        random = entry_expectations(len(owners), shorter, lambda entries: seconds_distances(*times, entries))
    return WordSums(
        entries=np.bincount(owners, minlength=size),
        errors=_by_owner(distances, owners, size),
        seconds=_by_owner(entry_seconds(path, *times), owners, size),
        hits=_by_owner(distances == 0, owners, size),
        random_seconds=_by_owner(random, owners, size),
    )


def word_seconds(paths: np.ndarray, timeline: Timeline) -> np.ndarray:
    """Return how far from its own time each word is sought, in seconds: the mean over its entries.

    Weighted by the words' entries, the mean over words is the document's ``alas_seconds``.

    Args:
        paths: shape ``(..., K)``, see `alas_metric.document.paths`.
        timeline: of the document.

    Returns:
        Shape ``(..., N)``, NaN where a word has no entry.
    """
    owners, size = _entry_owners(timeline), timeline.num_words
    seconds = entry_seconds(paths, timeline.words, timeline.num_frames, timeline.frame_seconds)
    with np.errstate(invalid="ignore"):
        return _by_owner(seconds, owners, size) / np.bincount(owners, minlength=size)


def _entry_owners(timeline: Timeline) -> np.ndarray:
    """Return the word that each entry of a path belongs to, shape ``(K,)``."""
    return np.arange(timeline.num_words) if timeline.swapped else timeline.path


def _by_owner(values: np.ndarray, owners: np.ndarray, size: int) -> np.ndarray:
    """Return sums of values (..., K) by owner, (..., N); owners do not decrease."""
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    sums = np.zeros((*values.shape[:-1], size))
    sums[..., owners[starts]] = np.add.reduceat(values.astype(np.float64), starts, axis=-1)
    return sums
