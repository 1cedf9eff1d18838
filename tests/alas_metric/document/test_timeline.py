"""The stretch of audio positions of each word against the definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alas_metric import WordTiming
from alas_metric.document.paths import circular_shift, reference_path
from alas_metric.document.timeline import Timeline

SECONDS = 0.04


@given(st.lists(st.tuples(st.floats(0, 1.5), st.floats(0, 1.5)), min_size=1, max_size=8), st.integers(1, 30))
def test_stretches_equal_the_definition(spans: list[tuple[float, float]], num_frames: int) -> None:
    words = [WordTiming("w", min(span), max(span)) for span in spans]
    timeline = Timeline.of("u", words, num_frames, SECONDS)
    centres = (np.arange(num_frames) + 0.5) * SECONDS
    for word, (begin, end) in zip(timeline.words, timeline.stretches, strict=True):
        inside = [k for k in range(num_frames) if word.start <= centres[k] < word.end]
        middle = min(max(int((word.start + word.end) / 2 // SECONDS), 0), num_frames - 1)
        assert list(range(begin, end)) == (inside or [middle])


def test_sizes_and_shift() -> None:
    words = [WordTiming("a", 0.0, 0.1), WordTiming("b", 0.1, 9.0)]
    timeline = Timeline.of("u", words, 10, SECONDS)
    assert timeline.words[1].end == 10 * SECONDS
    assert (timeline.num_words, timeline.swapped, timeline.forced) == (2, False, False)
    assert timeline.shift == circular_shift("u", 10)
    np.testing.assert_array_equal(timeline.path, reference_path(words, 10, SECONDS))
    assert Timeline.of("u", words, 1, SECONDS).swapped and Timeline.of("u", words, 2, SECONDS).forced
