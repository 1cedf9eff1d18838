from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_families.qwen import make_qwen3_asr
from tiny_models import make_qwen3_aligner

from alas_metric.document.paths import WordTiming
from alas_metric.document.units import split_units
from alas_metric.errors import FatalError, SkipDocument, UnobtainableError
from model_patches.reference import qwen3_aligner
from model_patches.reference.cache import AlignmentCache
from model_patches.reference.matching import SAMPLE_RATE
from model_patches.reference.qwen3_aligner import Qwen3Aligner


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_qwen3_aligner(tmp_path_factory.mktemp("aligner") / "tiny-aligner")


@pytest.fixture(scope="module")
def aligner(folder: Path) -> Qwen3Aligner:
    """Random weights: the times mean nothing, but classes, loading, prompt and decoding are the real ones."""
    return Qwen3Aligner(str(folder), device="cpu")


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32)


def words_of(aligner: Qwen3Aligner, audio: np.ndarray, text: str, language: str = "en") -> list[WordTiming]:
    """Return the words and check what holds for all of them."""
    units = split_units(text)
    words = aligner.words(audio, text, units, language=language)
    assert [word.word for word in words] == [unit.text for unit in units]
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert all(0 <= word.start <= word.end <= len(audio) / SAMPLE_RATE for word in words)
    return words


def reading(aligner: Qwen3Aligner, steps: list[int]) -> SimpleNamespace:
    """Return a model that gives these classes to the marks in order, and keeps what it was given."""
    real, _ = aligner._load()
    given: list[dict[str, Any]] = []

    def model(**inputs: Any) -> SimpleNamespace:
        given.append(inputs)
        marks = (inputs["input_ids"][0] == real.config.timestamp_token_id).nonzero()[:, 0]
        logits = torch.zeros(1, inputs["input_ids"].shape[1], real.config.num_labels)
        logits[0, marks, torch.tensor(steps)] = 1.0
        return SimpleNamespace(logits=logits)

    model.given, model.config, model.device, model.dtype = given, real.config, real.device, real.dtype  # type: ignore[attr-defined]
    return model  # type: ignore[return-value]


@pytest.fixture
def read(aligner: Qwen3Aligner, monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(steps: list[int]) -> Any:
        model = reading(aligner, steps)
        monkeypatch.setattr(aligner, "_loaded", (model, aligner._load()[1]))
        return model

    return use


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("one", "en"),
        ("Yes, the well-known U.S. president's 20% -- [LAUGHTER] said: 'no'!", "en"),
        ("el niño está aquí", "es"),
        ("我爱北京 today", "zh"),
        ("smile \U0001f600 now", "English"),
        ("x " * 70, "en"),
    ],
)
def test_one_timing_per_unit(aligner: Qwen3Aligner, text: str, language: str) -> None:
    words_of(aligner, noise(2.5), text, language)


def test_the_model_is_given_audio_words_and_two_marks_behind_each(aligner: Qwen3Aligner, read: Any) -> None:
    model = read([0, 5, 5, 10])
    words_of(aligner, noise(2.0), "SO, HELP!")
    tokenizer = aligner._load()[1].tokenizer
    (inputs,) = model.given
    text = tokenizer.decode(inputs["input_ids"][0])
    # 13 positions for a second; capitals are spelled out otherwise.
    assert (
        text == f"<|audio_start|>{'<|audio_pad|>' * 26}<|audio_end|>so<timestamp><timestamp>help<timestamp><timestamp>"
    )
    assert inputs["input_features_mask"].sum() == 200


def test_steps_of_80_ms(aligner: Qwen3Aligner, read: Any) -> None:
    read([1, 5, 10, 20])
    found = words_of(aligner, noise(2.0), "one two")
    assert found == [WordTiming("one", 0.08, 0.4), WordTiming("two", 0.8, 1.6)]
    read([1, 5, 10, 12, 20, 24])
    assert words_of(aligner, noise(2.0), "one + well-known 7%") == [
        WordTiming("one", 0.08, 0.4),
        WordTiming("well-known", 0.8, 0.96),
        WordTiming("7%", 1.6, 1.92),
    ]
    read([1, 5, 5, 10])
    assert words_of(aligner, noise(2.0), "北京", "zh") == [WordTiming("北", 0.08, 0.4), WordTiming("京", 0.4, 0.8)]


def test_beyond_the_audio_and_out_of_order(aligner: Qwen3Aligner, read: Any) -> None:
    read([1, 5, 300, 320])
    assert words_of(aligner, noise(2.0), "one two")[1] == WordTiming("two", 2.0, 2.0)
    read([1, 5, 2, 3, 8, 10])
    words_of(aligner, noise(2.0), "one two three")


def test_nothing_to_hear_or_to_say(aligner: Qwen3Aligner) -> None:
    with pytest.raises(SkipDocument, match="without any sound"):
        words_of(aligner, np.zeros(SAMPLE_RATE, np.float32), "one")
    with pytest.raises(SkipDocument, match="non_finite"):
        words_of(aligner, np.full(SAMPLE_RATE, np.nan, np.float32), "one")
    assert words_of(aligner, noise(1.0), "[LAUGHTER]") == []


@pytest.mark.parametrize("share", [1.0, 0.45])
def test_long_audio_is_cut_in_pauses(aligner: Qwen3Aligner, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    # 900 words in ten minutes, a pause after every tenth; in the second case they are spoken in the last part of it.
    texts = [f"w{i}" for i in range(900)]
    first = 600 * (1 - share)
    starts = first + share * (np.arange(900) // 10 * 20 / 3 + np.arange(900) % 10 * 0.6)
    truth = [(start, start + share * 0.6) for start in starts]
    passes: list[tuple[float, int]] = []

    def align(self: Qwen3Aligner, audio: np.ndarray, text: str, units: Any, language: str) -> list[Any]:
        """Find what is there; words beyond the end gather at the end, as those of a real aligner do."""
        begin, seconds = float(audio[0]) * 1000, len(audio) / SAMPLE_RATE
        passes.append((begin, len(units)))
        spans = [truth[int(unit.text[1:])] for unit in units]
        return [tuple(np.clip(np.subtract(span, begin), 0, seconds)) for span in spans]

    monkeypatch.setattr(Qwen3Aligner, "_align", align)
    ramp = (np.arange(600 * SAMPLE_RATE) / SAMPLE_RATE / 1000).astype(np.float32)
    words = words_of(aligner, ramp, " ".join(texts))
    if share == 1.0:
        np.testing.assert_allclose([(word.start, word.end) for word in words], truth, atol=0.01)
    assert len(passes) >= 4 and passes[0][0] == 0
    assert [begin for begin, _ in passes] == sorted(begin for begin, _ in passes)


def test_the_cache_knows_checkpoint_and_format(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = AlignmentCache(tmp_path)
    first = words_of(Qwen3Aligner(str(folder), device="cpu", cache=cache), noise(1.0), "one two")
    monkeypatch.setattr(Qwen3Aligner, "_read_checkpoint", lambda self: pytest.fail("the model was loaded"))
    assert words_of(Qwen3Aligner(str(folder), device="cpu", cache=cache), noise(1.0), "one two") == first
    for other in ({"dtype": "bfloat16"}, {"cache": AlignmentCache(tmp_path / "other")}):
        with pytest.raises(pytest.fail.Exception):
            words_of(Qwen3Aligner(str(folder), **{"device": "cpu", "cache": cache, **other}), noise(1.0), "one two")


def test_format_and_memory(folder: Path) -> None:
    half = Qwen3Aligner(str(folder), device="cpu", dtype="bfloat16")
    words_of(half, noise(1.0), "one two")
    assert half._load()[0].dtype == torch.bfloat16
    half.close()
    assert half._loaded is None
    words_of(half, noise(1.0), "one two")


def test_name_and_fingerprint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = Qwen3Aligner(str(folder), device="cpu")
    assert local.name == "qwen3_aligner:tiny-aligner"
    assert local.settings == {"qwen3_aligner_checkpoint": local.fingerprint} and len(local.fingerprint) == 64
    hub = Qwen3Aligner(device="cpu")
    assert hub.name == "qwen3_aligner:Qwen3-ForcedAligner-0.6B-hf"
    commits = iter([f"{qwen3_aligner.PUBLISHED}@None", f"{qwen3_aligner.PUBLISHED}@abc"])
    monkeypatch.setattr(qwen3_aligner, "weights_fingerprint", lambda name: next(commits))
    loaded = []
    monkeypatch.setattr(hub, "_load", lambda: loaded.append(True))
    assert hub.fingerprint == f"{qwen3_aligner.PUBLISHED}@abc" and loaded, "the commit is known once it was loaded"


def test_languages(aligner: Qwen3Aligner) -> None:
    with pytest.raises(FatalError, match=r"'fi'.*Finnish.*not supported"):
        words_of(aligner, noise(1.0), "yksi", "fi")
    with pytest.raises(FatalError, match=r"'ja'.*nagisa"):
        words_of(aligner, noise(1.0), "日本", "ja")


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(UnobtainableError, match=r"cannot load the aligner .*nowhere.*Qwen/Qwen3-ForcedAligner"):
        words_of(Qwen3Aligner(str(tmp_path / "nowhere"), device="cpu"), noise(1.0), "one")
    recogniser = make_qwen3_asr(tmp_path / "asr")
    with pytest.raises(FatalError, match=r"is no forced aligner: it lacks 1 of the model's weights, such as score"):
        words_of(Qwen3Aligner(str(recogniser), device="cpu"), noise(1.0), "one")


def test_wrong_arguments(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FatalError, match=r"alas_aligner_dtype must be one of auto, .* got 'int3'"):
        Qwen3Aligner(str(folder), dtype="int3")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(FatalError, match="alas_aligner_device=cuda:1 was asked for"):
        Qwen3Aligner(str(folder), device="cuda:1")
    monkeypatch.setitem(sys.modules, "transformers", ModuleType("transformers"))
    with pytest.raises(FatalError, match=r"qwen3_aligner needs transformers 5\.13 or newer, .* is installed"):
        Qwen3Aligner(str(folder))
