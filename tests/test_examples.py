"""Every example in a docstring runs and gives what it says; the Python of docs/use.md runs on the demo's model."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import alas_metric
import alas_tasks
import model_patches
from alas_tasks.demo.files import QWEN2_AUDIO, WHISPER
from model_patches.adapters.loading import load_pretrained
from model_patches.reference.cache import AlignmentCache
from model_patches.reference.whisper_reference import WhisperReference

PAGE = Path(__file__).resolve().parents[1] / "docs" / "use.md"
PACKAGES = (alas_metric, alas_tasks, model_patches)
FILES = {
    ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in (Path(package.__path__[0]) for package in PACKAGES)
    for path in sorted(folder.rglob("*.py"))
}
EXAMPLES = [name for name, path in FILES.items() if ">>>" in path.read_text(encoding="utf-8")]


def test_every_module_can_be_imported() -> None:
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert blocks
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000)
    soundfile.write("speech.wav", noise, 16_000)
    whisper = WhisperReference(str(WHISPER), device="cpu", cache=AlignmentCache(tmp_path))
    monkeypatch.setattr("model_patches.probing.as_sources", lambda *_: [whisper])  # the example's is Whisper large-v3
    model, processor = load_pretrained(str(QWEN2_AUDIO), dtype="float32")
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {"model": model, "processor": processor})
    printed = re.findall(r"-?\d+\.\d*", capsys.readouterr().out)
    assert len(printed) == 7  # one value per layer
