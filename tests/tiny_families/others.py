"""One family each of other makers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tiny_families.parts import AUDIO, CHATML, TEXT_ONLY, save, text_sizes, tokenizer_with, whisper_extractor


def make_glmasr(folder: Path) -> Path:
    """``zai-org/GLM-ASR-Nano-2512``."""
    import transformers as t

    tokenizer = tokenizer_with(["<|pad|>", "<|begin_of_audio|>", "<|end_of_audio|>"])
    config = t.GlmAsrConfig(
        audio_config={"model_type": "glmasr_encoder", "num_mel_bins": 128, **AUDIO, "intermediate_size": 64},
        text_config=text_sizes(len(tokenizer), "llama"),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|pad|>"),
    )
    template = CHATML.format(system="", audio="<|begin_of_audio|><|pad|><|end_of_audio|>")
    processor = t.GlmAsrProcessor(whisper_extractor(), tokenizer, chat_template=template)
    return save(folder, t.GlmAsrForConditionalGeneration(config), processor)


def make_fun_asr_nano(folder: Path) -> Path:
    """``FunAudioLLM/Fun-ASR-Nano-2512`` as converted for transformers."""
    import transformers as t

    tokenizer = tokenizer_with(["<|object_ref_start|>"])
    small = {"num_attention_heads": 2, "intermediate_size": 32, "num_hidden_layers": 1}
    config = t.FunAsrNanoConfig(
        audio_config={"hidden_size": 16, **small, "num_hidden_layers": 2, "num_timestamp_prediction_layers": 1},
        adaptor_config={"hidden_size": 32, **small, "intermediate_size": 8, "projector_hidden_size": 32},
        text_config=text_sizes(len(tokenizer), "qwen3", head_dim=8),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|object_ref_start|>"),
    )
    template = CHATML.format(system="", audio="<|object_ref_start|>")
    processor = t.FunAsrNanoProcessor(t.FunAsrNanoFeatureExtractor(), tokenizer, chat_template=template)
    return save(folder, t.FunAsrNanoForConditionalGeneration(config), processor)


def make_moss_transcribe_diarize(folder: Path) -> Path:
    """MOSS-Transcribe-Diarize, whose processor writes the time between the positions every 2 s."""
    import transformers as t

    tokenizer = tokenizer_with(["<|audio_pad|>", "<|audio_start|>", "<|audio_end|>"])
    config = t.MossTranscribeDiarizeConfig(
        audio_config={**AUDIO},
        text_config=text_sizes(len(tokenizer), "qwen3", head_dim=8),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio_pad|>"),
    )
    template = CHATML.format(system="", audio="<|audio_start|><|audio_pad|><|audio_end|>")
    extractor = t.MossTranscribeDiarizeFeatureExtractor()
    processor = t.MossTranscribeDiarizeProcessor(extractor, tokenizer, chat_template=template)
    return save(folder, t.MossTranscribeDiarizeForConditionalGeneration(config), processor)


def make_phi4_multimodal(folder: Path) -> Path:
    """``microsoft/Phi-4-multimodal-instruct``."""
    import transformers as t

    named = {"image_token": "<|endoftext10|>", "audio_token": "<|endoftext11|>"}
    tokenizer = tokenizer_with(list(named.values()), named)
    index = tokenizer.convert_tokens_to_ids
    sizes = text_sizes(len(tokenizer))
    del sizes["model_type"]
    config = t.Phi4MultimodalConfig(
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
    tokenizer.chat_template = TEXT_ONLY
    extractors = (t.Phi4MultimodalImageProcessor(), t.Phi4MultimodalFeatureExtractor())
    return save(folder, t.Phi4MultimodalForCausalLM(config), t.Phi4MultimodalProcessor(*extractors, tokenizer))


def make_dots3_note(folder: Path) -> Path:
    """``dots-studio/dots3-note-prev``: some of its layers attend to what an indexer chooses, some to a window."""
    import transformers as t

    tokens = ["<|imgpad|>", "<|video_pad|>", "<|audio_comp_start|>", "<|audio_comp_pad|>", "<|audio_comp_end|>"]
    tokenizer = tokenizer_with(tokens)
    index = tokenizer.convert_tokens_to_ids
    heads = {"kv_lora_rank": 8, "q_lora_rank": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "head_dim": 16}
    config = t.Dots3NoteConfig(
        text_config={
            **text_sizes(len(tokenizer), "dots3_note_text", num_hidden_layers=4),
            **heads,
            **{f"swa_{name}": value for name, value in heads.items()},
            "num_key_value_heads": 4,
            "swa_num_attention_heads": 4,
            "swa_num_key_value_heads": 4,
            "qk_rope_head_dim": 8,
            "moe_intermediate_size": 16,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "shared_experts_intermediate_size": 16,
            "index_topk": 16,
            "index_head_dim": 8,
            "index_n_heads": 2,
            "sliding_window": 16,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "mlp_layer_types": ["dense"],
            "adapter_in_dim": 16,
            "adapter_out_dim": 32,
        },
        audio_config={
            **AUDIO,
            "downsample_hidden_size": 8,
            "adapter_input_size": 16,
            "adapter_out_dim": 32,
        },
        image_token_id=index("<|imgpad|>"),
        video_token_id=index("<|video_pad|>"),
        audio_token_id=index("<|audio_comp_pad|>"),
    )
    processor = t.Dots3NoteProcessor(
        t.Qwen2VLImageProcessor(),
        tokenizer,
        t.Qwen2VLVideoProcessor(),
        t.Dots3NoteFeatureExtractor(),
        chat_template=CHATML.format(system="", audio="<|audio_comp_start|><|audio_comp_pad|><|audio_comp_end|>"),
    )
    return save(folder, t.Dots3NoteForConditionalGeneration(config), processor)


# Inkling's turns hold one kind of content each.
_MESSAGES = (
    "{% for m in messages %}{% set parts = [{'type': 'text', 'text': m['content']}] if m['content'] is string else "
    "m['content'] %}{% for c in parts %}<|message_{{ m['role'] }}|>{% if c['type'] == 'audio' %}"
    "<|content_audio_input|><|unused_200053|><|audio_end|>{% else %}<|content_text|>{{ c['text'] }}{% endif %}"
    "<|end_message|>{% endfor %}{% endfor %}{% if add_generation_prompt %}<|message_model|>{% endif %}"
)


def make_inkling(folder: Path) -> Path:
    """``thinkingmachines/Inkling``: 20 log-mel frames a second, whose values are looked up in an embedding."""
    import transformers as t

    tokens = ["<|unused_200054|>", "<|unused_200053|>", "<|content_image|>", "<|content_audio_input|>"]
    marks = ["<|message_user|>", "<|message_model|>", "<|content_text|>", "<|audio_end|>", "<|end_message|>"]
    tokenizer = tokenizer_with([*tokens, *marks])
    image, audio, image_begins, audio_begins = tokenizer.convert_tokens_to_ids(tokens)
    config = t.InklingConfig(
        text_config={
            **text_sizes(len(tokenizer), "inkling_text", num_hidden_layers=4, head_dim=8),
            "swa_num_attention_heads": 4,
            "swa_num_key_value_heads": 2,
            "swa_head_dim": 8,
            "sliding_window_size": 16,
            "local_layer_ids": [0, 2],
            "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"],
            "d_rel": 4,
            "rel_extent": 32,
            "moe_intermediate_size": 16,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_shared_experts": 1,
            "num_mtp_layers": 1,
        },
        audio_config={"mel_vocab_size": 16},
        vision_config={"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "patch_size": 4},
        image_token_id=image,
        audio_token_id=audio,
        image_bos_token_id=image_begins,
        audio_bos_token_id=audio_begins,
    )
    extractors = (t.InklingFeatureExtractor(), t.InklingImageProcessor())
    processor = t.InklingProcessor(*extractors, tokenizer, chat_template=_MESSAGES)
    return save(folder, t.InklingForConditionalGeneration(config), processor)


def make_muse_spark(folder: Path) -> Path:
    """``meta-models/Muse-Spark-Open-816B-A42B``, which hears 24 kHz."""
    import transformers as t

    tokens = ["<|patch|>", "<|image_start|>", "<|image_end|>", "<|video|>", "<|vid_frame_separator|>"]
    tokens += ["<|vid_start|>", "<|vid_end|>", "<|audio|>", "<|soft_audio_start|>", "<|soft_audio_end|>"]
    tokenizer = tokenizer_with(tokens)
    index = tokenizer.convert_tokens_to_ids
    config = t.MuseSparkConfig(
        text_config={
            **text_sizes(len(tokenizer), "muse_spark_text", num_hidden_layers=4, head_dim=8),
            "sliding_window": 16,
            "moe_intermediate_size": 16,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "moe_hidden_size": 16,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
        },
        vision_config={"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
        audio_config={"hidden_sizes": [4, 4, 8, 8], "depths": [1] * 4, "out_hidden_size": 32, "mlp_ratio": 1.0},
        out_hidden_size=64,
        projector_hidden_size=16,
        image_token_id=index("<|patch|>"),
        video_token_id=index("<|video|>"),
        audio_token_id=index("<|audio|>"),
    )
    processor = t.MuseSparkProcessor(
        t.Qwen2VLImageProcessor(),
        t.Qwen2VLVideoProcessor(),
        tokenizer,
        t.MuseSparkFeatureExtractor(),
        chat_template=CHATML.format(system="", audio="<|audio|>"),
    )
    return save(folder, t.MuseSparkForConditionalGeneration(config), processor)


def make_apertus1p5(folder: Path) -> Path:
    """``swiss-ai/Apertus-v1.5-8B``: 24 kHz audio as 40 codes a second, which are words of its vocabulary."""
    import transformers as t

    named = {f"{name}_token": f"<|{name}|>" for name in ("image", "audio", "boi", "eoi", "eol", "boa", "eoa")}
    named["image_wrapper_token"] = "<|image_wrapper|>"
    tokenizer = tokenizer_with(list(named.values()), named)
    text, images, sounds = len(tokenizer), 16, 64
    config = t.Apertus1p5Config(
        text_config=text_sizes(text + images + sounds, "apertus1p5_text", output_vocab_size=text),
        vision_config={
            "codebook_size": images,
            "embed_dim": 8,
            "latent_channels": 8,
            "base_channels": 32,
            "channel_multiplier": [1, 1],
            "num_res_blocks": 1,
            "attn_resolutions": [],
        },
        audio_config={
            "model_type": "wavtokenizer_encoder",
            "num_filters": 4,
            "hidden_size": 16,
            "codebook_size": sounds,
            "codebook_dim": 16,
            "num_lstm_layers": 1,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<|image|>"),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio|>"),
        image_token_offset=text,
        audio_token_offset=text + images,
    )
    model = t.Apertus1p5ForConditionalGeneration(config)
    template = CHATML.format(system="", audio="<|audio|>")
    parts = (t.Apertus1p5ImageProcessor(), t.WavTokenizerFeatureExtractor(), tokenizer)
    processor = t.Apertus1p5Processor(*parts, chat_template=template)
    save(folder, model, processor)
    spread_codes(model)
    model.save_pretrained(folder)
    return folder


def spread_codes(model: Any) -> None:
    """Put the codes where the encoder's outputs are; a random encoder's are so near to each other that all get one."""
    audio = model.model.audio_tokenizer
    with torch.no_grad():
        noise = torch.randn(1, 1, 600 * 64, generator=torch.Generator().manual_seed(0)) / 10
        audio.quantizer.codebook.embed.copy_(audio.encoder(noise)[0].T)


# As published; what a user says is no part of it.
_TRANSCRIBE = (
    "{% for m in messages if m['role'] == 'user' %}{% for c in m['content'] if c['type'] == 'audio' %}<extra_id_1>"
    "{% endfor %}<extra_id_0><|lang:auto|><s>{% endfor %}"
)


def make_omniasr(folder: Path) -> Path:
    """``hf-audio/omniasr-llm-300m-v2``."""
    import transformers as t

    tokenizer = tokenizer_with(["<extra_id_0>", "<extra_id_1>", "<|lang:auto|>", "<s>"])
    config = t.OmniASRConfig(
        audio_config={
            "model_type": "omniasr_audio",
            **AUDIO,
            "conv_dim": [8] * 7,
            "num_conv_pos_embeddings": 16,
            "num_conv_pos_embedding_groups": 2,
        },
        text_config=text_sizes(len(tokenizer), "llama"),
        audio_token_id=tokenizer.convert_tokens_to_ids("<extra_id_1>"),
    )
    processor = t.OmniASRProcessor(t.OmniASRFeatureExtractor(), tokenizer, chat_template=_TRANSCRIBE)
    return save(folder, t.OmniASRForConditionalGeneration(config), processor)
