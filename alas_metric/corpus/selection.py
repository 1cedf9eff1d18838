"""Which documents of a run count, and which word times they are scored by: what a finished run is scored anew with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from alas_metric.corpus.answer_filter import THRESHOLD, kept
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.scores import DocumentScores, score_record


@dataclass(frozen=True)
class Selection:
    """Which documents of a run count, and which word times.

    Args:
        threshold: of the answer filter, the similarity of two free answers from which a document is kept.
        reference: name of the word timestamps to compare with, each record's primary one by default. Documents without
            it count as skipped.
        min_confidence: documents whose word times are less sure, or do not say how sure they are, count as skipped.
        contained: whether free answers of which one is contained in the other agree, see `score_record`.
    """

    threshold: float = THRESHOLD
    reference: str | None = None
    min_confidence: float | None = None
    contained: bool = False

    @property
    def options(self) -> list[str]:
        """The options of the command line that select the same.

        Example:
            >>> Selection(threshold=0.8, contained=True).options
            ['--threshold', '0.8', '--contained']
        """
        options = [] if self.threshold == THRESHOLD else ["--threshold", str(self.threshold)]
        options += [] if self.reference is None else ["--reference", self.reference]
        options += [] if self.min_confidence is None else ["--min-confidence", str(self.min_confidence)]
        return options + ["--contained"] * self.contained

    def reference_of(self, record: AlignmentRecord) -> str:
        """Return the name of the word timestamps that a record is scored with, whether it holds them or not."""
        return record.reference if self.reference is None else self.reference

    def keeps(self, scores: DocumentScores) -> bool:
        """Return whether a document passes the answer filter, see `kept`."""
        return kept(scores, self.threshold)

    def score(self, record: AlignmentRecord) -> DocumentScores:
        """Return a document's scores; skipped where it lacks the reference, or its word times are not sure enough."""
        if record.skipped is None and (name := self.reference_of(record)) not in record.references:
            detail = f"no reference {name!r}, only {sorted(record.references)}"
            return DocumentScores(record.uid, record.speaker, skipped="no_word_timestamps", detail=detail)
        scores = score_record(record, self.reference, self.contained)
        if self.min_confidence is None or scores.skipped is not None:
            return scores
        return _sure(scores, self.min_confidence)


def _sure(scores: DocumentScores, least: float) -> DocumentScores:
    confidence = scores.reference_confidence
    if confidence is not None and confidence >= least:
        return replace(scores, min_confidence=least)
    detail = "no confidence" if confidence is None else f"confidence {confidence:.3f}, below {least:g}"
    return DocumentScores(scores.uid, scores.speaker, skipped="uncertain_times", detail=detail)


USUAL = Selection()
"""As runs of the harness score themselves."""
