"""Which model ids of the harness run the ALAS tasks, and where their code is; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

_GENERAL = "model_patches.adapters.huggingface.HuggingFaceAdapter"


@dataclass(frozen=True)
class Checkpoint:
    """One kind of checkpoint and what is known of it.

    Args:
        model_type: ``config.model_type`` in transformers.
        pretrained: a published checkpoint, a hub id.
        rate: audio positions per second.
        longest: what of an audio the model hears.
        needs: packages beyond ours.
        since: the first version of transformers with it, where that is above our lower bound.
        adapter: the `SpeechAdapter`, where it is not the family's.
        tried: with what the adapter was shown to work.
    """

    model_type: str
    pretrained: str
    rate: float
    longest: str = "all"
    needs: tuple[str, ...] = ()
    since: str = ""
    adapter: str | None = None
    tried: str = "tiny random checkpoint"


@dataclass(frozen=True)
class Family:
    """A model id of the harness.

    Args:
        model_id: the id, as in ``--model``.
        simple_class: the class that takes the harness's simple requests.
        adapter: the `SpeechAdapter` of the family.
        checkpoints: what it is known to read; `probe` finds the adapter by their model types.
        chat_class: the class that takes chat requests, for ids that the harness knows in both kinds.
        others_need: packages that the harness's own tasks on this id import.
        other_weights: model arguments besides ``pretrained`` that name weights, with their defaults.
    """

    model_id: str
    simple_class: str
    adapter: str
    checkpoints: tuple[Checkpoint, ...]
    chat_class: str | None = None
    others_need: tuple[str, ...] = ()
    other_weights: tuple[tuple[str, str | None], ...] = ()


FAMILIES = (
    Family(
        model_id="qwen2_audio",
        simple_class="model_patches.harness.qwen2_audio.Qwen2Audio",
        adapter="model_patches.families.qwen2_audio.Qwen2AudioAdapter",
        checkpoints=(
            Checkpoint(
                "qwen2_audio",
                "Qwen/Qwen2-Audio-7B-Instruct",
                25,
                "all, in pieces of 30 s of one prompt",
                tried="tiny random checkpoint; the demo's, trained",
            ),
        ),
    ),
    Family(
        model_id="salmonn",
        simple_class="model_patches.harness.salmonn.Salmonn",
        adapter="model_patches.families.salmonn.adapter.SalmonnAdapter",
        checkpoints=(
            Checkpoint(
                "salmonn",
                "tsinghua-ee/SALMONN-7B/salmonn_7b_v0.pth",
                1 / 0.34,
                "30 s; longer audio is left out",
                tried="recorded outputs of the original code",
            ),
        ),
        other_weights=(("beats", None), ("llama", "lmsys/vicuna-7b-v1.5"), ("whisper", "openai/whisper-large-v2")),
    ),
    Family(
        model_id="audio_flamingo_3",
        simple_class="model_patches.harness.audio_flamingo_3.AudioFlamingo3",
        adapter="model_patches.families.audio_flamingo_3.AudioFlamingo3Adapter",
        checkpoints=(Checkpoint("audioflamingo3", "nvidia/audio-flamingo-3-hf", 25, "10 minutes, in windows of 30 s"),),
    ),
    Family(
        model_id="qwen2_5_omni",
        simple_class="model_patches.harness.qwen_omni.Qwen25Omni",
        chat_class="model_patches.harness.qwen_omni.Qwen25OmniChat",
        adapter="model_patches.families.qwen_omni.Qwen25OmniAdapter",
        checkpoints=(
            Checkpoint("qwen2_5_omni", "Qwen/Qwen2.5-Omni-7B", 25, "all, in pieces of 300 s of one prompt"),
            Checkpoint("qwen2_5_omni_thinker", "a thinker saved alone", 25, "as above", tried="as above"),
        ),
        others_need=("moviepy", "qwen_omni_utils"),
    ),
    Family(
        model_id="qwen3_omni",
        simple_class="model_patches.harness.qwen_omni.Qwen3Omni",
        chat_class="model_patches.harness.qwen_omni.Qwen3OmniChat",
        adapter="model_patches.families.qwen_omni.Qwen3OmniAdapter",
        checkpoints=(
            Checkpoint("qwen3_omni_moe", "Qwen/Qwen3-Omni-30B-A3B-Instruct", 13),
            Checkpoint("qwen3_omni_moe_thinker", "a thinker saved alone", 13, tried="as above"),
        ),
        others_need=("moviepy", "qwen_omni_utils"),
    ),
    Family(
        model_id="gemma4",
        simple_class="model_patches.harness.gemma4.Gemma4",
        adapter=_GENERAL,
        checkpoints=(
            Checkpoint("gemma4_unified", "google/gemma-4-12B-it", 25),
            Checkpoint("gemma4", "google/gemma-4-e2b-it", 25, "30 s; longer audio is left out"),
        ),
    ),
    Family(
        model_id="alas_hf",
        simple_class="model_patches.harness.huggingface.AlasHf",
        adapter=_GENERAL,
        checkpoints=(
            Checkpoint(
                "gemma3n",
                "google/gemma-3n-E4B-it",
                6.25,
                "30 s; longer audio is left out",
                needs=("timm",),
                adapter="model_patches.families.gemma3n.Gemma3nAdapter",
            ),
            Checkpoint(
                "voxtral",
                "mistralai/Voxtral-Mini-3B-2507",
                12.5,
                needs=("mistral_common",),
                adapter="model_patches.families.voxtral.VoxtralAdapter",
            ),
            Checkpoint("phi4_multimodal", "microsoft/Phi-4-multimodal-instruct", 12.5),
            Checkpoint(
                "nemotron_h_omni",
                "nvidia/Nemotron-3-Nano-Omni-30B-A3B-Reasoning-BF16",
                12.5,
                adapter="model_patches.families.nemotron.NemotronAdapter",
                since="5.18",
            ),
            Checkpoint("dots3_note", "dots-studio/dots3-note-prev", 12.5, "all, in windows of 60 s", since="5.23"),
            Checkpoint("inkling_mm_model", "thinkingmachines/Inkling", 20),
            Checkpoint("muse_spark", "meta-models/Muse-Spark-Open-816B-A42B", 12.5, since="5.20"),
            Checkpoint("apertus1p5", "swiss-ai/Apertus-v1.5-8B", 40, since="5.24"),
            Checkpoint("musicflamingo", "nvidia/music-flamingo-2601-hf", 25, "20 minutes, in windows of 30 s"),
            Checkpoint("granite_speech", "ibm-granite/granite-speech-3.3-8b", 10, needs=("torchaudio",)),
            Checkpoint("granite_speech_plus", "ibm-granite/granite-speech-4.1-2b-plus", 10, needs=("torchaudio",)),
            Checkpoint("glmasr", "zai-org/GLM-ASR-Nano-2512", 12.5, "655 s, in windows of 30 s"),
            Checkpoint("qwen3_asr", "Qwen/Qwen3-ASR-1.7B-hf", 13),
            Checkpoint(
                "fun_asr_nano", "FunAudioLLM/Fun-ASR-Nano-2512-hf", 1 / 0.06, needs=("torchaudio",), since="5.17"
            ),
            Checkpoint("moss_transcribe_diarize", "hf-audio/MOSS-Transcribe-Diarize-HF", 12.5, since="5.20"),
            Checkpoint(
                "nemo_speechlm",
                "nvidia/NVIDIA-Nemotron-3.5-Transcribe-30B-A4B",
                12.5,
                adapter="model_patches.families.nemotron.NemotronAdapter",
                since="5.22",
            ),
            Checkpoint(
                "omniasr",
                "hf-audio/omniasr-llm-300m-v2",
                50,
                adapter="model_patches.families.omniasr.OmniAsrAdapter",
                since="5.24",
            ),
        ),
    ),
)


@dataclass(frozen=True)
class Refusal:
    """Models of transformers that hear speech and cannot be read.

    Args:
        model_types: ``config.model_type`` of each.
        example: a published checkpoint.
        reason: what is missing.
    """

    model_types: tuple[str, ...]
    example: str
    reason: str


REFUSED = (
    Refusal(
        ("voxtral_realtime",),
        "mistralai/Voxtral-Mini-4B-Realtime-2602",
        "it adds the audio to the embeddings of the text that it writes, so that no position is the audio's own",
    ),
    Refusal(
        ("kyutai_speech_to_text",),
        "kyutai/stt-2.6b-en-trfs",
        "each of its positions carries audio and text at once; its prompt has no placeholder",
    ),
    Refusal(
        ("vibevoice_asr",),
        "microsoft/VibeVoice-ASR-HF",
        "its chat template writes what a user says beside audio only, so that there is no text run; it also adds "
        "noise to what it hears",
    ),
    Refusal(
        ("whisper", "canary", "cohere_asr", "moonshine", "moonshine_streaming", "speech_to_text"),
        "openai/whisper-large-v3",
        "its decoder hears through cross-attention and has no audio positions",
    ),
    Refusal(
        ("csm", "dia", "higgs_audio_v2", "moshi", "vibevoice"),
        "sesame/csm-1b",
        "it is made to speak; no question about audio is answered in text",
    ),
)


MODEL_IDS = tuple(family.model_id for family in FAMILIES)
"""The ids that work with the ALAS tasks."""


def load_object(path: str) -> Any:
    """Import ``package.module.Name``."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def checkpoint_of(model_type: str) -> Checkpoint | None:
    """Return what is known of a ``config.model_type`` of transformers, or None."""
    return next((c for family in FAMILIES for c in family.checkpoints if c.model_type == model_type), None)


def adapter_for(model_type: str) -> Any:
    """Return the adapter class for a ``config.model_type`` of transformers: the family's own, else the general one."""
    for family in FAMILIES:
        for checkpoint in family.checkpoints:
            if checkpoint.model_type == model_type:
                return load_object(checkpoint.adapter or family.adapter)
    return load_object(_GENERAL)


def refusal(model_type: str) -> str | None:
    """Return why models of a type cannot be read, or None where nothing is known against them."""
    return next((refused.reason for refused in REFUSED if model_type in refused.model_types), None)
