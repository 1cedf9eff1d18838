"""Each benchmark runs at a tiny size and prints its ratios; what they are is looked at by hand."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"

TINY = {
    "capture_overhead": "--seconds 1 --new-tokens 2 --rounds 1",
    "authors_recipe": "--seconds 1 --new-tokens 2 --rounds 1 --layers 2 --words 3 --frames 9 --steps 2 --width 16",
    "scoring": "--layers 2 --words 3 --frames 9 --rounds 1",
    "by_option": "--layers 3 --words 5 --frames 30 --width 16 --vocabulary 50",
    "record_size": "--layers 3 --frames 20",
    "corpus_scale": "--documents 8 --layers 3 --runs 2",
    "whisper_reference": "--shapes --utterances 1 --rounds 1",
}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_prints_its_ratios(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    import_module(name).main(TINY[name].split())
    printed = capsys.readouterr().out
    assert re.search(r"ratio[^\n]*\d", printed), printed


def test_the_import_of_the_entry_point_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    import_module("start_up").main(["--rounds", "0"])
    assert re.search(r"import of model_patches.harness.entry after [^:]+: \d+\.\d ms", capsys.readouterr().out)


def test_made_up_paths_are_those_of_records() -> None:
    from alas_metric import AlignmentRecord, score_record

    made_up = import_module("made_up_runs")
    words, num_frames = made_up.utterance(4.0, 11)
    made = made_up.record(0, words, num_frames, layers=5)
    again = AlignmentRecord.from_json(made.to_json())
    assert (again.paths["raw"] == made.paths["raw"]).all()
    columns = score_record(again).columns
    assert columns["alas_raw"].mean() < columns["alas_chance_raw"].mean()


def test_the_plain_loop_finds_the_paths_of_the_metric() -> None:
    import numpy as np

    from alas_metric import monotonic_alignment_search

    loop = import_module("searches").numpy_loop
    generator = np.random.default_rng(0)
    for rows, columns in ((1, 1), (2, 4), (5, 5), (7, 30)):
        for values in (generator.normal(size=(rows, columns)), generator.integers(0, 2, (rows, columns))):
            assert loop(values).tolist() == monotonic_alignment_search(values).tolist()
