"""``alas models``."""

from __future__ import annotations

from alas_metric.commands.main import main
from model_patches import cli
from model_patches.registry import FAMILIES


def test_every_family_is_listed_with_the_state_of_its_packages(capsys, monkeypatch) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda package: package == "moviepy" or None)
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    cells = [list(column.cells) for column in cli.models_table().columns]
    for family in FAMILIES:
        assert family.model_id in cells[0] and family.model_id in shown
        assert {checkpoint.model_type for checkpoint in family.checkpoints} <= set(cells[1])
    assert "2.941" in cells[3] and "12.5" in shown
    assert "moviepy (installed) for other tasks, qwen_omni_utils (not installed) for other tasks" in cells[-1]
    assert "torchaudio (not installed)" in cells[-1]
