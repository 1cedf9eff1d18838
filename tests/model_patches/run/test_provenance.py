"""What tells one set of weights, prompts and packages from another."""

from __future__ import annotations

import os
import re
import shutil

from model_patches.adapters.fingerprint import weights_fingerprint
from model_patches.run.provenance import dependencies, of_weights, prompts_digest


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


def test_a_folder_is_known_by_what_is_loaded_from_it(tmp_path) -> None:
    """Content counts, wherever and whenever it was copied; what a training loop leaves beside it does not."""
    folder = tmp_path / "one"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(3_000_000))
    (folder / "1_Pooling" / "config.json").write_text("{}")
    before = weights_fingerprint(str(folder))
    copied = shutil.copytree(folder, tmp_path / "two")
    os.utime(copied / "model.safetensors", (0, 0))
    (copied / "checkpoint-100").mkdir()
    (copied / "checkpoint-100" / "model.safetensors").write_bytes(b"other")
    (copied / "optimizer.pt").write_bytes(b"moments")
    assert weights_fingerprint(str(copied)) == before
    for changed, content in (
        (folder / "model.safetensors", bytes(2_999_999) + b"1"),
        (copied / "1_Pooling" / "config.json", b"{1}"),
    ):
        changed.write_bytes(content)
        assert weights_fingerprint(str(changed.parents[changed.parent.name == "1_Pooling"])) != before
    file = tmp_path / "optimizer.pt"
    file.write_bytes(b"a file that is named itself is read")
    assert weights_fingerprint(str(file)) != weights_fingerprint(str(copied / "optimizer.pt"))


def test_what_a_record_says_of_a_checkpoint() -> None:
    whole = {"weights": "a" * 64, "peft": "b" * 64, "load": {"load_in_4bit": True, "dtype": "auto"}}
    assert of_weights(whole) == {"model_weights": "a" * 16, "peft_weights": "b" * 16, "quantised": "load_in_4bit"}
    parts = {"weights": {"pretrained": f"acme/salmon/v0.pth@{'c' * 40}", "beats": "d" * 64}, "peft": None}
    assert of_weights(parts) == {"model_weights": f"pretrained=acme/salmon/v0.pth@{'c' * 40}, beats={'d' * 16}"}
    assert of_weights({}) == {}


def test_the_prompts_are_known_by_template_and_wording(qwen2_audio, monkeypatch) -> None:
    before = prompts_digest(qwen2_audio)
    assert before == prompts_digest(qwen2_audio) and re.fullmatch("[0-9a-f]{16}", before)
    monkeypatch.setattr(type(qwen2_audio), "text_run", "Transcript: {transcript}\n\n{instruction}")
    reworded = prompts_digest(qwen2_audio)
    monkeypatch.undo()
    render = qwen2_audio.render
    monkeypatch.setattr(qwen2_audio, "render", lambda text, count: "Be brief. " + render(text, count))
    assert len({before, reworded, prompts_digest(qwen2_audio)}) == 3


def test_every_package_that_ours_asks_for_is_named() -> None:
    found = dependencies()
    assert {"lmms-eval", "torch", "transformers", "openai-whisper", "numpy", "librosa"} <= found.keys()
    assert all(re.match(r"\d", text) for text in found.values()), found
    assert "pytest" not in found
