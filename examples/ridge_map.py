"""Are words at their times in directions of their own? A linear map, learnt on half of the speakers, tested on half.

    lmms-eval --tasks alas_librisqa --model qwen2_audio --model_args alas_states=200 --output_path results
    python examples/ridge_map.py results/MODEL/DATE_states_alas_librisqa

For each layer: how many words and their stretches of audio find each other (`retrieval_skill`: 0 guessing, 1 perfect),
as they stand and with the audio mapped into the directions of the words by ridge regression. Where only the mapped
value is high, the layer holds the words apart from the text, where similarities do not see them. The map needs word
times, so that it is a diagnosis, not a score; with fewer words than hidden dimensions it finds too little.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeCV

from alas_metric.document.measures.retrieval import retrieval_hits
from alas_metric.document.similarity import directions
from alas_metric.results.states import States, read_states

PENALTIES = np.logspace(-2, 4, 7)


def halves(documents: Sequence[States]) -> np.ndarray:
    """Return for each document whether it is of the second half of the speakers; unknown ones are all different."""
    speakers = [each.record.speaker or each.record.uid for each in documents]
    order = sorted(set(speakers))
    return np.array([order.index(speaker) % 2 for speaker in speakers])


def skill(words: Sequence[np.ndarray], audio: Sequence[np.ndarray]) -> float:
    """Return retrieval skill from the vectors of each document, ``(N, D)``; documents of one word are left out."""
    pairs = [(each, heard) for each, heard in zip(words, audio, strict=True) if len(each) > 1]
    gains = [retrieval_hits(directions(each) @ directions(heard).T) - 1 for each, heard in pairs]
    return float(sum(gains) / sum(len(each) - 1 for each, _ in pairs))


def mapped(words: Sequence[np.ndarray], audio: Sequence[np.ndarray], half: np.ndarray) -> list[np.ndarray]:
    """Return the audio vectors of each document, mapped by what the other half has taught."""
    maps = []
    for tested in (0, 1):
        taught = np.flatnonzero(half != tested)
        heard, said = (np.concatenate([each[at] for at in taught]) for each in (audio, words))
        maps.append(RidgeCV(PENALTIES).fit(heard, said))
    return [maps[tested].predict(each) for tested, each in zip(half, audio, strict=True)]


def main(folder: Path) -> None:
    """Print a table of the layers."""
    documents = [read_states(path) for path in sorted(folder.glob("*.npz"))]
    if len(documents) < 2:
        raise SystemExit(f"expected the states of two documents or more in {folder}, found {len(documents)}")
    half = halves(documents)
    print(f"{len(documents)} documents, {sum(each.record.num_words for each in documents)} words")
    print("layer  as it is  mapped")
    for layer in range(documents[0].record.num_layers):
        words, audio = ([getattr(each, name)[layer] for each in documents] for name in ("words", "audio"))
        print(f"{layer:5}  {skill(words, audio):8.2f}  {skill(words, mapped(words, audio, half)):6.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
