"""What each word's stretch of audio reads as in each layer, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MAX_TOKEN_CHARACTERS = 32
"""A longer token is cut."""


@dataclass(frozen=True, eq=False)
class LensTable:
    """What the lens reads in one document, on the primary reference; see `measures.lens`.

    Args:
        largest: how many of the largest tokens count.
        first_tokens: the first token of each of the N words, as text.
        top_tokens: for each of the L + 1 layers and each word the largest token at the position of its stretch where
            that one has the highest probability, as text.
        found: whether the word's first token is among the largest at a position of its stretch, bool ``(L + 1, N)``.
    """

    largest: int
    first_tokens: Sequence[str]
    top_tokens: Sequence[Sequence[str]]
    found: np.ndarray

    @property
    def num_layers(self) -> int:
        """Number L + 1 of layers."""
        return len(self.top_tokens)

    @property
    def levels(self) -> np.ndarray:
        """How well each word is read, ``(L + 1, N)``: 2 where it is what is read, 1 where it is found, else 0."""
        own = [[self.is_first(layer, word) for word in range(len(row))] for layer, row in enumerate(self.top_tokens)]
        return np.where(own, 2, np.where(self.found, 1, 0))

    @property
    def meanings(self) -> tuple[str, str, str]:
        """What each level means."""
        return "another word", f"the word is among the {self.largest} largest", "the word itself is read"

    def is_first(self, layer: int, word: int) -> bool:
        """Return whether what is read is the word's first token, whatever the spaces around it and its case."""
        read, meant = self.top_tokens[layer][word], self.first_tokens[word]
        return bool(meant.strip()) and read.strip().casefold() == meant.strip().casefold()
