"""What ``alas_reference`` names: one source of word times or several, the first of which the scores use."""

from __future__ import annotations

from collections.abc import Iterable

from alas_metric.errors import FatalError
from model_patches.reference.aligner import Aligner
from model_patches.reference.qwen3_aligner import Qwen3Aligner
from model_patches.reference.whisper_reference import WhisperReference

ALIGNERS = {WhisperReference.kind: WhisperReference, Qwen3Aligner.kind: Qwen3Aligner}
"""By the name before the colon; behind it stands a checkpoint."""
GOLD = "words"
"""The data set's own word timestamps."""
DEFAULT = "whisper:large-v3"


def read_sources(reference: str) -> list[tuple[str, str]]:
    """Return kind and checkpoint of each source of a reference, `GOLD` with an empty checkpoint.

    Raises:
        FatalError: If it names something else, or one twice.

    Example:
        >>> read_sources("words;whisper:large-v3")
        [('words', ''), ('whisper', 'large-v3')]
    """
    names = [name.strip() for name in reference.split(";")] if isinstance(reference, str) else [reference]
    parts = [(kind, checkpoint) for kind, _, checkpoint in (str(name).partition(":") for name in names)]
    right = all((kind in ALIGNERS and checkpoint) or (kind, checkpoint) == (GOLD, "") for kind, checkpoint in parts)
    if not right or len(set(parts)) < len(parts):
        raise FatalError(
            "alas_reference must be 'words', 'whisper:<size or path>' or 'qwen3_aligner:<hub id or path>', or several "
            f"different ones with ';' between them, the primary one first, got {reference!r}"
        )
    return parts


def settings_of(aligners: Iterable[Aligner]) -> dict[str, str]:
    """Return what records say of aligners; of two of one kind in one text."""
    found: dict[str, str] = {}
    for aligner in aligners:
        for name, text in aligner.settings.items():
            found[name] = f"{found[name]}, {text}" if name in found else text
    return found
