"""Voxtral: mistral_common writes its prompts and takes audio as a file; silence is added up to a multiple of 30 s."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import soundfile

from alas_tasks.audio import SAMPLE_RATE
from model_patches.adapters.huggingface import HuggingFaceAdapter
from model_patches.adapters.stride import noise


class VoxtralAdapter(HuggingFaceAdapter):
    """Prompts and positions of ``VoxtralForConditionalGeneration``.

    Raises:
        ValueError: If mistral_common is missing or too old (transformers then loads another tokenizer, which cannot
            write the prompts), or for a system turn.
    """

    frames_per_position = 8  # a convolution of stride 2, and four of its frames side by side
    padded = True

    def __init__(self, model: Any, processor: Any, *, system_prompt: str | None = None) -> None:
        if not hasattr(processor.tokenizer, "mode"):
            raise ValueError("Voxtral's prompts are written by mistral_common: pip install --upgrade mistral-common")
        if system_prompt is not None:
            raise ValueError("Voxtral takes no system turn beside audio: leave system_prompt out")
        super().__init__(model, processor)

    def ask(self, contents: list[str], segments: list[list[np.ndarray]]) -> Mapping[str, Any]:
        """Return token ids and features, as mistral_common and the processor make them of conversations."""
        turns = [user_turn(content, pieces) for content, pieces in zip(contents, segments, strict=True)]
        return self.in_precision(self.processor.apply_chat_template(turns))

    def render(self, instruction: str, num_segments: int) -> str:
        """Return the prompt as its tokens read, with one placeholder for all positions of a piece of audio."""
        turn = user_turn(instruction, [noise(SAMPLE_RATE)] * num_segments)
        text = self.tokenizer.decode(self.tokenizer.apply_chat_template(turn)["input_ids"])
        return re.sub(f"({re.escape(self.placeholder)})+", self.placeholder, text)


def user_turn(content: str, pieces: list[np.ndarray]) -> list[dict[str, Any]]:
    """Return a conversation of one turn, audio before what the user says."""
    audio = [{"type": "audio", "base64": f"data:audio/wav;base64,{wav(piece)}"} for piece in pieces]
    return [{"role": "user", "content": [*audio, {"type": "text", "text": content}]}]


def wav(audio: np.ndarray) -> str:
    """Return 16 kHz audio as a WAV file in base64, its samples unchanged."""
    file = io.BytesIO()
    soundfile.write(file, audio, SAMPLE_RATE, format="WAV", subtype="FLOAT")
    return base64.b64encode(file.getvalue()).decode("ascii")
