"""Scores of one document, from its record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from alas_metric.document.agreement import disagreement
from alas_metric.document.behaviour import modality_gap
from alas_metric.document.conditions import conditions
from alas_metric.document.measures import MEASURES
from alas_metric.document.record import ANSWER_FILTER, CONFIDENCE, CONTAINED, AlignmentRecord
from alas_metric.document.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class DocumentScores:
    """Scores of one document.

    Args:
        uid: the document.
        speaker: who speaks, None if unknown.
        skipped: cause why there are no scores, None if there are.
        detail: what exactly was found when skipped.
        swapped: whether there were fewer positions than words.
        forced: whether only one path exists.
        answered: whether the model was asked for answers.
        agreement: similarity of the two answers, None for closed or missing ones; 1 where one is contained in the other
            and this is asked for.
        contained: whether answers of which one is contained in the other agree.
        labels: closed answers, see `AlignmentRecord`.
        similarities: free answers, see `AlignmentRecord`.
        conditions: under which the record was made, see `document.conditions`.
        reference_confidence: how sure the source of the word times is of them, the mean over words; None if it says
            nothing, as gold times do not.
        min_confidence: what was asked of it before the document counts, None for nothing.
        reference_disagreement: how far its borders between words are from those of the record's other sources, the mean
            in seconds; None if there is no other.
        columns: values of each layer, float64 ``(L + 1,)``, by name; a name is absent where it is undefined. Names
            of what depends on the form of similarity end in it, see `similarity.FORMS`.
        layer_map: sums of every audio layer with every text layer, see `AlignmentRecord`.
    """

    uid: str
    speaker: str | None = None
    skipped: str | None = None
    detail: str = ""
    swapped: bool = False
    forced: bool = False
    answered: bool = False
    agreement: float | None = None
    contained: bool = False
    labels: dict[str, str | None] | None = None
    similarities: dict[str, float | None] = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)
    reference_confidence: float | None = None
    min_confidence: float | None = None
    reference_disagreement: float | None = None
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    layer_map: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def num_layers(self) -> int:
        """Number L + 1 of layers with entry 0, 0 without columns."""
        return len(next(iter(self.columns.values()), ()))

    def plot(self, key: str = "alas_skill") -> Figure:
        """Draw a metric of this document over layers.

        Args:
            key: a metric that has a value in every layer.

        Raises:
            ValueError: If it is undefined for this document.
        """
        from alas_metric.corpus.documents import document_curve
        from alas_metric.figures.figures import layer_curves, titled

        return titled(layer_curves(document_curve(self, key), key), self.uid)

    def __repr__(self) -> str:
        what = f"skipped: {self.skipped}" if self.skipped else f"{self.num_layers} layers, {len(self.columns)} columns"
        return f"DocumentScores({self.uid!r}, {what})"

    def _repr_html_(self) -> str:
        from alas_metric.notebook.html import scores_html

        return scores_html(self)


def score_record(record: AlignmentRecord, reference: str | None = None, contained: bool = False) -> DocumentScores:
    """Return the scores of one document.

    Args:
        record: what the model side left.
        reference: name of the word timestamps to compare with, the record's primary one by default.
        contained: whether free answers of which one is contained in the other agree, whatever their similarity; they do
            where the record's own task says so.

    Returns:
        Scores in words (swapped: positions) and seconds, see `corpus.METRICS` for what comes of them.

    Raises:
        ValueError: If the record does not hold that reference.
    """
    if record.skipped is not None:
        return DocumentScores(record.uid, record.speaker, record.skipped["cause"], record.skipped["detail"])
    name = record.reference if reference is None else reference
    if name not in record.references:
        raise ValueError(f"document {record.uid!r} has no reference {name!r}, only {sorted(record.references)}")
    answered = record.audio_answer is not None or record.text_answer is not None
    return DocumentScores(
        uid=record.uid,
        speaker=record.speaker,
        swapped=record.swapped,
        forced=record.forced,
        answered=answered,
        agreement=_agreement(record, contained),
        contained=_counts_contained(record, contained),
        labels=record.labels if answered else None,
        similarities=dict(record.similarities),
        conditions=conditions(record, name),
        reference_confidence=reference_confidence(record, name),
        reference_disagreement=disagreement(record.references, name),
        columns=_columns(record, name),
        layer_map=record.layer_maps.get(name, {}),
    )


def _counts_contained(record: AlignmentRecord, asked: bool) -> bool:
    return asked or record.settings.get(ANSWER_FILTER) == CONTAINED


def _agreement(record: AlignmentRecord, contained: bool) -> float | None:
    asked = _counts_contained(record, contained)
    similarity = record.similarities.get("responses")
    return 1.0 if asked and record.similarities.get(CONTAINED) == 1 and similarity is not None else similarity


def reference_confidence(record: AlignmentRecord, name: str) -> float | None:
    """Return the mean confidence of a document's words in a source of word times, None where it has none.

    Args:
        record: of the document.
        name: of the source.
    """
    known = [each for each in record.word_values.get(name, {}).get(CONFIDENCE, ()) if each is not None]
    return sum(known) / len(known) if known else None


def _columns(record: AlignmentRecord, name: str) -> dict[str, np.ndarray]:
    """Return every column that is defined for this document."""
    timeline = Timeline.of(record.uid, record.references[name], record.num_frames, record.frame_seconds)
    columns: dict[str, np.ndarray | float] = {}
    for measure in MEASURES.values():
        found = record.found(measure.name, name)
        if found and found.keys() >= set(measure.needed):
            columns |= measure.columns(found, timeline)
    gap = modality_gap(record.labels, record.similarities)
    columns |= {} if gap is None else {"modality_gap": gap}
    return {key: np.full(record.num_layers, value, dtype=np.float64) for key, value in columns.items()}
