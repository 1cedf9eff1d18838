"""Arguments of ``generate``: the task's, the command line's and the checkpoint's own; and what is cut from answers.

All go through one check, whose message names the field. One document has one answer and one prefill: what a checkpoint
says otherwise is overridden, what a user says otherwise is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from loguru import logger

from alas_metric.errors import FatalError


def cut(answer: str, until: Sequence[str]) -> str:
    """Return the answer up to the first of the stop texts."""
    for stop in until:
        answer = answer.split(stop)[0]
    return answer.strip()


_MAX_NEW_TOKENS = 150
_ONE_ANSWER: dict[str, Any] = {
    "num_return_sequences": 1,
    **dict.fromkeys(("return_dict_in_generate", "is_assistant", "token_healing"), False),
    **dict.fromkeys(("output_hidden_states", "output_attentions", "output_scores", "output_logits"), False),
    # Other ways through the model than one prefill and then one token after the other.
    **dict.fromkeys(("prefill_chunk_size", "prompt_lookup_num_tokens", "assistant_early_exit", "use_mtp"), None),
    **dict.fromkeys(("guidance_scale", "penalty_alpha", "dola_layers", "cache_implementation", "compile_config"), None),
    # Ways to search that transformers itself no longer has, or that need the tokenizer.
    **dict.fromkeys(("num_beam_groups", "diversity_penalty", "constraints", "force_words_ids", "stop_strings"), None),
}
"""The value of each field with which ``generate`` returns one answer's ids from one prefill."""

_WHOLE = {"max_new_tokens": 1, "num_beams": 1, "max_length": 1, "min_new_tokens": 0, "min_length": 0, "top_k": 0}
_WHOLE |= {"no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0}
_SHARES = ("top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
_NUMBERS = {"temperature": 0.0, "repetition_penalty": 0.0, "encoder_repetition_penalty": 0.0, "max_time": 0.0}
_NUMBERS |= {"length_penalty": -math.inf}
_TOKENS = ("eos_token_id", "pad_token_id", "bos_token_id", "suppress_tokens", "begin_suppress_tokens")


def generation_arguments(generation: Mapping[str, Any], responses: bool = True) -> dict[str, Any]:
    """Return keyword arguments of ``generate`` from the task's ``generation_kwargs`` and ``--gen_kwargs``.

    Greedy unless a temperature above 0 is given, as the harness's wrappers do. Without answers a single new token is
    asked for: the prefill is all that is needed.

    Raises:
        FatalError: naming an argument that ``generate`` does not know or that cannot have its value.
    """
    from transformers import GenerationConfig

    arguments = {name: value for name, value in generation.items() if name != "until"}
    known = vars(GenerationConfig()).keys() - {"transformers_version", "_from_model_config"}
    unknown = sorted(name for name, value in arguments.items() if name not in known or not _is_neutral(name, value))
    if unknown:
        raise FatalError(
            f"--gen_kwargs: {', '.join(unknown)} cannot be used: not known to generate() of transformers, or it would "
            "return something else than one answer per document"
        )
    check_values(arguments, "--gen_kwargs")
    temperature = float(arguments.pop("temperature", None) or 0)
    sample = temperature > 0
    for name in ("do_sample", "top_p", "top_k"):
        value = arguments.pop(name, None)
        if sample and value is not None and name != "do_sample":
            arguments[name] = value
    if sample:
        arguments["temperature"] = temperature
    arguments.setdefault("max_new_tokens", _MAX_NEW_TOKENS)
    if not responses:
        return {"max_new_tokens": 1, "do_sample": False, "num_beams": 1}
    return {**arguments, "do_sample": sample}


def _is_neutral(name: str, value: Any) -> bool:
    return name not in _ONE_ANSWER or value is None or value == _ONE_ANSWER[name]


def check_values(values: Mapping[str, Any], where: str) -> None:
    """Raise FatalError, naming the field, for generation settings that cannot have their values.

    Args:
        values: fields of ``GenerationConfig``.
        where: what they come from, for the message.
    """
    for name, value in values.items():
        expected = "" if value is None else _expected(name, value)
        if expected:
            raise FatalError(f"{where}: {name}={value!r}: expected {expected}")


def _expected(name: str, value: Any) -> str:
    """Return in words what a field should hold instead of this value, nothing where it is right."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if name in _WHOLE:
        right = number and value == int(value) and value >= _WHOLE[name]
        return "" if right else f"a whole number from {_WHOLE[name]} up"
    if name in _SHARES:
        return "" if number and 0 <= value <= 1 else "a number from 0 to 1"
    if name in _NUMBERS:
        right = number and value >= _NUMBERS[name] and not (value == 0 and "penalty" in name)
        least = "" if name == "length_penalty" else " above 0" if "penalty" in name else " from 0 up"
        return "" if right else f"a number{least}"
    if name in _TOKENS:
        ids = value if isinstance(value, list | tuple) else [value]
        return "" if all(type(token) is int for token in ids) else "ids of tokens"
    if name == "early_stopping":
        return "" if value in (True, False, "never") else "true, false or never"
    if name in ("do_sample", "use_cache"):
        return "" if value in (True, False) else "true or false"
    return ""


@contextmanager
def one_answer(config: Any) -> Iterator[None]:
    """Have a checkpoint's generation settings return one answer from one prefill, and leave them as they were.

    Args:
        config: the model's ``GenerationConfig``, None where it has none.

    Raises:
        FatalError: naming a field that cannot have its value.
    """
    if config is None:
        yield
        return
    check_values(vars(config), "the checkpoint's generation_config.json")
    found = {name: getattr(config, name, None) for name in _ONE_ANSWER}
    changed = {name: value for name, value in found.items() if not _is_neutral(name, value)}
    if changed:
        _tell(", ".join(sorted(changed)))
    try:
        for name in changed:
            setattr(config, name, _ONE_ANSWER[name])
        yield
    finally:
        for name, value in changed.items():
            setattr(config, name, value)


@cache
def _tell(names: str) -> None:
    logger.info(f"ALAS: the checkpoint's generation settings {names} are set aside: one answer, from one prefill")
