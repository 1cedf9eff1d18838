"""The table of metrics: what each one is, and how documents combine."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Metric:
    """How a metric comes from the columns of `DocumentScores`.

    Args:
        kind: ``mean`` of the numerator over documents; ``ratio`` of the sums of numerator and denominator;
            ``skill``, 1 - that ratio; or the name of one of the other forms in `aggregate`.
        numerator: column, or for other forms what they read.
        denominator: column, None without.
        population: ``kept``, ``scorable``, or ``documents``.
        direction: ``higher`` or ``lower`` is better, ``none`` if neither.
        unit: of the value.
        description: one line for tables and documentation.
        centred: whether it is measured on centred states.
    """

    kind: str
    numerator: str
    denominator: str | None
    population: str
    direction: str
    unit: str
    description: str
    centred: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """What is read of a document for it, if it is layered."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)


LAYERED = ("mean", "ratio", "skill")
CONSTANT = {
    "alas_seconds_uniform",
    "alas_uniform",
    "alas_linear",
    "frame_positions",
    "frame_gain_possible",
}
"""Columns that no model changes: the same in every layer, and so stored once."""
_STATE_METRICS = {
    "alas": Metric("mean", "alas", None, "kept", "lower", "words", "distance between path and reference path"),
    "alas_swapped": Metric(
        "mean",
        "alas_swapped",
        None,
        "kept",
        "lower",
        "positions",
        "the same where positions are fewer than words",
    ),
    "alas_seconds": Metric(
        "mean", "alas_seconds", None, "kept", "lower", "seconds", "distance between positions and their words"
    ),
    "alas_matrix": Metric(
        "mean", "alas_matrix", None, "kept", "lower", "share", "differing entries of the path matrices"
    ),
    "alas_skill": Metric(
        "skill",
        "alas_seconds",
        "alas_seconds_uniform",
        "kept",
        "higher",
        "1",
        "1 perfect, 0 a random monotone path, negative worse; ranks models",
    ),
    "alas_evidence": Metric(
        "skill",
        "alas_seconds",
        "alas_seconds_chance",
        "kept",
        "higher",
        "1",
        "1 perfect, 0 as on circularly shifted audio; says whether a layer aligns",
    ),
    "alas_chance": Metric("mean", "alas_chance", None, "kept", "none", "words", "alas on circularly shifted audio"),
    "frame_accuracy": Metric(
        "ratio",
        "frame_hits",
        "frame_positions",
        "kept",
        "higher",
        "share",
        "positions most similar to their word",
    ),
    "frame_skill": Metric(
        "ratio",
        "frame_gain",
        "frame_gain_possible",
        "kept",
        "higher",
        "1",
        "frame_accuracy above guessing: 1 perfect, 0 guessing",
    ),
}
_PLAIN_METRICS = {
    "alas_uniform": Metric("mean", "alas_uniform", None, "kept", "none", "words", "alas of a random monotone path"),
    "alas_linear": Metric("mean", "alas_linear", None, "kept", "none", "words", "alas of the constant-rate path"),
    "alas_all": Metric("mean", "alas_raw", None, "scorable", "lower", "words", "alas without the answer filter"),
    "alas_skill_all": Metric(
        "skill",
        "alas_seconds_raw",
        "alas_seconds_uniform",
        "scorable",
        "higher",
        "1",
        "alas_skill without the answer filter",
    ),
    "kept": Metric("count", "kept", None, "scorable", "none", "documents", "documents that pass the answer filter"),
    "kept_share": Metric("value", "kept", None, "scorable", "none", "share", "kept of scorable documents"),
    "skipped": Metric("causes", "skipped", None, "documents", "none", "documents", "left out, by cause"),
    "forced": Metric("count", "forced", None, "scorable", "none", "documents", "documents with only one path"),
    "swapped": Metric(
        "count", "swapped", None, "scorable", "none", "documents", "documents with fewer positions than words"
    ),
    "best_layer": Metric(
        "best_layer",
        "alas_seconds_raw",
        "alas_seconds_uniform",
        "kept",
        "none",
        "layer",
        "layer from 1 up with the highest alas_skill",
    ),
    "layers": Metric("layers", "", None, "scorable", "none", "", "values of every layer with 95 % intervals"),
}
_TASK_METRICS = {
    "answer_similarity": Metric(
        "value", "responses", None, "scorable", "higher", "cosine", "similarity of the two answers"
    ),
    "answer_similarity_audio": Metric(
        "value", "audio_target", None, "scorable", "higher", "cosine", "similarity of audio and gold answer"
    ),
    "answer_similarity_text": Metric(
        "value", "text_target", None, "scorable", "higher", "cosine", "similarity of text and gold answer"
    ),
    "accuracy_audio": Metric("value", "audio", None, "scorable", "higher", "share", "right answers to the audio"),
    "accuracy_text": Metric("value", "text", None, "scorable", "higher", "share", "right answers to the transcript"),
    "uar_audio": Metric(
        "recall", "audio", None, "scorable", "higher", "share", "mean over gold classes of the recall, audio"
    ),
    "uar_text": Metric(
        "recall",
        "text",
        None,
        "scorable",
        "higher",
        "share",
        "mean over gold classes of the recall, transcript",
    ),
}


def _of_form(metric: Metric, form: str) -> Metric:
    """Return the metric on one form of similarity: columns that depend on it end in its name."""
    divisor = metric.denominator
    if divisor is not None and divisor not in CONSTANT:
        divisor = f"{divisor}_{form}"
    return replace(metric, numerator=f"{metric.numerator}_{form}", denominator=divisor)


def _raw(metric: Metric) -> Metric:
    return _of_form(metric, "raw")


def _centred(metric: Metric) -> Metric:
    description = f"{metric.description}; centred states"
    return replace(_of_form(metric, "centred"), description=description, centred=True)


METRICS: dict[str, Metric] = {
    **{key: _raw(metric) for key, metric in _STATE_METRICS.items()},
    **{f"{key}_centred": _centred(metric) for key, metric in _STATE_METRICS.items()},
    **_PLAIN_METRICS,
    **_TASK_METRICS,
}
"""Every key of the results, in the order of reports."""
