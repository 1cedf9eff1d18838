"""Prompts, positions and words of SALMONN for the paired runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from alas_metric.errors import SkipDocument
from model_patches.adapters.adapter import Prompts, SpeechAdapter
from model_patches.families.salmonn.fbank import SAMPLE_RATE
from model_patches.families.salmonn.loading import Files, load
from model_patches.families.salmonn.model import NUM_POSITIONS, SAMPLES_PER_POSITION, SalmonnModel
from model_patches.families.salmonn.processor import LONGEST, PLACEHOLDER, SalmonnProcessor

_TEMPLATE = "USER: {}\nASSISTANT:"  # prompt_template of the original's decode_config.yaml


class SalmonnAdapter(SpeechAdapter):
    """One position for each 0.34 s of audio, always 88, of which those that lie in the padding are left out.

    Args:
        model: the model.
        processor: its processor.
    """

    text_run = "<Text>{transcript}</Text>{instruction}"

    def __init__(self, model: SalmonnModel, processor: SalmonnProcessor) -> None:
        super().__init__(model, processor)

    @classmethod
    def load(cls, pretrained: str, *, dtype: str, device_map: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Load the published files; ``beats``, ``llama``, ``whisper`` and ``qformer`` name them: `loading.Files`."""
        files = {name: kwargs.pop(name) for name in ("beats", "llama", "whisper", "qformer") if name in kwargs}
        return load(Files(pretrained, **files), dtype=dtype, device_map=device_map, **kwargs)

    @property
    def seconds_per_position(self) -> float:
        """0.34 s, 17 of Whisper's frames."""
        return SAMPLES_PER_POSITION / SAMPLE_RATE

    @property
    def audio_token_id(self) -> int:
        """An id beyond the vocabulary, 88 times in each prompt with audio."""
        return int(self.processor.audio_token_id)

    @property
    def generation_config(self) -> Any:
        """That of Vicuna, which generates."""
        return self.model.llama_model.generation_config

    def clean_text(self, text: str) -> str:
        """Return ``text`` also without the placeholder, at which the prompt is cut."""
        return super().clean_text(text.replace(PLACEHOLDER, " "))

    def split(self, audio: np.ndarray) -> list[np.ndarray]:
        """Return the audio in one piece; the model hears its first 30 s."""
        return [audio]

    def render(self, instruction: str, num_segments: int) -> str:
        """Return the original's template, with the audio before the instruction.

        Raises:
            ValueError: For more than one piece of audio.
        """
        if num_segments > 1:
            raise ValueError("SALMONN takes one audio per question")
        speech = f"<Speech>{PLACEHOLDER}</Speech> " if num_segments else ""
        return _TEMPLATE.format(speech + instruction)

    def encode_audio(self, prompts: list[str], segments: list[list[np.ndarray]]) -> Mapping[str, Any]:
        """Return token ids with 88 placeholders, log-mels and filter banks."""
        inputs: Mapping[str, Any] = self.processor(prompts, [pieces[0] for pieces in segments])
        return inputs

    def audio_prompts(self, audios: list[np.ndarray], instructions: list[str]) -> Prompts:
        """Return the batch of the audio run.

        A position is kept when it starts before the audio ends; the rest of its 0.34 s may be padding. So the last word
        keeps a position even where it is cut short.

        Raises:
            SkipDocument: If the audio is empty, or longer than the 30 s that the model hears: words beyond have no
                position.
        """
        for audio in audios:
            if len(audio) > LONGEST:
                raise SkipDocument("too_long", f"{len(audio) / SAMPLE_RATE:.2f} s; SALMONN hears 30 s")
            if not len(audio):
                raise SkipDocument("too_short", "the audio holds no sample")
        prompts = super().audio_prompts(audios, instructions)
        return replace(prompts, positions=[heard(p, a) for p, a in zip(prompts.positions, audios, strict=True)])


def heard(positions: torch.Tensor, audio: np.ndarray) -> torch.Tensor:
    """Return those of the 88 positions that start before the end of the audio."""
    # The 88 positions end at 29.92 s.
    return positions[: min(NUM_POSITIONS, -(-len(audio) // SAMPLES_PER_POSITION))]
