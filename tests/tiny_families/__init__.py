"""Tiny random checkpoints of many families, with the real configuration, processor and tokenizer classes.

Sizes are small; frame rates, windows and token names are the published ones. Chat templates are the published ones as
far as prompts of text and audio reach them, for Qwen2-Audio and Audio Flamingo 3; the others are stand-ins.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tiny_families.google import make_gemma3n, make_gemma4, make_gemma4_unified
from tiny_families.ibm import make_granite_speech, make_granite_speech_plus
from tiny_families.mistral import make_voxtral
from tiny_families.nvidia import (
    make_audio_flamingo_3,
    make_music_flamingo,
    make_nemotron3_5_transcribe,
    make_nemotron_h_omni,
)
from tiny_families.others import (
    make_apertus1p5,
    make_dots3_note,
    make_fun_asr_nano,
    make_glmasr,
    make_inkling,
    make_moss_transcribe_diarize,
    make_muse_spark,
    make_omniasr,
    make_phi4_multimodal,
)
from tiny_families.qwen import make_qwen2_5_omni, make_qwen3_asr, make_qwen3_omni

MAKERS: dict[str, Callable[[Path], Path]] = {
    "audio_flamingo_3": make_audio_flamingo_3,
    "qwen2_5_omni": make_qwen2_5_omni,
    "qwen3_omni": make_qwen3_omni,
    "gemma4_unified": make_gemma4_unified,
    "gemma4": make_gemma4,
    "gemma3n": make_gemma3n,
    "voxtral": make_voxtral,
    "phi4_multimodal": make_phi4_multimodal,
    "nemotron_h_omni": make_nemotron_h_omni,
    "dots3_note": make_dots3_note,
    "inkling": make_inkling,
    "muse_spark": make_muse_spark,
    "apertus1p5": make_apertus1p5,
    "musicflamingo": make_music_flamingo,
    "granite_speech": make_granite_speech,
    "granite_speech_plus": make_granite_speech_plus,
    "glmasr": make_glmasr,
    "qwen3_asr": make_qwen3_asr,
    "fun_asr_nano": make_fun_asr_nano,
    "moss_transcribe_diarize": make_moss_transcribe_diarize,
    "nemotron3_5_transcribe": make_nemotron3_5_transcribe,
    "omniasr": make_omniasr,
}

NEEDS = {
    "granite_speech": "torchaudio",
    "granite_speech_plus": "torchaudio",
    "fun_asr_nano": "torchaudio",
    "voxtral": "mistral_common",
}
"""Packages beyond those of the tests."""

NEEDS_TRANSFORMERS = {
    "fun_asr_nano": "5.17",
    "nemotron_h_omni": "5.18",
    "moss_transcribe_diarize": "5.20",
    "muse_spark": "5.20",
    "nemotron3_5_transcribe": "5.22",
    "dots3_note": "5.23",
    "apertus1p5": "5.24",
    "omniasr": "5.24",
}
"""The first version with the family, where that is above our lower bound."""
