"""Memory of each family at its published size: arithmetic on shapes, nothing is measured and nothing is loaded.

Run by hand; prints the table of docs/models.md::

    python benchmarks/memory.py

Weights are counted on models without storage (the meta device), at two bytes each; of SALMONN the encoders and the
Q-Former at four. What the capture keeps beside a prefill, in float32: the word vectors of all layers, one layer's audio
positions, the similarities. Not counted: activations, keys and values, passing copies of that one layer, Whisper.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from model_patches.registry import FAMILIES

SECONDS, WORDS = 30, 75

QWEN2_5_7B = {
    "model_type": "qwen2",
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "tie_word_embeddings": False,
}
QWEN2_AUDIO_7B = {
    "model_type": "qwen2",
    "vocab_size": 156032,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "tie_word_embeddings": False,
}
QWEN3_30B_A3B = {
    "model_type": "qwen3_omni_moe_text",
    "vocab_size": 152064,
    "hidden_size": 2048,
    "intermediate_size": 768,
    "moe_intermediate_size": 768,
    "num_experts": 128,
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "tie_word_embeddings": False,
}
GRANITE_8B = {
    "model_type": "granite",
    "vocab_size": 49160,
    "hidden_size": 4096,
    "intermediate_size": 12800,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": True,
}
GRANITE_ENCODER = {"num_layers": 16, "output_dim": 348}
OMNI_VISION = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584}

SHAPES: dict[str, dict[str, Any]] = {
    "qwen2_audio": {"text_config": QWEN2_AUDIO_7B},
    "audioflamingo3": {"text_config": QWEN2_5_7B},
    "qwen2_5_omni": {
        "thinker_config": {
            "text_config": {**QWEN2_5_7B, "model_type": "qwen2_5_omni_text"},
            "vision_config": OMNI_VISION,
        }
    },
    "qwen3_omni_moe": {"thinker_config": {"text_config": QWEN3_30B_A3B}},
    "musicflamingo": {"text_config": QWEN2_5_7B},
    "granite_speech": {"text_config": GRANITE_8B, "encoder_config": GRANITE_ENCODER},
    **{name: {} for name in ("glmasr", "qwen3_asr", "fun_asr_nano", "moss_transcribe_diarize")},
    **{name: {} for name in ("phi4_multimodal", "voxtral", "gemma3n")},
}
"""What of a published configuration is not the default of its class in transformers.

Missing, and so left out of the table, are gemma4, gemma4_unified, nemotron_h_omni, dots3_note, inkling, muse_spark,
apertus1p5, granite_speech_plus, nemo_speechlm and omniasr: whether the defaults of their classes are the published
sizes was not yet looked at.
"""


def salmonn() -> Any:
    """SALMONN-7B: Vicuna, Whisper large-v2's encoder, BEATs and the Q-Former; its LoRA is some million weights."""
    from transformers import Blip2QFormerConfig, LlamaConfig, LlamaForCausalLM, WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    from model_patches.families.salmonn.beats import Beats, BeatsConfig
    from model_patches.families.salmonn.model import Parts, SalmonnModel

    whisper = WhisperConfig(d_model=1280, encoder_layers=32, encoder_attention_heads=20, encoder_ffn_dim=5120)
    beats = BeatsConfig()
    heard = whisper.d_model + beats.encoder_embed_dim
    qformer = Blip2QFormerConfig(num_hidden_layers=2, encoder_hidden_size=heard, cross_attention_frequency=1)
    return SalmonnModel(Parts(WhisperEncoder(whisper), Beats(beats), LlamaForCausalLM(LlamaConfig()), qformer))


def published(model_type: str) -> Any:
    """A family's model at the size of its published checkpoint; of one that also speaks, the thinker."""
    from transformers import CONFIG_MAPPING

    from model_patches.adapters.loading import model_class

    config = CONFIG_MAPPING[model_type](**SHAPES[model_type])
    if hasattr(config, "enable_audio_output"):
        config.enable_audio_output = False
    return model_class(config)(config)


def count(build: Callable[[], Any]) -> tuple[int, int, int, int]:
    """Return the number of weights, their bytes, and the number and size of the hidden states."""
    from model_patches.adapters.capture import find_decoder

    with torch.device("meta"):
        model = build()
    model = getattr(model, "thinker", model)
    weights = sum(parameter.numel() for parameter in model.parameters())
    language = getattr(model, "llama_model", model)
    size = 4 * weights - 2 * sum(parameter.numel() for parameter in language.parameters())
    return weights, size, find_decoder(model).num_entries, model.get_input_embeddings().weight.shape[-1]


def extra(entries: int, size: int, rate: float) -> int:
    """Return the bytes that the capture holds at most, for one document of `SECONDS` and `WORDS`."""
    positions = round(SECONDS * rate)
    return 4 * (entries * WORDS * size + positions * size + entries * 2 * WORDS * positions)


def main() -> None:
    """Print the table."""
    print("| checkpoint | weights | in bfloat16 | hidden states | size | positions | the capture keeps |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for checkpoint in (checkpoint for family in FAMILIES for checkpoint in family.checkpoints):
        name = checkpoint.model_type
        if name not in SHAPES and name != "salmonn":
            continue
        weights, stored, entries, size = count(salmonn if name == "salmonn" else lambda name=name: published(name))
        print(
            f"| `{checkpoint.pretrained}` | {weights / 1e9:.2f} billion | {stored / 1e9:.1f} GB | {entries} | "
            f"{size} | {round(SECONDS * checkpoint.rate)} | {extra(entries, size, checkpoint.rate) / 1e6:.0f} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
