"""Qwen2-Audio: 25 positions a second, audio beyond 30 s split into several segments of one prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lmms_eval.models.model_utils.audio_processing import split_audio
from lmms_eval.models.simple.qwen2_audio import Qwen2_Audio as StockQwen2Audio

from model_patches.adapter import SpeechAdapter
from model_patches.wrapper import AlasModel

# Two convolutions of stride 1 and 2 and a pooling of 2 lie between the log-mel frames and the positions.
_FRAMES_PER_POSITION = 4

# The stock wrapper's template for add_system_prompt=False: Qwen2-Audio's own without the system turn.
_TURN = (
    "{% set audio_count = namespace(value=0) %}{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}"
    "{% if 'audio' in content or 'audio_url' in content %}{% set audio_count.value = audio_count.value + 1 %}"
    "Audio {{ audio_count.value }}: <|audio_bos|><|AUDIO|><|audio_eos|>\n"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Qwen2AudioAdapter(SpeechAdapter):
    """Prompts and positions of ``Qwen2AudioForConditionalGeneration``.

    Args:
        model: the model.
        processor: its processor.
        add_generation_prompt: whether the assistant's turn is opened.
        simple_prompt: audio tokens and text without the chat template, for the base model.
    """

    # Without two adjacent placeholders transformers falls back to an older way of merging, which fails in `generate`
    # (5.23: the attention mask is dropped when nothing is padded). The path over one position is forced anyway.
    min_positions = 2

    def __init__(
        self, model: Any, processor: Any, *, add_generation_prompt: bool = True, simple_prompt: bool = False
    ) -> None:
        super().__init__(model, processor)
        self.add_generation_prompt = add_generation_prompt
        self.simple_prompt = simple_prompt

    @classmethod
    def load(cls, pretrained: str, *, dtype: str, device_map: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Load a checkpoint of Qwen2-Audio through transformers."""
        from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

        revision = {"revision": kwargs["revision"]} if kwargs.get("revision") else {}
        model = Qwen2AudioForConditionalGeneration.from_pretrained(
            pretrained, dtype=dtype, device_map=device_map, **kwargs
        )
        return model.eval(), AutoProcessor.from_pretrained(pretrained, **revision)

    @property
    def seconds_per_position(self) -> float:
        """0.04 s with the published feature extractor."""
        extractor = self.processor.feature_extractor
        return _FRAMES_PER_POSITION * extractor.hop_length / extractor.sampling_rate

    @property
    def audio_token_id(self) -> int:
        """The id of ``<|AUDIO|>``, which the processor repeats once per position."""
        return self.processor.audio_token_id

    def split(self, audio: np.ndarray) -> list[np.ndarray]:
        """Cut as the stock wrapper does, every 30 s; a rest too short for one position is dropped."""
        extractor = self.processor.feature_extractor
        pieces = split_audio(audio, chunk_lim=extractor.n_samples)
        return [piece for piece in pieces if _num_positions(len(piece), extractor.hop_length) > 0] or pieces[:1]

    def render(self, instruction: str, num_segments: int) -> str:
        """Return the chat template's text, or the base model's plain prompt."""
        if self.simple_prompt:
            return "<|audio_bos|><|AUDIO|><|audio_eos|>" * num_segments + instruction
        audio = [{"type": "audio", "audio_url": "placeholder.wav"} for _ in range(num_segments)]
        turn = {"role": "user", "content": [*audio, {"type": "text", "text": instruction}]}
        return self.processor.apply_chat_template(
            [turn], add_generation_prompt=self.add_generation_prompt, tokenize=False
        )

    def encode_audio(self, prompts: list[str], segments: list[list[np.ndarray]]) -> Mapping[str, Any]:
        """Return token ids with one placeholder per position, and log-mel features."""
        return self.processor(
            text=prompts,
            audio=[piece for pieces in segments for piece in pieces],
            return_tensors="pt",
            padding=True,
            padding_side="left",
            sampling_rate=self.processor.feature_extractor.sampling_rate,
        )


def _num_positions(num_samples: int, hop_length: int) -> int:
    frames = -(-num_samples // hop_length)
    return ((frames - 1) // 2 + 1) // 2 if frames > 0 else 0


class Qwen2Audio(AlasModel, StockQwen2Audio):
    """The harness's ``qwen2_audio``: stock on every other task, paired runs on ALAS tasks.

    Args:
        pretrained: a hub id or a folder.
        device: ``cuda``, ``cuda:1``, ``mps`` (not tried) or ``cpu``; default: CUDA where there is one.
        device_map: ``auto`` spreads the model over all CUDA devices of one process.
        batch_size: documents per ``generate``.
        use_cache: whether ``generate`` keeps keys and values.
        add_generation_prompt: whether the assistant's turn is opened.
        add_system_prompt: whether the chat template's system turn is kept.
        simple_prompt: no chat template, for the base model.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        attn_implementation: ``eager``, ``sdpa``, ``flash_attention_2``; default: transformers' choice.
        revision: the hub revision of the checkpoint.
        **alas: options with the prefix ``alas_``, see `model_patches.options.AlasOptions`.
    """

    adapter_class = Qwen2AudioAdapter

    def __init__(
        self,
        pretrained: str = "Qwen/Qwen2-Audio-7B-Instruct",
        device: str | None = None,
        device_map: str | None = None,
        batch_size: int | str | None = 1,
        use_cache: bool = True,
        add_generation_prompt: bool = True,
        add_system_prompt: bool = True,
        simple_prompt: bool = False,
        dtype: str = "auto",
        attn_implementation: str | None = None,
        revision: str | None = None,
        **alas: Any,
    ) -> None:
        # Not the stock __init__: it hard-codes CUDA and takes no dtype. The attributes are the stock wrapper's.
        self.start(
            pretrained=pretrained,
            device=device,
            device_map=device_map,
            batch_size=batch_size,
            options=alas,
            load_arguments={"dtype": dtype, "attn_implementation": attn_implementation, "revision": revision},
        )
        self.use_cache = use_cache
        self.add_generation_prompt = add_generation_prompt
        self.add_system_prompt = add_system_prompt
        self.simple_prompt = simple_prompt
        if not add_system_prompt:
            self.processor.chat_template = _TURN

    def make_adapter(self) -> Qwen2AudioAdapter:
        """Return the adapter for the loaded model, with this wrapper's prompt options."""
        return Qwen2AudioAdapter(
            self.model,
            self.processor,
            add_generation_prompt=self.add_generation_prompt,
            simple_prompt=self.simple_prompt,
        )
