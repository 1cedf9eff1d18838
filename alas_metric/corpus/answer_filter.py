"""Which documents count: those whose two answers agree."""

from __future__ import annotations

from alas_metric.document.scores import DocumentScores

THRESHOLD = 0.7
"""Similarity of the two answers from which a document is kept, as in the paper."""


def kept(scores: DocumentScores, threshold: float = THRESHOLD) -> bool:
    """Return whether a document passes the answer filter.

    Args:
        scores: of the document.
        threshold: smallest similarity of the two answers.

    Returns:
        False if skipped. Closed answers: both read as the same label. Free answers: as similar as the
        threshold. True if the model was not asked for answers.
    """
    if scores.skipped is not None:
        return False
    if not scores.answered:
        return True
    if scores.labels is not None:
        return scores.labels["audio"] is not None and scores.labels["audio"] == scores.labels["text"]
    return scores.agreement is not None and scores.agreement >= threshold


def nothing_kept(kept_documents: int, scorable: int) -> str:
    """Return what is said where the filter keeps no document, so that most numbers are undefined; else nothing.

    Example:
        >>> nothing_kept(0, 6)
        '0 of 6 documents passed the answer filter: see alas_all, or score without answers by alas_responses=false'
    """
    if kept_documents or not scorable:
        return ""
    return (
        f"0 of {scorable} documents passed the answer filter: see alas_all, or score without answers by "
        "alas_responses=false"
    )
