"""Stock behaviour is untouched: the patched id and the stock wrapper get and give the same."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lmms_eval.api.instance import Instance
from lmms_eval.models.simple import audio_flamingo_3 as flamingo_module
from lmms_eval.models.simple import gemma4 as gemma4_module
from lmms_eval.models.simple import qwen2_audio as stock_module
from tiny_families import make_audio_flamingo_3, make_gemma4

from alas_metric.errors import FatalError
from model_patches.harness.audio_flamingo_3 import AudioFlamingo3
from model_patches.harness.gemma4 import Gemma4
from model_patches.harness.huggingface import HuggingFaceModel
from model_patches.harness.qwen2_audio import Qwen2Audio

DOCUMENTS = [
    {"array": np.random.default_rng(i).normal(0, 0.1, 16000 * n).astype(np.float32), "sampling_rate": 16000}
    for i, n in enumerate([1, 3, 32])
]
QUESTIONS = ["what?", "who is it that speaks?", "describe the sound"]


def on_this_machine(module, wrapper: str, model: str, **arguments):
    """Make one of the harness's own wrappers, whose hard-coded CUDA is turned to the CPU where there is none."""
    with pytest.MonkeyPatch.context() as patch:
        if not torch.cuda.is_available():
            load = getattr(module, model).from_pretrained
            shim = SimpleNamespace(from_pretrained=lambda name, **kw: load(name, **{**kw, "device_map": "cpu"}))
            patch.setattr(module, model, shim)
            patch.setattr(module, "torch", SimpleNamespace(device=lambda _name: torch.device("cpu")))
        return getattr(module, wrapper)(**arguments)


@pytest.fixture(scope="module")
def make_stock(qwen2_audio_folder):
    names = ("Qwen2_Audio", "Qwen2AudioForConditionalGeneration")
    return lambda **arguments: on_this_machine(stock_module, *names, pretrained=str(qwen2_audio_folder), **arguments)


@pytest.fixture(scope="module")
def make_patched(qwen2_audio_folder):
    return lambda **arguments: Qwen2Audio(pretrained=str(qwen2_audio_folder), **arguments)


def ask(wrapper, **generation) -> tuple[list[str], list[dict]]:
    """Run a small stock-style task; return the answers and what the model was given."""
    wrapper.task_dict = {"stock": {"test": list(range(3))}}
    requests = [
        Instance(
            request_type="generate_until",
            arguments=(text, dict(generation), lambda doc: [dict(DOCUMENTS[doc])], doc, "stock", "test"),
            idx=0,
            metadata={"task": "stock", "doc_id": doc, "repeats": 1},
        )
        for doc, text in enumerate(QUESTIONS)
    ]
    calls = []
    generate = wrapper._model.generate
    wrapper._model.generate = lambda **kw: calls.append(kw) or generate(**kw)
    return wrapper.generate_until(requests), calls


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"batch_size": 2},
        {"add_system_prompt": False},
        {"simple_prompt": True},
        {"add_generation_prompt": False},
    ],
)
def test_same_requests_and_same_answers(make_stock, make_patched, arguments) -> None:
    arguments = {"batch_size": 1, **arguments}
    if arguments.get("simple_prompt"):  # the stock wrapper takes no second segment then
        DOCUMENTS[2]["array"] = DOCUMENTS[2]["array"][: 16000 * 5]
    same_calls_and_answers(make_stock(**arguments), make_patched(**arguments))


def same_calls_and_answers(stock, patched) -> None:
    expected, expected_calls = ask(stock, max_new_tokens=6, until=["zz"])
    answers, calls = ask(patched, max_new_tokens=6, until=["zz"])
    assert answers == expected
    assert len(calls) == len(expected_calls) > 0
    for call, other in zip(calls, expected_calls, strict=True):
        assert call.keys() == other.keys()
        for name, value in call.items():
            same = torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name]
            assert same, name


def accepts_every_argument(stock: type, ours: type) -> None:
    expected = inspect.signature(stock.__init__).parameters
    taken = {**inspect.signature(HuggingFaceModel.__init__).parameters, **inspect.signature(ours.__init__).parameters}
    assert set(expected) - {"kwargs"} <= set(taken)
    assert ours.checkpoint == expected["pretrained"].default
    for name in set(expected) - {"self", "kwargs", "pretrained", "device", "device_map"}:
        assert taken[name].default == expected[name].default


def test_every_stock_argument_is_accepted() -> None:
    accepts_every_argument(stock_module.Qwen2_Audio, Qwen2Audio)
    accepts_every_argument(flamingo_module.AudioFlamingo3, AudioFlamingo3)
    accepts_every_argument(gemma4_module.Gemma4, Gemma4)


def test_audio_flamingo_3_too(tmp_path) -> None:
    folder = str(make_audio_flamingo_3(tmp_path))
    names = ("AudioFlamingo3", "AudioFlamingo3ForConditionalGeneration")
    stock, ours = on_this_machine(flamingo_module, *names, pretrained=folder), AudioFlamingo3(pretrained=folder)
    assert not set(vars(stock)) - set(vars(ours))
    same_calls_and_answers(stock, ours)


def test_gemma4_too(tmp_path) -> None:
    folder = str(make_gemma4(tmp_path))
    stock = gemma4_module.Gemma4(pretrained=folder, device="cpu", device_map="cpu")
    ours = Gemma4(pretrained=folder, device="cpu", dtype="bfloat16")
    assert not set(vars(stock)) - set(vars(ours))
    same_calls_and_answers(stock, ours)
    assert "You are a helpful assistant." in ours.alas_adapter.render("?", 1)


def test_the_same_attributes_are_set(make_stock, make_patched) -> None:
    stock, ours = make_stock(), make_patched()
    missing = set(vars(stock)) - set(vars(ours))
    assert not missing
    for name in ("batch_size", "rank", "world_size", "eot_token_id"):
        assert getattr(stock, name) == getattr(ours, name)


def test_an_unknown_argument_is_named(make_patched) -> None:
    with pytest.raises(FatalError, match=r"alas_referense.*alas_reference"):
        make_patched(alas_referense="words")
    with pytest.raises(FatalError, match="unknown model argument tempo"):
        make_patched(tempo=3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_asked_for_and_absent(make_patched) -> None:
    with pytest.raises(FatalError, match="sees no CUDA device"):
        make_patched(device="cuda")


def test_dtype_and_attention_are_arguments(make_patched) -> None:
    model = make_patched(dtype="bfloat16", attn_implementation="eager").model
    assert model.dtype == torch.bfloat16
    assert model.config._attn_implementation == "eager"


@pytest.mark.parametrize("size", ["auto", "0", "-2", "1.5"])
def test_batch_size_that_is_no_number(make_patched, size) -> None:
    with pytest.raises(FatalError, match="batch_size"):
        make_patched(batch_size=size)
