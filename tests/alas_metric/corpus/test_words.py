"""The table of words, and skill by what is known of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest

from alas_metric import AlignmentRecord, WordTiming, score_pair, score_record, summarise
from alas_metric.corpus.documents import document_value
from alas_metric.corpus.words import ALL, Words, layer_groups
from alas_metric.document.similarity import FORMS


@pytest.fixture
def records(record: Callable[..., AlignmentRecord]) -> list[AlignmentRecord]:
    made = [record(uid=f"d{i}", num_words=5 + i, num_frames=50, seed=i, num_layers=7, noise=1.0) for i in range(6)]
    made.append(record(uid="swapped", num_words=9, num_frames=4, num_layers=7))
    for each in made:
        each.num_tokens = [1 + index % 3 for index in range(each.num_words)]
        each.word_values = {"whisper": {"confidence": [index / 10 for index in range(each.num_words)]}}
    return [*made, AlignmentRecord.skip("none", "missing_audio", "")]


def words_of(
    records: list[AlignmentRecord],
    kept: Callable[[str], bool] = lambda uid: True,
    best_layer: int | None = None,
    form: str = "standardised",
) -> Words:
    words = Words(form, best_layer)
    for record in records:
        if record.skipped is None:
            words.add(record, record.reference, kept(record.uid))
    return words


@pytest.mark.parametrize("form", FORMS)
def test_rows_give_back_the_documents_values(records: list[AlignmentRecord], form: str) -> None:
    """Weighted by their entries, the means of words over layers 1 to L are the document's own values."""
    words = words_of(records, best_layer=2, form=form)
    rows = defaultdict(list)
    for row in words.rows():
        assert list(row) and set(row) == set(words.columns)
        rows[row["uid"], row["group"]].append(row)
    for record in records[:-1]:
        scores = score_record(record)
        own = [row for row in rows[record.uid, ALL] if row["entries"]]
        weights = [row["entries"] for row in own]
        mean = {
            name: np.average([row[name] for row in own], weights=weights)
            for name in ("error", "seconds", "random_seconds", "hit")
        }
        key = f"alas_swapped_{form}" if record.swapped else f"alas_{form}"
        assert mean["error"] == pytest.approx(document_value(scores, key))
        assert mean["seconds"] == pytest.approx(document_value(scores, f"alas_seconds_{form}"))
        skill = 1 - mean["seconds"] / mean["random_seconds"]
        assert skill == pytest.approx(document_value(scores, f"alas_skill_{form}"))
        entry, best = rows[record.uid, "entry"], rows[record.uid, "best layer"]
        weights = [row["entries"] or 1 for row in entry]
        assert np.average([row["error"] or 0 for row in entry], weights=weights) == pytest.approx(
            scores.columns[key][0] * sum(row["entries"] for row in entry) / sum(weights)
        )
        assert {row["layers"] for row in best} == {"2"}


def test_what_is_known_of_words(records: list[AlignmentRecord]) -> None:
    words = words_of(records, lambda uid: uid != "d1")
    [*rows] = [row for row in words.rows() if row["group"] == "entry" and row["uid"] == "d1"]
    assert [row["index"] for row in rows] == list(range(6)) and not any(row["kept"] for row in rows)
    assert [row["place"] for row in rows] == [index / 5 for index in range(6)]
    assert [row["frequency"] for row in rows] == [7, 7, 7, 7, 7, 6]  # documents of 5 to 10 words, and one of 9
    assert rows[1]["num_tokens"] == 2 and rows[1]["confidence"] == 0.1
    timing = records[1].references["whisper"][3]
    assert rows[3]["duration"] == round(timing.end - timing.start, 6) and rows[3]["word"] == timing.word


def test_groups_of_layers() -> None:
    assert {name: list(layers) for name, layers in layer_groups(2, 1).items()} == {
        "entry": [0],
        "lower third": [1],
        "all": [1],
        "best layer": [1],
    }
    assert list(layer_groups(1, None)) == ["entry"]
    assert [len(layers) for layers in layer_groups(33, 20).values()] == [1, 11, 11, 10, 32, 1]


def late_short_words(number: int) -> AlignmentRecord:
    """Return a document whose short words are found too late by the model and whose long ones are right."""
    lengths = np.random.default_rng(number).permutation([1] * 4 + [6] * 4)
    edges = np.concatenate([[0], np.cumsum(lengths)])
    found = edges.copy()
    for word, length in enumerate(lengths):
        if length == 1:  # begins where it should end
            found[word] = min(edges[word] + 1, edges[-1] - (len(lengths) - word))
    found[0] = 0
    similarity = np.zeros((3, 2, 8, edges[-1]), np.float32)
    for word in range(8):
        similarity[:, :, word, found[word] : found[word + 1]] = 1
    texts = [f"w{word}" for word in range(8)]
    return score_pair(
        similarity,
        uid=f"d{number}",
        transcript=" ".join(texts),
        words=texts,
        frame_seconds=0.1,
        references={"w": [WordTiming(text, edges[i] / 10, edges[i + 1] / 10) for i, text in enumerate(texts)]},
        reference="w",
    )


def test_short_words_fail() -> None:
    made = [late_short_words(number) for number in range(12)]
    curve = words_of(made).skill_by("duration")
    assert curve["labels"] == ["0.1", "0.6"] and curve["words"] == [48, 48]
    short, long = curve["values"]
    assert short < long - 0.1
    assert curve["high"][0] < curve["low"][1]
    whole = summarise([score_record(each) for each in made])["alas_skill"]
    assert short < whole < long


def test_most_words_are_one_token(records: list[AlignmentRecord]) -> None:
    """Equal values share a bin, however many they are, and the others have bins of their own."""
    for record in records[:-1]:
        record.num_tokens = [1] * (record.num_words - 2) + [2, 5]
    curve = words_of(records).skill_by("num_tokens")
    assert curve["labels"] == ["1", "2 to 5"]
    assert curve["words"] == [sum(record.num_words - 2 for record in records[:-1]), 14]


def test_skill_by_is_that_of_all_words_where_bins_are_put_together(records: list[AlignmentRecord]) -> None:
    words = words_of(records)
    for name in ("duration", "frequency", "place", "num_tokens", "confidence"):
        curve = words.skill_by(name)
        assert sum(curve["words"]) == sum(record.num_words for record in records)
        assert all(value is None or value <= 1 for value in curve["values"])
    assert words_of(records, lambda uid: False).skill_by("duration") is None
    assert words.skill_by("nothing") is None
