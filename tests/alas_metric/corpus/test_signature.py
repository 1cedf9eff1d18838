"""Signatures: what stands in them, that they can be read, and that they say the same as the leaderboard does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alas_metric import AlignmentRecord, score_record, summarise
from alas_metric.corpus.signature import OF_RUN, comparable, parse
from alas_metric.leaderboard.board import build_board
from tests.run_folders import write_run

SETTINGS = {
    "plugin": "0.1.0",
    "torch": "2.14.1",
    "dtype": "bfloat16",
    "model_weights": "abc",
    "answer_similarity": "org/sbert",
    "answer_similarity_weights": "org/sbert@123",
    "whisper_checkpoint": "0123",
}
Make = Callable[..., AlignmentRecord]


def signature(made: list[AlignmentRecord], threshold: float = 0.7) -> str:
    return str(summarise([score_record(each) for each in made], threshold, keys=["signature"])["signature"])


def free(record: Make, count: int = 4, settings: dict[str, str] = SETTINGS, **fields: Any) -> list[AlignmentRecord]:
    """Return records with free answers, of which one is below the usual threshold."""
    return [
        record(
            uid=f"{i}",
            settings=settings,
            audio_answer="a",
            text_answer="b",
            similarities={"responses": 0.6 if i == 0 else 0.9, "audio_target": 0.5, "text_target": 0.5},
            **fields,
        )
        for i in range(count)
    ]


def test_what_stands_in_it(record: Make) -> None:
    made = signature(free(record))
    fields = parse(made)
    assert list(fields) == ["form", "ref", "unit", "text", "set", "sbert", "filter", "layers", "n", "v"]
    known = {"form": "std", "unit": "word", "text": "dataset", "filter": "0.7", "n": "3", "v": "0.1.0"}
    assert fields.items() >= known.items() and len(fields["set"]) == len(fields["sbert"]) == 8
    assert fields["layers"].startswith("1-") and len(made) < 160
    skips = [AlignmentRecord.skip("s", "error", "")]
    assert signature([*free(record), *skips]) == made
    assert summarise([score_record(each) for each in skips], keys=["signature"])["signature"] is None


def test_names_of_references_cannot_break_it(record: Make) -> None:
    [made] = free(record, 1)
    name = "whisper:large v3|x:align"
    renamed = dataclasses.replace(made, references={name: made.references[made.reference]}, reference=name)
    fields = parse(signature([dataclasses.replace(renamed, sums={}, reference_sums={})]))
    assert fields["ref"] == "whisper-large-v3-x-align"


@pytest.mark.parametrize("text", ["", "alas|form", "bleu|form:std", "alas|form:", "alas||n:1", "alas|:x"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected a signature"):
        parse(text)


def closed(record: Make) -> list[AlignmentRecord]:
    labels = {"audio": "a", "text": "a", "target": "a"}
    return [record(uid=str(i), settings=SETTINGS, audio_answer="a", text_answer="a", labels=labels) for i in range(4)]


CHANGES: dict[str, tuple[Callable[[Make], list[AlignmentRecord]], bool]] = {
    "the same": (free, True),
    "fewer documents": (lambda record: free(record, 2), True),
    "another model": (
        lambda record: free(record, settings=SETTINGS | {"model_weights": "x", "dtype": "float32"}),
        True,
    ),
    "another depth": (lambda record: free(record, num_layers=7), True),
    "other software": (lambda record: free(record, settings=SETTINGS | {"torch": "3", "plugin": "0.2.0"}), True),
    "an older record": (
        lambda record: free(record, settings={k: v for k, v in SETTINGS.items() if k != "answer_similarity_weights"}),
        True,
    ),
    "another Whisper": (lambda record: free(record, settings=SETTINGS | {"whisper_checkpoint": "9"}), False),
    "other answer weights": (
        lambda record: free(record, settings=SETTINGS | {"answer_similarity_weights": "9"}),
        False,
    ),
    "recognised transcripts": (lambda record: free(record, transcript_source="whisper"), False),
    "fewer positions than words": (lambda record: free(record, num_words=9, num_frames=5), False),
    "no answers": (lambda record: [record(uid=str(i), settings=SETTINGS) for i in range(4)], False),
    "closed answers": (closed, False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_equal_where_the_leaderboard_compares(change: str, record: Make, tmp_path: Path) -> None:
    """One truth: what the leaderboard refuses has another signature, and what it takes has the same."""
    make, same = CHANGES[change]
    first, second = free(record), make(record)
    assert comparable(signature(first), signature(second)) is same
    write_run(tmp_path / "one" / "a", first)
    write_run(tmp_path / "two" / "b", second)
    board = build_board([tmp_path / "one", tmp_path / "two"], mix=True)
    assert (not board.mixed) is same
    assert {entry.model: entry.signature for entry in board.of_task("alas_demo_sqa")} == {
        "a": signature(first),
        "b": signature(second),
    }


def test_another_threshold(record: Make) -> None:
    one, other = (signature(free(record), threshold) for threshold in (0.7, 0.5))
    assert parse(other)["n"] == "4" and not comparable(one, other)
    assert {name for name, value in parse(one).items() if parse(other)[name] != value} == {"filter", "n"}
    assert set(OF_RUN) <= parse(one).keys()
