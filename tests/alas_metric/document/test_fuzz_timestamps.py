"""Any word timestamps: refused where they are NaN, endless or reversed, else clipped; every score is then defined."""

from __future__ import annotations

import math

import numpy as np
from fuzzing import fuzz
from hypothesis import given
from hypothesis import strategies as st

from alas_metric import WordTiming, score_pair, score_record
from alas_metric.document.measures.frame_hits import frame_hits
from alas_metric.document.paths import check_words, reference_path, territories
from alas_metric.document.timeline import Timeline
from alas_metric.errors import SkipDocument

SECONDS = 0.04
times = st.one_of(
    st.floats(-0.2, 2.0),
    st.sampled_from([0.0, -0.0, 0.04, 0.32, 5e-324, 1e308, -1e308, math.nan, math.inf, -math.inf]),
    st.integers(-1, 50).map(float),
)
spans = st.lists(st.tuples(times, times), min_size=1, max_size=12)
ordered = spans.map(lambda each: [tuple(sorted(span)) for span in each])


@fuzz(60)
@given(spans | ordered, st.integers(1, 40))
def test_reference_of_any_timestamps(rows: list[tuple[float, float]], num_frames: int) -> None:
    words = [WordTiming("w", *row) for row in rows]
    duration = num_frames * SECONDS
    usable = all(math.isfinite(a) and math.isfinite(b) and a <= b for a, b in rows)
    try:
        clipped = check_words(words, duration)
    except ValueError as error:
        assert not usable and "word " in str(error)
        return
    assert usable and all(0 <= word.start <= word.end <= duration for word in clipped)
    owned = territories(clipped)
    assert owned[0, 0] == -np.inf and owned[-1, 1] == np.inf
    assert (owned[1:, 0] == owned[:-1, 1]).all() and (owned[:, 0] <= owned[:, 1]).all()
    path = reference_path(clipped, num_frames, SECONDS)
    shorter = min(len(words), num_frames)
    assert path.shape == (max(len(words), num_frames),) and path.min() >= 0 and path.max() < shorter
    if num_frames >= len(words):
        assert (np.diff(path) >= 0).all()
    hits = frame_hits(np.zeros((len(words), num_frames)), Timeline.of("u", clipped, num_frames, SECONDS))
    assert 0 <= hits <= num_frames


@fuzz(20)
@given(spans | ordered, ordered, st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_scores_of_any_timestamps(
    rows: list[tuple[float, float]], others: list[tuple[float, float]], num_frames: int, seed: int
) -> None:
    words = [WordTiming("w", *row) for row in rows]
    similarity = np.random.default_rng(seed).uniform(-1, 1, (2, 2, len(words), num_frames))
    references = {"first": words, "second": [WordTiming("w", *row) for row in others]}
    try:
        record = score_pair(
            similarity,
            uid="u",
            transcript="t",
            words=["w"] * len(words),
            frame_seconds=SECONDS,
            references=references,
            reference="first",
        )
    except SkipDocument as skip:
        assert skip.cause == "bad_timestamps" and "word" in skip.detail
        return
    again = type(record).from_json(record.to_json())
    for name in again.references:
        scores = score_record(again, name)
        assert all(np.isfinite(column).all() for column in scores.columns.values())
        assert all((scores.columns[key] >= 0).all() for key in ("alas_seconds_raw", "alas_seconds_centred"))
