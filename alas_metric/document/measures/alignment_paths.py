"""The path that each form of similarity gives, and the one that it gives on circularly shifted audio.

What they leave are not sums but the paths themselves, from which a record can be scored with any reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alas_metric.document.measure import Layers, Measure
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
    num_words, num_frames, target = timeline.num_words, timeline.num_frames, timeline.path
    shorter = min(num_words, num_frames)
    seconds, error = expectations(
        len(target),
        shorter,
        [
            lambda entries: seconds_distances(timeline.words, num_frames, timeline.frame_seconds, entries),
            lambda entries: np.abs(np.arange(shorter) - target[entries, None]),
        ],
    )
    columns: dict[str, Any] = {"alas_seconds_uniform": seconds}
    if not timeline.swapped:
        columns["alas_uniform"] = error
        columns["alas_linear"] = alignment_error(linear_path(num_words, num_frames), target)
    return columns


MEASURE = AlignmentPaths()
