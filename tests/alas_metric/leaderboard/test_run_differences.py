"""Two runs against each other: a planted difference in one layer and one document, and what is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import write_run

from alas_metric import AlignmentRecord, WordTiming, score_pair
from alas_metric.commands.main import main
from alas_metric.corpus.significance import Difference
from alas_metric.leaderboard.board import build_board
from alas_metric.leaderboard.figures import layer_differences, model_curves
from alas_metric.leaderboard.run_differences import compare_folders, headline_rows, layer_rows

TASK = "alas_demo_sqa"
LAYERS = 5
Folders = tuple[Path, Path]


@pytest.fixture(scope="module")
def folders(
    tmp_path_factory: pytest.TempPathFactory,
    timing: Callable[..., list[WordTiming]],
    similarity: Callable[..., np.ndarray],
) -> Folders:
    """A base and a tuned run that differ in layer 3, most of all in document d07."""

    def made(number: int, tuned: bool) -> AlignmentRecord:
        rng = np.random.default_rng(number)
        words = timing(5 + number % 3, 40 + number, rng)
        values = similarity(words, 40 + number, 0.8, rng, LAYERS)
        # Noise on layer 3 of the base, on all upper layers of the base's d07.
        noisy = slice(1, None) if number == 7 else slice(3, 4)
        values[noisy] += 0 if tuned else 30 * rng.normal(size=values[noisy].shape)
        return score_pair(
            values.astype(np.float32),
            uid=f"d{number:02}",
            transcript=" ".join(word.word for word in words),
            words=[word.word for word in words],
            frame_seconds=0.04,
            references={"gold": words},
            reference="gold",
        )

    root = tmp_path_factory.mktemp("pair")
    for name, tuned in (("tuned", True), ("base", False)):
        write_run(root / name / f"org__{name}", [made(number, tuned) for number in range(24)], TASK)
    return root / "tuned", root / "base"


def test_differences_by_layer(folders: Folders) -> None:
    [found], _ = compare_folders(folders)
    assert (found.task, found.first, found.second) == (TASK, "org/tuned", "org/base")
    skill = found.differences["alas_skill"]
    assert skill.layers is not None and len(skill.layers.values) == LAYERS
    assert skill.layers.low[3] is not None and skill.layers.low[3] > 0.5
    assert skill.layers.values[0] == 0 and abs(skill.layers.values[2] or 1) < 0.2
    assert skill.difference is not None and skill.difference > 0 and (skill.p or 1) < 0.001
    rows = layer_rows(found)
    defined = [each for each in found.differences.values() if each.difference is not None]
    assert len(rows) == LAYERS * len(defined) and {"alas", "alas_skill_raw", "frame_skill"} <= {d.key for d in defined}
    assert all(row["low"] <= row["difference"] <= row["high"] for row in rows)


def test_documents_that_changed_most(folders: Folders) -> None:
    [found], _ = compare_folders(folders)
    assert len(found.changes) == 24 and found.changes[0].uid == "d07" and found.changes[0].change > 0
    assert (found.only_first, found.only_second) == (0, 0)


def test_turned_round(folders: Folders) -> None:
    [there], _ = compare_folders(folders)
    [back], _ = compare_folders(folders[::-1])
    rows = list(zip(headline_rows(there), headline_rows(back), strict=True))
    for one, other in rows:
        assert one["p"] == other["p"]
        assert one["difference"] == (None if other["difference"] is None else -other["difference"])
    assert sum(one["difference"] is not None for one, _ in rows) >= 12


def test_refused(folders: Folders, tmp_path: Path, record: Callable[..., AlignmentRecord]) -> None:
    tuned, base = folders
    with pytest.raises(ValueError, match="two different runs are needed"):
        compare_folders((tuned, tuned))
    with pytest.raises(ValueError, match=r"expected one model in .*absent, got none that can be read; left out"):
        compare_folders((tuned, tmp_path / "absent"))
    for name in ("one", "two"):
        write_run(tmp_path / "both" / name, [record(name)], TASK)
    with pytest.raises(ValueError, match=r"expected one model in .*both, got one, two: name the model's folder"):
        compare_folders((tmp_path / "both", base), mix=True)
    write_run(tmp_path / "other" / "m", [record("z")], "alas_demo_emotion")
    with pytest.raises(ValueError, match="share no task"):
        compare_folders((tuned, tmp_path / "other"))


def test_command(folders: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *map(str, folders), "--output", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "org/tuned minus org/base" in out and "d07" in out
    with (tmp_path / "compare_headlines.csv").open(newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    assert [row["metric"] for row in rows][:3] == ["alas", "alas_centred", "alas_standardised"]
    [skill] = [row for row in rows if row["metric"] == "alas_skill"]
    assert float(skill["difference"]) > 0
    data = json.loads((tmp_path / "compare.json").read_text())
    assert len(data["tasks"][0]["documents"]) == 24
    assert (tmp_path / f"difference-{TASK}-alas_skill.png").stat().st_size > 5000
    assert "above 0: first is better" in (tmp_path / f"difference-{TASK}-alas_skill.svg").read_text()


def test_figures(folders: Folders) -> None:
    entries = build_board(folders).of_task(TASK)
    figure = model_curves(entries, "alas_skill", "_a $ title")
    [axis] = figure.axes
    assert axis.get_xlabel() == "Relative depth, layer / number of layers"
    assert axis.get_ylabel() == "ALAS skill, higher is better"
    assert axis.lines[0].get_xdata()[-1] == 1
    with pytest.raises(ValueError, match="undefined for every model"):
        model_curves([], "alas")
    with pytest.raises(ValueError, match="same depth"):
        layer_differences(Difference("alas", 0, 0), "a", "b")
