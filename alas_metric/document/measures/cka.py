"""CKA: do the words of a text and their stretches of audio have the same structure, in whatever directions?

Centred kernel alignment (Kornblith et al. 2019, https://arxiv.org/abs/1905.00414) of the word vectors and the mean
audio vector of each word's stretch, both centred and of unit length: otherwise a few huge dimensions or norms would
decide. The Hilbert-Schmidt independence criterion is the unbiased one (Song et al. 2012,
https://jmlr.org/papers/v13/song12a.html), summed over documents as over minibatches (Nguyen et al. 2021,
https://arxiv.org/abs/2010.15327). No rotation and no scaling of either modality changes it. Words
that sound alike and read alike, equal words above all, give structure without any learning.

`cka_evidence` is the same beyond position and equal words: from both Gram matrices everything is projected out that a
trend along the words, the distance of two words (`document.position`) or their being the same word explains; the cosine
of what is left is taken. It lies between -1 and 1 and needs no chance level: with the audio of another document it is 0
in every layer of every language model that was tried (docs/verdict.md). What sound alone says of which words resemble
each other is left in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from alas_metric.document import position
from alas_metric.document.measure import Layers, Measure, brief
from alas_metric.document.metric import Metric, Sums
from alas_metric.document.timeline import Timeline

FEWEST = 4
"""Words; with fewer the unbiased criterion is not defined."""
POSITION = "position alone"
_PAIRS = {"both": (0, 1), "words": (0, 0), "audio": (1, 1)}
"""Words at 0, their stretches of audio at 1."""


class Cka(Measure):
    """The criterion of words and audio and of each with itself, and the same beyond position and equal words."""

    name = "cka"
    needs_times = True
    needs_vectors = True
    needed = tuple(_PAIRS)

    def __call__(self, layers: Layers, timeline: Timeline) -> dict[str, Any]:
        """Return the criteria, float ``(layers,)``; of four words none that is beyond position."""
        if timeline.num_words < FEWEST:
            return {}
        grams = layers.cosines(timeline)[:, [0, 1], [0, 1]]
        found = _named("", hsic(grams))
        if timeline.num_words >= position.FEWEST:
            found |= _named("beyond_", beyond(grams, [word.word for word in timeline.words]))
        return found

    def columns(self, found: Mapping[str, np.ndarray], timeline: Timeline) -> dict[str, Any]:
        """Return the sums as they are."""
        return {f"cka_{name}": values for name, values in found.items()}


def _named(prefix: str, products: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{prefix}{name}": brief(products[:, one, other]) for name, (one, other) in _PAIRS.items()}


def beyond(grams: np.ndarray, words: Sequence[str]) -> np.ndarray:
    """Return inner products of Gram matrices beyond position and equal words, per word, each with each.

    Args:
        grams: shape ``(..., M, N, N)``, N >= `position.FEWEST`.
        words: the N words; letters and digits decide which are equal.

    Returns:
        Shape ``(..., M, M)``.
    """
    return position.beyond_position(grams, _same_words(tuple(words))) / len(words)


@lru_cache(maxsize=4)
def _same_words(words: tuple[str, ...]) -> np.ndarray | None:
    """Return what is left of the matrix that is 1 where words are equal, None where each stands once."""
    spelt = np.array(["".join(filter(str.isalnum, word.casefold())) or word for word in words])
    return position.left_of(spelt[:, None] == spelt)


def hsic(grams: npt.ArrayLike) -> np.ndarray:
    """Return the unbiased Hilbert-Schmidt independence criterion of Gram matrices, each with each.

    Args:
        grams: shape ``(..., M, N, N)``, N >= 4; their diagonals are not looked at.

    Returns:
        Shape ``(..., M, M)``; 0 in expectation where one does not depend on the other.

    Example:
        >>> chain = np.abs(np.subtract.outer(np.arange(5), np.arange(5))).astype(float)
        >>> hsic([chain, np.ones((5, 5))]).round(6).tolist()
        [[1.066667, 0.0], [0.0, 0.0]]
    """
    values = np.array(grams, np.float64)
    count = values.shape[-1]
    values[..., np.arange(count), np.arange(count)] = 0
    rows = values.sum(axis=-1)
    totals = rows.sum(axis=-1)
    flat = values.reshape(*rows.shape[:-1], -1)
    traces, both = (each @ np.swapaxes(each, -1, -2) for each in (flat, rows))
    means = totals[..., :, None] * totals[..., None, :] / ((count - 1) * (count - 2))
    return np.asarray((traces + means - both * 2 / (count - 2)) / (count * (count - 3)))


def cka(both: Any, words: Any, audio: Any) -> Any:
    """Return the alignment from sums of the criterion over documents; not finite where a modality has no structure."""
    return both / np.sqrt(words * audio)


MEASURE = Cka()
ROWS = (
    Metric(
        "cka",
        "CKA",
        Sums(("cka_both", "cka_words", "cka_audio"), cka),
        "structure that words and their stretches of audio share, in whatever directions: 1 the same, 0 unrelated; "
        "position alone gives much of it",
        direction="higher",
        curve=True,
    ),
    Metric(
        "cka_evidence",
        "CKA evidence",
        Sums(("cka_beyond_both", "cka_beyond_words", "cka_beyond_audio"), cka),
        "cka of what is left without what position and equal words explain: 1 the same structure, 0 none; says whether "
        "words are found in directions of their own",
        direction="higher",
        curve=True,
        zero=POSITION,
        column="CKA evidence",
        headline=True,
        shown=True,
    ),
)
