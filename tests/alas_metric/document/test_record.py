"""The record survives JSON; what is not a record is refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schemas import as_schema_1

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
        word_values={"whisper": {"confidence": [0.5, *[None] * (num_words - 1)]}},
        num_tokens=[2] * num_words,
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


LENS = {"largest": 10, "first_tokens": ["a"] * 6, "top_tokens": [["b"] * 6] * 3, "found": ["010101"] * 3}
FAULTS = [
    (("num_tokens",), [1, 2], "'num_tokens': expected one number per word \\(6\\), got 2"),
    (("num_tokens",), [1, 2, 3, -1, 1, 1], "'num_tokens': expected an integer from 0 up"),
    (("schema",), 3, "expected schema 1 to 2, got 3"),
    (("schema",), 0, "expected schema 1 to 2, got 0"),
    (("schema",), True, "expected schema 1 to 2"),
    (("schema",), 1, "'paths': expected an object of \\['centred', 'centred_chance', 'raw', 'raw_chance'\\]"),
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
    (("paths",), {"raw": [[1, 2, 3, 4, 5]]}, "of each other form both or none"),
    (("paths", "middle"), [[1, 2, 3, 4, 5]] * 3, "'paths'"),
    (("paths", "standardised"), [[1, 2, 3, 4, 5]] * 2, "same number of layers"),
    (("sums",), [], "'sums': expected an object"),
    (("sums",), {"m": [1, 1, 1]}, "'sums': expected an object"),
    (("sums",), {"m": {"n": [1, 1]}}, "'sums': 'm', 'n' needs one number per layer"),
    (("sums",), {"m": {"n": [1, 1, 1e300]}}, "'m', 'n' holds a number outside"),
    (("reference_sums",), {"mfa": {}}, "expected references out of \\['gold', 'whisper'\\], got \\['mfa'\\]"),
    (("reference_sums", "gold"), 3, "'reference_sums': expected an object"),
    (("reference_sums", "gold", "frame_hits", "raw"), [1, 1], "one number per layer"),
    (("reference_sums", "gold", "frame_hits", "raw"), [1, 1, 41], "outside 0..40"),
    (("reference_sums", "gold", "frame_hits", "raw"), [1, 1, -1], "outside 0..40"),
    (("reference_sums", "gold", "frame_hits", "raw"), [1, 1, None], "finite number"),
    (("layer_maps",), {"mfa": {}}, "'layer_maps': expected references"),
    (("layer_maps",), {"gold": {"hits": [1, 2, 3]}}, "'layer_maps': expected a list"),
    (("layer_maps",), {"gold": {"hits": [[1, 2, 3]] * 2}}, "'hits' needs 3 rows of as many numbers"),
    (("layer_maps",), {"gold": {"hits": [[1, 2, 3], [1, 2], [1, 2, 3]]}}, "'hits' needs 3 rows"),
    (("layer_maps",), {"gold": {"hits": [[1, 2, "3"]] * 3}}, "'layer_maps': expected a finite number"),
    (("layer_maps",), {"gold": {"both": [[1, 2, 1e300]] * 3}}, "'both' holds a number outside"),
    (("lens",), [], "'lens': expected an object"),
    (("lens",), {"largest": 10}, "'lens': record: field 'first_tokens' is missing"),
    (("lens",), LENS | {"largest": -1}, "'largest': expected an integer from 0 up"),
    (("lens",), LENS | {"first_tokens": ["a"] * 5}, "expected 6 words in each of 3 layers"),
    (("lens",), LENS | {"top_tokens": [["a"] * 6] * 2}, "expected 6 words in each of 3 layers"),
    (("lens",), LENS | {"top_tokens": [["a"] * 6] * 4, "found": ["0" * 6] * 2}, "expected 3 layers"),
    (("lens",), LENS | {"found": ["01010x"] * 3}, "0 or 1 for each word"),
    (("lens",), LENS | {"found": [[0] * 6] * 3}, "'found': expected a string"),
    (("word_values",), {"mfa": {}}, "'word_values': expected references"),
    (("word_values",), {"gold": {"confidence": [1, 1]}}, "'word_values': 'confidence' needs one number per word"),
    (("word_values",), {"gold": {"confidence": ["a"] * 6}}, "'word_values': expected a finite number"),
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


FAULTS_OF_SCHEMA_1 = [
    (("hits",), {}, "'hits': expected the references"),
    (("hits", "gold"), {"raw": [1, 1, 1]}, "frame hits of raw and centred"),
    (("hits", "gold", "raw"), [1, 1], "one number per layer"),
    (("hits", "gold", "raw"), [1, 1, 41], "outside 0..40"),
    (("hits", "gold", "raw"), [1, 1, None], "finite number"),
    (("hits", "gold", "raw"), 3, "'hits': expected a list"),
    (("paths", "standardised"), [[1, 2, 3, 4, 5]] * 3, "'paths': expected an object"),
    (("paths", "raw", 0), [1, 2, 2, 3, 4], "not monotone"),
]


@pytest.mark.parametrize(("path", "value", "message"), FAULTS_OF_SCHEMA_1)
def test_one_fault_of_schema_1(
    record: Callable[..., AlignmentRecord], path: tuple[str | int, ...], value: Any, message: str
) -> None:
    data = as_schema_1(json.loads(record().to_json()))
    change(path, value)(data)
    with pytest.raises(ValueError, match=message):
        AlignmentRecord.from_json(json.dumps(data))


def test_schema_1_has_the_same_scores_of_its_two_forms(record: Callable[..., AlignmentRecord]) -> None:
    made = record()
    old = AlignmentRecord.from_json(json.dumps(as_schema_1(json.loads(made.to_json()))))
    new, found = score_record(made, "gold").columns, score_record(old, "gold").columns
    later = ("path_score", "contrast")
    assert set(new) - set(found) == {name for name in new if name.endswith("_standardised") or name.startswith(later)}
    for name, column in found.items():
        np.testing.assert_array_equal(column, new[name])
    assert json.loads(old.to_json())["schema"] == 2


def test_what_a_record_lacks_has_a_default(record: Callable[..., AlignmentRecord]) -> None:
    data = json.loads(record().to_json())
    for name in OPTIONAL:
        del data[name]
    for kind in ("standardised", "standardised_chance", "centred", "centred_chance"):
        del data["paths"][kind]
    read = AlignmentRecord.from_json(json.dumps(data))
    assert (read.sums, read.reference_sums, read.word_values) == ({}, {}, {})
    columns = score_record(read).columns
    assert "alas_raw" in columns and not any("centred" in name or "frame" in name for name in columns)


def test_what_is_not_known_here_is_kept(record: Callable[..., AlignmentRecord]) -> None:
    data = json.loads(record().to_json())
    data["sums"] = {"later": {"x": [1.5, 2.5, 3.5]}}
    data["word_values"] = {"whisper": {"confidence": [0.5, None, 1.0, 0.25, 0.0, 1.0]}}
    read = AlignmentRecord.from_json(json.dumps(data))
    assert json.loads(read.to_json()) == data
    assert read.found("later", "gold")["x"].tolist() == [1.5, 2.5, 3.5]


OPTIONAL = {"sums", "reference_sums", "layer_maps", "word_values", "num_tokens", "lens"}


@pytest.mark.parametrize("of_schema", [lambda data: data, as_schema_1], ids=["2", "1"])
def test_every_other_field_is_needed(record: Callable[..., AlignmentRecord], of_schema: Callable[..., Any]) -> None:
    whole = of_schema(json.loads(record().to_json()))
    for name in set(whole) - {"schema"} - OPTIONAL:
        with pytest.raises(ValueError, match=f"field '{name}' is missing"):
            AlignmentRecord.from_json(json.dumps({key: value for key, value in whole.items() if key != name}))


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5),
    st.data(),
)
def test_nothing_but_value_errors(record: Callable[..., AlignmentRecord], value: Any, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([lambda whole: whole, as_schema_1]))(json.loads(record().to_json()))
    whole[data.draw(st.sampled_from(sorted(whole)))] = value
    try:
        score_record(AlignmentRecord.from_json(json.dumps(whole)))
    except ValueError as error:
        assert str(error).startswith("record")
