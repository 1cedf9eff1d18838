"""Audio and prompts, to the model's inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase, WhisperFeatureExtractor

from model_patches.families.salmonn.fbank import SAMPLE_RATE, beats_features
from model_patches.families.salmonn.model import NUM_POSITIONS

PLACEHOLDER = "<SpeechHere>"
"""Where the audio goes in a prompt's text."""

_SHORTEST = SAMPLE_RATE

LONGEST = 30 * SAMPLE_RATE
"""Samples that the model hears of one clip."""


class SalmonnProcessor:
    """Whisper's feature extractor, BEATs' filter banks and Vicuna's tokenizer.

    Args:
        feature_extractor: of the Whisper checkpoint.
        tokenizer: of the language model, a fast one.
        audio_token_id: the placeholder's id in the model's ``input_ids``.
    """

    def __init__(
        self, feature_extractor: WhisperFeatureExtractor, tokenizer: PreTrainedTokenizerBase, audio_token_id: int
    ) -> None:
        self.feature_extractor = feature_extractor
        self.tokenizer = tokenizer
        self.audio_token_id = audio_token_id
        # The original adds a token [PAD] with random embeddings, drawn anew at every load. Padding is masked, so any
        # token will do, and nothing can then depend on the draw.
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token

    def __call__(self, prompts: Sequence[str], audios: Sequence[np.ndarray | None]) -> dict[str, torch.Tensor]:
        """Return the inputs of ``SalmonnModel.generate``.

        Args:
            prompts: text, with `PLACEHOLDER` where the audio goes.
            audios: for each prompt, 16 kHz mono samples, or None where it has no placeholder.

        Returns:
            Left-padded ``input_ids`` and ``attention_mask``, and the features of the audio, if there is any.
        """
        rows = [self._ids(text, audio is not None) for text, audio in zip(prompts, audios, strict=True)]
        inputs = dict(self.tokenizer.pad({"input_ids": rows}, padding_side="left", return_tensors="pt"))
        heard = [audio for audio in audios if audio is not None]
        return {**inputs, **self.features(heard)} if heard else inputs

    def _ids(self, text: str, has_audio: bool) -> list[int]:
        """Return bos and the ids of the text; around audio, what stands before and after is tokenised apart.

        So the original does it. The part after the audio hence starts with a word boundary of its own.
        """
        pieces = text.split(PLACEHOLDER, maxsplit=1) if has_audio else [text]
        if len(pieces) != 1 + has_audio:
            raise ValueError(f"there is audio, and no {PLACEHOLDER} in the prompt {text!r}")
        ids = [self.tokenizer(piece, add_special_tokens=False).input_ids for piece in pieces]
        audio = [self.audio_token_id] * NUM_POSITIONS
        return [self.tokenizer.bos_token_id, *(ids[0] + audio + ids[1] if has_audio else ids[0])]

    def features(self, audios: Sequence[np.ndarray]) -> dict[str, torch.Tensor]:
        """Return what both encoders read, of clips padded to 1 s at least and cut at 30 s.

        Returns:
            ``input_features`` (clips, 80, 3000), ``beats_features`` (clips, frames, 128), padded at the end, and
            ``beats_lengths`` (clips,), their frames.
        """
        clips = [fit(audio) for audio in audios]
        mels = self.feature_extractor(clips, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        banks = [torch.from_numpy(beats_features(clip)) for clip in clips]
        return {
            "input_features": mels,
            "beats_features": torch.nn.utils.rnn.pad_sequence(banks, batch_first=True),
            "beats_lengths": torch.tensor([len(bank) for bank in banks]),
        }


def fit(audio: np.ndarray) -> np.ndarray:
    """Return audio padded with zeros to 1 s and cut at 30 s, as the original does."""
    return np.pad(audio[:LONGEST], (0, max(0, _SHORTEST - len(audio))))
