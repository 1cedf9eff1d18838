"""The model: two encoders, joined frame by frame, a Q-Former over windows of 0.34 s, and a Llama with LoRA.

``generate`` takes what any speech LLM of transformers takes, token ids with one placeholder for each audio position and
the audio's features, and returns the prompt's ids followed by the answer's. Inside, the embeddings are put together and
the language model runs on these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import Blip2QFormerConfig, Blip2QFormerModel, PretrainedConfig, PreTrainedModel

from model_patches.families.salmonn.beats import Beats

WHISPER_FRAMES = 1500
"""Frames of 20 ms in Whisper's 30 s; shorter audio is padded, and nothing is masked."""

WINDOW = 17
"""Frames of one window, round(1500 x 0.333333 s / 30 s): the next one starts where it ends."""

NUM_POSITIONS = WHISPER_FRAMES // WINDOW
"""88 audio positions, for every clip; the last 4 frames are dropped."""

SAMPLES_PER_POSITION = WINDOW * 320
"""Audio samples at 16 kHz that one position covers: 0.34 s."""


class SalmonnConfig(PretrainedConfig):
    """What the model tells of itself.

    Args:
        audio_token_id: the placeholder; an id beyond the vocabulary, since no text may hold it.
    """

    model_type = "salmonn"

    def __init__(self, audio_token_id: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.audio_token_id = audio_token_id


@dataclass(frozen=True)
class Parts:
    """The networks that the published files hold, loaded.

    Args:
        whisper: the encoder of Whisper.
        beats: the BEATs encoder.
        llama: the language model, LoRA included.
        qformer: sizes of the Q-Former.
    """

    whisper: PreTrainedModel
    beats: Beats
    llama: PreTrainedModel
    qformer: Blip2QFormerConfig


class SalmonnModel(nn.Module):
    """Audio and text in, text out.

    The encoders and the Q-Former stay in float32, whatever the language model's type: they are a tenth of the weights,
    and the published recipe trained them so.

    Args:
        parts: the networks.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.speech_encoder = parts.whisper
        self.beats = parts.beats
        self.llama_model = parts.llama
        whisper_size, beats_size = parts.whisper.config.d_model, parts.beats.config.encoder_embed_dim
        self.ln_speech = nn.LayerNorm(whisper_size)
        self.ln_audio = nn.LayerNorm(beats_size)
        self.speech_Qformer = Blip2QFormerModel(parts.qformer)
        self.speech_query_tokens = nn.Parameter(torch.zeros(1, 1, parts.qformer.hidden_size))
        self.speech_llama_proj = nn.Linear(parts.qformer.hidden_size, parts.llama.config.hidden_size)
        self.config = SalmonnConfig(audio_token_id=parts.llama.config.vocab_size)

    @property
    def dtype(self) -> torch.dtype:
        """The language model's."""
        return self.llama_model.dtype

    @property
    def device(self) -> torch.device:
        """Where the inputs go."""
        return self.get_input_embeddings().weight.device

    def get_input_embeddings(self) -> nn.Module:
        """Return the language model's token embeddings."""
        return self.llama_model.get_input_embeddings()

    def get_decoder(self) -> nn.Module:
        """Return the language model's layers and final norm."""
        return self.llama_model.get_decoder()

    # Audio to embeddings, step by step.

    def encode_whisper(self, input_features: torch.Tensor) -> torch.Tensor:
        """Return Whisper's frames, shape ``(batch, 1500, hidden size)``, of log-mels ``(batch, 80, 3000)``."""
        return self.speech_encoder(input_features).last_hidden_state

    def encode_beats(self, features: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
        """Return the BEATs patches of each clip, shape ``(patches, hidden size)``.

        Clips are encoded one by one. The original pads them to one length in a batch, lets the padding through the
        convolution and hands the padding's outputs on: a clip's embeddings then depend on its neighbours (by about 1
        in the conformance data). What a single clip gives is taken as right.

        Args:
            features: filter banks, shape ``(batch, frames, 128)``, padded at the end.
            lengths: frames that are audio, shape ``(batch,)``.
        """
        return [self.beats(row[None, :length])[0] for row, length in zip(features, lengths.tolist(), strict=True)]

    def join(self, whisper: torch.Tensor, beats: list[torch.Tensor]) -> torch.Tensor:
        """Return both encoders' outputs side by side, shape ``(batch, 1500, sum of the hidden sizes)``.

        The n-th patch of BEATs goes with the n-th frame of Whisper, although 8 patches share one stretch of 160 ms:
        the two clocks agree (50 a second) but for that order. Padding follows the norm, hence is zero.
        """
        length = whisper.shape[1]
        padded = [functional.pad(self.ln_audio(row), (0, 0, 0, length - len(row))) for row in beats]
        return torch.cat([self.ln_speech(whisper), torch.stack(padded)], dim=-1)

    def query(self, joined: torch.Tensor) -> torch.Tensor:
        """Return the Q-Former's output for each window, shape ``(batch x 88, 1, hidden size)``."""
        whole = joined[:, : NUM_POSITIONS * WINDOW]
        windows = whole.reshape(-1, WINDOW, joined.shape[-1])
        queries = self.speech_query_tokens.expand(len(windows), -1, -1)
        return self.speech_Qformer(query_embeds=queries, encoder_hidden_states=windows).last_hidden_state

    def embed_audio(
        self, input_features: torch.Tensor, beats_features: torch.Tensor, beats_lengths: torch.Tensor
    ) -> torch.Tensor:
        """Return the audio's embeddings for the language model, shape ``(batch, 88, hidden size)``."""
        joined = self.join(self.encode_whisper(input_features), self.encode_beats(beats_features, beats_lengths))
        return self.speech_llama_proj(self.query(joined)).reshape(len(joined), NUM_POSITIONS, -1)

    # The language model.

    def embed(
        self,
        input_ids: torch.Tensor,
        input_features: torch.Tensor | None = None,
        beats_features: torch.Tensor | None = None,
        beats_lengths: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the embeddings of prompts, with the audio's in the place of the placeholders.

        Args:
            input_ids: token ids, shape ``(batch, length)``, with 88 placeholders in each row that has audio.
            input_features: log-mels for Whisper, shape ``(rows with audio, 80, 3000)``.
            beats_features: filter banks, shape ``(rows with audio, frames, 128)``.
            beats_lengths: frames of each, shape ``(rows with audio,)``.

        Returns:
            Shape ``(batch, length, hidden size)``, of the language model's type.
        """
        if input_features is None or beats_features is None or beats_lengths is None:
            return self.merge(input_ids, None)
        return self.merge(input_ids, self.embed_audio(input_features, beats_features, beats_lengths))

    def merge(self, input_ids: torch.Tensor, audio: torch.Tensor | None) -> torch.Tensor:
        """Return the embeddings of prompts, with ``audio``, as of `embed_audio`, in the place of the placeholders.

        Raises:
            ValueError: If there are not as many placeholders as audio embeddings.
        """
        is_audio = input_ids == self.config.audio_token_id
        num_placeholders, num_audio = int(is_audio.sum()), 0 if audio is None else audio.shape[0] * audio.shape[1]
        if num_placeholders != num_audio:
            raise ValueError(f"the prompts hold {num_placeholders} placeholders for {num_audio} audio embeddings")
        embeddings = self.get_input_embeddings()(input_ids.masked_fill(is_audio, 0))
        if audio is None:
            return embeddings
        return embeddings.masked_scatter(is_audio[..., None], audio.to(embeddings.device, embeddings.dtype))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **inputs: Any) -> Any:
        """Run the language model once; features as in `embed`, all else as for the language model."""
        features = _features(inputs)
        embeddings = self.embed(input_ids, **features)
        return self.llama_model(inputs_embeds=embeddings, attention_mask=attention_mask, **inputs)

    @torch.no_grad()
    def generate(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **inputs: Any) -> Any:
        """Answer prompts; features as in `embed`, all else as ``generate`` of transformers.

        Returns:
            Ids of the prompt and of the answer, shape ``(batch, length + new tokens)``, as for a prompt of token ids;
            or transformers' output object with these as ``sequences``.
        """
        features = _features(inputs)
        embeddings = self.embed(input_ids, **features)
        # Given embeddings alone, transformers returns the new tokens alone.
        output = self.llama_model.generate(inputs_embeds=embeddings, attention_mask=attention_mask, **inputs)
        if isinstance(output, torch.Tensor):
            return _after_prompt(input_ids, output)
        output.sequences = _after_prompt(input_ids, output.sequences)
        return output


def _features(inputs: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Take the audio's features out of keyword arguments."""
    names = ("input_features", "beats_features", "beats_lengths")
    return {name: inputs.pop(name) for name in names if name in inputs}


def _after_prompt(prompts: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    copies = len(new) // len(prompts)
    return torch.cat([prompts.repeat_interleave(copies, dim=0).to(new.device), new], dim=1)
