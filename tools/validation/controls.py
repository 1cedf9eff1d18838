"""What is done to audio, transcripts, times and hidden states to see what the scores do: pure functions.

Each takes one document, or all, and says in its name what changes. Whether a score must move is said in `page.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import librosa
import numpy as np
from measuring import Document

from alas_metric import WordTiming

SAMPLE_RATE = 16000
LONGEST = 4.95
"""Seconds that the demo's model hears at once."""


def moved(words: Sequence[WordTiming], by: float) -> list[WordTiming]:
    """Return word timestamps that many seconds later."""
    return [WordTiming(word.word, word.start + by, word.end + by) for word in words]


def scaled(words: Sequence[WordTiming], factor: float) -> list[WordTiming]:
    """Return word timestamps of speech that lasts longer by that factor."""
    return [WordTiming(word.word, word.start * factor, word.end * factor) for word in words]


def after_silence(document: Document, seconds: float) -> Document:
    """Return the utterance after a silence, with the times of the words moved likewise."""
    audio = np.concatenate([np.zeros(round(seconds * SAMPLE_RATE), np.float32), document.audio])
    return replace(document.saying(moved(document.words, seconds)), audio=audio)


def slower(document: Document, factor: float) -> Document:
    """Return the utterance spoken slower by that factor (faster below 1) at the same pitch, with the times scaled."""
    audio = librosa.effects.time_stretch(document.audio, rate=1 / factor)
    return replace(document.saying(scaled(document.words, factor)), audio=audio)


def with_words(document: Document, words: Sequence[str]) -> Document:
    """Return the document with another transcript, whose words get the times of the words that are spoken.

    With as many words each takes the place of one. With more or fewer, the boundaries of the words spoken are read at
    proportional places: the first word of the transcript still begins with the speech and the last still ends with it.
    """
    edges = [*(word.start for word in document.words), document.words[-1].end]
    if len(words) == len(document.words):
        spans = [(word.start, word.end) for word in document.words]
    else:
        at = np.interp(np.linspace(0, len(edges) - 1, len(words) + 1), np.arange(len(edges)), edges)
        spans = list(zip(at[:-1].tolist(), at[1:].tolist(), strict=True))
    return document.saying([WordTiming(word, *span) for word, span in zip(words, spans, strict=True)])


def texts(document: Document) -> list[str]:
    """Return the words of a document."""
    return [word.word for word in document.words]


def in_place(words: Sequence[str], others: Sequence[str]) -> int:
    """Return how many words of one transcript stand in the other within one place of the same place."""
    return sum(word in others[max(0, at - 1) : at + 2] for at, word in enumerate(words))


def in_common(words: Sequence[str], others: Sequence[str]) -> int:
    """Return how many words two transcripts have in common: an alignment could rightly find these."""
    return (Counter(words) & Counter(others)).total()


def other_sentence(document: Document, documents: Sequence[Document], same_length: bool) -> list[str]:
    """Return the transcript of another utterance, of as many words or not, with the fewest words in common."""
    own = texts(document)
    others = [texts(other) for other in documents if (len(other.words) == len(own)) == same_length]
    return min((words for words in others if words != own), key=lambda words: (in_common(own, words), words))


def random_words(document: Document, vocabulary: Sequence[str], seed: int) -> list[str]:
    """Return as many words, none of which is spoken, drawn from a vocabulary."""
    left = sorted(set(vocabulary) - set(texts(document)))
    return [str(word) for word in np.random.default_rng(seed).choice(left, len(document.words), replace=False)]


def shuffled(document: Document, seed: int) -> list[str]:
    """Return the words spoken in an order in which as few as possible stay where they were."""
    rng, own = np.random.default_rng(seed), texts(document)
    orders = [[own[i] for i in rng.permutation(len(own))] for _ in range(200)]
    return min(orders, key=lambda words: in_place(own, words))
