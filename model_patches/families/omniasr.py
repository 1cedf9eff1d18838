"""Omnilingual ASR: a recogniser whose prompts hold no question; the transcript is what it says after them."""

from __future__ import annotations

from collections.abc import Sequence

from model_patches.adapters.huggingface import HuggingFaceAdapter


class OmniAsrAdapter(HuggingFaceAdapter):
    """Prompts and positions of ``OmniASRForConditionalGeneration``.

    Its chat template writes the audio, a mark, the language (``auto`` unless one is named) and the beginning of the
    transcript, and drops what a user says. So the audio run asks nothing, and the text run is the same prompt without
    the audio, with the transcript where the model would write it.
    """

    def render(self, instruction: str, num_segments: int) -> str:
        """Return the prompt; nothing in it is the instruction."""
        turn = [{"role": "user", "content": [{"type": "audio", "audio": "placeholder.wav"}]}]
        prompt: str = self.processor.apply_chat_template(turn, tokenize=False)
        return prompt.replace(self.placeholder, self.placeholder * num_segments)

    def render_text(self, transcript: str, instruction: str) -> str:
        """Return the prompt of the text run."""
        return self.render(instruction, 0) + transcript

    def adds_special_tokens(self, prompts: Sequence[str]) -> bool:
        """Tell that the chat template writes all of them; its prompts do not begin with the beginning of text."""
        return False
