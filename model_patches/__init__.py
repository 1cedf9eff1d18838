"""Patched model wrappers for lmms-eval: hidden states of paired runs, and `probe` for one utterance.

registry.py     the families: model ids, checkpoints, and where their code is
adapters/       what a family supplies, hooks that read the prefill's hidden states, loading
families/       one file a family, salmonn/ with its model
reference/      word timestamps
run/            from the harness's requests to records: preparation, paired runs, journal, dumps
harness/        the entry point, model wrappers, figures for loggers: all that touches lmms-eval
probing.py      one utterance, or some, from Python
training.py     the same every so many steps of a training
doctor/         ``alas doctor``: what a run needs, and whether it is there
cli.py          ``alas models``
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PLACES = {
    "AlasCallback": "model_patches.training",
    "FatalError": "alas_metric.errors",
    "Probe": "model_patches.probing",
    "SkipDocument": "alas_metric.errors",
    "Utterance": "model_patches.probing",
    "WhisperReference": "model_patches.reference.whisper_reference",
    "probe": "model_patches.probing",
    "probe_all": "model_patches.probing",
}
__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    # The harness imports this package at its start; torch and transformers come with the first use.
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_PLACES)
