"""Audio as people have it: what decodes is what is scored, or the refusal is true."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from worlds import CONTAINERS, SAMPLE_RATE, as_container, encoded, speech_like

from alas_metric.errors import SkipDocument
from alas_tasks import audio as audio_module
from alas_tasks.audio import duration, load_audio

SOUND = speech_like(6, seed=3)
SECONDS = len(SOUND) / SAMPLE_RATE


def length(content: Any) -> float:
    return len(load_audio({"bytes": content} if isinstance(content, bytes) else content)) / SAMPLE_RATE


def refusal(content: Any) -> SkipDocument:
    with pytest.raises(SkipDocument) as error:
        length(content)
    return error.value


def lag(heard: np.ndarray, sound: np.ndarray) -> float:
    """Return by how many seconds ``heard`` comes later than ``sound``, by their envelopes."""
    size = 1 << int(np.ceil(np.log2(len(heard) + len(sound))))
    spectra = [np.fft.rfft(np.abs(samples) - np.abs(samples).mean(), size) for samples in (heard, sound)]
    place = int(np.argmax(np.fft.irfft(spectra[0] * spectra[1].conj(), size)))
    return (place if place < size // 2 else place - size) / SAMPLE_RATE


@pytest.mark.parametrize("kind", CONTAINERS)
def test_containers(kind: str, tmp_path: Path) -> None:
    """All of the sound, at its place; a codec may pad its last frame, and raw AAC its first."""
    path = tmp_path / f"a.{kind}"
    path.write_bytes(as_container(SOUND, kind))
    heard = load_audio(path)
    assert heard.dtype == np.float32 and np.isfinite(heard).all()
    assert SECONDS - 0.05 < len(heard) / SAMPLE_RATE < SECONDS + 0.2
    assert abs(lag(heard, SOUND)) < (0.1 if kind == "aac" else 0.015)
    assert duration({"path": str(path)}) == pytest.approx(len(heard) / SAMPLE_RATE, abs=1e-3)


def test_sound_of_a_video() -> None:
    assert length(as_container(SOUND, "mp4", video=True)) == pytest.approx(SECONDS, abs=0.1)


def test_a_film_without_sound() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), format="yuv420p")))
        container.mux(stream.encode(None))
    assert "no audio in it" in refusal(file.getvalue()).detail


class TestMp3:
    """Without a header that counts, the length of an MP3 file is a guess from its rate of bits."""

    def test_variable_rate_without_a_header(self) -> None:
        content = as_container(SOUND, "mp3", write_xing="0")
        assert b"Xing" not in content and b"Info" not in content
        assert length(content) >= SECONDS

    def test_joined(self) -> None:
        content = as_container(SOUND, "mp3")
        assert length(content + content) == pytest.approx(2 * length(content), abs=0.15)

    @pytest.mark.parametrize("share", [0.97, 0.5])
    def test_cut_off(self, share: float) -> None:
        content = as_container(SOUND, "mp3")
        assert "cut off" in refusal(content[: int(len(content) * share)]).detail

    def test_behind_a_picture(self) -> None:
        """ID3v2 with a cover in front; its size is not that of the sound."""
        content = as_container(SOUND, "mp3", write_id3v2="0", id3v2_version="0")
        tag = b"ID3\x04\x00\x00" + bytes([0, 0, 40, 0]) + bytes(40 << 7)
        assert length(tag + content) == length(content)
        assert "cut off" in refusal((tag + content)[:-600]).detail


@pytest.mark.parametrize("kind", ["m4a", "mkv"])
def test_cut_off_containers(kind: str, tmp_path: Path) -> None:
    """With their tables in front, so that they can be opened."""
    options = {"movflags": "faststart", "path": tmp_path / "a.m4a"} if kind == "m4a" else {}
    content = as_container(SOUND, kind, **options)
    assert "cut off" in refusal(content[: len(content) * 2 // 3]).detail


@pytest.mark.parametrize("kind", ["FLAC", "OGG"])
def test_joined_files_are_read_to_their_end(kind: str) -> None:
    content = encoded(SOUND, kind=kind)
    assert length(content + content) == pytest.approx(2 * SECONDS, abs=0.05)


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "MP4"])
def test_joined_files_that_cannot_be_read_are_refused(kind: str) -> None:
    content = as_container(SOUND, "m4a") if kind == "MP4" else encoded(SOUND, kind=kind)
    assert refusal(content + content).cause == "unreadable_audio"


def wav_with_length(value: int, kind: str = "PCM_16", tail: bytes = b"") -> bytes:
    content = bytearray(encoded(SOUND, kind="WAV", subtype=kind))
    place = content.index(b"data") + 4
    content[place : place + 4] = struct.pack("<I", value)
    return bytes(content) + tail


STREAMED = [0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF]


@pytest.mark.parametrize("value", STREAMED)
@pytest.mark.parametrize("kind", ["PCM_16", "FLOAT"])
def test_streamed_wav(value: int, kind: str) -> None:
    """Writers to a pipe do not know the length: they leave 0 or about the largest number."""
    np.testing.assert_array_equal(
        load_audio({"bytes": wav_with_length(value, kind)}),
        load_audio({"bytes": encoded(SOUND, kind="WAV", subtype=kind)}),
    )


@pytest.mark.parametrize("value", [2, 1600, 16_000])
def test_wav_whose_header_was_not_brought_up_to_date(value: int) -> None:
    assert length(wav_with_length(value)) == pytest.approx(SECONDS)


def test_chunks_after_the_sound_are_no_sound() -> None:
    tail = b"LIST" + struct.pack("<I", 4000) + bytes(4000) + b"TAG" + bytes(125)
    assert length(encoded(SOUND, kind="WAV") + tail) == SECONDS
    empty = encoded(np.zeros(0), kind="WAV") + b"LIST" + struct.pack("<I", 4000) + bytes(4000)
    assert refusal(empty).cause == "too_short"


def test_wav_that_is_cut_off() -> None:
    assert "cut off" in refusal(encoded(SOUND, kind="WAV")[:-1000]).detail


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:1,\nfile://{}\n", "ffconcat version 1.0\nfile '{}'\n"])
def test_lists_of_files_open_nothing(text: str, tmp_path: Path) -> None:
    other = tmp_path / "other.mp3"
    other.write_bytes(as_container(SOUND, "mp3"))
    for name in ("a.m3u8", "a.ffconcat", "a.mp3"):
        (tmp_path / name).write_text(text.format(other))
        assert refusal(str(tmp_path / name)).cause == "unreadable_audio"


class TestChannels:
    @pytest.fixture(autouse=True)
    def warnings(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        said: list[str] = []
        monkeypatch.setattr(audio_module, "_warn", said.append)
        return said

    def test_opposite_phases(self, warnings: list[str]) -> None:
        stereo = np.stack([SOUND, -SOUND], axis=1)
        heard = load_audio({"bytes": encoded(stereo, kind="WAV", subtype="FLOAT"), "path": "x.wav"})
        np.testing.assert_array_equal(heard, SOUND)
        assert warnings == ["x.wav: the channels cancel each other when mixed; channel 0 alone is read"]

    @pytest.mark.parametrize("gain", [-1.05, -0.9])
    def test_nearly_opposite_phases_with_noise(self, gain: float, warnings: list[str]) -> None:
        noise = 1e-3 * np.random.default_rng(0).standard_normal((len(SOUND), 2))
        heard = load_audio((np.stack([SOUND, gain * SOUND], axis=1) + noise).astype(np.float32))
        assert np.corrcoef(np.abs(heard), np.abs(SOUND))[0, 1] > 0.98 and len(warnings) == 1

    def test_unrelated_channels_are_mixed(self, warnings: list[str]) -> None:
        stereo = np.stack([SOUND, np.roll(SOUND, 7001)], axis=1)
        np.testing.assert_allclose(load_audio(stereo), stereo.mean(axis=1), atol=1e-7)
        assert warnings == []

    def test_a_silent_channel(self, warnings: list[str]) -> None:
        stereo = np.stack([SOUND, np.zeros_like(SOUND)], axis=1)
        np.testing.assert_allclose(load_audio(stereo), SOUND / 2, atol=1e-7)
        assert "nothing is heard in channel 1 of 2" in warnings[0]

    def test_silence(self, warnings: list[str]) -> None:
        load_audio({"bytes": encoded(np.zeros(8000), kind="WAV"), "path": "x.wav"})
        assert warnings == ["x.wav: there is no sound in it"]

    @pytest.mark.parametrize("kind", ["WAV", "OGG"])
    def test_one_channel(self, kind: str) -> None:
        stereo = np.stack([SOUND, np.roll(SOUND, 7001)], axis=1)
        content = encoded(stereo, kind=kind)
        for channel in (0, 1):
            heard = load_audio({"bytes": content, "part": {"channel": channel}})
            np.testing.assert_allclose(heard, stereo[:, channel], atol=1e-4 if kind == "WAV" else 0.15)
        np.testing.assert_array_equal(
            load_audio({"array": stereo, "sampling_rate": 16000, "part": {"channel": 1}}), stereo[:, 1]
        )
        assert "no channel 2, there are 2" in refusal({"bytes": content, "part": {"channel": 2}}).detail


class TestParts:
    @pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "mkv"])
    def test_seconds(self, kind: str) -> None:
        content = as_container(SOUND, kind) if kind in CONTAINERS else encoded(SOUND, kind=kind.upper())
        whole = load_audio({"bytes": content})
        part = load_audio({"bytes": content, "part": {"begin": 0.25, "end": 0.75}})
        np.testing.assert_array_equal(part, whole[4000:12000])
        rest = load_audio({"bytes": content, "part": {"begin": 0.25, "end": None}})
        np.testing.assert_array_equal(rest, whole[4000:])
        assert duration({"bytes": content, "part": {"begin": 0.25}}) == pytest.approx(len(rest) / SAMPLE_RATE)

    def test_samples_are_those_of_the_file(self) -> None:
        content = encoded(SOUND, rate=8000, kind="WAV")
        part = {"begin": 800, "end": 4000, "unit": "samples"}
        assert len(load_audio({"bytes": content, "part": part})) == 6400
        assert duration({"bytes": content, "part": part}) == 0.4

    def test_an_array(self) -> None:
        audio = {"array": SOUND, "sampling_rate": SAMPLE_RATE, "part": {"begin": 0.1, "end": 0.2}}
        np.testing.assert_array_equal(load_audio(audio), SOUND[1600:3200])

    @pytest.mark.parametrize("kind", ["WAV", "OGG"])
    @pytest.mark.parametrize(
        "part", [{"begin": 60.0, "end": 61.0}, {"begin": 0.5, "end": 60.0}, {"begin": 0.5, "end": 0.5}]
    )
    def test_beyond_the_recording(self, kind: str, part: dict[str, float]) -> None:
        error = refusal({"bytes": encoded(SOUND, kind=kind), "part": part})
        assert error.cause == "outside_audio" and "times" in error.detail

    def test_rounding_at_the_end(self) -> None:
        audio = {"bytes": encoded(SOUND, kind="WAV"), "part": {"begin": 0.0, "end": round(SECONDS + 0.1, 1)}}
        assert len(load_audio(audio)) == len(SOUND)
