"""The inputs of ``shared/cases`` beside the repository, where it is there; tests/ remakes each kind of them by code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from alas_metric.document.units import split_units
from alas_metric.errors import SkipDocument
from alas_tasks.audio import load_audio
from alas_tasks.custom import load_documents
from alas_tasks.description import describe
from alas_tasks.speech import doc_to_visual
from model_patches.run.preparation import gold_words

REPO = Path(__file__).resolve().parents[2]
CASES = Path(os.environ.get("ALAS_SHARED", REPO.parent / "shared")) / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="shared/cases is not beside the repository")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LMMS_EVAL_DATASETS_CACHE", str(tmp_path / "cache"))


def samples(name: str) -> list[Any]:
    description, _, _ = describe(str(CASES / name), {})
    return [doc_to_visual(doc)[0] for doc in load_documents("case", description)]


def times(sample: Any) -> dict[str, tuple[float, float]]:
    units = split_units(sample.transcript)
    words = gold_words(sample.words, units, len(load_audio(sample.audio)) / 16_000)
    return {word.word: (round(word.start, 3), round(word.end, 3)) for word in words}


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("02-nemo-offset/manifest.jsonl", [2.560, 2.461, 3.299]),
        ("03-mp3-length/speech.jsonl", [2.664, 2.556, 6.699]),
        ("10-json-lines-in-json/test_manifest.json", [2.560, 2.461, 3.299]),
        ("12-parquet-relative/speech.parquet", [2.560, 2.461]),
    ],
)
def test_seconds(name: str, seconds: list[float]) -> None:
    assert [len(load_audio(sample.audio)) / 16_000 for sample in samples(name)] == pytest.approx(seconds, abs=6e-4)


def test_gold_split() -> None:
    assert [times(sample)["white-chicken"] for sample in samples("05-gold-split/speech.jsonl")] == [(1.246, 1.977)] * 2


def test_angle_tags() -> None:
    assert [len(split_units(sample.transcript)) for sample in samples("06-angle-tags/speech.jsonl")] == [6, 6, 0]


def test_words_without_times() -> None:
    timed = [times(sample) for sample in samples("09-words-without-times/speech.jsonl")]
    assert timed[1]["the"] == (0.978, 1.213) and [len(words) for words in timed] == [6, 6, 6]


def test_times_outside() -> None:
    for sample, guess in zip(samples("16-times-outside/speech.jsonl"), ["milli", "milli", "longer"], strict=True):
        with pytest.raises(SkipDocument, match=f"bad_timestamps.*{guess}"):
            times(sample)
