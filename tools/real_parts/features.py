"""What Whisper base's encoder hears, as Qwen2-Audio's classes compute it: 25 vectors of 512 a second, kept in float16.

The encoder is never trained here, so that its output is computed once an utterance. A window as long as the speech
gives the same vectors as one of 30 s, since Qwen2-Audio's encoder attends to nothing behind the speech; it costs a
tenth.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from convert import whisper_checkpoint
from parts import default_work, write_once
from synthesis import RATE, Utterance, load_utterances, shard_file, speak_shard
from tqdm import tqdm
from transformers import Qwen2AudioEncoderConfig, WhisperFeatureExtractor
from transformers.masking_utils import create_bidirectional_mask
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

SECONDS_PER_POSITION = 0.04
FRAMES_PER_POSITION = 4
"""Log-mel frames of 10 ms in one position."""
DYNAMIC_RANGE = 2.0
"""From the loudest to the least that Whisper's log-mel features hold: 80 dB, in their unit of 40 dB."""

_NAMES = (
    (r"^encoder\.ln_post", "layer_norm"),
    (r"^encoder\.positional_embedding", "embed_positions.weight"),
    (r"^encoder\.blocks\.", "layers."),
    (r"^encoder\.", ""),
    (r"\.attn\.query", ".self_attn.q_proj"),
    (r"\.attn\.key", ".self_attn.k_proj"),
    (r"\.attn\.value", ".self_attn.v_proj"),
    (r"\.attn\.out", ".self_attn.out_proj"),
    (r"\.attn_ln", ".self_attn_layer_norm"),
    (r"\.mlp_ln", ".final_layer_norm"),
    (r"\.mlp\.0", ".fc1"),
    (r"\.mlp\.2", ".fc2"),
)
"""openai-whisper's names and Qwen2-Audio's. Whisper's last norm then stands behind the average over two frames."""


def encoder_config(dims: dict[str, int]) -> Qwen2AudioEncoderConfig:
    """Return the configuration of Qwen2-Audio's encoder with the sizes of a Whisper model."""
    return Qwen2AudioEncoderConfig(
        d_model=dims["n_audio_state"],
        encoder_layers=dims["n_audio_layer"],
        encoder_attention_heads=dims["n_audio_head"],
        encoder_ffn_dim=4 * dims["n_audio_state"],
        num_mel_bins=dims["n_mels"],
        max_source_positions=dims["n_audio_ctx"],
    )


def encoder_state(checkpoint: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the state of Qwen2-Audio's encoder from openai-whisper's."""
    state = {}
    for name, tensor in checkpoint.items():
        if name.startswith("encoder."):
            for pattern, replacement in _NAMES:
                name = re.sub(pattern, replacement, name)
            state[name] = tensor.float()
    return state


def load_encoder(work: Path) -> Qwen2AudioEncoder:
    """Return Whisper base's encoder in Qwen2-Audio's class."""
    checkpoint = torch.load(whisper_checkpoint(work), weights_only=True)
    encoder = Qwen2AudioEncoder(encoder_config(checkpoint["dims"]))
    encoder.load_state_dict(encoder_state(checkpoint["model_state_dict"]))
    return encoder.eval().requires_grad_(requires_grad=False)


@cache
def extractor() -> WhisperFeatureExtractor:
    """Return Whisper base's log-mel features."""
    return WhisperFeatureExtractor(feature_size=80, sampling_rate=RATE, hop_length=160, chunk_length=30, n_fft=400)


def log_mel(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """Return log-mel features of 30 s, shape (80, 3000), and how many of the frames hold the speech."""
    made = extractor()(samples, sampling_rate=RATE, return_attention_mask=True, return_tensors="np")
    return made.input_features[0], int(made.attention_mask[0].sum())


def log_mels(recordings: Sequence[np.ndarray], device: str) -> list[torch.Tensor]:
    """Return the log-mel features of the speech alone of several recordings, float16, each (80, frames)."""
    made = extractor()(
        list(recordings), sampling_rate=RATE, return_attention_mask=True, return_tensors="pt", device=device
    )
    frames = made.attention_mask.sum(-1).tolist()
    return [mel[:, :n].to(device, torch.float16) for mel, n in zip(made.input_features, frames, strict=True)]


def num_positions(frames: int) -> int:
    """Return Qwen2-Audio's audio positions for so many log-mel frames."""
    return ((frames - 1) // 2 + 1) // 2


@contextmanager
def window(encoder: Qwen2AudioEncoder, positions: int) -> Iterator[None]:
    """Let the encoder take so many positions, of 20 ms, in the place of 1,500."""
    whole, most = encoder.embed_positions.weight, encoder.config.max_source_positions
    encoder.embed_positions.weight = torch.nn.Parameter(whole[:positions], requires_grad=False)
    encoder.config.max_source_positions = positions
    try:
        yield
    finally:
        encoder.embed_positions.weight, encoder.config.max_source_positions = whole, most


def encode(encoder: Qwen2AudioEncoder, samples: np.ndarray) -> np.ndarray:
    """Return what the projector gets of an utterance, float32, shape (positions, d_model)."""
    mel, frames = log_mel(samples)
    return encode_mels(encoder, [torch.from_numpy(mel)], [frames])[0].numpy()


@torch.no_grad()
def encode_mels(encoder: Qwen2AudioEncoder, mels: Sequence[torch.Tensor], frames: Sequence[int]) -> list[torch.Tensor]:
    """Return what the projector gets of several utterances, each (positions, d_model).

    Args:
        encoder: Whisper's.
        mels: log-mel features, each (bins, frames) or longer; behind their end is silence.
        frames: how many of each hold the speech.
    """
    speech = torch.tensor([(n - 1) // 2 + 1 for n in frames], device=mels[0].device)
    positions = min(encoder.config.max_source_positions, 2 * (int(speech.max()) // 2 + 3))
    weight = encoder.conv1.weight
    mask = create_bidirectional_mask(
        config=encoder.config,
        inputs_embeds=weight.new_zeros(len(mels), positions, 1),
        attention_mask=(torch.arange(positions, device=weight.device) < speech[:, None]).long(),
    )
    padded = torch.stack([_with_silence(mel, 2 * positions) for mel in mels]).to(weight.dtype)
    with window(encoder, positions):
        states = encoder(padded, attention_mask=mask).last_hidden_state
    return [row[: num_positions(n)] for row, n in zip(states, frames, strict=True)]


def _with_silence(mel: torch.Tensor, frames: int) -> torch.Tensor:
    """Return features of so many frames: silence is the least that Whisper's features hold, 80 dB below the loudest."""
    mel = mel[:, :frames].float()
    return torch.nn.functional.pad(mel, (0, frames - mel.shape[-1]), value=float(mel.max()) - DYNAMIC_RANGE)


def mel_features(samples: np.ndarray) -> np.ndarray:
    """Return log-mel features by position, the frames of one side by side, shape (positions, 320)."""
    mel, frames = log_mel(samples)
    positions = num_positions(frames)
    return mel[:, : FRAMES_PER_POSITION * positions].T.reshape(positions, -1)


def features_file(work: Path, voice: str, split: str, number: int) -> Path:
    """Return where the features of a shard of speech lie."""
    return work / "features" / voice / f"{split}-{number:04d}.npz"


def load_shard(
    work: Path, voice: str, split: str, number: int, encoder: Qwen2AudioEncoder | None = None
) -> list[tuple[Utterance, np.ndarray]]:
    """Return the utterances of a shard with what the encoder hears; what is missing is made.

    Args:
        work: the work folder.
        voice: a key of ``speech.VOICES``.
        split: ``train`` or ``test``.
        number: of the shard.
        encoder: what computes missing features; loaded if need be.
    """
    utterances = load_utterances(speak_shard(work, voice, split, number))
    file = features_file(work, voice, split, number)
    if not file.exists():
        encoder = encoder or load_encoder(work)
        save_features(file, [encode(encoder, u.samples) for u in utterances])
    return list(zip(utterances, load_features(file), strict=True))


def save_features(file: Path, features: Sequence[np.ndarray]) -> None:
    """Write the features of several utterances into one file, in float16."""
    write_once(file, states=np.concatenate(features).astype(np.float16), lengths=[len(f) for f in features])


def load_features(file: Path) -> list[np.ndarray]:
    """Return what :func:`save_features` wrote, float32."""
    with np.load(file) as data:
        return np.split(data["states"].astype(np.float32), np.cumsum(data["lengths"])[:-1])


def ready_shards(work: Path, voice: str, split: str) -> list[int]:
    """Return the shards of a voice whose speech is there."""
    folder = shard_file(work, voice, split, 0).parent
    return sorted(int(file.stem.removeprefix(f"{split}-")) for file in folder.glob(f"{split}-[0-9]*.npz"))


def main() -> None:
    """Compute the features of all speech that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=default_work())
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    encoder = load_encoder(arguments.work)
    for folder in sorted((arguments.work / "speech").iterdir()):
        for split in ("test", "train"):
            for number in tqdm(ready_shards(arguments.work, folder.name, split), f"{folder.name} {split}"):
                if not features_file(arguments.work, folder.name, split, number).exists():
                    load_shard(arguments.work, folder.name, split, number, encoder)


if __name__ == "__main__":
    main()
