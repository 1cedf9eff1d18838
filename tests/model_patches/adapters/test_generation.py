"""One check of generation settings, of the task, the command line and the checkpoint; its message names the field."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import GenerationConfig

from alas_metric.errors import FatalError
from model_patches.adapters.generation import check_values, generation_arguments, one_answer

WRONG = [
    ("max_new_tokens", -5),
    ("max_new_tokens", "many"),
    ("max_new_tokens", 2.5),
    ("num_beams", 0),
    ("num_beams", "two"),
    ("temperature", "hot"),
    ("temperature", -1.0),
    ("temperature", float("nan")),
    ("top_p", 5.0),
    ("top_k", "a"),
    ("repetition_penalty", 0),
    ("early_stopping", "soon"),
    ("do_sample", "perhaps"),
    ("eos_token_id", "</s>"),
    ("min_new_tokens", -1),
    ("length_penalty", "x"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_that_cannot_be(name: str, value: Any) -> None:
    with pytest.raises(FatalError, match=rf"--gen_kwargs: {name}=.*expected"):
        generation_arguments({name: value})
    with pytest.raises(FatalError, match=rf"generation_config\.json: {name}=.*expected"):
        check_values({name: value}, "the checkpoint's generation_config.json")


OTHER_WAYS = {
    "num_return_sequences": 2,
    "return_dict_in_generate": True,
    "output_hidden_states": True,
    "output_scores": True,
    "prefill_chunk_size": 16,
    "prompt_lookup_num_tokens": 3,
    "guidance_scale": 1.5,
    "penalty_alpha": 0.6,
    "dola_layers": "low",
    "num_beam_groups": 2,
    "stop_strings": ["."],
    "cache_implementation": "static",
}


@pytest.mark.parametrize("name", OTHER_WAYS)
def test_other_than_one_answer_from_one_prefill(name: str) -> None:
    """Refused where the user asks for it, set aside where the checkpoint does, and then as it was."""
    with pytest.raises(FatalError, match=rf"--gen_kwargs: {name} cannot be used"):
        generation_arguments({name: OTHER_WAYS[name]})
    config = GenerationConfig()
    setattr(config, name, OTHER_WAYS[name])
    with one_answer(config):
        assert getattr(config, name) in (None, False, 1)
    assert getattr(config, name) == OTHER_WAYS[name]


def test_settings_that_are_the_checkpoint_s_own_stay() -> None:
    config = GenerationConfig(repetition_penalty=1.1, top_p=0.8, eos_token_id=[1, 2], temperature=0.01, do_sample=True)
    before = dict(vars(config))
    with one_answer(config):
        assert vars(config) == before
    with one_answer(None):
        pass


def test_neutral_values_may_be_said() -> None:
    assert generation_arguments({"num_return_sequences": 1, "output_scores": False})["num_return_sequences"] == 1
    with pytest.raises(FatalError, match="no_such_thing"):
        generation_arguments({"no_such_thing": 1})
