"""The alas command."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alas_metric import AlignmentRecord
from alas_metric.commands import main as cli
from alas_metric.corpus.metrics import METRICS


@pytest.fixture
def run_dir(tmp_path: Path, record: Callable[..., AlignmentRecord]) -> Path:
    model = tmp_path / "model"
    model.mkdir()
    lines = [
        json.dumps({"doc_id": i, "filtered_resps": record(uid=str(i), seed=i, num_words=3 + i).to_json()})
        for i in range(4)
    ]
    (model / "20260101_120000_samples_alas_demo.jsonl").write_text("\n".join(lines))
    return tmp_path


def test_score(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = run_dir / "out.json"
    assert cli.main(["score", str(run_dir), "--threshold", "0.5", "--json", str(target)]) == 0
    printed = capsys.readouterr()
    assert "alas_skill" in printed.out and "4 documents" in printed.out
    assert "was the run killed?" in printed.err
    [entry] = json.loads(target.read_text())["runs"]
    assert (entry["model"], entry["task"], entry["run"]) == ("model", "alas_demo", "20260101_120000")
    assert entry["threshold"] == 0.5 and set(entry["values"]) == {
        key for key, metric in METRICS.items() if not metric.answers and not metric.option
    }
    assert len(entry["values"]["layers"]["alas"]["values"]) == 3


def test_options(run_dir: Path) -> None:
    assert cli.main(["score", str(run_dir / "model"), "--run", "20260101_120000", "--task", "alas_demo"]) == 0
    assert cli.main(["score", str(run_dir), "--reference", "gold"]) == 0


def test_other_files_do_not_stop_it(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run_dir / "model" / "20260101_120000_samples_mmlu.jsonl").write_text('{"filtered_resps": "A"}\n')
    assert cli.main(["score", str(run_dir)]) == 0
    printed = capsys.readouterr()
    assert "is mmlu an ALAS task" in printed.err and "alas_demo" in printed.out


@pytest.mark.parametrize("arguments", [["nowhere"], [".", "--task", "x"], [".", "--reference", "mfa"]])
def test_nothing_to_score(
    run_dir: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(run_dir)
    with pytest.raises(SystemExit, match="alas: error"):
        cli.main(["score", *arguments])


def test_unwritable_json(run_dir: Path) -> None:
    with pytest.raises(SystemExit, match="could not write"):
        cli.main(["score", str(run_dir), "--json", str(run_dir / "absent" / "out.json")])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as status:
        cli.main(["--version"])
    assert status.value.code == 0 and capsys.readouterr().out.startswith("alas 0.1")


def test_alone_it_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "leaderboard" in capsys.readouterr().out


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alas_metric", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("alas 0.1")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_a_script_of_the_shell(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    script = tmp_path / "alas"
    script.write_text(capsys.readouterr().out)
    assert "leaderboard" in script.read_text()
    if found := shutil.which(shell):
        assert subprocess.run([found, "-n", str(script)], check=False).returncode == 0


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_completes_commands_and_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["completion", "bash"])
    script = tmp_path / "alas"
    script.write_text(capsys.readouterr().out)
    press = (
        f"source {script}; complete -p alas >/dev/null; "
        "COMP_WORDS=({words}); COMP_CWORD={place}; _shtab_alas; printf '%s ' ${{COMPREPLY[@]}}"
    )
    for words, place, expected in (("alas lead", 1, "leaderboard"), ("alas picture --la", 2, "--layers")):
        command = ["bash", "-c", press.format(words=words, place=place)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert expected in done.stdout.split()


def test_a_filter_that_keeps_nothing_says_so_in_the_tables_place(
    tmp_path: Path, record: Callable[..., AlignmentRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    far = {"responses": 0.1, "audio_target": None, "text_target": None}
    line = record(uid="a", audio_answer="x", text_answer="y", similarities=far).to_json()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "20260101_120000_samples_alas_mine.jsonl").write_text(json.dumps({"filtered_resps": line}))
    assert cli.main(["score", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    said = " ".join(printed.out.split())
    assert "0 of 1 documents passed the answer filter: see alas_all, or score" in said and "N/A" not in said
    assert "alas_all" in printed.out and "passed the answer filter" in printed.err
