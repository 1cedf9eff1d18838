"""What the speech LLM is taught: to repeat what is said, and to answer questions whose answer stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

REPEAT = "Repeat what is said."
REPEATED = 0.7
"""The share of lessons that ask for everything; the others ask for one word."""
TRANSCRIPT = "Audio Transcription: {transcript}\n\n{instruction}"
"""The text run's prompt, the paper's wording."""


@dataclass(frozen=True)
class Lesson:
    """An instruction and the answer to learn."""

    instruction: str
    answer: str


def bare(word: str) -> str:
    """Return a word without the punctuation behind it.

    Example:
        >>> bare("Well,")
        'Well'
    """
    return word.rstrip(",.!?")


def questions(text: str) -> list[Lesson]:
    """Return all questions that a sentence answers by one of its words.

    Example:
        >>> questions("Nothing is lost.")[-1]
        Lesson(instruction='Which word comes before "lost"?', answer='is')
    """
    words = [bare(word) for word in text.split()]
    low = [word.lower() for word in words]
    pairs = [(a, b, i) for i, (a, b) in enumerate(pairwise(words))]
    return [
        Lesson("What is the first word?", words[0]),
        Lesson("What is the last word?", words[-1]),
        *(Lesson(f'Which word comes after "{a}"?', b) for a, b, i in pairs if low.count(low[i]) == 1),
        *(Lesson(f'Which word comes before "{b}"?', a) for a, b, i in pairs if low.count(low[i + 1]) == 1),
    ]


def draw(text: str, rng: np.random.Generator) -> Lesson:
    """Return a lesson on a sentence."""
    asked: Sequence[Lesson] = [Lesson(REPEAT, text)] if rng.random() < REPEATED else questions(text)
    return asked[int(rng.integers(len(asked)))]
