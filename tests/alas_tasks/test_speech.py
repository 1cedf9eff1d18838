import pickle
import struct

import numpy as np
import pytest
import soundfile
from worlds import encoded, speech_like

from alas_metric.document.paths import WordTiming
from alas_metric.errors import FatalError, SkipDocument
from alas_tasks.audio import SAMPLE_RATE, load_audio
from alas_tasks.speech import SpeechSample, answer_reader, doc_to_messages, doc_to_target, doc_to_text, doc_to_visual

SOUND = speech_like(4, seed=1)


def tone(rate, seconds=1.0):
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate).astype(np.float32)


def cause(audio, **kwargs):
    with pytest.raises(SkipDocument) as error:
        load_audio(audio, **kwargs)
    return error.value.cause


@pytest.mark.parametrize("kind", ["FLAC", "WAV", "OGG", "MP3"])
def test_formats(kind):
    samples = load_audio({"bytes": encoded(SOUND, kind=kind), "path": None})
    assert samples.dtype == np.float32 and samples.shape == SOUND.shape
    if kind in ("FLAC", "WAV"):
        np.testing.assert_allclose(samples, SOUND, atol=1 / 32_000)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_rates(rate):
    samples = load_audio({"bytes": encoded(tone(rate), rate)})
    assert samples.shape == (SAMPLE_RATE,)
    np.testing.assert_allclose(samples[1000:-1000], tone(SAMPLE_RATE)[1000:-1000], atol=2e-3)


def test_channels_are_averaged():
    stereo = np.stack([SOUND, np.zeros_like(SOUND)], axis=1)
    mono = load_audio({"bytes": encoded(stereo, kind="WAV", subtype="FLOAT")})
    np.testing.assert_allclose(mono, SOUND / 2, atol=1e-7)
    np.testing.assert_allclose(load_audio(stereo), mono, atol=1e-7)
    np.testing.assert_allclose(load_audio(stereo.T), mono, atol=1e-7)


def test_paths_and_arrays(tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(encoded(SOUND))
    whole = load_audio({"bytes": None, "path": str(path)})
    np.testing.assert_array_equal(load_audio(path), whole)
    np.testing.assert_array_equal(load_audio(str(path)), whole)
    np.testing.assert_array_equal(load_audio({"array": SOUND, "sampling_rate": SAMPLE_RATE}), SOUND)
    assert load_audio(tone(8_000), sampling_rate=8_000).shape == (SAMPLE_RATE,)
    np.testing.assert_allclose(load_audio((SOUND * 32768).astype(np.int16)), SOUND, atol=1e-4)


@pytest.mark.parametrize("audio", [None, {"bytes": None, "path": None}, {"bytes": None, "path": "no/where.flac"}])
def test_missing(audio):
    assert cause(audio) == "missing_audio"


@pytest.mark.parametrize("kind", ["FLAC", "WAV", "MP3"])
@pytest.mark.parametrize("share", [0.95, 0.5, 0.05])
def test_truncated(kind, share):
    content = encoded(SOUND, kind=kind)
    assert cause({"bytes": content[: int(len(content) * share)]}) == "unreadable_audio"


def test_truncated_file_is_named(tmp_path):
    path = tmp_path / "cut.flac"
    path.write_bytes(encoded(SOUND)[:2000])
    with pytest.raises(SkipDocument, match=r"cut\.flac"):
        load_audio({"bytes": None, "path": str(path)})


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a sound", b"RIFF\0\0\0\0WAVE", b"\xff" * 100])
def test_not_audio(content):
    assert cause({"bytes": content}) == "unreadable_audio"


def test_streamed_wav_without_a_length_is_read():
    content = bytearray(encoded(SOUND, kind="WAV"))
    start = content.index(b"data") + 4
    content[start : start + 4] = struct.pack("<I", 0xFFFFFFFF)
    content[4:8] = struct.pack("<I", 0xFFFFFFFF)
    assert load_audio({"bytes": bytes(content)}).shape == SOUND.shape


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite(value):
    sound = SOUND.copy()
    sound[5] = value
    assert cause({"bytes": encoded(sound, kind="WAV", subtype="FLOAT")}) == "non_finite_audio"
    assert cause(sound) == "non_finite_audio"


def test_values_beyond_float32():
    assert cause(np.full(100, 1e300)) == "non_finite_audio"


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_no_sample(rate):
    assert cause(np.zeros(0, np.float32), sampling_rate=rate) == "too_short"
    assert cause({"bytes": encoded(np.zeros(0), rate, kind="WAV")}) == "too_short"


def test_wrong_shape():
    assert cause(np.zeros((2, 2, 2))) == "unreadable_audio"


def test_a_file_is_closed_again(tmp_path, recwarn):
    path = tmp_path / "a.wav"
    soundfile.write(path, SOUND, SAMPLE_RATE)
    load_audio(path)
    path.unlink()
    assert not [w for w in recwarn if issubclass(w.category, ResourceWarning)]


@pytest.mark.parametrize("use", [lambda s: s["array"], len, list, lambda s: s["sampling_rate"], lambda s: 0 in s])
def test_stock_wrappers_cannot_use_a_sample(use):
    sample = SpeechSample("u1", {"bytes": b"", "path": None})
    assert sample and [sample]
    with pytest.raises(FatalError, match=r"'u1'.*alas models"):
        use(sample)


DOC = {
    "uid": "u",
    "audio": {"bytes": b"", "path": None},
    "transcript": "hello",
    "instruction": "What is said?",
    "target": "The speaker is angry",
    "speaker": "s",
    "words": [{"word": "hello", "start": 0.1, "end": 0.5}],
}


def test_documents_become_samples():
    (sample,) = doc_to_visual(DOC)
    assert sample.audio is DOC["audio"] and sample.transcript == "hello" and sample.speaker == "s"
    assert sample.words == [WordTiming("hello", 0.1, 0.5)] and sample.language == "en"
    assert sample.read_answer is None and sample.target == "The speaker is angry"
    assert doc_to_text(DOC) == "What is said?"
    assert doc_to_target(DOC) == "The speaker is angry"
    assert doc_to_target({"target": None}) == ""


def test_settings_of_a_task():
    settings = {"pre_prompt": "<", "post_prompt": ">", "answers": "emotion", "language": "de"}
    (sample,) = doc_to_visual(DOC, settings)
    assert sample.reference is None and doc_to_visual(DOC, {"reference": "words"})[0].reference == "words"
    assert sample.target == "anger" and sample.read_answer("happy") == "happiness" and sample.language == "de"
    assert pickle.loads(pickle.dumps(sample.read_answer))("sad") == "sadness"
    assert doc_to_text(DOC, settings) == "<What is said?>"
    assert doc_to_text(DOC, {"instruction": "Listen."}) == "Listen."


def test_messages():
    (message,) = doc_to_messages(DOC, {"answers": ["yes", "no"]})
    speech, text = message["content"]
    assert message["role"] == "user" and text == {"type": "text", "text": "What is said?"}
    assert isinstance(speech["url"], SpeechSample) and speech["url"].read_answer("Yes!") == "yes"


def test_ways_to_read_answers():
    assert answer_reader(None) is answer_reader("free") is answer_reader("free_or_contained") is None
    assert answer_reader("option")("(c)") == answer_reader(["A", "B", "C"])("(c)") == "C"
    for wrong in ("emotions", []):
        with pytest.raises(FatalError, match="answers"):
            answer_reader(wrong)


def test_documents_without_words_or_audio():
    (sample,) = doc_to_visual({"uid": "u"})
    assert sample.audio is None and sample.words is None and sample.target is None
