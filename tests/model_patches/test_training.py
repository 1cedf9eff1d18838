"""`AlasCallback`: it sees the model as it is, and the training is what it would have been without."""

from __future__ import annotations

import gc
import json
import random
import sys
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from transformers import Trainer, TrainerCallback, TrainingArguments

from alas_metric import score_record, summarise
from alas_metric.errors import FatalError
from alas_tasks.demo.files import QWEN2_AUDIO
from model_patches import AlasCallback, Probe, Utterance, probe, probe_all
from model_patches.adapters.loading import load_pretrained
from model_patches.reference.aligner import Aligner
from model_patches.training import HEADLINES, History, measured, plain_model, refuse_sharded, scalars

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools" / "demo_world"))
from watch_training import Repeat, rows, utterance

STEPS = 4
ROWS = rows()


@pytest.fixture(scope="module")
def loaded() -> tuple[Any, Any]:
    return load_pretrained(str(QWEN2_AUDIO), dtype="float32")


@pytest.fixture
def model(loaded: tuple[Any, Any]) -> Any:
    """A copy of the demo's model with dropout, so that random numbers matter."""
    own = deepcopy(loaded[0])
    for module in own.model.audio_tower.modules():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.2
    return own.train()


@pytest.fixture(scope="module")
def processor(loaded: tuple[Any, Any]) -> Any:
    return loaded[1]


@pytest.fixture(scope="module")
def utterances() -> list[Utterance]:
    return [*map(utterance, ROWS[-4:-2]), Utterance("nowhere.wav", "a b", uid="gone")]


class TensorBoardCallback(TrainerCallback):
    """Stands for the real one by its name and what it keeps."""

    def __init__(self) -> None:
        self.tb_writer = self
        self.figures: list[tuple[str, Figure, int]] = []
        self.scalars: list[tuple[int, dict[str, float]]] = []

    def add_figure(self, name: str, figure: Figure, step: int, close: bool) -> None:
        self.figures.append((name, figure, step))

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        self.scalars.append((state.global_step, dict(logs)))


def train(model: Any, processor: Any, folder: Path, *callbacks: TrainerCallback, **options: Any) -> Trainer:
    """Return a trainer for a few steps on the demo's speech."""
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=2,
        learning_rate=1e-3,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
        remove_unused_columns=False,
        seed=3,
        **options,
    )
    return Trainer(
        model,
        arguments,
        data_collator=Repeat(processor),
        train_dataset=ROWS[:8],
        processing_class=processor,
        callbacks=list(callbacks),
    )


def losses(trainer: Trainer) -> list[tuple[int, float, float]]:
    return [(e["step"], e["loss"], e["grad_norm"]) for e in trainer.state.log_history if "loss" in e]


def test_the_training_is_what_it_is_without(
    loaded: tuple[Any, Any], model: Any, processor: Any, utterances: list[Utterance], tmp_path: Path
) -> None:
    """Loss, gradients and weights are; and what was measured is what the models of those steps give."""
    other = deepcopy(model)
    before = probe_all(model, processor, utterances)
    logger = TensorBoardCallback()
    trainer = train(model, processor, tmp_path, logger)
    callback = AlasCallback(trainer, utterances, every=3)
    trainer.add_callback(callback)
    trainer.train()
    without = train(other, processor, tmp_path / "without")
    without.train()
    assert losses(trainer) == losses(without) and len(losses(trainer)) == STEPS
    assert all(torch.equal(*pair) for pair in zip(model.parameters(), other.parameters(), strict=True))
    entries = callback.history.entries
    assert [entry["step"] for entry in entries] == [0, 3, 4]
    assert json.loads((tmp_path / "alas_history.json").read_text()) == entries
    for entry, records in ((entries[0], before), (entries[-1], probe_all(model, processor, utterances))):
        values = summarise([score_record(record) for record in records])
        assert entry["values"] == {key: values[key] for key in HEADLINES}
        assert entry["layers"]["alas_skill"] == values["layers"]["alas_skill"]["values"]
        assert (entry["documents"], entry["skipped"]) == (2, {"missing_audio": 1})
    assert entries[0]["values"] != entries[-1]["values"]
    logged = [(step, logs) for step, logs in logger.scalars if "alas/alas_skill" in logs]
    assert [step for step, _ in logged] == [0, 3, 4]
    assert logged[1][1]["alas/alas_skill"] == entries[1]["values"]["alas_skill"]
    assert logged[1][1]["alas/alas_skill/layer_6"] == entries[1]["layers"]["alas_skill"][6]
    assert [(name, step) for name, _, step in logger.figures] == [("alas/alas_skill", step) for step in (0, 3, 4)]


def state_of(model: Any) -> list[Any]:
    """Return everything that a probe must leave as it was."""
    return [
        [module.training for module in model.modules()],
        [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
        [(parameter.requires_grad, parameter.detach().clone()) for parameter in model.parameters()],
        [None if parameter.grad is None else parameter.grad.clone() for parameter in model.parameters()],
        torch.get_rng_state(),
        random.getstate(),
        repr(np.random.get_state()),
        torch.is_grad_enabled(),
        model.config.to_json_string(),
        model.generation_config.to_json_string(),
    ]


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def num_tensors() -> int:
    gc.collect()
    # By their types: asking some objects themselves is an error once what they stand for is gone.
    return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())


class DrawsNumbers:
    """Stands for Sentence-BERT, and draws random numbers by every generator."""

    def __init__(self, name: str) -> None:
        random.random(), np.random.rand(), torch.rand(1)

    def pairs(self, pairs: Any) -> list[float]:
        return [0.9 for _ in pairs]


def test_a_probe_leaves_everything_as_it_was(
    model: Any, processor: Any, utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    model.model.language_model.layers[0].eval()
    model(**Repeat(processor)(ROWS[:1])).loss.backward()
    monkeypatch.setattr("model_patches.run.comparison.SentenceSimilarity", DrawsNumbers)
    found = Probe(utterances, responses=True, generation={"do_sample": True, "max_new_tokens": 3})
    before = state_of(model)
    found(model, processor)
    assert equal(before, state_of(model))
    del before
    tensors = num_tensors()
    found(model, processor)
    assert num_tensors() == tensors


def test_word_times_are_made_once(model: Any, processor: Any, utterances: list[Utterance]) -> None:
    calls: list[str] = []

    class Counted(Aligner):
        kind = "whisper"
        name = "whisper:counted"
        fingerprint = "none"

        def place(self, audio: Any, transcript: str, units: Any, language: str) -> Any:
            calls.append(transcript)
            return next(each.words for each in utterances if each.transcript == transcript)

        def close(self) -> None:
            raise AssertionError("an aligner that is given is not ours to put away")

    bare = [Utterance(each.audio, each.transcript, uid=each.uid) for each in utterances[:2]]
    made = Probe([*bare, utterances[0]], reference=Counted())
    first, second = made(model, processor), made(model, processor)
    assert calls == [each.transcript for each in bare]
    assert [record.reference for record in second] == ["whisper:counted", "whisper:counted", "words"]
    assert [record.to_json() for record in first] == [record.to_json() for record in second]
    np.testing.assert_array_equal(second[0].paths["raw"], second[2].paths["raw"])


def test_several_are_the_same_as_one_by_one(model: Any, processor: Any, utterances: list[Utterance]) -> None:
    records = probe_all(model, processor, utterances)
    for record, each in zip(records[:2], utterances, strict=False):
        own = probe(model, processor, each.audio, each.transcript, words=each.words, uid=each.uid)
        own.speaker = each.speaker
        assert own.to_json() == record.to_json()
        assert sum(record.num_tokens) >= record.num_words
    assert records[2].skipped["cause"] == "missing_audio" and records[2].uid == "gone"


def fake_trainer(**changes: Any) -> SimpleNamespace:
    parts: dict[str, Any] = {"is_fsdp_enabled": False, "plugin": None, "model": torch.nn.Linear(1, 1), **changes}
    state = SimpleNamespace(deepspeed_plugin=parts["plugin"])
    return SimpleNamespace(**parts, accelerator=SimpleNamespace(state=state, unwrap_model=lambda model: model))


def sharded() -> torch.nn.Module:
    made = torch.nn.Linear(1, 1)
    made.weight.device_mesh = object()
    return made


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"is_fsdp_enabled": True}, "FSDP spreads"),
        ({"plugin": SimpleNamespace(zero_stage=3)}, "DeepSpeed's stage 3 spreads"),
        ({"model": sharded()}, "tensor parallelism spreads"),
    ],
)
def test_sharded_models_are_refused(changes: dict[str, Any], name: str) -> None:
    with pytest.raises(FatalError, match=name):
        refuse_sharded(fake_trainer(**changes))
    refuse_sharded(fake_trainer(plugin=SimpleNamespace(zero_stage=2)))


def test_the_model_inside_an_adapter_of_peft(model: Any) -> None:
    from peft import LoraConfig, get_peft_model

    wrapped = get_peft_model(model, LoraConfig(target_modules=["q_proj"]))
    assert plain_model(fake_trainer(model=wrapped)) is model
    assert plain_model(fake_trainer(model=model)) is model


def test_only_the_first_process_probes(model: Any, processor: Any, tmp_path: Path) -> None:
    trainer = train(model, processor, tmp_path)
    callback = AlasCallback(trainer, [])
    trainer.state.is_world_process_zero = False
    callback.on_train_begin(trainer.args, trainer.state, trainer.control)
    assert callback.history.entries == [] and not trainer.state.log_history


def test_what_is_missing_is_said(model: Any, tmp_path: Path) -> None:
    trainer = SimpleNamespace(processing_class=None, args=SimpleNamespace(output_dir=str(tmp_path)))
    with pytest.raises(ValueError, match="processor is needed"):
        AlasCallback(trainer, [])
    with pytest.raises(ValueError, match="from 1 up, got 0"):
        AlasCallback(trainer, [], every=0, processor=object())


def test_a_history_goes_on_where_a_training_does(tmp_path: Path) -> None:
    path = tmp_path / "alas.json"
    first = History(path)
    for step in (0, 10, 20):
        first.add({"step": step})
    again = History(path)
    again.resume(10)
    assert again.entries == [{"step": 0}, {"step": 10}]
    anew = History(path)
    anew.resume(0)
    assert anew.entries == []


def test_without_a_document_nothing_is_logged() -> None:
    entry = measured([], 3)
    assert entry["values"]["alas_skill"] is None and scalars(entry) == {}
