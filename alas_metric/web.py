"""What the pages that open from disk have in common."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from markupsafe import Markup


def asset(package: str, name: str) -> str:
    """Return a file of a package's folder ``assets``."""
    return (resources.files(package) / "assets" / name).read_text(encoding="utf-8")


def colours() -> str:
    """Return the style sheet of the colours that every page takes, light and dark."""
    return asset("alas_metric", "colours.css")


def json_island(value: Any) -> Markup:
    r"""Return JSON that cannot end the script element that it stands in.

    Example:
        >>> print(json_island({"word": "</script>"}))
        {"word":"\u003c/script\u003e"}
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
