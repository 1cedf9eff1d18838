"""Connectors from Whisper's features to a language model's embeddings, in closed form, whose truth is known.

- *ridge*: ridge regression from the features to the input embedding of the token that is spoken there. It carries the
  words in the language model's own directions.
- *rotated*: the same, turned by a random rotation: the words are there, in other directions.
- *random*: a random projection of the same features; *mel*: of log-mel features. They carry sound only.
- *late*: the ridge's output moved by one word, so that each word is heard while the next one is spoken.

All five give vectors with the ridge's mean and size, since a stranger's size alone would tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from features import SECONDS_PER_POSITION, mel_features
from scipy.stats import ortho_group
from synthesis import Utterance

CONNECTORS = ("ridge", "rotated", "random", "mel", "late")
PAUSE_WEIGHT = 0.3
PENALTY = 100.0


def spoken_tokens(tokenizer: Any, utterance: Utterance, positions: int) -> np.ndarray:
    """Return the id of the token spoken at each position, -1 where nobody speaks.

    A word's tokens share its time by their letters; what has no letter or digit takes none.
    """
    centres = (np.arange(positions) + 0.5) * SECONDS_PER_POSITION
    targets = np.full(positions, -1)
    for word, start, end in utterance.words:
        ids = tokenizer(" " + word, add_special_tokens=False).input_ids
        letters = [sum(c.isalnum() for c in tokenizer.decode([i])) for i in ids]
        edges = start + (end - start) * np.cumsum([0, *letters]) / max(1, sum(letters))
        for token, left, right in zip(ids, edges, edges[1:], strict=False):
            targets[(centres >= left) & (centres < right)] = token
    return targets


@dataclass(frozen=True)
class Linear:
    """``features @ weight + bias``, float32."""

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return the mapped vectors."""
        return features @ self.weight + self.bias

    def turned(self, rotation: np.ndarray) -> Linear:
        """Return the same map followed by a rotation."""
        return Linear(self.weight @ rotation, self.bias @ rotation)


def fit_ridge(
    pairs: Iterable[tuple[Utterance, np.ndarray]],
    tokenizer: Any,
    embeddings: np.ndarray,
    penalty: float = PENALTY,
) -> Linear:
    """Return the ridge regression from features to the embeddings of the tokens spoken there.

    Args:
        pairs: utterances with their features, shape (positions, D).
        tokenizer: of the language model.
        embeddings: what enters its first layer for each token, shape (vocabulary, H).
        penalty: added to the squares of every feature; the bias is free.
    """
    pause = tokenizer(" ", add_special_tokens=False).input_ids[-1]
    square, cross = 0.0, 0.0
    for utterance, features in pairs:
        tokens = spoken_tokens(tokenizer, utterance, len(features))
        weights = np.where(tokens < 0, PAUSE_WEIGHT, 1.0)[:, None]
        inputs = np.hstack([features, np.ones((len(features), 1))]).astype(np.float64)
        square = square + (weights * inputs).T @ inputs
        cross = cross + (weights * inputs).T @ embeddings[np.where(tokens < 0, pause, tokens)]
    assert isinstance(square, np.ndarray), "no utterance to fit to"
    ridge = np.eye(len(square)) * penalty
    ridge[-1, -1] = 0
    solution = np.linalg.solve(square + ridge, cross).astype(np.float32)
    return Linear(solution[:-1], solution[-1])


def random_projection(features: Sequence[np.ndarray], like: Sequence[np.ndarray], seed: int) -> Linear:
    """Return a random projection of standardised features that has the mean and the size of other vectors.

    Args:
        features: of some utterances, each (positions, D).
        like: the vectors to resemble, each (positions, H).
        seed: of the directions.
    """
    stacked, model = np.concatenate(features), np.concatenate(like)
    directions = np.random.default_rng(seed).normal(size=(stacked.shape[1], model.shape[1]))
    weight = directions / np.maximum(stacked.std(0), 1e-6)[:, None]
    made = (stacked - stacked.mean(0)) @ weight
    weight *= np.linalg.norm(model - model.mean(0)) / np.linalg.norm(made)
    bias = model.mean(0) - stacked.mean(0) @ weight
    return Linear(weight.astype(np.float32), bias.astype(np.float32))


@dataclass(frozen=True)
class Connectors:
    """The five connectors of one language model."""

    ridge: Linear
    rotated: Linear
    random: Linear
    mel: Linear

    def __call__(self, utterance: Utterance, features: np.ndarray) -> dict[str, np.ndarray]:
        """Return what each connector gives the language model, by its name, each (positions, H)."""
        heard = self.ridge(features)
        return {
            "ridge": heard,
            "rotated": self.rotated(features),
            "random": self.random(features),
            "mel": self.mel(mel_features(utterance.samples)),
            "late": late(heard, utterance),
        }


def fit_connectors(
    pairs: Sequence[tuple[Utterance, np.ndarray]], tokenizer: Any, embeddings: np.ndarray, seed: int = 0
) -> Connectors:
    """Return all connectors, fitted to utterances with their features."""
    ridge = fit_ridge(pairs, tokenizer, embeddings)
    few = pairs[:100]
    features, heard = [f for _, f in few], [ridge(f) for _, f in few]
    mels = [mel_features(utterance.samples) for utterance, _ in few]
    rotation = ortho_group.rvs(embeddings.shape[1], random_state=seed).astype(np.float32)
    return Connectors(
        ridge,
        ridge.turned(rotation),
        random_projection(features, heard, seed + 1),
        random_projection(mels, heard, seed + 2),
    )


def late(states: np.ndarray, utterance: Utterance) -> np.ndarray:
    """Return vectors moved by one word: while a word is spoken, those of the word before, stretched to its length.

    While the first word is spoken, and in pauses, it is what the first position holds.

    Args:
        states: shape (positions, H).
        utterance: with the times of its words.
    """
    centres = (np.arange(len(states)) + 0.5) * SECONDS_PER_POSITION
    source = np.zeros(len(states), int)
    for (_, old_start, old_end), (_, start, end) in zip(utterance.words, utterance.words[1:], strict=False):
        inside = (centres >= start) & (centres < end)
        times = old_start + (centres[inside] - start) / (end - start) * (old_end - old_start)
        source[inside] = np.clip(times / SECONDS_PER_POSITION, 0, len(states) - 1).astype(int)
    return states[source]


def token_accuracy(
    connector: Linear, pairs: Iterable[tuple[Utterance, np.ndarray]], tokenizer: Any, embeddings: np.ndarray
) -> float:
    """Return the share of spoken positions whose most similar embedding, of all, is that of the token spoken there."""
    units = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-9)
    hits: list[np.ndarray] = []
    for utterance, features in pairs:
        tokens = spoken_tokens(tokenizer, utterance, len(features))
        spoken = tokens >= 0
        hits.append((connector(features[spoken]) @ units.T).argmax(1) == tokens[spoken])
    return float(np.concatenate(hits).mean())
