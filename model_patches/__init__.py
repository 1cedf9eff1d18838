"""Patched model wrappers for lmms-eval: hidden states of paired runs, and `probe` for one utterance.

registry.py     the families: model ids, checkpoints, and where their code is
adapters/       what a family supplies, hooks that read the prefill's hidden states, loading
families/       one file a family, salmonn/ with its model
reference/      word timestamps
run/            from the harness's requests to records: preparation, paired runs, journal, dumps
harness/        the entry point, model wrappers, figures for loggers: all that touches lmms-eval
probing.py      one utterance from Python
cli.py          ``alas models``
"""

from __future__ import annotations

from typing import Any

__all__ = ["probe"]


def __getattr__(name: str) -> Any:
    # The harness imports this package at its start; torch and transformers come with the first use of probe.
    if name == "probe":
        from model_patches.probing import probe

        return probe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
