"""What the fuzz tests share: how many inputs are tried, hostile texts and numbers, and damage done to bytes.

A handful of inputs is tried by default, always the same ones; ``ALAS_FUZZ_EXAMPLES=5000`` tries that many new ones
in each test, see docs/robustness.md.
"""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("ALAS_FUZZ_EXAMPLES", 0))
"""Inputs of each test; 0: the few of the default suite."""


def fuzz(few: int = 20, share: float = 1.0) -> Callable[[Any], Any]:
    """Return the decorator that says how many inputs a test tries.

    Args:
        few: without ``ALAS_FUZZ_EXAMPLES``.
        share: of ``ALAS_FUZZ_EXAMPLES``, below 1 for tests that take long; what these find is not made smaller.
    """
    count = round(EXAMPLES * share) if EXAMPLES else few
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    checks += [HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]
    phases = [Phase.explicit, Phase.generate] + [Phase.shrink] * (share == 1)
    return settings(
        max_examples=max(count, 1),
        deadline=None,
        derandomize=not EXAMPLES,
        database=None,
        phases=phases,
        suppress_health_check=checks,
    )


TOKENS = ("<|AUDIO|>", "<|audio_bos|>", "<|im_end|>", "<|im_start|>system", "<|endoftext|>", "<Speech>", "<SpeechHere>")
MARKUP = (
    *("<script>alert(1)</script>", "</script>", "<img src=x onerror=alert(1)>", '" onload="x', "javascript:alert(1)"),
    *(r"\input{/etc/passwd}", r"\end{tabular}", "%", "$x$", "~^_&#{}", "]({{ 7*7 }})", "![a](http://x/y.png)"),
    *("| a | b |", "`", "# head", "[/red]", "[bold]", "[link=http://x]y[/link]", "{0}", "%s", "=1+1"),
)
CONTROLS = ("\x00", "\x1b]0;title\x07", "\x1b[2J", "\r\n", "\t", "\u2028", "\x85", "\u202e", "\ufeff", "\ue000", "\x7f")
SCRIPTS = ("我爱你", "สวัสดี", "e\u0301\u0302", "العربية", "👩‍👩‍👧", "ﬁ", "İ", "\ud83d\ude00", "ß", "\uff11\uff12")
SURROGATES = ("\ud800", "\udfff", "\udc80")

pieces = st.sampled_from((*TOKENS, *MARKUP, *CONTROLS, *SCRIPTS))
any_character = st.characters()
unicode_texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])), st.lists(pieces | st.text(max_size=3), max_size=8).map("".join)
).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))
"""Text that UTF-8 can hold."""
texts = st.lists(unicode_texts | st.sampled_from(SURROGATES) | st.text(any_character), max_size=4).map("".join)
"""Any string that Python can hold, halves of surrogate pairs among them."""

numbers = st.one_of(
    st.sampled_from([0, 1, -1, 2, 2**31 - 1, 2**31, 2**32, 2**53, 2**63, 10**30, 10**400, -(10**400)]),
    st.sampled_from([0.0, -0.0, 5e-324, 1e-320, 1e-9, 0.5, 1.0000001, 1e16, 1e308, -1e308]),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]),
    st.integers(),
    st.floats(),
)
"""Numbers as JSON may hold them, in Python's reading of it."""

json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
"""Whatever JSON can say."""


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, entry in inside for place in places(entry, (*path, key)))]


def put(whole: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Replace what lies at a path."""
    if not path:
        return value
    *way, last = path
    for key in way:
        whole = whole[key]
    whole[last] = value
    return None


@st.composite
def damage(draw: st.DrawFn, data: bytes, header: int = 256) -> bytes:
    """Return bytes with a few places changed, cut, doubled or overwritten by extreme numbers.

    Args:
        draw: of hypothesis.
        data: what is damaged.
        header: half of the changes hit that many bytes at the beginning.
    """
    content = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        end = len(content) if draw(st.booleans()) else min(header, len(content))
        place = draw(st.integers(0, max(end - 1, 0)))
        kind = draw(st.sampled_from(["byte", "bytes", "number", "cut", "insert", "double", "drop"]))
        if kind == "byte":
            content[place : place + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "bytes":
            new = draw(st.binary(min_size=1, max_size=16))
            content[place : place + len(new)] = new
        elif kind == "number":
            size = draw(st.sampled_from([1, 2, 4, 8]))
            value = draw(st.sampled_from([0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1]))
            content[place : place + size] = value.to_bytes(size, draw(st.sampled_from(["little", "big"])))
        elif kind == "cut":
            del content[place:]
        elif kind == "insert":
            content[place:place] = draw(st.binary(min_size=1, max_size=32))
        elif kind == "double":
            content[place:place] = content[place : place + draw(st.integers(1, 512))]
        else:
            del content[place : place + draw(st.integers(1, 64))]
    return bytes(content)


@contextmanager
def memory_below(most: int) -> Iterator[None]:
    """Fail where Python and NumPy held more than so many bytes at once, touched or not."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak / 1e6:.0f} MB were held, expected less than {most / 1e6:.0f} MB"
