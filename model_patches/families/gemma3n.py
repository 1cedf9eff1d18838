"""Gemma 3n: 188 positions, for 30 s, whatever the audio's length; layers hand on four copies of the hidden states."""

from __future__ import annotations

from dataclasses import replace

from model_patches.adapters.capture import Decoder
from model_patches.adapters.huggingface import HuggingFaceAdapter


class Gemma3nAdapter(HuggingFaceAdapter):
    """Prompts and positions of ``Gemma3nForConditionalGeneration``.

    Read is the copy that each layer computes on (``altup_active_idx``). The last entry comes after the final norm, as
    in every other family; the model's own ``output_hidden_states`` end before it.
    """

    frames_per_position = 16  # two convolutions of stride 2, and one of four frames is kept
    padded = True

    @property
    def decoder(self) -> Decoder:
        """The layers and the final norm, reading the active copy."""
        active = self.model.config.get_text_config().altup_active_idx
        return replace(super().decoder, select=lambda states: states[active] if states.dim() == 4 else states)
