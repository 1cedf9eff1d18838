"""The scripts that made the demo's world: the same speech again, and trainings that go on where they were."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch

from alas_tasks.demo.files import TEST_SPLIT

TOOLS = Path(__file__).resolve().parents[2] / "tools" / "demo_world"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))


def test_no_sentence_of_the_test_split_is_trained_on() -> None:
    import speech

    rng = np.random.default_rng(0)
    training = {sentence.text for sentence in speech.make_sentences(rng, 5000, held_out=False)}
    tested = set(pyarrow.parquet.read_table(TEST_SPLIT)["transcript"].to_pylist())
    assert len(tested) == 64 and not tested & training
    assert all(speech.Sentence(tuple(text.split()), {}).held_out for text in tested)


def test_words_are_laid_where_their_times_say() -> None:
    import speech

    class Clicks:
        speakers = ("one",)

        def clip(self, *_args):
            return np.full(1600, 0.5, np.float32)

    sentence = speech.Sentence(("a", "red", "dog"), {})
    said = speech.say(Clicks(), sentence, "one", "neutral", np.random.default_rng(0))
    for _, start, end in said.words:
        assert end - start == pytest.approx(0.1)
        inside = said.samples[round(start * 16000) : round(end * 16000)]
        before = said.samples[round(start * 16000) - 200 : round(start * 16000)]
        assert inside.mean() > 10 * abs(before.mean())


def test_random_words_are_of_the_vocabulary_and_no_more_than_asked_for() -> None:
    import speech

    rng = np.random.default_rng(0)
    drawn = [speech.random_words(rng, 3) for _ in range(200)]
    assert {len(sentence.words) for sentence in drawn} == {1, 2, 3}
    assert {word for sentence in drawn for word in sentence.words} == set(speech.WORDS)


def test_a_training_that_was_stopped_ends_where_an_uninterrupted_one_does(tmp_path, monkeypatch) -> None:
    import training

    monkeypatch.setattr(training, "SAVE_EVERY", 4)

    class Stopped(Exception):
        pass

    def run(folder: Path, stop_at: int | None = None) -> torch.Tensor:
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)

        def loss(rng: np.random.Generator) -> torch.Tensor:
            inputs = torch.from_numpy(rng.standard_normal((8, 3), dtype=np.float32))
            return ((model(inputs) - inputs.sum(-1, keepdim=True) + 0.1 * torch.randn(1)) ** 2).mean()

        def stop(done: int) -> None:
            if done == stop_at:
                raise Stopped

        stage = training.Stage("fit", 10, 0.1, loss, list(model.parameters()))
        training.train(model, stage, folder, seed=3, on_step=stop)
        return model.weight.detach().clone()

    whole = run(tmp_path / "whole")
    with pytest.raises(Stopped):
        run(tmp_path / "parts", stop_at=6)
    assert torch.equal(run(tmp_path / "parts"), whole)


@pytest.mark.slow
def test_the_test_split_is_the_same_to_the_sample(tmp_path) -> None:
    """Speaks 7,680 words: a minute."""
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    version = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True).stdout
    if "1.51" not in version:
        pytest.skip(f"the package's speech is by espeak-ng 1.51, here is {version.strip()}")
    again = tmp_path / "test.parquet"
    script = [sys.executable, str(TOOLS / "make_test_split.py"), "--work", str(tmp_path), "--output", str(again)]
    subprocess.run(script, check=True, capture_output=True)
    assert pyarrow.parquet.read_table(again).equals(pyarrow.parquet.read_table(TEST_SPLIT))
