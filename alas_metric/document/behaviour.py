"""What a model does with the same question on the audio and on the transcript: the answers, not the hidden states."""

from __future__ import annotations

from collections.abc import Mapping


def is_right(labels: Mapping[str, str | None] | None, run: str) -> bool | None:
    """Return whether a closed answer reads as the gold label; one that cannot be read is wrong.

    Args:
        labels: read from ``audio``, ``text`` and ``target``, None for free answers.
        run: ``audio`` or ``text``.

    Returns:
        None without a gold label.

    Example:
        >>> is_right({"audio": None, "text": "yes", "target": "yes"}, "audio")
        False
    """
    if labels is None or labels["target"] is None:
        return None
    return labels[run] == labels["target"]


def modality_gap(labels: Mapping[str, str | None] | None, similarities: Mapping[str, float | None]) -> float | None:
    """Return how much better the answer to the transcript is than the answer to the audio.

    Args:
        labels: of closed answers, see `is_right`; None for free ones.
        similarities: of free answers to the gold answer: ``text_target`` and ``audio_target``.

    Returns:
        Closed: 1 where only the transcript was answered rightly, -1 where only the audio was, else 0. Free: the
        difference of the similarities. None without a gold answer.

    Example:
        >>> modality_gap({"audio": "no", "text": "yes", "target": "yes"}, {})
        1.0
    """
    if labels is not None:
        text, audio = is_right(labels, "text"), is_right(labels, "audio")
        return None if text is None or audio is None else float(text) - float(audio)
    of_text, of_audio = similarities.get("text_target"), similarities.get("audio_target")
    return None if of_text is None or of_audio is None else of_text - of_audio
