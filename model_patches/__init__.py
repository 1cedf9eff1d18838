"""Patched model wrappers for lmms-eval: hidden states of paired runs, and `probe` for one utterance.

entry.py               the entry point: model ids and task folder
registry.py            the families
wrapper.py             mixin that makes a stock wrapper run ALAS tasks
session.py             the harness's requests, to records
paired.py              one batch of documents, run twice
capture.py             hooks that read the prefill's hidden states
adapter.py             what a family supplies
huggingface.py         what families of transformers share, and alas_hf: the general adapter
loading.py             a checkpoint of transformers
plain.py               other tasks, on ids that the harness does not have
qwen2_audio.py         one family
audio_flamingo_3.py    another
qwen_omni.py           two more
gemma3n.py             what alas_hf needs for one
salmonn/               a family that transformers lacks, with its model
whisper_reference.py   word timestamps
probing.py             one utterance from Python
cli.py                 ``alas models``
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
