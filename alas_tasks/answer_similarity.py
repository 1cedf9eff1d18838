"""How alike two answers are: the cosine of their Sentence-BERT embeddings, as in the authors' filter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from alas_metric.errors import UnobtainableError
from alas_tasks.answers import strip_thinking

DEFAULT_MODEL = "sentence-transformers/paraphrase-MiniLM-L6-v2"
"""The authors' choice; it reads English."""
MULTILINGUAL_MODEL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
"""Of the same kind, for some fifty languages: the former knows no other script, and unrelated answers look alike."""

Pair = tuple[str | None, str | None]


def is_english(language: str) -> bool:
    """Tell whether a code or name of a language means English.

    Example:
        >>> [is_english(language) for language in ("en", "en-GB", "English", "zh")]
        [True, True, True, False]
    """
    return re.split("[-_]", language.lower())[0] in ("en", "english")


def model_for(language: str) -> str:
    """Return the model that compares answers about speech in a language, where none is named."""
    return DEFAULT_MODEL if is_english(language) else MULTILINGUAL_MODEL


class SentenceSimilarity:
    """Compares answers; the model is loaded at once, so that an unreachable one stops a run before its start.

    Args:
        model: a Sentence-BERT model on the hub, or its folder.
        device: where it runs. The CPU by default: its results are the same on every machine of a run.

    Raises:
        UnobtainableError: If the model cannot be loaded, or the package sentence-transformers is missing.
    """

    def __init__(self, model: str = DEFAULT_MODEL, device: str = "cpu") -> None:
        self.model = model
        self._encoder = _load(model, device)

    def pairs(self, pairs: Sequence[Pair]) -> list[float | None]:
        """Return the cosine of each pair of answers, in [-1, 1], rounded to 6 decimals.

        Thinking (``<think>...</think>``) is removed first. A missing answer has no similarity: None. Two
        empty answers say the same, 1.0; an empty one and one that says something do not, 0.0: what the
        model's embedding of nothing happens to be near to must not decide what is kept.
        """
        answers = [tuple(None if text is None else strip_thinking(text) for text in pair) for pair in pairs]
        texts = sorted({text for pair in answers if None not in pair for text in pair if text})
        vectors = self._embed(texts)
        return [_cosine(left, right, vectors) for left, right in answers]

    def _embed(self, texts: list[str]) -> dict[str, np.ndarray]:
        """Return a unit vector for each text; one at a time, as padding would move the last digits."""
        options: dict[str, Any] = {"batch_size": 1, "show_progress_bar": False, "convert_to_numpy": True}
        vectors = self._encoder.encode(texts, **options) if texts else []
        return {text: _unit(vector) for text, vector in zip(texts, vectors, strict=True)}


def _load(model: str, device: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(model, device=device, trust_remote_code=False)
    except Exception as error:
        raise UnobtainableError(
            f"the Sentence-BERT model {model!r}, which compares the two runs' answers, cannot be loaded: "
            f"{type(error).__name__}: {error}\n"
            "It comes from the Hugging Face hub or its cache. Without a connection, name a folder with it "
            "by the model argument alas_sbert=PATH, or probe without answers: alas_responses=false."
        ) from error


def _unit(vector: np.ndarray) -> np.ndarray:
    vector = np.asarray(vector, dtype=np.float64)
    length = np.linalg.norm(vector)
    return vector / length if length else vector


def _cosine(left: str | None, right: str | None, vectors: dict[str, np.ndarray]) -> float | None:
    if left is None or right is None:
        return None
    if left == right:
        return 1.0
    if not left or not right:
        return 0.0
    cosine = float(vectors[left] @ vectors[right])
    return round(min(1.0, max(-1.0, cosine)), 6) + 0.0  # + 0.0 turns -0.0 into 0.0
