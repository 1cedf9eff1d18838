from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model_patches.reference import cache as alignment_cache
from model_patches.reference.cache import AlignmentCache

PAYLOAD = {"words": [["one", 0.0, 0.5], ["two", 0.5, 1.0]]}
REPOSITORY = Path(__file__).resolve().parents[3]


def make_key(cache: AlignmentCache, **changed: object) -> str:
    parts: dict = {
        "audio": np.linspace(-1, 1, 1000, dtype=np.float32),
        "transcript": "one two",
        "fingerprint": "f",
        "mode": "align",
        "heads": None,
        "language": "en",
    }
    return cache.key(**(parts | changed))


def entry(cache: AlignmentCache, key: str) -> Path:
    return cache.folder / key[:2] / f"{key}.json"


@pytest.fixture
def cache(tmp_path: Path) -> AlignmentCache:
    return AlignmentCache(tmp_path / "cache")


def test_put_and_get(cache: AlignmentCache) -> None:
    key = make_key(cache)
    assert cache.get(key) is None
    cache.put(key, PAYLOAD)
    assert cache.get(key) == PAYLOAD
    assert AlignmentCache(cache.folder).get(key) == PAYLOAD
    assert [path.name for path in cache.folder.rglob("*") if path.is_file()] == [f"{key}.json"]


@pytest.mark.parametrize(
    "changed",
    [
        {"audio": np.linspace(-1, 1, 1001, dtype=np.float32)},
        {"audio": -np.linspace(-1, 1, 1000, dtype=np.float32)},
        {"transcript": "one  two"},
        {"transcript": ""},
        {"transcript": "one two\ud800"},
        {"fingerprint": "g"},
        {"mode": "transcribe"},
        {"heads": "1:0"},
        {"language": "de"},
    ],
)
def test_key_holds_everything(cache: AlignmentCache, changed: dict) -> None:
    assert make_key(cache, **changed) != make_key(cache)


def test_key_is_of_the_content(cache: AlignmentCache) -> None:
    strided = np.repeat(np.linspace(-1, 1, 1000, dtype=np.float32), 2)[::2]
    assert make_key(cache, audio=strided) == make_key(cache)
    # Neighbouring texts must not run together.
    assert make_key(cache, transcript="a", fingerprint="bc") != make_key(cache, transcript="ab", fingerprint="c")


def test_key_holds_the_algorithm(cache: AlignmentCache, monkeypatch: pytest.MonkeyPatch) -> None:
    before = make_key(cache)
    monkeypatch.setattr(alignment_cache, "ALGORITHM_VERSION", 999)
    assert make_key(cache) != before


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "A" * 64, "a" * 63])
def test_only_keys_are_paths(cache: AlignmentCache, key: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        cache.get(key)


def test_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALAS_CACHE_DIR", str(tmp_path))
    assert AlignmentCache().folder == tmp_path / "alignments"
    monkeypatch.delenv("ALAS_CACHE_DIR")
    assert AlignmentCache().folder.parts[-2:] == ("lmms-eval-alas", "alignments")
    assert AlignmentCache(str(tmp_path / "given")).folder == tmp_path / "given"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"\x80\x04\x95" + os.urandom(100),
        lambda data: b"[" * 100_000,
        lambda data: b"null",
        lambda data: data.replace(b'"schema": 1', b'"schema": 2'),
        lambda data: data.replace(b"0.5", b"NaN"),
        lambda data: data.replace(b'"key": "', b'"key": "0'),
        lambda data: json.dumps(json.loads(data) | {"payload": [1]}).encode(),
    ],
    ids=["empty", "truncated", "pickle", "deep", "null", "schema", "nan", "renamed", "payload"],
)
def test_damaged_entry_is_absent_and_replaced(cache: AlignmentCache, damage, log: list[str]) -> None:
    key = make_key(cache)
    cache.put(key, PAYLOAD)
    path = entry(cache, key)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get(key) is None
    assert len(log) == 1 and "damaged" in log[0]
    cache.put(key, PAYLOAD)
    assert cache.get(key) == PAYLOAD


def test_folder_that_cannot_be_written_warns_once(
    cache: AlignmentCache, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    for transcript in ("a", "b"):
        cache.put(make_key(cache, transcript=transcript), PAYLOAD)
    assert len(log) == 1 and "No space left" in log[0]
    assert not [path for path in cache.folder.rglob("*") if path.is_file()], "a temporary file was left"


def test_folder_that_is_a_file(tmp_path: Path, log: list[str]) -> None:
    (tmp_path / "file").touch()
    cache = AlignmentCache(tmp_path / "file")
    cache.put(make_key(cache), PAYLOAD)
    assert cache.get(make_key(cache)) is None
    assert len(log) == 2  # one for writing, one for reading


def test_only_finite_json_is_stored(cache: AlignmentCache) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        cache.put(make_key(cache), {"words": [["one", float("nan"), 1.0]]})


def run_python(code: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_many_processes_write_one_key(cache: AlignmentCache) -> None:
    """Eight processes, of one that has imported what they need: an interpreter for each would take most of the time."""
    code = """
import os, sys
from model_patches.reference.cache import AlignmentCache
key = sys.argv[2]
children = []
for _ in range(8):
    if (child := os.fork()) == 0:
        cache = AlignmentCache(sys.argv[1])
        for i in range(100):
            cache.put(key, {"words": [["x" * 2000, i, i]]})
            read = cache.get(key)  # another's entry or ours, but always a whole one
            if read is None or read["words"][0][0] != "x" * 2000:
                os._exit(1)
        os._exit(0)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""
    key = make_key(cache)
    process = run_python(code, str(cache.folder), key)
    assert process.stdout is not None and process.stdout.read().strip() == str([0] * 8)
    assert process.wait() == 0
    assert cache.get(key) is not None
    assert [path.name for path in cache.folder.rglob("*") if path.is_file()] == [f"{key}.json"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_while_writing(cache: AlignmentCache) -> None:
    code = """
import os, sys, time
from model_patches.reference.cache import AlignmentCache
def replace(source, target):
    print("writing", flush=True)
    time.sleep(60)
os.replace = replace
AlignmentCache(sys.argv[1]).put(sys.argv[2], {"words": []})
"""
    key = make_key(cache)
    process = run_python(code, str(cache.folder), key)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.kill()
    process.wait()
    assert cache.get(key) is None
    cache.put(key, PAYLOAD)
    assert cache.get(key) == PAYLOAD
