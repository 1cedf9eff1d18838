"""Tiny random checkpoints in the formats that the real loaders expect; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    Qwen2TokenizerFast,
    WhisperFeatureExtractor,
)

_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"]
_TEXT = [
    "the quick brown fox jumps over the lazy dog",
    "and so my fellow americans ask not what your country can do for you",
    "Audio Transcription: what did the speaker say? Answer the  question as short as possible (in 10-15 words)",
    "classify the emotion of the speaker in only one word including anger, happiness, sadness, neutrality.",
    "You are a helpful assistant. system user assistant",
]


def make_qwen2_audio(
    folder: Path,
    *,
    layers: int = 3,
    seed: int = 0,
    chunk_length: int = 30,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Save a random Qwen2-Audio of a few thousand parameters with its processor and return its folder."""
    tokenizer = _byte_level_bpe()
    extractor = WhisperFeatureExtractor(
        feature_size=128, chunk_length=chunk_length, sampling_rate=16000, hop_length=160, n_fft=400
    )
    config = Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "d_model": 16,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "num_mel_bins": 128,
            "max_source_positions": 50 * chunk_length,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 8192,
        },
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    torch.manual_seed(seed)
    model = Qwen2AudioForConditionalGeneration(config).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.2)
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.generation_config.pad_token_id = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    model.save_pretrained(folder)
    Qwen2AudioProcessor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def _byte_level_bpe() -> Qwen2TokenizerFast:
    tokenizer = train_bpe(_SPECIALS)
    fast = Qwen2TokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.add_special_tokens({"additional_special_tokens": _SPECIALS})
    return fast


def train_bpe(specials: Sequence[str], size: int = 400) -> Tokenizer:
    """Return a byte-level BPE tokenizer trained on a few sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    return tokenizer


def make_sentence_bert(folder: Path, seed: int = 0) -> Path:
    """Save a random Sentence-BERT and return its folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers import models as parts

    bert = folder / "bert"
    tokenizer = train_bpe(_SPECIALS)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<|endoftext|>", model_max_length=128)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(fast),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(bert)
    fast.save_pretrained(bert)
    word = parts.Transformer(str(bert))
    dimension = getattr(word, "get_embedding_dimension", None) or word.get_word_embedding_dimension
    pooling = parts.Pooling(dimension())
    SentenceTransformer(modules=[word, pooling], device="cpu").save(str(folder / "sbert"))
    return folder / "sbert"
