"""Dumps from anywhere: what a picture can be drawn from, or a ValueError; nothing unpickled, no bomb unpacked."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fuzzing import damage, fuzz, memory_below
from hypothesis import given
from hypothesis import strategies as st

from alas_metric import AlignmentRecord
from alas_metric.figures.figures import alignment_picture
from alas_metric.results.dumps import read_dump, write_dump

BOMB = 64_000_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, record: Callable[..., AlignmentRecord]) -> bytes:
    """A dump of three words on eight positions."""
    path = tmp_path_factory.mktemp("dumps") / "whole.npz"
    made = record(num_words=3, num_frames=8, num_layers=2)
    write_dump(path, made, np.random.default_rng(0).normal(size=(2, 2, 3, 8)), np.zeros(5120))
    return path.read_bytes()


def npy(array: np.ndarray) -> bytes:
    """Return an array as the bytes of a .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def packed(files: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return file.getvalue()


def unpacked(content: bytes) -> list[tuple[str, bytes]]:
    """Return the files of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def read(tmp_path: Path, content: bytes) -> None:
    """Read a dump; what is read must be drawable."""
    path = tmp_path / "d.npz"
    path.write_bytes(content)
    with memory_below(BOMB // 2):
        try:
            dump = read_dump(path)
        except ValueError as error:
            assert "d.npz is no dump" in str(error)
            return
        assert dump.similarity.dtype == np.float16 and np.isfinite(dump.similarity).all()
        assert dump.envelope.dtype == np.float32 and dump.envelope.shape[1:] == (2,)
    alignment_picture(dump, [0]).canvas.draw()


@fuzz(30)
@given(st.data())
def test_damaged_archives(whole: bytes, tmp_path: Path, data: st.DataObject) -> None:
    read(tmp_path, data.draw(damage(whole, 128)))


@fuzz(30)
@given(st.data())
def test_damaged_arrays_in_sound_archives(whole: bytes, tmp_path: Path, data: st.DataObject) -> None:
    """Checksums hide the inside from damage to the archive; here they are right."""
    method = data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
    files = [(name, data.draw(st.just(content) | damage(content, 128))) for name, content in unpacked(whole)]
    read(tmp_path, packed(files, method))


@fuzz(20)
@given(st.data())
def test_other_arrays(whole: bytes, tmp_path: Path, data: st.DataObject) -> None:
    files = dict(unpacked(whole))
    name = data.draw(st.sampled_from(sorted(files)))
    kind = data.draw(st.sampled_from(["f2", "f4", "i2", "u1", "O", "U4", "M8[s]", ">f2", "c8", "i2,f4"]))
    shape = data.draw(st.sampled_from([(), (0,), (2, 2, 3, 8), (2, 2), (96,), (0, 2), (2, 0)]))
    filler = data.draw(st.sampled_from([0, 1, -1, 65504, np.nan, np.inf]))
    with np.errstate(all="ignore"):
        array = np.zeros(shape, kind)
        if array.dtype.kind in "fiuc":
            array[...] = np.full(shape, filler).astype(kind)
    files[name] = npy(np.asfortranarray(array) if data.draw(st.booleans()) else array)
    read(tmp_path, packed(list(files.items())))


class Evil:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.path,))


def test_nothing_is_unpickled(whole: bytes, tmp_path: Path) -> None:
    trace = tmp_path / "unpickled"
    array = np.empty(1, object)
    array[0] = Evil(trace)
    for name, _ in unpacked(whole):
        for evil in (npy(array), pickle.dumps(Evil(trace))):
            read(tmp_path, packed([(n, evil if n == name else c) for n, c in unpacked(whole)]))
            read(tmp_path, packed([(name.removesuffix(".npy"), evil), *unpacked(whole)]))
    assert not trace.exists()
    pickle.loads(pickle.dumps(Evil(trace)))
    assert trace.exists()  # it would have shown


@pytest.mark.parametrize("name", ["record", "similarity", "envelope"])
@pytest.mark.parametrize("suffix", [".npy", ""])
def test_bombs_are_not_unpacked(whole: bytes, tmp_path: Path, name: str, suffix: str) -> None:
    """64 MB in 64 kB: alone, or under the name that NumPy prefers to the one whose size was looked at."""
    bomb = (name + suffix, bytes(BOMB))
    others = [(n, content) for n, content in unpacked(whole) if n != bomb[0]]
    for files in ([bomb, *others], [*others, bomb]):
        content = packed(files)
        assert len(content) < 100_000
        read(tmp_path, content)


@pytest.mark.parametrize("name", ["record", "similarity", "envelope"])
@pytest.mark.parametrize("shape", ["(99999999999,)", "(2, 2, 3, 999999999)", "(-1,)", "(4611686018427387904, 4, 2)"])
def test_claims_of_arrays_take_no_memory(whole: bytes, tmp_path: Path, name: str, shape: str) -> None:
    kind = {"record": "|u1", "similarity": "<f2", "envelope": "<i2"}[name]
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    claim = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)
    read(tmp_path, packed([(n, claim if n == f"{name}.npy" else content) for n, content in unpacked(whole)]))


def test_a_lie_about_the_unpacked_size(whole: bytes, tmp_path: Path) -> None:
    """The archive's directory says 128 bytes where 64 MB follow."""
    content = bytearray(packed([("similarity.npy", bytes(BOMB)), *unpacked(whole)]))
    lie = struct.pack("<I", BOMB)
    while (place := content.find(lie)) >= 0:
        content[place : place + 4] = struct.pack("<I", 128)
    read(tmp_path, bytes(content))


def test_encrypted_archives(whole: bytes, tmp_path: Path) -> None:
    content = bytearray(whole)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(mark, place + 1)
    read(tmp_path, bytes(content))
