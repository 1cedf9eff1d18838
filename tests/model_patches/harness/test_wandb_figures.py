"""What reaches a wandb run: a stand-in for the logger and for wandb takes it."""

from __future__ import annotations

import copy
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from loguru import logger
from run_folders import short_record

from alas_metric import AlignmentRecord, score_record, summarise
from model_patches.harness.entry import add_figures
from model_patches.harness.wandb_figures import log_figures
from model_patches.run import harness_run
from model_patches.run.dumping import Dumps

SIMILARITY = np.random.default_rng(0).normal(size=(3, 2, 2, 4)).astype(np.float32)


def record(uid: str) -> AlignmentRecord:
    return short_record(uid, SIMILARITY)


class WandbLogger:
    """The parts of the harness's logger that are used."""

    def __init__(self, results) -> None:
        self.results = copy.deepcopy(results)
        self.logged: list[dict] = []
        self.run = SimpleNamespace(log=self.logged.append)

    def log_eval_result(self) -> str:
        self.logged.append({"table": 1})
        return "done"


@pytest.fixture
def wandb(monkeypatch) -> None:
    image = lambda path: open(path, "rb").read(4)  # noqa: E731, SIM115
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(Image=image))


def results() -> dict:
    values = summarise([score_record(record(f"d{number}")) for number in range(3)])
    return {"results": {"task": {f"{key},none": value for key, value in values.items()}, "mmmu": {"acc,none": 1.0}}}


@pytest.mark.usefixtures("wandb")
def test_curves_and_pictures_follow_the_table(tmp_path) -> None:
    tracker = SimpleNamespace(
        output_path=str(tmp_path), general_config_tracker=SimpleNamespace(model_name_sanitized="m")
    )
    with harness_run.running(tracker, "date"):
        Dumps(tmp_path / "m", "date", 1).add(
            "task", 0, record("d0"), SimpleNamespace(similarity=SIMILARITY), np.zeros(2560, np.float32)
        )
    module = SimpleNamespace(WandbLogger=WandbLogger)
    add_figures(module)
    wandb_logger = module.WandbLogger(results())
    assert wandb_logger.log_eval_result() == "done"
    table, figures = wandb_logger.logged
    assert table == {"table": 1}
    assert {"task/layers_alas", "task/layers_frame_skill", "task/alignment/00000000-d0"} <= set(figures)
    assert not any(name.startswith("mmmu") for name in figures)
    assert set(figures.values()) == {b"\x89PNG"}


def test_a_failure_is_told_and_passes(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    lines: list[str] = []
    handle = logger.add(lines.append, format="{message}")
    log_figures(WandbLogger(results()))
    logger.remove(handle)
    assert any("could not be logged to Weights and Biases" in line for line in lines)
