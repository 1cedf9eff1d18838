"""The record survives JSON; what is not a record is refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric import AlignmentRecord, score_record
from alas_metric.document.record import MAX_CHARACTERS


@given(st.integers(1, 6), st.integers(1, 20), st.text(max_size=20), st.integers(0, 9))
def test_round_trip(
    record: Callable[..., AlignmentRecord], num_words: int, num_frames: int, answer: str, seed: int
) -> None:
    made = record(
        uid=answer,
        num_words=num_words,
        num_frames=num_frames,
        seed=seed,
        audio_answer=answer,
        text_answer=None,
        similarities={"responses": 0.1 + 0.2, "audio_target": None},
        labels={"audio": "x", "text": None, "target": answer},
    )
    text = made.to_json()
    back = AlignmentRecord.from_json(text)
    assert back.to_json() == text
    assert (back.uid, back.audio_answer, back.text_answer) == (answer, answer, None)
    for kind, path in made.paths.items():
        np.testing.assert_array_equal(back.paths[kind], path)
    first, second = score_record(made), score_record(back)
    assert all(np.array_equal(first.columns[name], second.columns[name]) for name in first.columns)


def test_one_safe_line(record: Callable[..., AlignmentRecord]) -> None:
    answer = "<think>\n\u2028a & b</think> \\< \u00e9\U0001f600\ud800"
    text = record(audio_answer=answer).to_json()
    assert text.isascii() and not set(text) & set("<>&\n\r")
    assert AlignmentRecord.from_json(text).audio_answer == answer.replace("\ud800", "\ufffd")


def test_skip_round_trip() -> None:
    made = AlignmentRecord.skip("a", "out_of_memory", "30 GiB <wanted>", speaker="s")
    back = AlignmentRecord.from_json(made.to_json())
    assert back.to_json() == made.to_json()
    assert back.skipped == {"cause": "out_of_memory", "detail": "30 GiB <wanted>"}
    assert (back.num_words, back.num_layers, back.speaker) == (0, 0, "s")
    with pytest.raises(ValueError, match="cause"):
        AlignmentRecord.skip("a", "bad_luck", "")


def test_properties(record: Callable[..., AlignmentRecord]) -> None:
    made = record(num_words=9, num_frames=4)
    assert (made.num_words, made.num_layers, made.swapped, made.forced) == (9, 3, True, False)
    assert made.paths["raw"].shape == (3, 9)


def test_numbers_must_be_finite_to_be_written(record: Callable[..., AlignmentRecord]) -> None:
    made = record(similarities={"responses": float("nan")})
    with pytest.raises(ValueError, match="JSON compliant"):
        made.to_json()
    made = record()
    made.paths["raw"] = made.paths["raw"] * 2
    with pytest.raises(ValueError, match="path must begin at 0"):
        made.to_json()


@pytest.mark.parametrize("text", ["", "hello", "{", "[" * 100_000, '{"schema": NaN}', '{"schema": 1e999}', "1" * 5000])
def test_not_json(text: str) -> None:
    with pytest.raises(ValueError, match="record"):
        AlignmentRecord.from_json(text)


@pytest.mark.parametrize("text", ["[]", "{}", "3", '"a"', "null"])
def test_not_a_record(text: str) -> None:
    with pytest.raises(ValueError, match="answer of another task"):
        AlignmentRecord.from_json(text)


def test_not_a_string() -> None:
    with pytest.raises(ValueError, match="got list"):
        AlignmentRecord.from_json([])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at most"):
        AlignmentRecord.from_json(" " * (MAX_CHARACTERS + 1))


def change(path: tuple[str | int, ...], value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        data[path[-1]] = value

    return apply


FAULTS = [
    (("schema",), 2, "expected schema 1, got 2"),
    (("schema",), True, "expected schema 1"),
    (("uid",), 3, "'uid': expected a string, got 3"),
    (("speaker",), 7, "'speaker'"),
    (("words",), "abc", "'words': expected a list"),
    (("words",), [1], "'words': expected a string"),
    (("words",), [], "at least one word"),
    (("transcript_source",), "guess", "'transcript_source'"),
    (("transcript_source",), ["dataset"], "'transcript_source'"),
    (("similarities",), [], "'similarities': expected an object"),
    (("similarities",), {"responses": "high"}, "'similarities'"),
    (("labels",), {"audio": "a"}, "'labels'"),
    (("frame_seconds",), 0, "'frame_seconds'"),
    (("frame_seconds",), -0.04, "'frame_seconds'"),
    (("frame_seconds",), "0.04", "'frame_seconds'"),
    (("frame_seconds",), 10**400, "'frame_seconds'"),
    (("num_frames",), 0, "at least one word and one position"),
    (("num_frames",), -1, "'num_frames'"),
    (("num_frames",), 40.0, "'num_frames'"),
    (("num_frames",), True, "'num_frames'"),
    (("num_frames",), 10**12, "too large"),
    (("num_frames",), 10**7, "too large"),
    (("num_frames",), 20, "'paths'"),
    (("reference",), "mfa", "'mfa' is not among"),
    (("references", "gold"), [], "'gold' has 0 words where the transcript has 6"),
    (("references", "gold", 0), ["w", 0.0], "expected \\[word, start, end\\]"),
    (("references", "gold", 0), ["w", 1.0, 0.5], "0 <= start <= end"),
    (("references", "gold", 0), ["w", -1.0, 0.5], "0 <= start <= end"),
    (("references", "gold", 0), ["w", None, 0.5], "finite number"),
    (("paths",), {}, "'paths'"),
    (("paths", "raw"), [], "same number of layers"),
    (("paths", "raw"), 3, "same number of layers"),
    (("paths", "raw", 0), [1, 2, 3], "needs 5 step positions"),
    (("paths", "raw", 0), [1, 2, 3, 4, 40], "from 1 to 39"),
    (("paths", "raw", 0), [0, 1, 2, 3, 4], "from 1 to 39"),
    (("paths", "raw", 0), [1, 2, 2, 3, 4], "not monotone"),
    (("paths", "raw", 0), [5, 4, 3, 2, 1], "not monotone"),
    (("paths", "raw", 0), [1, 2, 3, 4, 5.0], "must be integers"),
    (("paths", "raw", 0), [1, 2, 3, 4, [5]], "must be integers"),
    (("paths", "raw", 0), [1, 2, 3, 4, 10**30], "'paths'"),
    (("hits",), {}, "'hits': expected the references"),
    (("hits", "gold"), {"raw": [1, 1, 1]}, "one sum per layer"),
    (("hits", "gold", "raw"), [1, 1], "one sum per layer"),
    (("hits", "gold", "raw"), [1, 1, 41], "outside 0..40"),
    (("hits", "gold", "raw"), [1, 1, -1], "outside 0..40"),
    (("hits", "gold", "raw"), [1, 1, None], "finite number"),
    (("skipped",), {"cause": "bad_luck", "detail": ""}, "'skipped'"),
    (("skipped",), "yes", "'skipped'"),
    (("settings",), {"a": 1}, "'settings'"),
]


@pytest.mark.parametrize(("path", "value", "message"), FAULTS)
def test_one_fault(
    record: Callable[..., AlignmentRecord], path: tuple[str | int, ...], value: Any, message: str
) -> None:
    data = json.loads(record().to_json())
    change(path, value)(data)
    with pytest.raises(ValueError, match=message):
        AlignmentRecord.from_json(json.dumps(data))


def test_every_field_is_needed(record: Callable[..., AlignmentRecord]) -> None:
    whole = json.loads(record().to_json())
    for name in set(whole) - {"schema"}:
        with pytest.raises(ValueError, match=f"field '{name}' is missing"):
            AlignmentRecord.from_json(json.dumps({key: value for key, value in whole.items() if key != name}))


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5),
    st.data(),
)
def test_nothing_but_value_errors(record: Callable[..., AlignmentRecord], value: Any, data: st.DataObject) -> None:
    whole = json.loads(record().to_json())
    whole[data.draw(st.sampled_from(sorted(whole)))] = value
    try:
        score_record(AlignmentRecord.from_json(json.dumps(whole)))
    except ValueError as error:
        assert str(error).startswith("record")
