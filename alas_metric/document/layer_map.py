"""Layer map: which text layer does each audio layer look like?

Words of text layer b are compared with their stretches of audio of audio layer a, for every pair, by `retrieval_hits`
and by the criterion of `cka.hsic`. An audio layer can match a text layer a few further on, which measures that compare
a layer with itself call absent. The diagonal is what those measures have.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, to_device

from alas_metric.document.measure import Layers, brief
from alas_metric.document.measures.cka import FEWEST, hsic
from alas_metric.document.measures.retrieval import retrieval_hits
from alas_metric.document.similarity import directions, on_host
from alas_metric.document.timeline import Timeline

NAMES = ("hits", "both")
"""What a map holds: hits of retrieval, and the criterion of words and audio."""
_DIGITS = 4
"""Of a sum of one document, in the record."""


class LayerMap:
    """Sums of one document for every pair of an audio layer and a text layer.

    The word vectors and the mean audio vectors of all layers are kept until the last one is there: 4 (L + 1) N D bytes
    each, on the device where they are computed.

    Args:
        timeline: when the words are spoken.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self._words: list[Any] = []
        self._audio: list[Any] = []
        self._grams: list[np.ndarray] = []

    def add(self, layers: Layers) -> None:
        """Take a few layers, in order."""
        self._words.append(layers.words)
        self._audio.append(directions(layers.stretches(self.timeline)))
        self._grams.append(layers.cosines(self.timeline)[:, [0, 1], [0, 1]])

    def sums(self) -> dict[str, np.ndarray]:
        """Return by name of `NAMES` the sums, ``(L + 1, L + 1)``: audio layers downwards, text layers to the right.

        ``hits`` needs two words and ``both`` four; what is not defined is missing.
        """
        found = {}
        if self.timeline.num_words >= 2:
            found["hits"] = brief(self._hits(), _DIGITS)
        if self.timeline.num_words >= FEWEST:
            found["both"] = brief(self._criteria(), _DIGITS)
        return found

    def _hits(self) -> np.ndarray:
        place = device(self._audio[0])  # a model may be spread over several devices
        xp = array_namespace(self._audio[0])
        words = xp.concat([to_device(directions(states), place) for states in self._words], axis=0)
        rows = []
        for layers in self._audio:
            for audio in to_device(layers, place):
                cosines = xp.matmul(words, xp.matrix_transpose(audio))
                rows.append(retrieval_hits(on_host(cosines)))
        return np.array(rows)

    def _criteria(self) -> np.ndarray:
        grams = np.concatenate(self._grams)  # of words at 0, of audio at 1
        count = len(grams)
        return hsic(np.concatenate([grams[:, 1], grams[:, 0]]))[:count, count:]
