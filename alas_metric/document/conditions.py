"""Under which conditions a record was made: what must be the same before its numbers stand beside others."""

from __future__ import annotations

from sys import intern

from alas_metric.document.record import AlignmentRecord

REFERENCE, TRANSCRIPTS, SETTINGS, ANSWERS = (
    "reference",
    "source of transcripts",
    "settings",
    "weights of the answer similarity",
)
"""The conditions, by their names for people."""
VERSION = "version"
"""Of the plugin that measured: it is told, and runs of different ones can be compared."""
SOFTWARE = {
    "plugin": "lmms-eval-alas",
    **{name: name for name in ("torch", "transformers", "openai-whisper", "sentence-transformers")},
}
"""Settings of records that name versions; runs of different ones can be compared."""
OF_MODEL = ("model_weights", "peft_weights", "quantised", "dtype", "attention", "device", "prompts")
"""Settings of records that belong to the model."""
_SIMILARITY_WEIGHTS = "answer_similarity_weights"


def conditions(record: AlignmentRecord, reference: str) -> dict[str, str]:
    """Return a record's conditions by name; one that an older record does not know is missing.

    Args:
        record: with scores.
        reference: name of the word timestamps that it is scored with.
    """
    apart = {*SOFTWARE, *OF_MODEL, _SIMILARITY_WEIGHTS}
    settings = (f"{name}={value}" for name, value in sorted(record.settings.items()) if name not in apart)
    found = {
        REFERENCE: reference,
        TRANSCRIPTS: record.transcript_source,
        SETTINGS: ", ".join(settings) or "none",
        ANSWERS: record.settings.get(_SIMILARITY_WEIGHTS),
        VERSION: record.settings.get("plugin"),
    }
    # Interned: a corpus has few of them, and a leaderboard holds many corpora.
    return {name: intern(text) for name, text in found.items() if text is not None}
