"""Similarities on disk: what comes back, and that nothing else is read."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from alas_metric import score_pair
from alas_metric.results import dumps
from alas_metric.results.dumps import (
    audio_envelope,
    audio_file,
    dump_name,
    read_audio,
    read_dump,
    write_audio,
    write_dump,
)

SECONDS = 0.04


@pytest.fixture
def whole(tmp_path: Path, timing, similarity) -> Path:
    """A dump of five words on thirty positions."""
    rng = np.random.default_rng(0)
    words = timing(5, 30, rng)
    values = similarity(words, 30, 0.3, rng) / 2
    record = score_pair(
        values,
        uid="a/b",
        transcript="x",
        words=[word.word for word in words],
        frame_seconds=SECONDS,
        references={"gold": words},
        reference="gold",
    )
    audio = np.concatenate([np.full(160, -0.5), np.full(160, 0.25), np.full(80, 1.0)])
    size = write_dump(tmp_path / "d.npz", record, values, audio)
    assert size == (tmp_path / "d.npz").stat().st_size
    np.save(tmp_path / "values.npy", values)
    return tmp_path / "d.npz"


def test_what_is_written_comes_back(whole: Path) -> None:
    dump = read_dump(whole)
    values = np.load(whole.with_name("values.npy"))
    assert dump.similarity.shape == (3, 2, 5, 30)
    np.testing.assert_allclose(dump.similarity, values, atol=1e-3)
    assert (dump.record.uid, dump.record.num_words) == ("a/b", 5)
    np.testing.assert_allclose(dump.envelope, [[-0.5, -0.5], [0.25, 0.25], [1.0, 1.0]], atol=1e-4)
    assert [path.name for path in whole.parent.glob("*.unfinished")] == []


def test_speech_lies_beside_its_dump_as_flac(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = audio_file(whole)
    assert path == whole.with_name("d.flac") and read_audio(path) is None
    samples = np.array([0.0, 0.5, -0.5, 2.0], np.float32)  # the last one is clipped
    assert write_audio(path, samples) == path.stat().st_size
    heard, rate = soundfile.read(path, dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(heard, [0.0, 0.5, -0.5, 1.0], atol=2**-15)
    assert read_audio(path) == path.read_bytes()
    monkeypatch.setattr(dumps, "_MAX_AUDIO_BYTES", 50)
    with pytest.raises(ValueError, match=r"d.flac: speech of \d+ bytes; at most 50 are read"):
        read_audio(path)
    with pytest.raises(ValueError, match="at most 50 are kept"):
        write_audio(path, samples)
    path.write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"d\.flac is no FLAC; it begins with b'RIFF'"):
        read_audio(path)


def test_envelope_holds_the_extremes() -> None:
    audio = np.random.default_rng(0).uniform(-1, 1, 1000)
    envelope = audio_envelope(audio, 16_000)
    assert envelope.shape == (7, 2)
    assert envelope.min() == pytest.approx(audio.min()) and envelope.max() == pytest.approx(audio.max())
    assert audio_envelope([], 16_000).shape == (0, 2)


def test_names_keep_the_order_and_hold_no_separators() -> None:
    names = [dump_name(number, uid) for number, uid in enumerate(["../../etc", "b" * 300, "a\x00c", "é"] * 3)]
    assert names == sorted(names)
    assert not any("/" in name or "\x00" in name or len(name) > 120 for name in names)


def changed(path: Path, **arrays: np.ndarray | None) -> Path:
    """Write the dump again with other arrays."""
    with np.load(path) as stored:
        kept = {name: stored[name] for name in stored.files} | arrays
    np.savez_compressed(path, **{name: array for name, array in kept.items() if array is not None})
    return path


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"similarity": None}, "no similarity"),
        ({"similarity": np.zeros((3, 2, 5, 29), np.float16)}, "shape"),
        ({"similarity": np.zeros((3, 2, 5, 30), np.float32)}, "float32"),
        ({"similarity": np.zeros(2**20, np.float16)}, "bytes"),
        ({"similarity": np.array([{"a": 1}], dtype=object)}, "object"),
        ({"envelope": np.zeros((4, 3), np.int16)}, "envelope"),
        ({"record": np.frombuffer(b'{"schema": 99}', np.uint8)}, "schema"),
        ({"record": np.frombuffer("ä".encode(), np.uint8)}, "ascii"),
    ],
)
def test_other_contents_are_refused(whole: Path, arrays, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_dump(changed(whole, **arrays))


def test_damaged_and_foreign_files_are_refused(whole: Path) -> None:
    content = whole.read_bytes()
    foreign = io.BytesIO()
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("readme.txt", "hello")
    for damaged in (b"", b"not a zip", content[: len(content) // 2], foreign.getvalue()):
        whole.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"d\.npz is no dump"):
            read_dump(whole)
    middle = bytearray(content)
    middle[400:600] = bytes(200)
    whole.write_bytes(bytes(middle))
    with pytest.raises(ValueError, match=r"d\.npz is no dump"):
        read_dump(whole)
