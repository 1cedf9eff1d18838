"""Models of transformers that put a placeholder into the prompt for each position of audio.

`HuggingFaceAdapter` finds out by itself what it has to know: the placeholder, how the chat template wants the audio,
seconds per position, the longest piece, the decoder. It refuses where it cannot be sure, and the first document checks
the rest. A family of its own states what is known of it instead (`qwen2_audio.py`, `audio_flamingo_3.py`, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from inspect import signature
from math import ceil
from typing import Any, ClassVar

import numpy as np
import torch

from alas_metric.errors import SkipDocument
from alas_tasks.audio import SAMPLE_RATE
from model_patches.adapters.adapter import Prompts, SpeechAdapter
from model_patches.adapters.loading import load_pretrained
from model_patches.adapters.stride import STEP, Stride, measure_stride, noise


class HuggingFaceAdapter(SpeechAdapter):
    """Prompts and positions of a transformers model with an audio placeholder.

    Args:
        model: the model; of one that also speaks, the thinker is taken.
        processor: its processor: tokenizer, audio feature extractor, chat template.
        system_prompt: a system turn before the user's; None: what the template does by itself.

    Raises:
        ValueError: saying what the processor lacks.
    """

    verify = True
    batches = False

    frames_per_position: ClassVar[float | None] = None
    """Frames of the feature extractor in one position, where the family's are known; None: measured."""

    add_generation_prompt = True
    """Whether the assistant's turn is opened."""

    template_options: ClassVar[Mapping[str, Any]] = {}
    """What the chat template is told beside the turns."""

    def __init__(self, model: Any, processor: Any, *, system_prompt: str | None = None) -> None:
        require_parts(processor)
        super().__init__(getattr(model, "thinker", model), processor)
        self.system_prompt = system_prompt

    @classmethod
    def load(cls, pretrained: str, *, dtype: str, device_map: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Load a checkpoint through transformers; ``kwargs`` as `model_patches.adapters.loading.LoadOptions`."""
        return load_pretrained(pretrained, dtype=dtype, device_map=device_map, **kwargs)

    @property
    def extractor(self) -> Any:
        """What turns samples into features."""
        return feature_extractor(self.processor)

    @property
    def generation(self) -> Mapping[str, Any]:
        """The tokenizer's end and padding, where the model's generation configuration names none."""
        config = self.model.generation_config
        given = {"eos_token_id": self.tokenizer.eos_token_id, "pad_token_id": self.tokenizer.pad_token_id}
        return {name: token for name, token in given.items() if getattr(config, name) is None}

    # The prompt.

    @cached_property
    def audio_token_id(self) -> int:
        """The placeholder's id, as processor, tokenizer or configuration name it.

        Raises:
            ValueError: If none of them does.
        """
        places = [
            (self.processor, "audio_token_id"),
            (self.tokenizer, "audio_token_id"),
            (self.model.config, "audio_token_id"),
            (self.model.config, "audio_token_index"),
        ]
        named = [token for place, name in places if isinstance(token := getattr(place, name, None), int)]
        text = getattr(self.processor, "audio_token", None)
        if not named and isinstance(text, str):
            named = [self.tokenizer.convert_tokens_to_ids(text)]
        if not named or named[0] == self.tokenizer.unk_token_id:
            raise ValueError(
                f"no audio placeholder is known to {type(self.processor).__name__} (audio_token_id, audio_token), "
                "its tokenizer or the model's configuration (audio_token_id, audio_token_index)"
            )
        return named[0]

    @cached_property
    def placeholder(self) -> str:
        """The placeholder as text."""
        text = getattr(self.processor, "audio_token", None)
        return text if isinstance(text, str) else self.tokenizer.convert_ids_to_tokens(self.audio_token_id)

    def render(self, instruction: str, num_segments: int) -> str:
        """Return the chat template's text.

        Raises:
            ValueError: If the template does not put one placeholder there for each piece of audio.
        """
        text = self._fill(instruction, num_segments, self.takes_parts)
        if text.count(self.placeholder) != num_segments:
            raise ValueError(
                f"the chat template of {type(self.processor).__name__} renders {text.count(self.placeholder)} "
                f"placeholders {self.placeholder!r} for {num_segments} pieces of audio"
            )
        return text

    def _fill(self, instruction: str, num_segments: int, parts: bool) -> str:
        content: Any = self.placeholder * num_segments + instruction
        if parts:
            audio = [{"type": "audio", "audio": "placeholder.wav"} for _ in range(num_segments)]
            content = [*audio, {"type": "text", "text": instruction}]
        turns = [{"role": "user", "content": content}]
        if self.system_prompt is not None:
            system = [{"type": "text", "text": self.system_prompt}] if parts else self.system_prompt
            turns.insert(0, {"role": "system", "content": system})
        templater = self.processor if getattr(self.processor, "chat_template", None) else self.tokenizer
        text: str = templater.apply_chat_template(
            turns, add_generation_prompt=self.add_generation_prompt, tokenize=False, **self.template_options
        )
        return text

    @cached_property
    def takes_parts(self) -> bool:
        """Whether the chat template takes audio as a part of the content; some take text with placeholders only.

        Raises:
            ValueError: If it takes neither.
        """
        errors = []
        for parts in (True, False):
            try:
                if self._fill("?", 1, parts).count(self.placeholder) == 1:
                    return parts
            except Exception as error:  # templates are programs; what they raise is anything
                errors.append(error)
        raise ValueError(
            f"the chat template of {type(self.processor).__name__} puts no placeholder {self.placeholder!r} into the "
            f"prompt, neither for an audio part nor as text{': ' if errors else ''}{'; '.join(map(str, errors))}"
        )

    @cached_property
    def takes_several(self) -> bool:
        """Whether a prompt may hold more than one piece of audio."""
        try:
            self.ask(["?"], [[noise(SAMPLE_RATE)] * 2])
        except Exception:  # some processors refuse, each in its own way
            return False
        return True

    def encode_audio(self, prompts: list[str], segments: list[list[np.ndarray]]) -> Mapping[str, Any]:
        """Return token ids with one placeholder per position, and features in the model's precision."""
        audio = [self.at_its_rate(piece) for pieces in segments for piece in pieces]
        special = self.adds_special_tokens(prompts)
        # Padding is the text's business alone: some feature extractors fail when they are told of it.
        text = {"padding": True, "padding_side": "left", "add_special_tokens": special}
        inputs = self.processor(
            text=prompts, audio=audio, return_tensors="pt", text_kwargs=text, audio_kwargs=self._rate
        )
        return self.in_precision(inputs)

    def in_precision(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return inputs with the features in the precision of the part that takes them."""
        kept = getattr(self.model, "_keep_in_fp32_modules_strict", None) or ()
        dtype = torch.float32 if any("audio" in name for name in kept) else self.dtype
        return {
            name: value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value
            for name, value in inputs.items()
        }

    def at_its_rate(self, audio: np.ndarray) -> np.ndarray:
        """Return 16 kHz audio at the feature extractor's sampling rate."""
        if self.sampling_rate == SAMPLE_RATE:
            return audio
        import librosa  # takes seconds to import

        return np.asarray(librosa.resample(audio, orig_sr=SAMPLE_RATE, target_sr=self.sampling_rate))

    @property
    def sampling_rate(self) -> int:
        """Samples per second that the feature extractor takes."""
        return getattr(self.extractor, "sampling_rate", SAMPLE_RATE)

    @cached_property
    def _rate(self) -> dict[str, int]:
        """The sampling rate, for feature extractors that ask for it."""
        asked = "sampling_rate" in signature(type(self.extractor).__call__).parameters
        return {"sampling_rate": self.sampling_rate} if asked else {}

    # Time.

    def num_positions(self, num_samples: int) -> int:
        """Return how many positions audio of this length gets."""
        inputs = self.ask(["?"], [[noise(num_samples)]])
        return int((inputs["input_ids"] == self.audio_token_id).sum())

    @property
    def seconds_per_position(self) -> float:
        """The time of one position."""
        if self.frames_per_position is None:
            return self.stride.samples / SAMPLE_RATE
        hop = getattr(self.extractor, "hop_length", STEP)
        return float(self.frames_per_position * hop / self.sampling_rate)

    def require(self) -> None:
        """Try what every document needs, so that what does not fit shows before the first.

        Raises:
            ValueError: If there is no placeholder in the prompt, or the time of a position cannot be told.
            CaptureMismatch: If the decoder is not found.
        """
        if getattr(self.model.config, "audio_config", self) is None:
            raise ValueError("it has no audio encoder: audio_config is null in its configuration")
        self.render("?", 1)
        assert self.decoder.layers
        assert self.seconds_per_position > 0

    @cached_property
    def stride(self) -> Stride:
        """Time of a position, measured.

        Raises:
            ValueError: If the number of positions does not follow the audio's length.
        """
        return measure_stride(self.num_positions)

    @property
    def tolerance(self) -> float:  # type: ignore[override]
        """Two positions, or as many as come at once."""
        even = self.frames_per_position is not None or self.padded
        return 2 if even else max(2, self.stride.step)

    @property
    def padded(self) -> bool:
        """Whether positions are also given to silence that is added at the end."""
        return self.frames_per_position is None and self.stride.padded

    def split(self, audio: np.ndarray) -> list[np.ndarray]:
        """Cut audio every `longest` samples; a rest too short for one position is dropped."""
        window = self.longest if len(audio) > (self.window or len(audio)) else None
        if window is None or not self.takes_several:
            return [audio]
        *pieces, rest = [audio[start : start + window] for start in range(0, len(audio), window)]
        return [*pieces, rest] if self.num_positions(len(rest)) > 0 else pieces

    @cached_property
    def longest(self) -> int | None:
        """Samples after which the processor cuts audio, or None where its extractor's window is no such limit."""
        window = self.window
        cut = window and self.num_positions(window + SAMPLE_RATE) == self.num_positions(window)
        return window if cut else None

    @property
    def window(self) -> int | None:
        """Samples at 16 kHz that the extractor names as its window, if it has one."""
        # Feature extractors call it the first, audio processors, which are to replace them, the second.
        named = (getattr(self.extractor, name, None) for name in ("n_samples", "max_length"))
        samples = next((value for value in named if isinstance(value, int)), None)
        return samples and samples * SAMPLE_RATE // self.sampling_rate

    def audio_prompts(self, audios: list[np.ndarray], instructions: list[str]) -> Prompts:
        """Return the batch of the audio run; positions that start after the end of the audio are left out.

        Raises:
            SkipDocument: If a document's audio is too short or too long for the model.
        """
        prompts = super().audio_prompts(audios, instructions)
        samples = self.seconds_per_position * SAMPLE_RATE
        for audio, positions in zip(audios, prompts.positions, strict=True):
            short = len(positions) < len(audio) / samples - self.tolerance and len(audio) > SAMPLE_RATE
            if short and self.num_positions(len(audio) - SAMPLE_RATE) == self.num_positions(len(audio)):
                raise SkipDocument(
                    "too_long",
                    f"the model hears {len(positions) * samples / SAMPLE_RATE:.2f} s of "
                    f"{len(audio) / SAMPLE_RATE:.2f} s",
                )
        if not self.padded:
            return prompts
        heard = [found[: ceil(len(audio) / samples)] for audio, found in zip(audios, prompts.positions, strict=True)]
        return replace(prompts, positions=heard)


def feature_extractor(processor: Any) -> Any:
    """Return a processor's part for audio, under either of its names, or None."""
    return getattr(processor, "feature_extractor", None) or getattr(processor, "audio_processor", None)


def require_parts(processor: Any) -> None:
    """Check that a processor has what the prompts are made with.

    Raises:
        ValueError: naming what is missing.
    """
    extractor, tokenizer = feature_extractor(processor), getattr(processor, "tokenizer", None)
    if extractor is None or tokenizer is None:
        raise ValueError(
            f"{type(processor).__name__} has no audio feature extractor and tokenizer: this is no model that "
            "answers prompts about audio"
        )
