"""CKA: do the words of a text and their stretches of audio have the same structure, in whatever directions?

Centred kernel alignment (Kornblith et al. 2019, https://arxiv.org/abs/1905.00414) of the word vectors and the mean
audio vector of each word's stretch, both centred and of unit length: otherwise a few huge dimensions or norms would
decide. The Hilbert-Schmidt independence criterion is the unbiased one (Song et al. 2012,
https://jmlr.org/papers/v13/song12a.html), summed over documents as over minibatches (Nguyen et al. 2021,
https://arxiv.org/abs/2010.15327). No rotation and no scaling of either modality changes it. The chance control has the
audio shifted circularly. Words that sound alike and read alike, equal words above all, give structure without any
learning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from alas_metric.document.measure import Layers, Measure, brief
from alas_metric.document.metric import SHIFTED, Metric, Sums
from alas_metric.document.timeline import Timeline

_FEWEST = 4
"""Words; with fewer the unbiased criterion is not defined."""


class Cka(Measure):
    """The criterion of words and audio, of each with itself, and with the audio shifted."""

    name = "cka"
    needs_times = True
    needs_vectors = True
    needed = ("both", "words", "audio", "both_shifted", "audio_shifted")

    def __call__(self, layers: Layers, timeline: Timeline) -> dict[str, Any]:
        """Return the criteria, float ``(layers,)``."""
        if timeline.num_words < _FEWEST:
            return {}
        every = layers.cosines(timeline)
        criteria = brief(hsic(every[:, [0, 1, 2], [0, 1, 2]]))
        return {name: criteria[:, one, other] for name, (one, other) in zip(self.needed, _PAIRS, strict=True)}

    def columns(self, found: Mapping[str, np.ndarray], timeline: Timeline) -> dict[str, Any]:
        """Return the sums as they are."""
        return {f"cka_{name}": found[name] for name in self.needed}


_PAIRS = ((0, 1), (0, 0), (1, 1), (0, 2), (2, 2))
"""Words at 0, their stretches of audio at 1, and with the audio shifted at 2."""


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


def _evidence(both: Any, words: Any, audio: Any, both_shifted: Any, audio_shifted: Any) -> Any:
    chance = cka(both_shifted, words, audio_shifted)
    return (cka(both, words, audio) - chance) / (1 - chance)


_CHANCE = Sums(("cka_both_shifted", "cka_words", "cka_audio_shifted"), cka)
MEASURE = Cka()
ROWS = (
    Metric(
        "cka",
        "CKA",
        Sums(("cka_both", "cka_words", "cka_audio"), cka),
        "structure that words and their stretches of audio share, in whatever directions: 1 the same, 0 unrelated",
        direction="higher",
        curve=True,
        baselines={SHIFTED: _CHANCE},
    ),
    Metric("cka_chance", "CKA on shifted audio", _CHANCE, "cka with the audio shifted circularly"),
    Metric(
        "cka_evidence",
        "CKA evidence",
        Sums(("cka_both", "cka_words", "cka_audio", "cka_both_shifted", "cka_audio_shifted"), _evidence),
        "1 the same structure, 0 no more than on circularly shifted audio; says whether words are found in directions "
        "of their own",
        direction="higher",
        curve=True,
        zero=SHIFTED,
        column="CKA evidence",
        headline=True,
        shown=True,
    ),
)
