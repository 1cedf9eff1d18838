import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from worlds import make_hub_cache

from alas_metric.errors import FatalError
from alas_tasks import sources


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    import functools

    from huggingface_hub import snapshot_download

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.snapshot_download", functools.partial(snapshot_download, cache_dir=tmp_path))
    return tmp_path


@pytest.mark.parametrize("revision", ["a" * 40, "main", "refs/convert/parquet"])
def test_warm_cache_without_a_hub(hub, revision):
    make_hub_cache(hub, "me/speech", revision, {"a/1.json": b"1", "a/2.json": b"2", "b.txt": b"3"})
    assert [path.read_bytes() for path in sources.hub_files("me/speech", revision, "a/*.json")] == [
        b"1",
        b"2",
    ]
    assert len(sources.hub_files("me/speech", revision, ["a/2.json", "b.*"])) == 2
    assert len(sources.cached_files("me/speech", revision, "*.json")) == 2


def test_nothing_in_the_cache():
    with pytest.raises(FatalError, match=r"me/speech \(main\)(?s:.*)hf auth login(?s:.*)Set X."):
        sources.hub_files("me/speech", "main", "*", "Set X.")
    assert sources.cached_files("me/speech", "main", "*") == []


def test_cache_lacks_the_file(hub):
    make_hub_cache(hub, "me/speech", "main", {"a.json": b"1"})
    with pytest.raises(FatalError, match=r"has no file b\.json"):
        sources.hub_files("me/speech", "main", "b.json")


def test_environment(tmp_path, monkeypatch):
    source = sources.HubSource("me/x", "r1", "*", "ALAS_X_DIR", "ALAS_X_REVISION")
    assert source.folder() is None and source.chosen_revision == "r1"
    monkeypatch.setenv("ALAS_X_DIR", str(tmp_path))
    monkeypatch.setenv("ALAS_X_REVISION", "r2")
    assert source.folder() == tmp_path and source.chosen_revision == "r2"
    monkeypatch.setenv("ALAS_X_DIR", str(tmp_path / "no"))
    with pytest.raises(FatalError, match=r"ALAS_X_DIR=.*no such folder"):
        source.folder()
    monkeypatch.delenv("ALAS_X_DIR")
    with pytest.raises(FatalError, match="set ALAS_X_DIR"):
        source.files()


def test_manifests_are_written_whole_by_many_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("ALAS_CACHE_DIR", str(tmp_path / "cache"))
    rows = [{"uid": f"ü{number}", "n": number} for number in range(50)]
    with ThreadPoolExecutor(8) as pool:
        (path,) = set(pool.map(lambda _: sources.write_manifest(rows), range(16)))
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == rows
    assert list(path.parent.iterdir()) == [path]
    path.write_text("damaged")
    assert len(sources.write_manifest(rows).read_text().splitlines()) == 50
    assert sources.write_manifest(rows[:1]) != path


def test_no_room_for_a_manifest(tmp_path, monkeypatch):
    def full(**_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("ALAS_CACHE_DIR", str(tmp_path))
    there = sources.write_manifest([{"uid": "a"}])
    monkeypatch.setattr("tempfile.mkstemp", full)
    assert sources.write_manifest([{"uid": "a"}]) == there, "what is there already is read"
    with pytest.raises(FatalError, match=r"No space left on device.*ALAS_CACHE_DIR"):
        sources.write_manifest([{"uid": "b"}])


def test_cache_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALAS_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(FatalError, match="ALAS_CACHE_DIR"):
        sources.cache_folder("x")
