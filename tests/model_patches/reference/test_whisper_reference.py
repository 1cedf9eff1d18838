from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import whisper
import whisper.timing

from alas_metric.document.paths import WordTiming
from alas_metric.document.units import split_units
from alas_metric.errors import FatalError, SkipDocument
from alas_tasks.demo.files import WHISPER
from model_patches.reference import attention, whisper_reference
from model_patches.reference.cache import AlignmentCache
from model_patches.reference.whisper_reference import WhisperReference

RATE = 16_000
JFK_TEXT = (
    "And so, my fellow Americans: ask not what your country can do for you; ask what you can do for your country."
)


@pytest.fixture(scope="module")
def reference(whisper_file: Path) -> WhisperReference:
    """The tiny random Whisper: its times mean nothing, but the machinery is the real one."""
    return WhisperReference(str(whisper_file), device="cpu")


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_model(*args: object, **kwargs: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(whisper, "load_model", load_model)


def bursts(spans: list[tuple[float, float]], duration: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    audio = rng.normal(size=round(duration * RATE)) * 1e-3
    for start, end in spans:
        part = slice(round(start * RATE), round(end * RATE))
        audio[part] += rng.normal(size=part.stop - part.start) * 0.1
    return audio.astype(np.float32)


def words_of(reference: WhisperReference, audio: np.ndarray, text: str, **kwargs: Any) -> list[WordTiming]:
    """Return the words and check what holds for all of them."""
    units = split_units(text)
    words = reference.words(audio, text, units, **kwargs)
    assert [word.word for word in words] == [unit.text for unit in units]
    starts = [word.start for word in words]
    assert starts == sorted(starts)
    for word in words:
        assert type(word.start) is float and type(word.end) is float
        assert 0 <= word.start <= word.end <= len(audio) / RATE
    return words


def spans_of(words: list[WordTiming]) -> list[tuple[float, float]]:
    return [(word.start, word.end) for word in words]


class EvenAligner:
    """A reading of attention that gives every word piece the same share of the audio, gapless as the real one.

    Args:
        shares: weights of pieces that take more than 1.
        sure: probabilities of pieces that are below 1.
    """

    def __init__(self, shares: dict[str, float] | None = None) -> None:
        self.shares = shares or {}
        self.sure: dict[str, float] = {}
        self.calls: list[tuple[list[str], float]] = []

    def __call__(self, model, tokenizer, tokens, mel, num_frames, heads=None):
        pieces, groups = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
        pieces, groups = pieces[:-1], groups[:-1]
        self.calls.append((pieces, num_frames / 50))
        weights = [self.shares.get(p, 1.0) / len(g) for p, g in zip(pieces, groups, strict=True) for _ in g]
        starts = np.cumsum([0.0, *weights]) * num_frames / sum(weights)
        both = np.broadcast_to(starts, (len(heads), 2, len(starts)))
        sure = [self.sure.get(p, 1.0) for p, g in zip(pieces, groups, strict=True) for _ in g]
        return attention.Reading(both, np.array(sure))


@pytest.fixture
def aligner(monkeypatch: pytest.MonkeyPatch) -> EvenAligner:
    fake = EvenAligner()
    monkeypatch.setattr(attention, "read", fake)
    monkeypatch.setattr(WhisperReference, "_choose_heads", lambda self: [attention.Head(0, 0, 0.0)])
    return fake


def hear(monkeypatch: pytest.MonkeyPatch, words: list[tuple[str, float, float]]) -> list[dict]:
    """Let Whisper recognise given words; returns the list of its calls' arguments."""
    calls = []

    def transcribe(self: whisper.Whisper, audio: np.ndarray, **kwargs: Any) -> dict:
        calls.append(kwargs | {"seconds": len(audio) / RATE})
        rows = [{"word": word, "start": start, "end": end} for word, start, end in words]
        segments = [{"words": rows}] if kwargs.get("word_timestamps") else [{}]
        return {"text": "".join(word for word, _, _ in words), "segments": segments}

    monkeypatch.setattr(whisper.Whisper, "transcribe", transcribe)
    return calls


# ---- mechanics, with the real attention ----


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "a well-known, \u201cquoted\u201d state-of-the-art thing... isn't it?",
        "MISTER QUILTER IS THE APOSTLE",
        "smile \U0001f600 family\U0001f468\u200d\U0001f469\u200d\U0001f467 ok",
        "end <|endoftext|> of <|0.00|><|en|> text <|AUDIO|>",
        "tab\x00\x07\x1b control\u200b \ud83d lone",
        "Well -- [LAUGHTER] ... I I don't know [BREATHING]",
        "replaced \ufffd\ufffdchar\ufffd s",
        "na\u0131\u0308ve \u0130STANBUL caf\u0065\u0301",
    ],
)
def test_one_timing_per_unit(reference: WhisperReference, text: str) -> None:
    words_of(reference, bursts([(0.5, 2.5)], 3.0), text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "我爱你,Ada!"),
        ("ja", "こんにちは世界"),
        ("de", "Grüße aus Köln"),
        ("Thai", "สวัสดีครับ"),
        ("ko", "안녕 세계"),
    ],
)
def test_languages(reference: WhisperReference, language: str, text: str) -> None:
    words_of(reference, bursts([(0.5, 2.5)], 3.0), text, language=language)


def test_the_number_of_threads_stays() -> None:
    """In an interpreter of its own: numba sets it once, at the first path search of a process."""
    program = """
import numpy, torch, whisper.timing
from model_patches.reference.whisper_reference import _threads_kept
torch.set_num_threads(1)
with _threads_kept():
    whisper.timing.dtw_cpu(numpy.zeros((2, 3)))
assert whisper.timing.dtw_cpu.signatures, "no path was searched"
print(torch.get_num_threads())
"""
    environment = {**os.environ, "NUMBA_NUM_THREADS": "3", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.split()[-1:] == ["1"], done.stdout + done.stderr


def test_silence_is_nobodys(reference: WhisperReference) -> None:
    regions = [(1.0, 2.5), (4.0, 5.0)]
    for word in words_of(reference, bursts(regions, 6.0), "one two three four five six"):
        assert any(a - 0.06 <= word.start and word.end <= b + 0.06 for a, b in regions), word


def test_same_input_same_words(reference: WhisperReference) -> None:
    audio = bursts([(0.5, 2.5)], 3.0)
    assert words_of(reference, audio, "one two three") == words_of(reference, audio, "one two three")


@pytest.mark.parametrize("duration", [40.0, 95.0])
def test_long_audio(reference: WhisperReference, duration: float, monkeypatch: pytest.MonkeyPatch) -> None:
    hear(monkeypatch, [])
    num_words = round(duration * 2)
    words = words_of(reference, bursts([(0.2, duration - 0.2)], duration), "word " * num_words)
    # Spread over the windows even though this Whisper recognises nothing.
    assert words[num_words // 2].start == pytest.approx(duration / 2, abs=26)


@pytest.mark.slow
def test_long_audio_with_whispers_own_recognition(reference: WhisperReference) -> None:
    words_of(reference, bursts([(0.2, 33.8)], 34.0), "one two three four five six")


def test_more_text_than_whispers_context(reference: WhisperReference, monkeypatch: pytest.MonkeyPatch) -> None:
    hear(monkeypatch, [])
    words = words_of(reference, bursts([(0.2, 19.8)], 20.0), "word " * 500)
    assert words[-1].end > 15 and words[0].start < 5


def test_one_word_beyond_the_context(reference: WhisperReference, monkeypatch: pytest.MonkeyPatch) -> None:
    hear(monkeypatch, [])
    words_of(reference, bursts([(0.2, 4.8)], 5.0), "before " + "xq7" * 700 + " after")


@pytest.mark.parametrize("num_samples", [1, 200, 330, 1600])
def test_very_short_audio(reference: WhisperReference, num_samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    hear(monkeypatch, [])
    audio = np.random.default_rng(0).normal(size=num_samples).astype(np.float32)
    try:
        words_of(reference, audio, "one two three")
    except SkipDocument as skip:
        assert skip.cause == "no_word_timestamps"


def test_no_unit_no_word(reference: WhisperReference) -> None:
    assert reference.words(bursts([(0, 1)], 1.0), "...", []) == []


def test_real_speech(reference: WhisperReference, jfk: np.ndarray) -> None:
    words = words_of(reference, jfk, JFK_TEXT)
    assert len(words) == 22
    assert words[0].start == pytest.approx(0.28, abs=0.05)
    for pause in (2.7, 4.9, 7.9):
        assert not any(word.start < pause < word.end for word in words)


# ---- known answers, with a competent reading ----


def test_silence_is_put_back(reference: WhisperReference, aligner: EvenAligner) -> None:
    regions = [(1.0, 2.0), (3.0, 4.0)]
    words = words_of(reference, bursts(regions, 6.0), "one two")
    np.testing.assert_allclose(spans_of(words), regions, atol=0.06)
    assert aligner.calls[0][0] == [" one", " two"]
    assert aligner.calls[0][1] == pytest.approx(2.2, abs=0.05)


def test_word_over_a_cut_is_clipped(reference: WhisperReference, aligner: EvenAligner) -> None:
    aligner.shares = {" one": 1.4, " two": 0.6}  # "one" reaches into the second region
    words = words_of(reference, bursts([(1.0, 2.0), (3.0, 4.0)], 6.0), "one two")
    np.testing.assert_allclose(spans_of(words), [(1.0, 2.0), (3.0, 4.0)], atol=0.06)  # whose sound is all "two"


def test_punctuation_takes_no_time_of_its_word(reference: WhisperReference, aligner: EvenAligner) -> None:
    aligner.shares = {",": 4.0, "-known": 3.0}
    words = words_of(reference, bursts([(0.0, 0.35), (0.6, 1.8)], 1.8), "yes, well-known")
    assert aligner.calls[0][0] == [" yes", ",", " well", "-known"]
    np.testing.assert_allclose(spans_of(words), [(0.0, 0.35), (0.6, 1.8)], atol=0.05)


@pytest.mark.parametrize(("pause", "meet"), [(None, (1.92, 1.92)), ((1.85, 2.0), (1.85, 2.0))])
def test_a_full_stop_that_is_no_pause_takes_no_speech(
    reference: WhisperReference, aligner: EvenAligner, pause: tuple[float, float] | None, meet: tuple[float, float]
) -> None:
    speech = [(0.5, 2.5)] if pause is None else [(0.5, pause[0]), (pause[1], 2.5)]
    words = words_of(reference, bursts(speech, 3.0), "the U.S. spoke")
    assert aligner.calls[0][0] == [" the", " U", ".S", ".", " spoke"]
    # Given their shares alone, U.S. ended where the full stop begins and spoke began where it ends.
    np.testing.assert_allclose(spans_of(words), [(0.5, 0.87), (0.87, meet[0]), (meet[1], 2.5)], atol=0.06)


def test_words_have_the_mean_probability_of_their_tokens(reference: WhisperReference, aligner: EvenAligner) -> None:
    aligner.sure = {" yes": 0.5, ",": 0.0, "-known": 0.5}  # of -known two tokens, of well one
    words = words_of(reference, bursts([(0.0, 2.6)], 2.6), "yes, well-known")
    assert [word.confidence for word in words] == [0.5, round((1.0 + 2 * 0.5) / 3, 4)]


def test_capitals_are_lowered_for_the_alignment_only(reference: WhisperReference, aligner: EvenAligner) -> None:
    words = words_of(reference, bursts([(0.0, 2.0)], 2.0), "MISTER QUILTER'S HOUSE")
    assert aligner.calls[0][0] == [" mister", " quilter's", " house"]
    assert [word.word for word in words] == ["MISTER", "QUILTER'S", "HOUSE"]
    words_of(reference, bursts([(0.0, 2.0)], 2.0), "NASA said")
    assert "".join(aligner.calls[1][0]) == " NASA said"


def test_events_and_special_tokens_are_not_aligned(reference: WhisperReference, aligner: EvenAligner) -> None:
    words_of(reference, bursts([(0.0, 2.0)], 2.0), "oh -- [LAUGHTER] a<|endoftext|>b")
    assert "".join(aligner.calls[0][0]) == " oh ab"


def test_unspaced_languages_have_no_leading_space(reference: WhisperReference, aligner: EvenAligner) -> None:
    words = words_of(reference, bursts([(0.0, 3.0)], 3.0), "我爱你", language="zh")
    assert "".join(aligner.calls[0][0]) == "我爱你"
    np.testing.assert_allclose(spans_of(words), [(0, 1), (1, 2), (2, 3)], atol=0.05)


def test_long_audio_is_anchored_and_aligned_by_window(
    reference: WhisperReference, aligner: EvenAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 80 words of half a second; recognition misses every seventh and is 0.05 s late.
    texts = [f"w{i}" for i in range(80)]
    heard = [(f" {t}", i / 2 + 0.05, i / 2 + 0.45) for i, t in enumerate(texts) if i % 7]
    calls = hear(monkeypatch, heard)
    words = words_of(reference, bursts([(0.0, 40.0)], 40.0), " ".join(texts))
    assert len(calls) == 1 and calls[0]["word_timestamps"]
    assert len(aligner.calls) == 2
    assert all(seconds <= 29 for _, seconds in aligner.calls)
    np.testing.assert_allclose([word.start for word in words], np.arange(80) / 2, atol=0.15)


def test_anchors_pass_over_speech_that_is_not_in_the_transcript(
    reference: WhisperReference, aligner: EvenAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear(monkeypatch, [(" noise", 1.0, 2.0), (" one", 50.0, 51.0), (" two", 51.5, 52.5)])
    words = words_of(reference, bursts([(0.0, 60.0)], 60.0), "one two")
    assert all(47 < word.start < word.end < 56 for word in words)


# ---- mode transcribe ----


@pytest.fixture
def recogniser(whisper_file: Path) -> WhisperReference:
    return WhisperReference(str(whisper_file), mode="transcribe", device="cpu")


def test_recognised_words_are_matched(recogniser: WhisperReference, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = [(" Uh,", 0.0, 0.2), (" one", 0.2, 1.0), (" tree", 2.0, 3.0), (" four.", 3.0, 4.0)]
    calls = hear(monkeypatch, heard)
    words = words_of(recogniser, bursts([(0.0, 6.0)], 6.0), "ONE two three four five!")
    assert [word.confidence for word in words] == [None] * 5  # which token a word was matched with is not kept
    expected = [(0.2, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 3.8), (3.8, 6.0)]
    # The end of "four." holds a full stop, a fifth of its characters.
    np.testing.assert_allclose(spans_of(words)[:3], expected[:3], atol=1e-6)
    np.testing.assert_allclose(spans_of(words)[3:], expected[3:], atol=1e-6)
    assert calls == [
        {
            "language": "en",
            "word_timestamps": True,
            "temperature": 0.0,
            "condition_on_previous_text": False,
            "fp16": False,
            "seconds": 6.0,
        }
    ]


def test_recognised_pieces_are_joined_and_split_as_units(
    recogniser: WhisperReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear(monkeypatch, [(" well", 0.0, 0.5), ("-known", 0.5, 1.0), (" thing", 1.0, 2.0)])
    words = words_of(recogniser, bursts([(0.0, 2.0)], 2.0), "well-known thing")
    np.testing.assert_allclose(spans_of(words), [(0.0, 1.0), (1.0, 2.0)], atol=1e-6)


def test_characters_are_matched(recogniser: WhisperReference, monkeypatch: pytest.MonkeyPatch) -> None:
    hear(monkeypatch, [("我爱", 0.0, 1.0), ("她", 1.0, 2.0)])
    words = words_of(recogniser, bursts([(0.0, 3.0)], 3.0), "我爱你们", language="zh")
    assert spans_of(words)[:2] == [(0.0, 0.5), (0.5, 1.0)]
    assert spans_of(words)[3] in [(1.0, 2.0), (2.0, 3.0)]


def test_recognised_times_are_mapped_back(recogniser: WhisperReference, monkeypatch: pytest.MonkeyPatch) -> None:
    hear(monkeypatch, [(" one", 0.05, 1.05), (" two", 1.15, 2.15)])
    words = words_of(recogniser, bursts([(1.0, 2.0), (3.0, 4.0)], 6.0), "one two")
    np.testing.assert_allclose(spans_of(words), [(1.0, 2.0), (3.0, 4.0)], atol=0.06)


@pytest.mark.parametrize("heard", [[], [(" ...", 0.0, 1.0)], [("", 0.0, 1.0)]])
def test_nothing_recognised_skips(recogniser: WhisperReference, heard: list, monkeypatch: pytest.MonkeyPatch) -> None:
    hear(monkeypatch, heard)
    for call in (lambda a: recogniser.words(a, "one", split_units("one")), recogniser.transcribe):
        with pytest.raises(SkipDocument) as skip:
            call(bursts([(0.0, 1.0)], 1.0))
        assert skip.value.cause == "no_word_timestamps"


def test_text_of_documents_without_one(recogniser: WhisperReference, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = hear(monkeypatch, [(" Hello", 0.0, 0.5), (" there.", 0.5, 1.0)])
    assert recogniser.transcribe(bursts([(1.0, 2.0)], 3.0)) == "Hello there."
    assert calls[0]["seconds"] == 3.0


# ---- input that is refused ----


@pytest.mark.parametrize("audio", [np.zeros(RATE), np.full(RATE, 0.3), np.zeros(0)])
def test_silence_skips_without_the_model(whisper_file: Path, audio: np.ndarray, no_model: None) -> None:
    reference = WhisperReference(str(whisper_file))
    for call in (lambda a: reference.words(a, "one", split_units("one")), reference.transcribe):
        with pytest.raises(SkipDocument, match="without any sound") as skip:
            call(audio.astype(np.float32))
        assert skip.value.cause == "no_word_timestamps"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_audio_skips(whisper_file: Path, value: float, no_model: None) -> None:
    audio = bursts([(0.0, 1.0)], 1.0)
    audio[5] = value
    with pytest.raises(SkipDocument) as skip:
        WhisperReference(str(whisper_file)).words(audio, "one", split_units("one"))
    assert skip.value.cause == "non_finite_audio"


def test_stereo_is_a_mistake_of_the_caller(whisper_file: Path) -> None:
    with pytest.raises(ValueError, match="mono"):
        WhisperReference(str(whisper_file)).words(np.zeros((2, RATE), np.float32), "one", split_units("one"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"checkpoint": "gigantic"}, "alas_reference=whisper:<size or path>.*large-v3.*'gigantic'"),
        ({"checkpoint": "/"}, "existing checkpoint file"),
        ({"mode": "guess"}, "alas_whisper_mode.*align, transcribe.*'guess'"),
        ({"heads": "3-1"}, "layer:head;layer:head"),
        ({"heads": ""}, "layer:head;layer:head"),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(FatalError, match=message):
        WhisperReference(**arguments)


def test_unknown_language(reference: WhisperReference) -> None:
    with pytest.raises(FatalError, match=r"'klingon'.*en, zh"):
        reference.words(bursts([(0.0, 1.0)], 1.0), "one", split_units("one"), language="klingon")


def test_damaged_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "damaged.pt"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(
        FatalError,
        match=r"cannot load the Whisper checkpoint .*damaged.pt on cpu: UnpicklingError: not a.*'dims'",
    ):
        words_of(WhisperReference(str(path), device="cpu"), bursts([(0.0, 1.0)], 1.0), "one")


def test_failed_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def urlopen(url: str) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(whisper.urllib.request, "urlopen", urlopen)
    with pytest.raises(FatalError, match=r"cannot load Whisper tiny: OSError: no route to host.*tiny\.pt"):
        words_of(WhisperReference("tiny", device="cpu"), bursts([(0.0, 1.0)], 1.0), "one")


# ---- checkpoint ----


def test_names_and_fingerprints(whisper_file: Path, no_model: None) -> None:
    official = WhisperReference()
    assert official.name == "whisper:large-v3:align"
    assert official.fingerprint == "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb"
    local = WhisperReference(str(whisper_file), mode="transcribe")
    assert local.name == "whisper:tiny-random:transcribe"
    assert len(local.fingerprint) == 64


def heads_of(reference: WhisperReference) -> list[tuple[int, int]]:
    words_of(reference, bursts([(0.0, 1.0)], 1.0), "one")
    return [(head.layer, head.head) for head in reference._choose_heads()]


def test_heads_are_those_that_follow_known_speech(whisper_file: Path, tmp_path: Path, log: list[str]) -> None:
    """By the weights alone: the same under every name, and kept with the times."""
    cache = AlignmentCache(tmp_path / "cache")
    found = heads_of(WhisperReference(str(whisper_file), device="cpu", cache=cache))
    copy = WhisperReference(str(shutil.copy(whisper_file, tmp_path / "renamed.pt")), device="cpu", cache=cache)
    said = len(log)
    assert copy._choose_heads() and copy._model is None  # from the cache
    assert heads_of(copy) == found and len(set(found)) == len(found) == 4
    assert len(log) == said > 0


def test_given_heads(whisper_file: Path) -> None:
    reference = WhisperReference(str(whisper_file), device="cpu", heads=" 1:1; 0:1;1:1;")
    assert reference.heads == "0:1;1:1"
    assert sorted(heads_of(reference)) == [(0, 1), (1, 1)]
    with pytest.raises(FatalError, match=r"no head 2:0.*layers 0 to 1"):
        heads_of(WhisperReference(str(whisper_file), device="cpu", heads="2:0"))


def test_the_demos_whisper_follows_known_speech(tmp_path: Path, log: list[str]) -> None:
    made = [WhisperReference(str(WHISPER), device="cpu", cache=AlignmentCache(tmp_path)) for _ in range(2)]
    heads = made[0]._choose_heads()
    assert any(abs(head.lag) < 0.5 for head in heads)
    assert log == []  # no warning that none follows speech
    assert made[1]._choose_heads() == heads  # from the cache


def test_recognition_takes_the_official_heads_under_another_name(
    whisper_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copy(whisper_file, tmp_path / "renamed.pt")
    digest = WhisperReference(str(copy)).fingerprint
    monkeypatch.setitem(whisper._MODELS, "tiny", f"https://example.org/{digest}/tiny.pt")
    seen = []
    monkeypatch.setattr(whisper.Whisper, "set_alignment_heads", lambda self, dump: seen.append(dump))
    WhisperReference(str(copy), device="cpu")._load()
    assert seen == [whisper._ALIGNMENT_HEADS["tiny"]]


def test_an_english_checkpoint_takes_no_other_language(
    whisper_file: Path, monkeypatch: pytest.MonkeyPatch, aligner: EvenAligner
) -> None:
    reference = WhisperReference(str(whisper_file), device="cpu")
    monkeypatch.setattr(whisper.Whisper, "is_multilingual", property(lambda self: False))
    for language in ("zh", "German"):
        with pytest.raises(FatalError, match=f"knows English only.*{language!r}.*alas_language"):
            words_of(reference, bursts([(0.0, 1.0)], 1.0), "one", language=language)
    words_of(reference, bursts([(0.0, 1.0)], 1.0), "one", language="English")


@pytest.mark.parametrize(("language", "text"), [("en", "今天天气很好"), ("km", "សួស្តីពិភពលោក"), ("km", "ថ្ងៃ")])
def test_every_character_has_its_own_time_whatever_the_language_is_said_to_be(
    reference: WhisperReference, monkeypatch: pytest.MonkeyPatch, language: str, text: str
) -> None:
    """By tokens: Whisper's own words are cut at spaces unless it knows better, and all would share one piece evenly."""

    def read(model, tokenizer, tokens, mel, num_frames, heads=None):
        starts = np.cumsum([0.0, *range(1, len(tokens) + 1)])  # each longer than the one before
        both = np.broadcast_to(starts * num_frames / starts[-1], (len(heads), 2, len(starts)))
        return attention.Reading(both, np.ones(len(tokens)))

    monkeypatch.setattr(attention, "read", read)
    monkeypatch.setattr(WhisperReference, "_choose_heads", lambda self: [attention.Head(0, 0, 0.0)])
    words = words_of(reference, bursts([(0.0, 3.0)], 3.0), text, language=language)
    lengths = np.diff([word.start for word in words])
    assert (len(words) > 1 and np.std(lengths) > 0.05) or len(lengths) == 1


def test_official_checkpoint_is_loaded_by_name(
    whisper_file: Path, tmp_path: Path, aligner: EvenAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = whisper.load_model
    names = []

    def load_model(name: str, device: str) -> whisper.Whisper:
        names.append(name)
        return load(str(whisper_file), device=device)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(whisper, "load_model", load_model)
    monkeypatch.setattr(whisper, "_download", lambda url, folder, in_memory: names.append("download"))
    heads_of(WhisperReference("tiny", device="cpu"))
    (tmp_path / "whisper" / "tiny.pt").touch()
    heads_of(WhisperReference("tiny", device="cpu"))
    assert names == ["download", "tiny"] * 2  # one process at a time, also where a part of the file is there


def test_device_of_whisper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert whisper_reference._device(None) == "cuda"
    assert whisper_reference._device("mps:0") == "cpu"
    assert whisper_reference._device("cuda:1") == "cuda:1"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(FatalError, match=r"alas_whisper_device=cuda:1 .*sees no CUDA device"):
        WhisperReference("tiny", device="cuda:1")


def test_close_frees_the_model(whisper_file: Path, aligner: EvenAligner) -> None:
    reference = WhisperReference(str(whisper_file), device="cpu")
    heads_of(reference)
    reference.close()
    assert reference._model is None
    reference.close()
    heads_of(reference)


# ---- cache ----


def test_cache_hits_do_not_load_the_model(whisper_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = bursts([(0.5, 1.5)], 2.0)
    hear(monkeypatch, [(" heard", 0.5, 1.5)])
    first = WhisperReference(str(whisper_file), device="cpu", cache=AlignmentCache(tmp_path))
    words, text = words_of(first, audio, "one two"), first.transcribe(audio)
    monkeypatch.setattr(whisper, "load_model", None)
    second = WhisperReference(str(whisper_file), cache=AlignmentCache(tmp_path))
    assert words_of(second, audio, "one two") == words
    assert second.transcribe(audio) == text == "heard"


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"words": None},
        {"words": [["one", 0.0, 1.0, None]]},
        {"words": [["one", 0.0, 1.0, None], ["too", 1.0, 2.0, None]]},
        {"words": [["one", 0.0, 1.0, None], ["two", 1.0]]},
        {"words": [["one", 0.0, 1.0, None], ["two", "1.0", 2.0, None]]},
        {"words": [["one", 0.0, 1.0, None], ["two", 2.0, 1.0, None]]},
        {"words": [["one", 1.0, 1.5, None], ["two", 0.5, 2.0, None]]},
        {"words": [["one", 0.0, 1.0, None], ["two", 1.0, 99.0, None]]},
        {"words": [["one", -1.0, 1.0, None], ["two", 1.0, 2.0, None]]},
        {"words": [["one", 0.0, 1.0, None], ["two", 1.0, 2.0]]},
        {"words": [["one", 0.0, 1.0, None], ["two", 1.0, 2.0, "sure"]]},
        {"words": [["one", 0.0, 1.0, None], ["two", 1.0, 2.0, 1.5]]},
    ],
)
def test_unusable_entry_is_computed_again(
    whisper_file: Path, tmp_path: Path, payload: dict, aligner: EvenAligner
) -> None:
    audio = bursts([(0.0, 2.0)], 2.0)
    cache = AlignmentCache(tmp_path)
    reference = WhisperReference(str(whisper_file), device="cpu", cache=cache)
    expected = words_of(reference, audio, "one two")
    key = cache.key(audio, "one two", reference.fingerprint, "align", None, "en")
    assert cache.get(key) is not None
    cache.put(key, payload)
    assert words_of(reference, audio, "one two") == expected
    assert cache.get(key) == {"words": [[w.word, w.start, w.end, w.confidence] for w in expected]}
