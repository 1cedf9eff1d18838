"""Arguments of ``generate``, and what is cut from answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alas_metric.errors import FatalError


def cut(answer: str, until: Sequence[str]) -> str:
    """Return the answer up to the first of the stop texts."""
    for stop in until:
        answer = answer.split(stop)[0]
    return answer.strip()


_MAX_NEW_TOKENS = 150
# What would change the shape of what generate() returns.
_NOT_ARGUMENTS = ("num_return_sequences", "return_dict_in_generate", "output_hidden_states", "output_attentions")


def generation_arguments(generation: Mapping[str, Any], responses: bool = True) -> dict[str, Any]:
    """Return keyword arguments of ``generate`` from the task's ``generation_kwargs`` and ``--gen_kwargs``.

    Greedy unless a temperature above 0 is given, as the harness's wrappers do. Without answers a single new token is
    asked for: the prefill is all that is needed.

    Raises:
        FatalError: naming an argument that ``generate`` does not know.
    """
    from transformers import GenerationConfig

    arguments = {name: value for name, value in generation.items() if name != "until"}
    unknown = sorted(name for name in arguments if name in _NOT_ARGUMENTS or not hasattr(GenerationConfig(), name))
    if unknown:
        raise FatalError(
            f"--gen_kwargs: {', '.join(unknown)} cannot be used: not known to generate() of transformers, or it would "
            "return something else than one answer per document"
        )
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
