import argparse
import functools

import pytest
from worlds import make_hub_cache, make_librisqa

from alas_tasks import cli, sources


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    from huggingface_hub import snapshot_download

    for source in (sources.LIBRISQA, sources.LIBRISPEECH, sources.IEMOCAP):
        monkeypatch.delenv(source.folder_variable, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    cached = functools.partial(snapshot_download, cache_dir=tmp_path / "hub")
    monkeypatch.setattr("huggingface_hub.snapshot_download", cached)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def test_the_three_places(world, monkeypatch, capsys):
    monkeypatch.setenv("ALAS_LIBRISQA_DIR", str(make_librisqa(world / "sqa")))
    files = {"clean/test/0000.parquet": b"x"}
    make_hub_cache(world / "hub", sources.LIBRISPEECH.repo_id, sources.LIBRISPEECH.revision, files)
    parser = argparse.ArgumentParser()
    cli.add_parsers(parser.add_subparsers(required=True))
    args = parser.parse_args(["tasks"])
    assert args.func(args) == 0
    shown = capsys.readouterr().out
    for text in (
        "alas_librisqa_mc",
        "alas_iemocap",
        "ALAS_IEMOCAP_DIR",
        "local",
        "in the cache",
        "not reachable",
    ):
        assert text in shown
