"""Arguments of models without the passwords that they may hold."""

from __future__ import annotations

import re
from typing import Any

_SECRET = re.compile(r"(?i)(?:^|_)(?:token|key|secret|password)$")


def without_secrets(arguments: Any) -> str:
    """Return the arguments of a model as ``name=value,...``, with dots in place of passwords.

    Args:
        arguments: such a text, or a mapping; whatever else results of others hold there becomes text.

    Example:
        >>> without_secrets("pretrained=org/model,token=hf_secret,max_new_tokens=8")
        'pretrained=org/model,token=...,max_new_tokens=8'
    """
    if isinstance(arguments, dict):
        arguments = ",".join(f"{key}={value}" for key, value in arguments.items())
    return ",".join(map(_without_secret, str(arguments).split(","))) if arguments else ""


def _without_secret(argument: str) -> str:
    name, equals, _ = argument.partition("=")
    return f"{name}=..." if equals and _SECRET.search(name.strip()) else argument
