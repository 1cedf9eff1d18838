"""The path that each form of similarity gives, and the one that it gives on circularly shifted audio.

What they leave are not sums but the paths themselves, from which a record can be scored with any reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alas_metric.document.measure import Layers, Measure
from alas_metric.document.metric import LINEAR, RANDOM, SHIFTED, Metric, mean, skill
from alas_metric.document.path_errors import (
    alignment_error,
    alignment_matrix_error,
    alignment_seconds,
    expectations,
    seconds_distances,
)
from alas_metric.document.paths import linear_path, monotonic_alignment_search
from alas_metric.document.similarity import FORMS
from alas_metric.document.timeline import Timeline


class AlignmentPaths(Measure):
    """Paths by form, and with ``_chance`` those on audio shifted by `circular_shift` positions."""

    name = "paths"
    needs_times = False

    def __call__(self, layers: Layers, timeline: Timeline) -> dict[str, Any]:
        """Return paths, int ``(layers, max(N, T))``."""
        shifted = monotonic_alignment_search(np.roll(layers.similarity_on_host, timeline.shift, axis=-1))
        found = {form: layers.paths[:, index] for index, form in enumerate(FORMS)}
        return found | {f"{form}_chance": shifted[:, index] for index, form in enumerate(FORMS)}

    def columns(self, found: Mapping[str, np.ndarray], timeline: Timeline) -> dict[str, Any]:
        """Return distances of the paths from the reference, and what paths without a model give."""
        columns: dict[str, Any] = {}
        for form in FORMS:
            if form in found:
                columns |= _errors(np.stack([found[form], found[f"{form}_chance"]]), timeline, form)
        return columns if timeline.forced else columns | _baselines(timeline)


def _errors(both: np.ndarray, timeline: Timeline, form: str) -> dict[str, np.ndarray]:
    """Return the errors of the model's paths and, unless forced, of those on shifted audio, (2, L + 1, K) together."""
    words, num_frames, frame_seconds = timeline.words, timeline.num_frames, timeline.frame_seconds
    seconds, chance_seconds = alignment_seconds(both, words, num_frames, frame_seconds)
    error, chance_error = alignment_error(both, timeline.path)
    columns = {f"alas_seconds_{form}": seconds}
    if timeline.swapped:
        columns[f"alas_swapped_{form}"] = error
    else:
        columns[f"alas_{form}"] = error
        columns[f"alas_matrix_{form}"] = alignment_matrix_error(both[0], timeline.path, len(words))
    if not timeline.forced:
        columns[f"alas_seconds_chance_{form}"] = chance_seconds
    if not timeline.forced and not timeline.swapped:
        columns[f"alas_chance_{form}"] = chance_error
    return columns


def _baselines(timeline: Timeline) -> dict[str, Any]:
    """Return what the random and the constant-rate path give; the same in every layer."""
    num_words, num_frames, expected = timeline.num_words, timeline.num_frames, timeline.path
    shorter = min(num_words, num_frames)
    seconds, error = expectations(
        len(expected),
        shorter,
        [
            lambda entries: seconds_distances(timeline.words, num_frames, timeline.frame_seconds, entries),
            lambda entries: np.abs(np.arange(shorter) - expected[entries, None]),
        ],
    )
    columns: dict[str, Any] = {"alas_seconds_uniform": seconds}
    if not timeline.swapped:
        columns["alas_uniform"] = error
        columns["alas_linear"] = alignment_error(linear_path(num_words, num_frames), expected)
    return columns


MEASURE = AlignmentPaths()
_WORDS = {RANDOM: mean("alas_uniform"), LINEAR: mean("alas_linear"), SHIFTED: mean("alas_chance_{form}")}
_SECONDS = {RANDOM: mean("alas_seconds_uniform"), SHIFTED: mean("alas_seconds_chance_{form}")}
_SKILL = skill("alas_seconds_{form}", "alas_seconds_uniform")

ROWS = (
    Metric(
        "alas",
        "ALAS",
        mean("alas_{form}"),
        "mean distance between the path found in the hidden states and the path of the word timestamps (the paper's "
        "eq. 2)",
        direction="lower",
        unit="words",
        form="raw",
        curve=True,
        baselines=_WORDS,
        column="ALAS",
        headline=True,
        shown=True,
    ),
    Metric(
        "alas_seconds",
        "ALAS in time",
        mean("alas_seconds_{form}"),
        "alas as a distance in time, between positions and their words; comparable between frame rates",
        direction="lower",
        unit="seconds",
        form="raw",
        curve=True,
        baselines=_SECONDS,
    ),
    Metric(
        "alas_matrix",
        "ALAS of matrices",
        mean("alas_matrix_{form}"),
        "differing entries of the two path matrices, as the authors' script plots it",
        direction="lower",
        unit="share",
        form="raw",
        curve=True,
    ),
    Metric(
        "alas_swapped",
        "ALAS, swapped documents",
        mean("alas_swapped_{form}"),
        "alas of documents with fewer positions than words, which are kept apart",
        direction="lower",
        unit="positions",
        form="raw",
        curve=True,
    ),
    Metric(
        "alas_skill",
        "ALAS skill",
        _SKILL,
        "1 perfect, 0 a random monotone path, negative worse; ranks models by how they align, not by how much they "
        "understand",
        direction="higher",
        form="standardised",
        curve=True,
        zero=RANDOM,
        column="Skill",
        headline=True,
        shown=True,
        validated=("learning",),
    ),
    Metric(
        "alas_evidence",
        "ALAS evidence",
        skill("alas_seconds_{form}", "alas_seconds_chance_{form}"),
        "1 perfect, 0 no better than on circularly shifted audio; says whether a layer aligns at all",
        direction="higher",
        form="standardised",
        curve=True,
        zero=SHIFTED,
        column="Evidence",
        headline=True,
        shown=True,
        validated=("what-must-not-move-and-what-must-break", "order-alone"),
    ),
    Metric(
        "alas_uniform",
        "ALAS of a random path",
        mean("alas_uniform"),
        "alas of a random monotone path, exactly; no model is involved",
        unit="words",
        shown=True,
    ),
    Metric(
        "alas_linear",
        "ALAS of the constant-rate path",
        mean("alas_linear"),
        "alas of the path of constant rate; hard to beat on short, evenly spoken utterances",
        unit="words",
        shown=True,
        validated=("learning",),
    ),
    Metric(
        "alas_chance",
        "ALAS on shifted audio",
        mean("alas_chance_{form}"),
        "alas of the model's own path on circularly shifted audio",
        unit="words",
        form="raw",
        shown=True,
    ),
    Metric(
        "alas_all",
        "ALAS, all documents",
        mean("alas_{form}"),
        "alas without the answer filter",
        population="scorable",
        direction="lower",
        unit="words",
        form="raw",
        curve=True,
        baselines=_WORDS,
    ),
    Metric(
        "alas_skill_all",
        "ALAS skill, all documents",
        _SKILL,
        "alas_skill without the answer filter",
        population="scorable",
        direction="higher",
        form="standardised",
        curve=True,
        zero=RANDOM,
    ),
)
