"""The example notebook runs from its first cell to its last on a run of the demo."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest
from run_folders import write_run

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "notebooks" / "look-inside.ipynb"
sys.path.append(str(Path(__file__).resolve().parents[1] / "tools" / "demo_world"))


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    from nbclient import NotebookClient
    from watch_training import rows, utterance

    from alas_tasks.demo.files import QWEN2_AUDIO
    from model_patches import probe_all
    from model_patches.adapters.loading import load_pretrained

    model, processor = load_pretrained(str(QWEN2_AUDIO), dtype="float32")
    records = probe_all(model, processor, map(utterance, rows()[:8]))
    write_run(tmp_path / "alas-demo" / "results" / "qwen2_audio", records)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = {kind for output in outputs for kind in output.get("data", {})}
    assert {"text/html", "image/png", "text/plain"} <= shown
    assert not [output for output in outputs if output.output_type == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
