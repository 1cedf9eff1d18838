"""Are words at their times in directions that text does not use? A linear map, learnt and tested apart.

The plain cosine sees alignment only where both modalities share directions. A ridge regression from the states at the
audio positions to the vectors of the words spoken there, fitted on half of the speakers and applied to the other half,
shows what a layer holds beside that. It uses the word times, so that it is a diagnosis, not a score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from measuring import GOLD, Document, Measured
from recipe import States
from sklearn.linear_model import RidgeCV

from alas_metric import score_pair, similarities
from alas_metric.document.timeline import Timeline

PENALTIES = np.logspace(-2, 4, 7)


def mapped(documents: Sequence[Document], states: Sequence[States]) -> list[Measured]:
    """Return what is found with the audio states of each document mapped by the other half of the speakers.

    Args:
        documents: the utterances.
        states: their hidden states.
    """
    speakers = sorted({str(document.prepared.sample.speaker) for document in documents})
    halves = [speakers.index(str(document.prepared.sample.speaker)) % 2 for document in documents]
    words = [each.pooled(each.tokens) for each in states]
    num_layers = states[0].frames.shape[0]
    similarity: list[list[np.ndarray]] = [[] for _ in documents]
    for layer in range(num_layers):
        maps = [
            _fit(layer, [at for at, half in enumerate(halves) if half != tested], documents, states, words)
            for tested in (0, 1)
        ]
        for at, half in enumerate(halves):
            frames = maps[half].predict(states[at].frames[layer]).astype(np.float32)
            similarity[at].append(similarities(words[at][layer], frames))
    return [
        _scored(document, each, np.stack(found))
        for document, each, found in zip(documents, states, similarity, strict=True)
    ]


def _fit(
    layer: int,
    chosen: Sequence[int],
    documents: Sequence[Document],
    states: Sequence[States],
    words: Sequence[np.ndarray],
) -> RidgeCV:
    heard, said = [], []
    for at in chosen:
        frames = states[at].frames[layer]
        timeline = Timeline(documents[at].words, len(frames), states[at].seconds, shift=0)
        heard.append(frames[timeline.spoken])
        said.append(words[at][layer][timeline.owners[timeline.spoken]])
    return RidgeCV(PENALTIES).fit(np.concatenate(heard), np.concatenate(said))


def _scored(document: Document, states: States, similarity: np.ndarray) -> Measured:
    prepared = document.prepared
    record = score_pair(
        similarity,
        uid=prepared.sample.uid,
        transcript=prepared.transcript,
        words=[unit.text for unit in prepared.units],
        frame_seconds=states.seconds,
        references={GOLD: list(document.words)},
        reference=GOLD,
        speaker=prepared.sample.speaker,
    )
    return Measured(record, similarity)
