"""Tiny random checkpoints of many families, with the real configuration, processor and tokenizer classes.

Sizes are small; frame rates, windows and token names are the published ones. Chat templates are the published ones as
far as prompts of text and audio reach them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tiny_speech_llm import train_bpe
from transformers import PreTrainedModel, Qwen2TokenizerFast, WhisperFeatureExtractor

_CHATML = (
    "{{% for m in messages %}}{{% if loop.first and m['role'] != 'system' %}}{system}{{% endif %}}"
    "<|im_start|>{{{{ m['role'] }}}}\n{{% if m['content'] is string %}}{{{{ m['content'] }}}}{{% else %}}"
    "{{% for c in m['content'] %}}{{% if c['type'] == 'audio' %}}{audio}"
    "{{% elif 'text' in c %}}{{{{ c['text'] }}}}{{% endif %}}{{% endfor %}}{{% endif %}}<|im_end|>\n{{% endfor %}}"
    "{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
)
_HELPFUL = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
# Audio Flamingo 3 puts one placeholder first, wherever the audio stands in the turn.
_FLAMINGO = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for m in messages if m['content'] is not none %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}"
    "{{ m['content'] }}{% else %}{% set audio = namespace(found=False) %}{% set text_buf = namespace(v='') %}"
    "{% for c in m['content'] %}{% if c.get('type') == 'audio' or 'audio' in c %}{% set audio.found = True %}"
    "{% elif c.get('type') == 'text' or 'text' in c %}{% set text_buf.v = text_buf.v + c['text'] %}{% endif %}"
    "{% endfor %}{% if audio.found %}{{ '<sound>' }}{% endif %}{{ text_buf.v }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_ENCODER = {"encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "d_model": 16}


def text_sizes(vocab_size: int, model_type: str = "qwen2", **more: Any) -> dict[str, Any]:
    """Sizes of a small language model of three layers."""
    return {
        "model_type": model_type,
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        **more,
    }


def tokenizer_with(specials: list[str], named: dict[str, str] | None = None) -> Qwen2TokenizerFast:
    """A byte-level tokenizer with a family's special tokens, some of them known by name."""
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *specials]
    return Qwen2TokenizerFast(
        tokenizer_object=train_bpe(specials),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=named or specials[3:],
    )


def save(folder: Path, model: PreTrainedModel, processor: Any, seed: int = 0) -> Path:
    """Save a checkpoint with random weights that are large enough for layers to differ."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.2)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def whisper_extractor(**more: Any) -> WhisperFeatureExtractor:
    """The feature extractor of most families."""
    return WhisperFeatureExtractor(feature_size=128, return_attention_mask=True, **more)


def make_audio_flamingo_3(folder: Path) -> Path:
    """``nvidia/audio-flamingo-3-hf``."""
    from transformers import AudioFlamingo3Config, AudioFlamingo3ForConditionalGeneration, AudioFlamingo3Processor

    tokenizer = tokenizer_with(["<sound>"])
    audio = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = AudioFlamingo3Config(
        audio_config={"model_type": "audioflamingo3_encoder", "num_mel_bins": 128, **audio},
        text_config=text_sizes(len(tokenizer)),
        audio_token_id=tokenizer.convert_tokens_to_ids("<sound>"),
    )
    processor = AudioFlamingo3Processor(whisper_extractor(), tokenizer, chat_template=_FLAMINGO)
    return save(folder, AudioFlamingo3ForConditionalGeneration(config), processor)


_OMNI_VISION = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32}


def make_qwen2_5_omni(folder: Path, chunk_length: int = 40) -> Path:
    """``Qwen/Qwen2.5-Omni-7B``, without what speaks but for the file of its voices.

    Its feature extractor pads all audio to 300 s; the window is smaller here, for time's sake.
    """
    from transformers import (
        Qwen2_5OmniConfig,
        Qwen2_5OmniForConditionalGeneration,
        Qwen2_5OmniProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    named = {
        "image_token": "<|IMAGE|>",
        "audio_token": "<|AUDIO|>",
        "video_token": "<|VIDEO|>",
        "vision_bos_token": "<|vision_bos|>",
        "vision_eos_token": "<|vision_eos|>",
        "audio_bos_token": "<|audio_bos|>",
        "audio_eos_token": "<|audio_eos|>",
    }
    tokenizer = tokenizer_with(list(named.values()), named)
    index = tokenizer.convert_tokens_to_ids
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e6}
    config = Qwen2_5OmniConfig(
        thinker_config={
            "audio_config": {**_ENCODER, "output_dim": 32},
            "vision_config": {**_OMNI_VISION, "fullatt_block_indexes": [0]},
            "text_config": text_sizes(
                len(tokenizer), "qwen2_5_omni_text", rope_parameters=rope, tie_word_embeddings=False
            ),
            "audio_token_index": index("<|AUDIO|>"),
            "image_token_index": index("<|IMAGE|>"),
            "video_token_index": index("<|VIDEO|>"),
            "audio_start_token_id": index("<|audio_bos|>"),
            "audio_end_token_id": index("<|audio_eos|>"),
            "vision_start_token_id": index("<|vision_bos|>"),
        },
        enable_audio_output=False,
    )
    processor = Qwen2_5OmniProcessor(
        Qwen2VLImageProcessor(),
        Qwen2VLVideoProcessor(),
        whisper_extractor(chunk_length=chunk_length),
        tokenizer,
        chat_template=_CHATML.format(system=_HELPFUL, audio="<|audio_bos|><|AUDIO|><|audio_eos|>"),
    )
    torch.save({"Chelsie": {}}, folder / "spk_dict.pt")
    return save(folder, Qwen2_5OmniForConditionalGeneration(config), processor)


def make_qwen3_omni(folder: Path) -> Path:
    """``Qwen/Qwen3-Omni-30B-A3B-Instruct``, without what speaks."""
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
        Qwen3OmniMoeConfig,
        Qwen3OmniMoeForConditionalGeneration,
        Qwen3OmniMoeProcessor,
    )

    named = {
        "image_token": "<|image_pad|>",
        "audio_token": "<|audio_pad|>",
        "video_token": "<|video_pad|>",
        "vision_bos_token": "<|vision_start|>",
        "vision_eos_token": "<|vision_end|>",
        "audio_bos_token": "<|audio_start|>",
        "audio_eos_token": "<|audio_end|>",
    }
    tokenizer = tokenizer_with(list(named.values()), named)
    index = tokenizer.convert_tokens_to_ids
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "mrope_interleaved": True, "rope_theta": 1e6}
    config = Qwen3OmniMoeConfig(
        thinker_config={
            "audio_config": {**_ENCODER, "output_dim": 32, "downsample_hidden_size": 8},
            "vision_config": {**_OMNI_VISION, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]},
            "text_config": text_sizes(len(tokenizer), "qwen3_omni_moe_text", rope_parameters=rope, **experts),
            "audio_token_id": index("<|audio_pad|>"),
            "image_token_id": index("<|image_pad|>"),
            "video_token_id": index("<|video_pad|>"),
            "audio_start_token_id": index("<|audio_start|>"),
            "vision_start_token_id": index("<|vision_start|>"),
        },
        enable_audio_output=False,
    )
    processor = Qwen3OmniMoeProcessor(
        Qwen2VLImageProcessor(),
        Qwen2VLVideoProcessor(),
        whisper_extractor(),
        tokenizer,
        chat_template=_CHATML.format(system="", audio="<|audio_start|><|audio_pad|><|audio_end|>"),
    )
    return save(folder, Qwen3OmniMoeForConditionalGeneration(config), processor)


def make_music_flamingo(folder: Path) -> Path:
    """``nvidia/music-flamingo-hf``."""
    from transformers import MusicFlamingoConfig, MusicFlamingoForConditionalGeneration, MusicFlamingoProcessor

    tokenizer = tokenizer_with(["<sound>", "<|sound_bos|>", "<|sound_eos|>"])
    audio = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    index = tokenizer.convert_tokens_to_ids
    config = MusicFlamingoConfig(
        audio_config={"model_type": "audioflamingo3_encoder", "num_mel_bins": 128, **audio},
        text_config=text_sizes(len(tokenizer)),
        audio_token_id=index("<sound>"),
        audio_bos_token_id=index("<|sound_bos|>"),
        audio_eos_token_id=index("<|sound_eos|>"),
    )
    processor = MusicFlamingoProcessor(whisper_extractor(), tokenizer, chat_template=_FLAMINGO)
    return save(folder, MusicFlamingoForConditionalGeneration(config), processor)


def make_glmasr(folder: Path) -> Path:
    """``zai-org/GLM-ASR-Nano-2512``."""
    from transformers import GlmAsrConfig, GlmAsrForConditionalGeneration, GlmAsrProcessor

    tokenizer = tokenizer_with(["<|pad|>", "<|begin_of_audio|>", "<|end_of_audio|>"])
    audio = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = GlmAsrConfig(
        audio_config={"model_type": "glmasr_encoder", "num_mel_bins": 128, **audio},
        text_config=text_sizes(len(tokenizer), "llama"),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|pad|>"),
    )
    template = _CHATML.format(system="", audio="<|begin_of_audio|><|pad|><|end_of_audio|>")
    processor = GlmAsrProcessor(whisper_extractor(), tokenizer, chat_template=template)
    return save(folder, GlmAsrForConditionalGeneration(config), processor)


def make_qwen3_asr(folder: Path) -> Path:
    """``Qwen/Qwen3-ASR-1.7B`` as converted for transformers."""
    from transformers import (
        Qwen3ASRConfig,
        Qwen3ASRFeatureExtractor,
        Qwen3ASRForConditionalGeneration,
        Qwen3ASRProcessor,
    )

    named = {"audio_token": "<|audio_pad|>", "audio_bos_token": "<|audio_start|>", "audio_eos_token": "<|audio_end|>"}
    tokenizer = tokenizer_with(list(named.values()), named)
    config = Qwen3ASRConfig(
        audio_config={**_ENCODER, "output_dim": 32, "downsample_hidden_size": 8},
        text_config=text_sizes(len(tokenizer), "qwen3", head_dim=8),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio_pad|>"),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    template = _CHATML.format(system="", audio="<|audio_start|><|audio_pad|><|audio_end|>")
    processor = Qwen3ASRProcessor(Qwen3ASRFeatureExtractor(), tokenizer, chat_template=template)
    return save(folder, Qwen3ASRForConditionalGeneration(config), processor)


def make_fun_asr_nano(folder: Path) -> Path:
    """``FunAudioLLM/Fun-ASR-Nano-2512`` as converted for transformers."""
    from transformers import (
        FunAsrNanoConfig,
        FunAsrNanoFeatureExtractor,
        FunAsrNanoForConditionalGeneration,
        FunAsrNanoProcessor,
    )

    tokenizer = tokenizer_with(["<|object_ref_start|>"])
    small = {"num_attention_heads": 2, "intermediate_size": 32, "num_hidden_layers": 1}
    config = FunAsrNanoConfig(
        audio_config={"hidden_size": 16, **small, "num_hidden_layers": 2, "num_timestamp_prediction_layers": 1},
        adaptor_config={"hidden_size": 32, **small, "intermediate_size": 8, "projector_hidden_size": 32},
        text_config=text_sizes(len(tokenizer), "qwen3", head_dim=8),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|object_ref_start|>"),
    )
    template = _CHATML.format(system="", audio="<|object_ref_start|>")
    processor = FunAsrNanoProcessor(FunAsrNanoFeatureExtractor(), tokenizer, chat_template=template)
    return save(folder, FunAsrNanoForConditionalGeneration(config), processor)


def make_moss_transcribe_diarize(folder: Path) -> Path:
    """MOSS-Transcribe-Diarize, whose processor writes the time between the positions every 2 s."""
    import transformers

    tokenizer = tokenizer_with(["<|audio_pad|>", "<|audio_start|>", "<|audio_end|>"])
    audio = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.MossTranscribeDiarizeConfig(
        audio_config=audio,
        text_config=text_sizes(len(tokenizer), "qwen3", head_dim=8),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio_pad|>"),
    )
    template = _CHATML.format(system="", audio="<|audio_start|><|audio_pad|><|audio_end|>")
    extractor = transformers.MossTranscribeDiarizeFeatureExtractor()
    processor = transformers.MossTranscribeDiarizeProcessor(extractor, tokenizer, chat_template=template)
    return save(folder, transformers.MossTranscribeDiarizeForConditionalGeneration(config), processor)


# Granite's template takes the turn's content as one text.
_TEXT_ONLY = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_granite_speech(folder: Path) -> Path:
    """``ibm-granite/granite-speech-3.3-8b``; its feature extractor needs torchaudio."""
    from transformers import (
        GraniteSpeechConfig,
        GraniteSpeechFeatureExtractor,
        GraniteSpeechForConditionalGeneration,
        GraniteSpeechProcessor,
    )

    tokenizer = tokenizer_with(["<|audio|>"])
    config = GraniteSpeechConfig(
        encoder_config={"hidden_dim": 16, "num_layers": 2, "num_heads": 2, "dim_head": 8, "output_dim": 8},
        projector_config={
            "model_type": "blip_2_qformer",
            "hidden_size": 16,
            "encoder_hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "cross_attention_frequency": 1,
        },
        text_config=text_sizes(len(tokenizer), "granite"),
        audio_token_index=tokenizer.convert_tokens_to_ids("<|audio|>"),
        has_lora_adapter=False,
    )
    processor = GraniteSpeechProcessor(GraniteSpeechFeatureExtractor(), tokenizer, chat_template=_TEXT_ONLY)
    return save(folder, GraniteSpeechForConditionalGeneration(config), processor)


def make_phi4_multimodal(folder: Path) -> Path:
    """``microsoft/Phi-4-multimodal-instruct``."""
    from transformers import (
        Phi4MultimodalConfig,
        Phi4MultimodalFeatureExtractor,
        Phi4MultimodalForCausalLM,
        Phi4MultimodalImageProcessor,
        Phi4MultimodalProcessor,
    )

    named = {"image_token": "<|endoftext10|>", "audio_token": "<|endoftext11|>"}
    tokenizer = tokenizer_with(list(named.values()), named)
    index = tokenizer.convert_tokens_to_ids
    sizes = text_sizes(len(tokenizer))
    del sizes["model_type"]
    config = Phi4MultimodalConfig(
        **sizes,
        audio_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_blocks": 2,
            "num_attention_heads": 2,
            "ext_pw_out_channel": 16,
            "depthwise_separable_out_channel": 16,
            "nemo_conv_channels": 16,
            "audio_token_id": index("<|endoftext11|>"),
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_token_id": index("<|endoftext10|>"),
        },
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    tokenizer.chat_template = _TEXT_ONLY
    processor = Phi4MultimodalProcessor(Phi4MultimodalImageProcessor(), Phi4MultimodalFeatureExtractor(), tokenizer)
    return save(folder, Phi4MultimodalForCausalLM(config), processor)


_GEMMA_NAMED = {
    "image_token": "<image_soft_token>",
    "audio_token": "<audio_soft_token>",
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
    "boa_token": "<start_of_audio>",
    "eoa_token": "<end_of_audio>",
}


def _gemma_ids(tokenizer: Qwen2TokenizerFast) -> dict[str, int]:
    return {f"{name}_id": tokenizer.convert_tokens_to_ids(token) for name, token in _GEMMA_NAMED.items()}


def make_gemma3n(folder: Path) -> Path:
    """``google/gemma-3n-E2B-it``."""
    from transformers import (
        Gemma3nAudioFeatureExtractor,
        Gemma3nConfig,
        Gemma3nForConditionalGeneration,
        Gemma3nProcessor,
        SiglipImageProcessor,
    )

    tokenizer = tokenizer_with(list(_GEMMA_NAMED.values()), _GEMMA_NAMED)
    size = len(tokenizer)
    sizes = text_sizes(size, "gemma3n_text", head_dim=8, num_hidden_layers=4)
    config = Gemma3nConfig(
        text_config={
            **sizes,
            "vocab_size": size + 256,
            "vocab_size_per_layer_input": size,
            "hidden_size_per_layer_input": 8,
            "num_kv_shared_layers": 2,
            "laurel_rank": 4,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "activation_sparsity_pattern": [0.0] * 4,
        },
        audio_config={
            "hidden_size": 16,
            "conf_num_attention_heads": 2,
            "conf_num_hidden_layers": 1,
            "sscp_conv_channel_size": (8, 4),
            "vocab_offset": size + 128,
        },
        vision_config={"hidden_size": 16, "vocab_offset": size, "architecture": "mobilenetv3_small_050"},
        **_gemma_ids(tokenizer),
    )
    template = _CHATML.format(system="", audio="<audio_soft_token>")
    parts = (Gemma3nAudioFeatureExtractor(), SiglipImageProcessor(), tokenizer)
    return save(folder, Gemma3nForConditionalGeneration(config), Gemma3nProcessor(*parts, chat_template=template))


def make_gemma4(folder: Path) -> Path:
    """``google/gemma-4-E2B-it``."""
    from transformers import (
        Gemma4AudioFeatureExtractor,
        Gemma4Config,
        Gemma4ForConditionalGeneration,
        Gemma4ImageProcessor,
        Gemma4Processor,
        Gemma4VideoProcessor,
    )

    named = {**_GEMMA_NAMED, "video_token": "<video>"}
    tokenizer = tokenizer_with(list(named.values()), named)
    size = len(tokenizer)
    sizes = text_sizes(size, "gemma4_text", head_dim=8, num_hidden_layers=4, global_head_dim=8)
    config = Gemma4Config(
        text_config={
            **sizes,
            "vocab_size_per_layer_input": size,
            "hidden_size_per_layer_input": 8,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
        },
        audio_config={
            "hidden_size": 16,
            "num_attention_heads": 2,
            "num_hidden_layers": 1,
            "subsampling_conv_channels": (128, 4),
            "output_proj_dims": 24,
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 8,
        },
        **_gemma_ids(tokenizer),
        video_token_id=tokenizer.convert_tokens_to_ids("<video>"),
    )
    template = _CHATML.format(system="", audio="<audio_soft_token>")
    parts = (Gemma4AudioFeatureExtractor(), Gemma4ImageProcessor(), tokenizer, Gemma4VideoProcessor())
    return save(folder, Gemma4ForConditionalGeneration(config), Gemma4Processor(*parts, chat_template=template))


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
    audio = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = VoxtralConfig(
        audio_config={"model_type": "voxtral_encoder", "num_mel_bins": 128, **audio},
        text_config=text_sizes(len(tokenizer), "llama", head_dim=8),
        audio_token_id=24,
    )
    return save(folder, VoxtralForConditionalGeneration(config), VoxtralProcessor(whisper_extractor(), tokenizer))


MAKERS: dict[str, Callable[[Path], Path]] = {
    "audio_flamingo_3": make_audio_flamingo_3,
    "qwen2_5_omni": make_qwen2_5_omni,
    "qwen3_omni": make_qwen3_omni,
    "musicflamingo": make_music_flamingo,
    "glmasr": make_glmasr,
    "qwen3_asr": make_qwen3_asr,
    "fun_asr_nano": make_fun_asr_nano,
    "moss_transcribe_diarize": make_moss_transcribe_diarize,
    "granite_speech": make_granite_speech,
    "phi4_multimodal": make_phi4_multimodal,
    "gemma3n": make_gemma3n,
    "gemma4": make_gemma4,
    "voxtral": make_voxtral,
}

NEEDS = {"granite_speech": "torchaudio", "fun_asr_nano": "torchaudio", "voxtral": "mistral_common"}
"""Packages beyond those of the tests."""
