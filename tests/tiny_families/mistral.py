"""Voxtral, whose tokenizer is a file of mistral_common."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tiny_speech_llm import train_bpe

from tiny_families.parts import AUDIO, save, text_sizes, whisper_extractor

_CONTROL_TOKENS = (
    "<unk> <s> </s> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_RESULTS] [/TOOL_RESULTS] [TOOL_CALLS] "
    "[IMG] <pad> [IMG_BREAK] [IMG_END] [PREFIX] [MIDDLE] [SUFFIX] [SYSTEM_PROMPT] [/SYSTEM_PROMPT] [TOOL_CONTENT]"
)


def write_tekken(file: Path) -> Path:
    """A small tokenizer file of mistral_common, with the control tokens and the audio of Voxtral's."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    to_byte = {letter: byte for byte, letter in bytes_to_unicode().items()}
    learned = sorted(train_bpe([]).get_vocab().items(), key=lambda item: item[1])
    pieces = [bytes(to_byte[letter] for letter in piece) for piece, _ in learned if len(piece) > 1]
    vocab = [bytes([value]) for value in range(256)] + pieces
    named = [*_CONTROL_TOKENS.split(), *(f"<SPECIAL_{rank}>" for rank in range(20, 40))]
    named[24:26], named[32:35] = ["[AUDIO]", "[BEGIN_AUDIO]"], ["[ARGS]", "[CALL_ID]", "[TRANSCRIBE]"]
    content = {
        "config": {
            "pattern": r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+",
            "num_vocab_tokens": len(vocab),
            "default_vocab_size": len(vocab) + len(named),
            "default_num_special_tokens": len(named),
            "version": "v11",
        },
        "vocab": [
            {"rank": rank, "token_bytes": base64.b64encode(piece).decode(), "token_str": None}
            for rank, piece in enumerate(vocab)
        ],
        "special_tokens": [{"rank": rank, "token_str": token, "is_control": True} for rank, token in enumerate(named)],
        "audio": {
            "sampling_rate": 16000,
            "frame_rate": 12.5,
            "audio_encoding_config": {"num_mel_bins": 128, "hop_length": 160, "window_size": 400},
            "chunk_length_s": 30.0,
        },
    }
    file.write_text(json.dumps(content))
    return file


def make_voxtral(folder: Path) -> Path:
    """``mistralai/Voxtral-Mini-3B-2507``; its tokenizer needs mistral_common."""
    from transformers import (
        MistralCommonBackend,
        VoxtralConfig,
        VoxtralForConditionalGeneration,
        VoxtralProcessor,
    )

    tokenizer = MistralCommonBackend(write_tekken(folder / "tekken.json"))
    # Four of the encoder's positions, side by side, are one of the language model's: 4 x 16 = 64.
    config = VoxtralConfig(
        audio_config={"model_type": "voxtral_encoder", "num_mel_bins": 128, **AUDIO, "intermediate_size": 64},
        text_config=text_sizes(len(tokenizer), "llama", head_dim=8),
        audio_token_id=24,
    )
    return save(folder, VoxtralForConditionalGeneration(config), VoxtralProcessor(whisper_extractor(), tokenizer))
