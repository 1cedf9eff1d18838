"""What tells one set of weights from another."""

from __future__ import annotations

from model_patches.provenance import weights_fingerprint


def make_commit(hub, repo: str, commit: str) -> None:
    folder = hub / f"models--{repo.replace('/', '--')}"
    (folder / "snapshots" / commit).mkdir(parents=True, exist_ok=True)
    (folder / "snapshots" / commit / "config.json").write_text("{}")
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(commit)


def test_a_hub_checkpoint_is_known_by_its_commit(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    first, second = "a" * 40, "b" * 40
    make_commit(tmp_path, "acme/tiny", first)
    assert weights_fingerprint("acme/tiny") == f"acme/tiny@{first}"
    make_commit(tmp_path, "acme/tiny", second)
    assert weights_fingerprint("acme/tiny") == f"acme/tiny@{second}"
    assert weights_fingerprint("acme/tiny", first) == f"acme/tiny@{first}"
    assert weights_fingerprint("acme/unknown") == "acme/unknown@None"


def test_a_folder_is_known_by_its_files(tmp_path) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = weights_fingerprint(str(tmp_path))
    assert weights_fingerprint(str(tmp_path)) == before
    (tmp_path / "config.json").write_text("{1}")
    assert weights_fingerprint(str(tmp_path)) != before
