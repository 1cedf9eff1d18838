"""Records from anywhere: read and scored, or refused with a ValueError; never more memory than their text explains."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fuzzing import fuzz, json_values, memory_below, numbers, places, put, texts, unicode_texts
from hypothesis import given
from hypothesis import strategies as st
from schemas import as_schema_1

from alas_metric import AlignmentRecord, score_record
from alas_metric.corpus.aggregate import document_items, summarise
from alas_metric.document.record import MAX_LAYERS
from alas_metric.document.similarity import FORMS


def scored(text: str) -> AlignmentRecord | None:
    """Read a record and score it; whatever is read must give finite values, and be written as it was read."""
    try:
        record = AlignmentRecord.from_json(text)
    except ValueError as error:
        assert str(error).startswith("record") and len(str(error)) < 1000
        return None
    scores = score_record(record)
    assert all(np.isfinite(column).all() for column in scores.columns.values())
    document_items(scores, 0.7)
    again = AlignmentRecord.from_json(record.to_json())
    assert again.to_json() == record.to_json()
    (record.to_json() + record.uid + "".join(record.words)).encode("utf-8")
    return record


@fuzz(20)
@given(st.data())
def test_one_or_two_values_changed(record: Callable[..., AlignmentRecord], data: st.DataObject) -> None:
    words, frames = data.draw(st.sampled_from([(1, 1), (1, 5), (3, 3), (5, 2), (2, 12)]))
    values = {"whisper": {"confidence": [0.5] * words}}
    whole = json.loads(record(num_words=words, num_frames=frames, num_layers=2, word_values=values).to_json())
    whole = as_schema_1(whole) if data.draw(st.booleans()) else whole
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places(whole)))
        try:
            put(whole, path, data.draw(json_values | numbers | texts)) if path else None
        except (KeyError, IndexError, TypeError):
            continue  # the first change took the place away
    scored(json.dumps(whole))


@fuzz(20)
@given(json_values)
def test_other_json(value: Any) -> None:
    assert scored(json.dumps(value)) is None


@fuzz(20)
@given(st.data())
def test_damaged_text(record: Callable[..., AlignmentRecord], data: st.DataObject) -> None:
    text = record(num_words=2, num_frames=4, num_layers=2).to_json()
    place = data.draw(st.integers(0, len(text)))
    scored(text[:place] + data.draw(texts) + text[place + data.draw(st.integers(0, 20)) :])


@fuzz(20)
@given(st.data())
def test_hostile_values_give_finite_means(record: Callable[..., AlignmentRecord], data: st.DataObject) -> None:
    """Values that are each in order must not overflow together, so that results can be written as JSON."""
    records = []
    for index in range(3):
        whole = json.loads(record(f"d{index}", num_words=3, num_frames=8, num_layers=2).to_json())
        whole["frame_seconds"] = data.draw(st.sampled_from([1e-6, 0.04, 1e6]))
        whole["similarities"] = {
            name: data.draw(numbers | st.none()) for name in ("responses", "audio_target", "text_target")
        }
        times = st.sampled_from([0.0, 5e-324, 1e-300, 0.02, 0.32, 1e6, 1e308])
        for words in whole["references"].values():
            for word in words:
                word[1:] = sorted([data.draw(times), data.draw(times)])
        sums = [sums for found in whole["reference_sums"].values() for sums in found.values()]
        for values in (values for found in [*whole["sums"].values(), *sums] for values in found.values()):
            values[:] = [data.draw(st.sampled_from([0.0, 5e-324, 1e-300, 1.0, 3.0])) for _ in values]
        found = scored(json.dumps(whole))
        records += [] if found is None else [found]
    values = summarise([score_record(found) for found in records], 0.7)
    json.dumps(values, allow_nan=False)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"schema":' * 100_000, '{"schema": 1, "uid": ' + "[" * 100_000])
def test_deep_json(text: str) -> None:
    with memory_below(100_000_000), pytest.raises(ValueError, match="record: not JSON"):
        AlignmentRecord.from_json(text)


def claim(record: AlignmentRecord, num_words: int, num_frames: int, num_layers: int) -> str:
    """Return a short text that claims sizes, as far as one can without writing them out."""
    whole = json.loads(record.to_json())
    whole["words"] = ["w"] * num_words
    whole["num_frames"] = num_frames
    whole["references"] = {"whisper": [["w", 0, 1]] * num_words}
    steps = list(range(1, min(num_words, num_frames)))
    whole["paths"] = {kind: [steps] * num_layers for kind in whole["paths"]}
    whole["sums"] = {}
    whole["reference_sums"] = {"whisper": {"frame_hits": {form: [0] * num_layers for form in FORMS}}}
    return json.dumps(whole)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((1, 10**9, 1), "too large"),
        ((1, 10**30, 1), "too large"),
        ((1, 2**24, 1), "too large"),
        ((1, 2, MAX_LAYERS + 1), "too large"),
        ((1, 1, 30_000), "too large"),
        ((3000, 300_000, 1), "too large"),
    ],
)
def test_claims_are_refused_before_memory_is_taken(
    record: Callable[..., AlignmentRecord], sizes: tuple[int, int, int], message: str
) -> None:
    text = claim(record(), *sizes)
    with memory_below(100_000_000 + 60 * len(text)), pytest.raises(ValueError, match=message):
        AlignmentRecord.from_json(text)


@pytest.mark.parametrize("sizes", [(1, 2**22, 1), (2, 2**19, 1), (1, 4000, 1024), (2**10, 2**13, 2)])
def test_the_largest_claims_stay_in_memory(record: Callable[..., AlignmentRecord], sizes: tuple[int, int, int]) -> None:
    text = claim(record(), *sizes)
    with memory_below(1_000_000_000):
        scores = score_record(AlignmentRecord.from_json(text))
    assert all(math.isfinite(column[0]) for column in scores.columns.values())


@fuzz(20)
@given(unicode_texts, unicode_texts, st.dictionaries(unicode_texts, unicode_texts, max_size=3))
def test_texts_come_back(
    record: Callable[..., AlignmentRecord], uid: str, answer: str, settings: dict[str, str]
) -> None:
    made = record(uid, audio_answer=answer, text_answer=answer, settings=settings, instruction=answer)
    line = made.to_json()
    assert line.isascii() and "\n" not in line and "<" not in line
    read = AlignmentRecord.from_json(line)
    assert (read.uid, read.audio_answer, read.settings) == (uid, answer, settings)
