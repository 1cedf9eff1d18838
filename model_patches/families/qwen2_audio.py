"""Qwen2-Audio: 25 positions a second, audio beyond 30 s split into several segments of one prompt."""

from __future__ import annotations

from typing import Any

from model_patches.adapters.huggingface import HuggingFaceAdapter

# The stock wrapper's template for add_system_prompt=False: Qwen2-Audio's own without the system turn.
TURN = (
    "{% set audio_count = namespace(value=0) %}{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}"
    "{% if 'audio' in content or 'audio_url' in content %}{% set audio_count.value = audio_count.value + 1 %}"
    "Audio {{ audio_count.value }}: <|audio_bos|><|AUDIO|><|audio_eos|>\n"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Qwen2AudioAdapter(HuggingFaceAdapter):
    """Prompts and positions of ``Qwen2AudioForConditionalGeneration``.

    Args:
        model: the model.
        processor: its processor.
        add_generation_prompt: whether the assistant's turn is opened.
        simple_prompt: audio tokens and text without the chat template, for the base model.
    """

    verify = False
    batches = True
    # Two convolutions of stride 1 and 2 and a pooling of 2 lie between the log-mel frames and the positions.
    frames_per_position = 4
    # Without two adjacent placeholders transformers falls back to an older way of merging, which fails in `generate`
    # (5.23: the attention mask is dropped when nothing is padded). The path over one position is forced anyway.
    min_positions = 2

    def __init__(
        self, model: Any, processor: Any, *, add_generation_prompt: bool = True, simple_prompt: bool = False
    ) -> None:
        super().__init__(model, processor)
        self.add_generation_prompt = add_generation_prompt
        self.simple_prompt = simple_prompt

    def render(self, instruction: str, num_segments: int) -> str:
        """Return the chat template's text, or the base model's plain prompt."""
        if self.simple_prompt:
            return "<|audio_bos|><|AUDIO|><|audio_eos|>" * num_segments + instruction
        return super().render(instruction, num_segments)
