"""A real-size Qwen2-Audio from real parts: Whisper base's encoder, SmolLM2-135M-Instruct and a projector.

    python tools/real_parts/speech_llm.py OUTPUT [--adapter FILE]

writes a folder that ``lmms-eval --model qwen2_audio`` loads. Without an adapter the projector is the ridge connector
and nothing is trained. Qwen2-Audio, although its 25 positions a second cost more than the 12.5 of other families: it is
the family of the paper, and its projector is one linear map, so that a closed form can start it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from connectors import Linear, fit_ridge
from convert import language_model, whisper_checkpoint
from features import encoder_config, encoder_state, extractor, load_shard
from parts import default_work, write_once
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
)

AUDIO_TOKENS = ("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")
Heard = np.ndarray | torch.Tensor
"""What the encoder hears of an utterance, shape (positions, D)."""
RANK = 16
START_SHARDS = (
    *(("joe", i) for i in range(6)),
    ("heart", 22),
    ("heart-low", 28),
    ("heart-middle", 34),
    ("heart-high", 40),
    ("espeak-gb-m3", 46),
    ("joe-high", 54),
)
"""Speech that the ridge start is fitted to, some 1,050 sentences."""
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'audio' or 'audio' in content or 'audio_url' in content %}"
    "<|audio_bos|><|AUDIO|><|audio_eos|>\n"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""SmolLM2's turns without a system prompt, which would cost as much time in training as a second of speech."""


def audio_prompt(positions: int, instruction: str) -> str:
    """Return what the template makes of a user's turn with so many audio positions and an instruction."""
    audio, begin, end = AUDIO_TOKENS
    return user_prompt(f"{begin}{audio * positions}{end}\n{instruction}")


def user_prompt(content: str) -> str:
    """Return what the template makes of a user's turn."""
    return f"<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n"


def hear(model: Qwen2AudioForConditionalGeneration, ids: torch.Tensor, features: Sequence[Heard]) -> torch.Tensor:
    """Return what enters the language model: the tokens' embeddings, and what is heard at the audio tokens.

    Args:
        model: with its projector.
        ids: tokens, shape (B, T).
        features: what the encoder hears of each row, in the order of the audio tokens, each (positions, D).
    """
    embedded: torch.Tensor = model.get_input_embeddings()(ids)
    if not features:
        return embedded
    heard = model.model.multi_modal_projector(torch.cat([torch.as_tensor(f).to(embedded) for f in features]))
    return embedded.masked_scatter((ids == model.config.audio_token_id)[..., None], heard.to(embedded.dtype))


def make_processor(work: Path) -> Qwen2AudioProcessor:
    """Return Qwen2-Audio's processor with Whisper base's features and SmolLM2's tokens."""
    tokenizer = AutoTokenizer.from_pretrained(language_model("smollm2", work))
    tokenizer.add_special_tokens({"additional_special_tokens": list(AUDIO_TOKENS)})
    return Qwen2AudioProcessor(feature_extractor=extractor(), tokenizer=tokenizer, chat_template=TEMPLATE)


def make_model(work: Path, tokenizer: PreTrainedTokenizerBase) -> Qwen2AudioForConditionalGeneration:
    """Return the model with its projector still random; float32.

    Raises:
        RuntimeError: If a tensor of a part finds no place, or a place no tensor.
    """
    whisper = torch.load(whisper_checkpoint(work), weights_only=True)
    llm = AutoModelForCausalLM.from_pretrained(language_model("smollm2", work), dtype=torch.float32)
    llm.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    embeddings = llm.get_input_embeddings().weight.data
    embeddings[-len(AUDIO_TOKENS) :] = embeddings[: -len(AUDIO_TOKENS)].mean(0)
    config = Qwen2AudioConfig(
        audio_config=encoder_config(whisper["dims"]).to_dict(),
        text_config=llm.config.to_dict(),
        audio_token_index=tokenizer.convert_tokens_to_ids(AUDIO_TOKENS[0]),
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = Qwen2AudioForConditionalGeneration(config)
    model.model.audio_tower.load_state_dict(encoder_state(whisper["model_state_dict"]))
    model.model.language_model.load_state_dict(llm.model.state_dict())
    model.lm_head.load_state_dict({"weight": embeddings.clone()})
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = tokenizer.eos_token_id
    model.generation_config.max_new_tokens = 48
    return model.eval().requires_grad_(requires_grad=False)


def ridge_start(work: Path, tokenizer: PreTrainedTokenizerBase, model: Qwen2AudioForConditionalGeneration) -> Linear:
    """Return the ridge connector that training starts from; it is fitted once and kept."""
    file = work / "models/ridge-start.npz"
    if not file.exists():
        pairs = [pair for voice, number in START_SHARDS for pair in load_shard(work, voice, "train", number)]
        embeddings = model.get_input_embeddings().weight[: -len(AUDIO_TOKENS)].numpy()
        ridge = fit_ridge(pairs, tokenizer, embeddings)
        write_once(file, weight=ridge.weight, bias=ridge.bias)
    with np.load(file) as data:
        return Linear(data["weight"], data["bias"])


def set_projector(model: Qwen2AudioForConditionalGeneration, connector: Linear) -> None:
    """Let the projector do what a connector does."""
    state = {"weight": torch.from_numpy(connector.weight.T.copy()), "bias": torch.from_numpy(connector.bias)}
    model.model.multi_modal_projector.linear.load_state_dict(state)


def with_lora(model: Qwen2AudioForConditionalGeneration) -> PeftModel:
    """Return the model with low-rank matrices on all projections of its language model, and its projector trainable."""
    names = r".*language_model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj"
    lora = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=names)
    adapted = get_peft_model(model, lora)
    model.model.multi_modal_projector.requires_grad_(requires_grad=True)
    model.model.multi_modal_projector.float()
    return adapted


def trained_tensors(adapted: PeftModel) -> dict[str, torch.nn.Parameter]:
    """Return what is trained, by name: LoRA's matrices and the projector."""
    return {name: parameter for name, parameter in adapted.named_parameters() if parameter.requires_grad}


def save_adapter(adapted: PeftModel, file: Path) -> None:
    """Write what is trained, in float16, some 10 MB."""
    file.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: p.detach().to(torch.float16).contiguous() for name, p in trained_tensors(adapted).items()}
    half = file.with_suffix(".new")
    save_file(tensors, half)
    half.replace(file)


def load_adapter(model: Qwen2AudioForConditionalGeneration, file: Path) -> Qwen2AudioForConditionalGeneration:
    """Return the model with a saved adapter merged into its weights.

    Raises:
        ValueError: If the file's tensors are not those of the model.
    """
    adapted = with_lora(model)
    place_tensors(trained_tensors(adapted), load_file(file))
    merged: Qwen2AudioForConditionalGeneration = adapted.merge_and_unload()
    return merged.eval().requires_grad_(requires_grad=False)


def place_tensors(parameters: Mapping[str, torch.nn.Parameter], tensors: Mapping[str, torch.Tensor]) -> None:
    """Copy tensors into the parameters of the same names."""
    if set(parameters) != set(tensors):
        raise ValueError(f"the file's tensors are not the model's: {sorted(set(parameters) ^ set(tensors))[:3]} ...")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])


def save(model: Qwen2AudioForConditionalGeneration, processor: Qwen2AudioProcessor, folder: Path) -> None:
    """Write the folder that the harness loads, in float16."""
    weights = {name: tensor.to(torch.float16) for name, tensor in model.state_dict().items()}
    model.config.dtype = "float32"
    model.save_pretrained(folder, state_dict=weights)
    processor.save_pretrained(folder)


def main() -> None:
    """Write the folder of a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--adapter", type=Path, help="what training left; without it the ridge connector, untrained")
    parser.add_argument("--work", type=Path, default=default_work())
    arguments = parser.parse_args()
    processor = make_processor(arguments.work)
    model = make_model(arguments.work, processor.tokenizer)
    if arguments.adapter:
        model = load_adapter(model, arguments.adapter)
    else:
        set_projector(model, ridge_start(arguments.work, processor.tokenizer, model))
    save(model, processor, arguments.output)


if __name__ == "__main__":
    main()
