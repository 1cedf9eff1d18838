"""When tokens are spoken, from the cross-attention of a Whisper decoder that is given the text.

Some heads follow the speech: the row of each token looks at one place in the audio, and the places move on. Where that
place lies differs from head to head: all over the word that is predicted, or, in the most concentrated ones, at its
border with the word before. So there are two readings of a row: where it takes over from the row before (on the best
monotone path), and where it looks most. For a head of the first kind the first is right. For one of the second kind it
is too early, since rows take over half way between the places they look at, so that short words come out too long and
long ones too short; there the second is right. How far from the first to the second a token begins, the head's `lag`,
is measured once for each checkpoint on speech with exact times, which tells at the same time which heads follow the
speech at all (`choose_heads`). Heads of one kind are taken together: a lag between both kinds depends on the speech
that it was measured on. Averaging heads of all kinds, as the known sets of "alignment heads" do, gives borders that are
late by 70 to 100 ms in small checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import whisper
import whisper.timing
from whisper.model import disable_sdpa

from alas_metric.document.paths import monotonic_alignment_search

FRAME_SECONDS = 0.02
"""Of a position of Whisper's encoder."""
NUM_HEADS = 4
"""How many heads are taken. One is noisy; the tenth best already follows the speech much less well than the first."""
_MEDIAN_WIDTH = 7


@dataclass(frozen=True)
class Head:
    """A head that follows the speech.

    Args:
        layer: of the decoder, from 0.
        head: within the layer, from 0.
        lag: 0 where it looks all over the token that is predicted, 1 where it looks at its beginning.
    """

    layer: int
    head: int
    lag: float


@dataclass(frozen=True)
class Reading:
    """What a decoder that is given a text says of it.

    Args:
        starts: the frame on which the row that predicts a token, or the end, takes over from the row before, and the
            one at which it is highest; shape ``(num_heads, 2, num_tokens + 1)``. Frames are counted from 0.
        probabilities: of each token given those before it, shape ``(num_tokens,)``.
    """

    starts: np.ndarray
    probabilities: np.ndarray


def read(
    model: whisper.Whisper,
    tokenizer: whisper.tokenizer.Tokenizer,
    tokens: Sequence[int],
    mel: torch.Tensor,
    num_frames: int,
    heads: Sequence[tuple[int, int]] | None = None,
) -> Reading:
    """Read a text along with its audio, once.

    Args:
        model: with its decoder's cross-attention.
        tokenizer: of the model.
        tokens: of the text, at least one.
        mel: log-mel spectrogram of 30 s.
        num_frames: how many frames of 20 ms hold audio, at least one.
        heads: (layer, head) of those to look at, all by default.
    """
    prefix = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
    inputs = torch.tensor([[*prefix, *tokens, tokenizer.eot]], device=model.device)
    wanted = heads if heads is not None else all_heads(model)
    starts: dict[tuple[int, int], np.ndarray] = {}

    def look(layer: int, scores: torch.Tensor) -> None:
        mine = [head for index, head in wanted if index == layer]
        if mine:
            followed = _starts(scores[0, mine, len(prefix) - 1 :, :num_frames])
            starts.update(((layer, head), rows) for head, rows in zip(mine, followed, strict=True))

    with torch.no_grad(), disable_sdpa(), _watched(model, look):
        logits = model(mel.unsqueeze(0), inputs)[0]
    predicted = logits[len(prefix) - 1 : -2, : tokenizer.eot].float().softmax(dim=-1).cpu().numpy()
    probabilities = predicted[np.arange(len(tokens)), list(tokens)]
    return Reading(np.stack([starts[head] for head in wanted]), probabilities)


def all_heads(model: whisper.Whisper) -> list[tuple[int, int]]:
    """Return (layer, head) of every head of the decoder."""
    return [(layer, head) for layer in range(model.dims.n_text_layer) for head in range(model.dims.n_text_head)]


@contextmanager
def _watched(model: whisper.Whisper, look) -> Iterator[None]:  # type: ignore[no-untyped-def]
    """Show each layer's attention scores, shape ``(1, heads, tokens, frames)``, to a function as they are computed."""
    hooks = [
        block.cross_attn.register_forward_hook(lambda _, __, outputs, layer=layer: look(layer, outputs[-1]))
        for layer, block in enumerate(model.decoder.blocks)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _starts(scores: torch.Tensor) -> np.ndarray:
    """Return where tokens begin by both readings, shape ``(heads, 2, num_tokens + 1)``, see `Reading`.

    Args:
        scores: before the softmax, shape ``(heads, num_tokens + 2, frames)``; the first row predicts the first token,
            the last but one the end.
    """
    weights = scores.float().softmax(dim=-1)
    std, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    # What all rows look at alike (the beginning, noises) says nothing.
    sharp = whisper.timing.median_filter((weights - mean) / std.clamp_min(1e-10), _MEDIAN_WIDTH)
    rows = np.nan_to_num(sharp[:, :-1].cpu().numpy(), posinf=0.0, neginf=0.0)
    first = first_frames(rows)
    return np.stack([first, peaks(rows, first)], axis=1)


def first_frames(scores: np.ndarray) -> np.ndarray:
    """Return on which frame each row begins, along the best monotone path.

    Args:
        scores: shape ``(..., rows, frames)``.

    Returns:
        Shape ``(..., rows)``, float, non-decreasing, the first 0.

    Example:
        >>> first_frames(np.array([[9.0, 9, 0, 0, 0], [0, 0, 9, 9, 0], [0, 0, 0, 0, 9]]))
        array([0., 2., 4.])
    """
    num_rows, num_frames = scores.shape[-2:]
    paths = monotonic_alignment_search(scores)
    if num_frames < num_rows:  # the path then says on which frame each row is
        return paths.astype(np.float64)
    return np.asarray((paths[..., None, :] < np.arange(num_rows)[:, None]).sum(axis=-1), np.float64)


def peaks(scores: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the frame at which each row is highest, of those from its first to the next row's; the first row's is 0.

    Args:
        scores: shape ``(..., rows, frames)``.
        first: as `first_frames` returns, shape ``(..., rows)``.

    Returns:
        Shape ``(..., rows)``, float, non-decreasing.

    Example:
        >>> peaks(np.array([[9.0, 5, 0, 0, 0], [0, 0, 5, 9, 0], [9, 0, 0, 0, 5]]), np.array([0.0, 2, 4]))
        array([0., 3., 4.])
    """
    num_frames = scores.shape[-1]
    after = np.concatenate([first[..., 1:], np.full_like(first[..., :1], num_frames)], axis=-1)
    frames = np.arange(num_frames)
    inside = (frames >= first[..., None]) & (frames < after[..., None])
    # With more rows than frames some have none of their own.
    found = np.maximum(np.where(inside, scores, -np.inf).argmax(axis=-1), first)
    found[..., 0] = 0.0  # there is no sound before the first token that could be another's
    return np.asarray(found, np.float64)


def token_starts(reading: Reading, lags: Sequence[float]) -> np.ndarray:
    """Return when the tokens and the end begin, in seconds, non-decreasing, shape ``(num_tokens + 1,)``.

    Args:
        reading: of one head or more.
        lags: of each of its heads.
    """
    by_head = _weighted(reading.starts, np.asarray(lags, dtype=np.float64))
    return np.asarray(np.maximum.accumulate(np.maximum(np.median(by_head, axis=0), 0.0)) * FRAME_SECONDS)


def _weighted(starts: np.ndarray, lags: np.ndarray) -> np.ndarray:
    weight = lags[:, None]
    return np.asarray((1 - weight) * starts[:, 0] + weight * starts[:, 1])


def choose_heads(
    borders: np.ndarray, truth: np.ndarray, heads: Sequence[tuple[int, int]], number: int = NUM_HEADS
) -> tuple[list[Head], float]:
    """Choose the heads that follow speech with known times, and measure how far each lags behind it.

    Args:
        borders: where words meet by each head and both readings, in seconds, shape ``(num_heads, 2, num_borders)``.
        truth: where they meet, shape ``(num_borders,)``.
        heads: (layer, head) of each.
        number: how many to choose.

    Returns:
        The best heads, best first, and the median error in seconds that is left when they are taken together. Those of
        another kind than the best one count as if their errors were twice as large.

    Example:
        >>> truth = np.array([1.0, 2.0, 3.0])
        >>> early, late, stuck = truth - 0.1, truth + 0.3, np.array([0.1, 0.2, 0.3])
        >>> choose_heads(np.array([[early, late], [stuck, stuck]]), truth, [(3, 1), (3, 2)], 1)
        ([Head(layer=3, head=1, lag=0.25)], 0.0)
    """
    early, late = np.median(borders - truth, axis=-1).T
    moves = late > early  # a head for which both readings are alike follows nothing
    lags = np.where(moves, -early / np.where(moves, late - early, 1.0), 0.0)
    found = _weighted(borders, lags)
    errors = np.where(moves, np.abs(found - truth).mean(axis=-1), np.inf)
    at_borders = lags > 0.5
    of_best = at_borders == at_borders[errors.argmin()]
    best = np.argsort(np.where(of_best, errors, 2 * errors), kind="stable")[:number]
    left = float(np.median(np.abs(np.median(found[best], axis=0) - truth)))
    chosen = [(*heads[k], round(float(lags[k]), 3)) for k in best]
    return [Head(layer, head, lag) for layer, head, lag in chosen], round(left, 6)
