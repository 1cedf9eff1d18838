"""BEATs, the audio encoder: patches of a log-mel spectrogram through a transformer with gated relative positions.

Chen et al. 2022, "BEATs: Audio Pre-Training with Acoustic Tokenizers", https://arxiv.org/abs/2212.09058. Gated relative
position bias: Chi et al. 2022 (XLM-E), as in WavLM. Deep norm: Wang et al. 2022, https://arxiv.org/abs/2203.00555. Only
the architecture of the published iter3 checkpoints is built, and only for inference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn
from torch.nn import functional

_FIXED = {
    "layer_norm_first": False,
    "conv_bias": False,
    "relative_position_embedding": True,
    "gru_rel_pos": True,
    "deep_norm": True,
    "activation_fn": "gelu",
}
"""What the published checkpoints have in common; nothing else is built."""


@dataclass(frozen=True)
class BeatsConfig:
    """The sizes in a BEATs checkpoint's ``cfg``, under its own names; defaults are those of the published files.

    Args:
        encoder_layers: number of transformer layers.
        encoder_embed_dim: hidden size.
        encoder_ffn_embed_dim: size of the feed-forward layers.
        encoder_attention_heads: number of heads.
        embed_dim: size of a patch's embedding.
        input_patch_size: side of a patch, in frames and in mel bands.
        conv_pos: kernel of the convolution over positions.
        conv_pos_groups: its groups.
        num_buckets: number of relative positions that are told apart.
        max_distance: from here on, in patches, they are all the same.
    """

    encoder_layers: int = 12
    encoder_embed_dim: int = 768
    encoder_ffn_embed_dim: int = 3072
    encoder_attention_heads: int = 12
    embed_dim: int = 512
    input_patch_size: int = 16
    conv_pos: int = 128
    conv_pos_groups: int = 16
    num_buckets: int = 320
    max_distance: int = 800

    @classmethod
    def from_checkpoint(cls, cfg: Mapping[str, Any]) -> BeatsConfig:
        """Read a checkpoint's ``cfg``.

        Raises:
            ValueError: If it asks for an architecture that is not built here.
        """
        other = {name: cfg[name] for name, value in _FIXED.items() if cfg.get(name, value) != value}
        if other:
            expected = {name: _FIXED[name] for name in other}
            raise ValueError(f"this BEATs has {other}, expected {expected}")
        return cls(**{field.name: cfg[field.name] for field in fields(cls) if field.name in cfg})


class Beats(nn.Module):
    """Log-mel filter banks to one vector for each patch of 160 ms and 16 mel bands.

    Args:
        config: the sizes.
    """

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        self.config = config
        size = config.input_patch_size
        self.patch_embedding = nn.Conv2d(1, config.embed_dim, kernel_size=size, stride=size, bias=False)
        self.layer_norm = nn.LayerNorm(config.embed_dim)
        self.post_extract_proj = nn.Linear(config.embed_dim, config.encoder_embed_dim)
        self.encoder = _Encoder(config)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Encode clips of equal length.

        Args:
            features: `fbank.beats_features`, shape ``(batch, frames, mel bands)``.

        Returns:
            Shape ``(batch, patches, hidden size)``: for each 16 frames, one patch per 16 bands from low to high; a rest
            of less than 16 frames is dropped.
        """
        patches = self.patch_embedding(features[:, None]).flatten(2).transpose(1, 2)
        return self.encoder(self.post_extract_proj(self.layer_norm(patches)))

    @classmethod
    def from_checkpoint(cls, checkpoint: Mapping[str, Any]) -> Beats:
        """Build the encoder from ``{"cfg": ..., "model": ...}`` as Microsoft published it.

        Raises:
            KeyError: If that is not what the checkpoint holds.
            ValueError: If its weights or architecture are not those expected.
        """
        model = cls(BeatsConfig.from_checkpoint(checkpoint["cfg"]))
        try:
            model.load_state_dict(_own_names(checkpoint["model"]))
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        model.eval()
        return model


def _own_names(published: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a checkpoint's weights under the names of this module.

    The classifier of the fine-tuned files is left out, and so are the copies of the position bias, which all layers
    share. The convolution's weight, stored as direction and magnitude, is put together.
    """
    weights = {
        name: tensor
        for name, tensor in published.items()
        if not name.startswith("predictor.") and "relative_attention_bias" not in name
    }
    shared = "encoder.layers.0.self_attn.relative_attention_bias.weight"
    direction, magnitude = (weights.pop(f"encoder.pos_conv.0.weight_{part}", None) for part in "vg")
    if shared in published:
        weights["encoder.position_bias.embedding.weight"] = published[shared]
    if direction is not None and magnitude is not None:
        weights["encoder.pos_conv.0.weight"] = magnitude * direction / direction.norm(dim=(0, 1), keepdim=True)
    return weights


class _Encoder(nn.Module):
    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        size = config.encoder_embed_dim
        conv = nn.Conv1d(size, size, config.conv_pos, padding=config.conv_pos // 2, groups=config.conv_pos_groups)
        self.pos_conv = nn.Sequential(conv)
        self.layer_norm = nn.LayerNorm(size)
        self.position_bias = _PositionBias(config)
        self.layers = nn.ModuleList([_Layer(config) for _ in range(config.encoder_layers)])

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        states = self.layer_norm(states + self.convolved(states))
        bias = self.position_bias(states.shape[1])
        for layer in self.layers:
            states = layer(states, bias)
        return states

    def convolved(self, states: torch.Tensor) -> torch.Tensor:
        # An even kernel padded by half on both sides gives one position too many.
        length = states.shape[1]
        return functional.gelu(self.pos_conv(states.transpose(1, 2))[..., :length]).transpose(1, 2)


class _PositionBias(nn.Module):
    """A learnt number per head and distance, fine for near positions and coarser, by logarithm, for far ones (T5)."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        self.num_buckets = config.num_buckets
        self.max_distance = config.max_distance
        self.embedding = nn.Embedding(config.num_buckets, config.encoder_attention_heads)

    def forward(self, length: int) -> torch.Tensor:
        """Return the bias of each query and key, shape ``(heads, length, length)``."""
        positions = torch.arange(length, device=self.embedding.weight.device)
        return self.embedding(self.buckets(positions[None, :] - positions[:, None])).permute(2, 0, 1)

    def buckets(self, distance: torch.Tensor) -> torch.Tensor:
        """Return the bucket of each signed distance (key minus query); half of them lie ahead."""
        half = self.num_buckets // 2
        exact = half // 2
        size = distance.abs()
        # In float32, as in training: a rounding at a bucket's edge must fall on the same side.
        scaled = torch.log(size.clamp(min=1).float() / exact) / math.log(self.max_distance / exact) * (half - exact)
        far = (exact + scaled.long()).clamp(max=half - 1)
        return torch.where(size < exact, size, far) + half * (distance > 0)


class _Layer(nn.Module):
    """Post-norm layer whose residual is scaled up (deep norm)."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        size = config.encoder_embed_dim
        self.residual = (2 * config.encoder_layers) ** 0.25
        self.self_attn = _Attention(config)
        self.self_attn_layer_norm = nn.LayerNorm(size)
        self.fc1 = nn.Linear(size, config.encoder_ffn_embed_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_embed_dim, size)
        self.final_layer_norm = nn.LayerNorm(size)

    def forward(self, states: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        states = self.self_attn_layer_norm(self.residual * states + self.self_attn(states, bias))
        return self.final_layer_norm(self.residual * states + self.fc2(functional.gelu(self.fc1(states))))


class _Attention(nn.Module):
    """Self-attention with a relative position bias that each query opens or closes."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        size, heads = config.encoder_embed_dim, config.encoder_attention_heads
        self.num_heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(size, size) for _ in range(4))
        self.grep_linear = nn.Linear(size // heads, 8)
        self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))

    def forward(self, states: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        queries, keys, values = (self._heads(proj(states)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        mask = self.gate(queries) * bias
        attended = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return self.out_proj(attended.transpose(1, 2).flatten(2))

    def gate(self, queries: torch.Tensor) -> torch.Tensor:
        """Return what each query multiplies the bias with, shape ``(batch, heads, length, 1)``."""
        gates = self.grep_linear(queries).unflatten(-1, (2, 4)).sum(-1).sigmoid()
        update, reset = gates.chunk(2, dim=-1)
        return update * (reset * self.grep_a - 1.0) + 2.0

    def _heads(self, states: torch.Tensor) -> torch.Tensor:
        return states.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
