"""The authors' recipe, written anew from its description, each choice to be made alone or with the others.

- ``tokens``: the n-th token of the transcript belongs to the n-th word that Whisper recognises; what is left over on
  either side has no partner and is cut off.
- ``stretch``: times are multiplied so that the start of the last word falls on the end of the audio.
- ``silence``: positions at which no word is spoken belong to word 0.
- ``trim``: so many tokens before the transcript and so many behind it are cut off as the first prompt has. A longer
  question leaves some of its tokens behind the transcript, a shorter one costs the transcript its end.

The score is the mean absolute difference of the two paths, eq. 2, in what stands on the word axis: words, or tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import whisper
from controls import scaled
from measuring import Document

from alas_metric import WordTiming, cosine_similarity, monotonic_alignment_search
from alas_metric.document.path_errors import alignment_error
from alas_metric.document.timeline import Timeline
from alas_tasks.demo.files import WHISPER
from model_patches.adapters.capture import capture_prefill
from model_patches.families.qwen2_audio import Qwen2AudioAdapter

CHOICES = ("tokens", "stretch", "silence", "trim")

Tokens = list[list[int]]
"""For each row of the word axis, the places of its tokens in the text prompt."""


@dataclass(frozen=True)
class States:
    """Hidden states of one document's two prefills.

    Args:
        text: of every token of the text prompt, ``(L + 1, tokens, hidden size)``.
        frames: at the audio positions, ``(L + 1, T, hidden size)``.
        tokens: where the words stand in the text prompt.
        seconds: of one audio position.
    """

    text: np.ndarray
    frames: np.ndarray
    tokens: Tokens
    seconds: float

    @property
    def around(self) -> tuple[int, int]:
        """How many tokens stand before the transcript, and how many behind it."""
        return self.tokens[0][0], self.text.shape[1] - 1 - self.tokens[-1][-1]

    def pooled(self, rows: Tokens) -> np.ndarray:
        """Return the mean over each row's tokens, ``(L + 1, rows, hidden size)``."""
        return np.stack([self.text[:, places].mean(axis=1) for places in rows], axis=1)


def capture(adapter: Qwen2AudioAdapter, document: Document) -> States:
    """Run a document's two prefills and keep all hidden states; small models only."""
    prepared = document.prepared
    text = adapter.text_prompts([prepared.transcript], [prepared.instruction], [prepared.units])
    audio = adapter.audio_prompts([document.audio], [prepared.instruction])
    kept: list[list[torch.Tensor]] = []
    for prompts in (text, audio):
        kept.append([])
        with torch.no_grad(), capture_prefill(adapter.decoder, lambda _entry, states: kept[-1].append(states[0])):
            adapter.answers(prompts.inputs, max_new_tokens=1)
    words, heard = (torch.stack(states).numpy() for states in kept)
    places = [list(tokens) for tokens in text.words[0]]
    return States(words, heard[:, audio.positions[0].numpy()], places, adapter.seconds_per_position)


def recognise(documents: Sequence[Document]) -> list[list[WordTiming]]:
    """Return the words that the demo's Whisper recognises in each utterance."""
    model = whisper.load_model(str(WHISPER), device="cpu")
    found = []
    for document in documents:
        said = whisper.transcribe(model, document.audio, language="en", word_timestamps=True, fp16=False)
        words = [word for segment in said["segments"] for word in segment["words"]]
        found.append([WordTiming(word["word"].strip(), word["start"], word["end"]) for word in words])
    return found


def score(
    states: States,
    words: Sequence[WordTiming],
    duration: float,
    choices: Collection[str] = (),
    recognised: Sequence[WordTiming] = (),
    first: tuple[int, int] = (0, 0),
) -> np.ndarray:
    """Return ALAS of every layer, ``(L + 1,)``.

    Args:
        states: hidden states of the document.
        words: when the words of the transcript are spoken.
        duration: of the audio in seconds.
        choices: which of `CHOICES` are made.
        recognised: what Whisper heard, for ``tokens``.
        first: `States.around` of the first document, for ``trim``.

    Raises:
        ValueError: If nothing is left of the transcript.
    """
    tokens, times = states.tokens, list(words)
    if "trim" in choices:
        tokens = trimmed(tokens, states.text.shape[1], first)
    if "tokens" in choices:
        tokens, times = [[place] for row in tokens for place in row], list(recognised)
    length = min(len(tokens), len(times))
    tokens, times = tokens[:length], times[:length]
    if not length:
        raise ValueError("nothing is left of the transcript")
    if "stretch" in choices:
        times = stretched(times, duration)
    paths = monotonic_alignment_search(cosine_similarity(states.pooled(tokens), states.frames))
    timeline = Timeline(times, states.frames.shape[1], states.seconds, shift=0)
    owners = np.where(timeline.spoken, timeline.owners, 0) if "silence" in choices else timeline.owners
    return alignment_error(paths, owners)


def trimmed(tokens: Tokens, length: int, around: tuple[int, int]) -> Tokens:
    """Return the rows that a cut at fixed counts leaves.

    Args:
        tokens: where the words stand.
        length: of the prompt.
        around: how many tokens are cut off before and behind.
    """
    before, behind = around
    left = [[place for place in row if before <= place < length - behind] for row in tokens]
    extra = range(tokens[-1][-1] + 1, length - behind)
    return [row for row in [*left[:-1], [*left[-1], *extra]] if row]


def stretched(words: Sequence[WordTiming], duration: float) -> list[WordTiming]:
    """Return the times multiplied so that the last word starts where the audio ends."""
    return scaled(words, duration / words[-1].start if words[-1].start > 0 else 1.0)
