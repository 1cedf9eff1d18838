"""Stock behaviour is untouched: the patched id and the stock wrapper get and give the same."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lmms_eval.api.instance import Instance
from lmms_eval.models.simple import qwen2_audio as stock_module

from alas_metric.errors import FatalError
from model_patches.qwen2_audio import Qwen2Audio

DOCUMENTS = [
    {"array": np.random.default_rng(i).normal(0, 0.1, 16000 * n).astype(np.float32), "sampling_rate": 16000}
    for i, n in enumerate([1, 3, 32])
]
QUESTIONS = ["what?", "who is it that speaks?", "describe the sound"]


@pytest.fixture(scope="module")
def make_stock(qwen2_audio_folder):
    """The harness's own wrapper, whose hard-coded CUDA is turned to the CPU where there is none."""

    def make(**arguments):
        with pytest.MonkeyPatch.context() as patch:
            if not torch.cuda.is_available():
                load = stock_module.Qwen2AudioForConditionalGeneration.from_pretrained
                shim = SimpleNamespace(from_pretrained=lambda name, **kw: load(name, **{**kw, "device_map": "cpu"}))
                patch.setattr(stock_module, "Qwen2AudioForConditionalGeneration", shim)
                patch.setattr(stock_module, "torch", SimpleNamespace(device=lambda _name: torch.device("cpu")))
            return stock_module.Qwen2_Audio(pretrained=str(qwen2_audio_folder), **arguments)

    return make


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
    expected, expected_calls = ask(make_stock(**arguments), max_new_tokens=6, until=["zz"])
    answers, calls = ask(make_patched(**arguments), max_new_tokens=6, until=["zz"])
    assert answers == expected
    assert len(calls) == len(expected_calls) > 0
    for call, other in zip(calls, expected_calls, strict=True):
        assert call.keys() == other.keys()
        for name, value in call.items():
            same = torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name]
            assert same, name


def test_every_stock_argument_is_accepted() -> None:
    stock = inspect.signature(stock_module.Qwen2_Audio.__init__).parameters
    ours = inspect.signature(Qwen2Audio.__init__).parameters
    assert set(stock) - {"kwargs"} <= set(ours)
    for name in (
        "pretrained",
        "batch_size",
        "use_cache",
        "add_generation_prompt",
        "add_system_prompt",
        "simple_prompt",
    ):
        assert ours[name].default == stock[name].default


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
