"""Audio files from anywhere: `load_audio` returns sound or says in a `SkipDocument` why not, in bounded memory."""

from __future__ import annotations

import functools
import struct

import numpy as np
import pytest
from fuzzing import damage, fuzz, memory_below
from hypothesis import given
from hypothesis import strategies as st
from worlds import as_container, encoded, speech_like

from alas_metric.errors import SkipDocument
from alas_tasks.audio import SAMPLE_RATE, load_audio

KINDS = {
    "FLAC": {"kind": "FLAC"},
    "WAV": {"kind": "WAV"},
    "WAV, float": {"kind": "WAV", "subtype": "FLOAT"},
    "WAV, stereo": {"kind": "WAV"},
    "OGG": {"kind": "OGG"},
    "MP3": {"kind": "MP3"},
    **{kind: {"container": kind} for kind in ("m4a", "webm", "amr", "mkv")},
}


@functools.cache
def whole(kind: str) -> bytes:
    sound = speech_like(1, seed=1)
    if "container" in KINDS[kind]:
        return as_container(sound, kind)
    return encoded(np.stack([sound, sound], 1) if "stereo" in kind else sound, **KINDS[kind])


def loads_or_is_skipped(content: bytes) -> np.ndarray | None:
    try:
        samples = load_audio({"bytes": content, "path": "x"})
    except SkipDocument as skip:
        assert skip.cause in ("unreadable_audio", "non_finite_audio", "too_short", "too_long"), skip
        assert skip.detail
        return None
    assert samples.dtype == np.float32 and samples.ndim == 1 and samples.size and np.isfinite(samples).all()
    return samples


@pytest.mark.parametrize("kind", KINDS)
@fuzz(25)
@given(data=st.data())
def test_damaged_files(kind: str, data: st.DataObject) -> None:
    content = data.draw(damage(whole(kind), 96))
    with memory_below(100_000_000):
        loads_or_is_skipped(content)


@fuzz(25)
@given(data=st.data())
def test_wav_headers(data: st.DataObject) -> None:
    """Every field of the header by itself; the checks of sizes must not be stopped by an early one."""
    number = functools.partial(st.integers, 0)
    extreme = st.sampled_from([0, 1, 2, 3, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 8000, 16000, 44100])
    code = data.draw(st.sampled_from([1, 3, 6, 7, 0xFFFE, 0x11, 0x55]) | number(0xFFFF))
    channels = data.draw(st.sampled_from([0, 1, 2, 3, 255, 1024, 65535]) | number(0xFFFF))
    rate, second = (data.draw(extreme | number(2**32 - 1)) for _ in range(2))
    align = data.draw(st.sampled_from([0, 1, 2, 4, 8]) | number(0xFFFF))
    bits = data.draw(st.sampled_from([0, 1, 8, 16, 24, 32, 64]) | number(0xFFFF))
    length = data.draw(extreme | number(2**32 - 1))
    sound = data.draw(st.binary(max_size=4000))
    head = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, code, channels, rate, second, align, bits, b"data", length)
    content = b"RIFF" + struct.pack("<I", data.draw(extreme)) + b"WAVE" + head + sound
    with memory_below(200_000_000):
        loads_or_is_skipped(content)


@fuzz(25)
@given(data=st.data())
def test_flac_headers(data: st.DataObject) -> None:
    """STREAMINFO with other block sizes, rates, channels, bits and total samples in front of real frames."""
    content = bytearray(whole("FLAC"))
    rate = data.draw(st.sampled_from([0, 1, 2, 8000, 16000, 2**20 - 1]) | st.integers(0, 2**20 - 1))
    channels, bits = data.draw(st.integers(0, 7)), data.draw(st.integers(0, 31))
    total = data.draw(st.sampled_from([0, 1, 2**31, 2**36 - 1]) | st.integers(0, 2**36 - 1))
    packed = rate << 44 | channels << 41 | bits << 36 | total
    content[18:26] = packed.to_bytes(8, "big")
    with memory_below(200_000_000):
        loads_or_is_skipped(bytes(content))


@fuzz(10)
@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda b: b"fLaC" + b) | st.just(b"RIFF\0\0\0\0WAVE"))
def test_other_bytes(content: bytes) -> None:
    loads_or_is_skipped(content)


@pytest.mark.parametrize("rate", [1, 10, 999, 768_001, 2**31 - 1])
def test_rates_that_no_recording_has(rate: int) -> None:
    """Resampling 1 Hz to 16 kHz makes 16,000 samples of each: 4 GB of a file of 64 kB."""
    sound = np.zeros(64_000, np.float32)
    with memory_below(50_000_000), pytest.raises(SkipDocument, match=r"unreadable_audio.*Hz"):
        load_audio(sound, sampling_rate=rate)
    content = bytearray(encoded(sound, SAMPLE_RATE, kind="WAV"))
    content[24:28] = struct.pack("<I", rate)
    with memory_below(50_000_000), pytest.raises(SkipDocument, match=r"unreadable_audio.*Hz"):
        load_audio({"bytes": bytes(content)})


def test_a_small_file_of_hours_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """FLAC packs silence a thousand times and more."""
    monkeypatch.setattr("alas_tasks.audio.MAX_SAMPLES", 2**20)
    content = encoded(np.zeros(2**22, np.float32), SAMPLE_RATE)
    assert len(content) < 100_000
    with memory_below(30_000_000), pytest.raises(SkipDocument, match="too_long"):
        load_audio({"bytes": content})
    unknown = bytearray(content)
    unknown[21] &= 0xF0
    unknown[22:26] = bytes(4)  # a stream whose length its writer did not know
    with memory_below(30_000_000), pytest.raises(SkipDocument, match="too_long"):
        load_audio({"bytes": bytes(unknown)})


@pytest.mark.parametrize("name", ["a\0b.wav", "\ud800.wav", "x" * 5000 + ".wav", ".", "/dev/zero", "\n"])
def test_paths_that_are_no_files(name: str) -> None:
    with pytest.raises(SkipDocument, match="missing_audio"):
        load_audio({"bytes": None, "path": name})


@fuzz(20)
@given(data=st.data())
def test_arrays(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(0, 40), max_size=3))
    kind = data.draw(st.sampled_from(["f2", "f4", "f8", "i2", "i4", "u1", "i8", "?"]))
    filler = data.draw(st.sampled_from([0, 1, -1, 1e30, np.nan, np.inf]))
    with np.errstate(all="ignore"):
        samples = np.full(shape, filler).astype(kind)
    rate = data.draw(st.sampled_from([0, -1, 1, 8000, 16000, 44100, 2**40]))
    try:
        out = load_audio(samples, sampling_rate=rate)
    except SkipDocument:
        return
    assert out.dtype == np.float32 and out.ndim == 1 and np.isfinite(out).all()
