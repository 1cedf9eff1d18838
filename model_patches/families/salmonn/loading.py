"""The published files, each named by a model argument, to a model.

    pretrained  salmonn_7b_v0.pth or salmonn_v1.pth: Q-Former, norms, projection and LoRA
    beats       BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt
    llama       Vicuna: 7B v1.5 for salmonn_7b_v0.pth, 13B v1.1 for salmonn_v1.pth
    whisper     whisper-large-v2

The two ``.pth`` and ``.pt`` files are pickles; they are read with ``weights_only=True``, so that no code in them runs.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from loguru import logger
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    Blip2QFormerConfig,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    WhisperFeatureExtractor,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from alas_metric.errors import UnobtainableError
from model_patches.families.salmonn.beats import Beats
from model_patches.families.salmonn.model import WINDOW, Parts, SalmonnModel
from model_patches.families.salmonn.processor import SalmonnProcessor

PRETRAINED = "tsinghua-ee/SALMONN-7B/salmonn_7b_v0.pth"
LLAMA = "lmsys/vicuna-7b-v1.5"
WHISPER = "openai/whisper-large-v2"

_SOURCES = {
    "pretrained": (
        "salmonn_7b_v0.pth from https://huggingface.co/tsinghua-ee/SALMONN-7B, or salmonn_v1.pth (13B) from "
        "https://huggingface.co/tsinghua-ee/SALMONN"
    ),
    "beats": (
        "'Fine-tuned BEATs_iter3+ (AS2M) (cpt2)', BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt, from "
        "https://github.com/microsoft/unilm/tree/master/beats"
    ),
    "llama": f"{LLAMA} (for salmonn_7b_v0.pth) or lmsys/vicuna-13b-v1.1 (for salmonn_v1.pth) from huggingface.co",
    "whisper": f"{WHISPER} from huggingface.co",
    "qformer": "leave it out: the published checkpoints have the sizes of bert-base-uncased, which are built in",
}
"""What each argument should name, for error messages."""

_LORA_ALPHA = 32  # decode_config.yaml of the original; its README names 28 for 8-bit models only
_LLAMA_PREFIX = "llama_model.base_model.model."  # as peft wraps a causal language model
_QFORMER_PREFIX = "speech_Qformer.bert."

# Leftovers of the original's way of saving. The frequencies are rounded to float16 and must not be used.
_LEFTOVERS = re.compile(
    r".*\.rotary_emb\.inv_freq|speech_Qformer\.bert\.embeddings\.position_ids|beats\..*\.relative_attention_bias\.weight"
)


@dataclass(frozen=True)
class Files:
    """Where the weights are, each a path or a hub id.

    Args:
        pretrained: SALMONN's own file; on the hub, ``owner/name/file``.
        beats: the BEATs file, likewise.
        llama: folder or hub id of the language model.
        whisper: folder or hub id of Whisper.
        qformer: folder or hub id whose ``config.json`` gives the Q-Former's sizes; None: bert-base-uncased's.
    """

    pretrained: str = PRETRAINED
    beats: str | None = None
    llama: str = LLAMA
    whisper: str = WHISPER
    qformer: str | None = None


def load(
    files: Files,
    *,
    dtype: str = "auto",
    device_map: Any = "cpu",
    attn_implementation: str | None = None,
    lora_alpha: int | None = None,
) -> tuple[SalmonnModel, SalmonnProcessor]:
    """Load SALMONN.

    Args:
        files: the published files.
        dtype: of the language model; ``auto`` is float16 for Vicuna. All else is float32.
        device_map: where the language model goes; all else goes where its embeddings are.
        attn_implementation: of the language model.
        lora_alpha: LoRA's scaling times its rank; default: what the checkpoint's configuration says, else 32.

    Raises:
        FatalError: naming the argument whose file is missing or not what it should be, and where to get it.
    """
    # The quick ones first: nobody should wait for 13 GB to learn of a misspelt path.
    checkpoint = _read_pickle("pretrained", files.pretrained, ["model"])
    beats = _load_beats(files.beats)
    weights = _weights(checkpoint)
    qformer = _qformer_config(files.qformer)
    settings = _settings(checkpoint)
    whisper, extractor = _load_whisper(files.whisper)
    qformer.encoder_hidden_size = whisper.config.d_model + beats.config.encoder_embed_dim
    qformer.num_hidden_layers = 1 + max(_layer_numbers(weights))
    with _fatal("llama"):
        tokenizer = load_tokenizer(files.llama)
        llama = AutoModelForCausalLM.from_pretrained(
            files.llama,
            dtype=dtype,
            device_map=device_map,
            attn_implementation=attn_implementation,
            trust_remote_code=False,
        )
    _add_lora(llama, weights, lora_alpha or settings.get("lora_alpha", _LORA_ALPHA))
    # Vicuna's file asks for sampling settings, which the original overrides.
    llama.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id
    )
    with _fatal("pretrained"):
        model = SalmonnModel(Parts(whisper, beats, llama, qformer))
        _fill(model, weights)
    # The language model may be spread over devices; the rest stands where its inputs are.
    for name, part in model.named_children():
        if name != "llama_model":
            part.to(model.device)
    model.speech_query_tokens.data = model.speech_query_tokens.data.to(model.device)
    return model.eval(), SalmonnProcessor(extractor, tokenizer, model.config.audio_token_id)


@contextmanager
def _fatal(argument: str) -> Iterator[None]:
    """Turn whatever loading raises into an error that names the model argument and where to get its file."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, EOFError) as error:
        raise UnobtainableError(f"{argument}=: {_brief(error)}. Expected: {_SOURCES[argument]}.") from error


def _brief(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


# SALMONN's own file.


def find_file(argument: str, value: str | None) -> Path:
    """Return the local path of a file given by path or, on the hub, as ``owner/name/file``.

    Raises:
        UnobtainableError: If it is nowhere.
    """
    if not value:
        raise UnobtainableError(f"the model argument {argument}= is missing. Expected: {_SOURCES[argument]}.")
    path = Path(value).expanduser()
    if path.is_file():
        return path
    owner, _, rest = value.partition("/")
    name, _, file = rest.partition("/")
    if path.is_absolute() or not (owner and name and file):
        raise UnobtainableError(f"{argument}={value}: there is no such file. Expected: {_SOURCES[argument]}.")
    from huggingface_hub import hf_hub_download

    with _fatal(argument):
        try:
            return Path(hf_hub_download(f"{owner}/{name}", file))
        except Exception as error:
            raise OSError(f"{value} is no file here, and could not be had from the hub ({_brief(error)})") from error


def _read_pickle(argument: str, value: str | None, keys: Sequence[str]) -> Mapping[str, Any]:
    """Read a checkpoint without running any code that may be in it."""
    path = find_file(argument, value)
    with _fatal(argument):
        try:
            content: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            # torch's own message advises to switch the safe reading off.
            raise ValueError(f"{path} is no checkpoint, or holds more than weights and settings") from error
        for key in keys:
            if not isinstance(content, Mapping) or not isinstance(content.get(key), Mapping):
                raise ValueError(f"{path} holds no {key!r}")
    return content


def _weights(checkpoint: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights without leftovers.

    Raises:
        FatalError: If there is no Q-Former among them.
    """
    weights = {name: value for name, value in checkpoint["model"].items() if not _LEFTOVERS.fullmatch(name)}
    with _fatal("pretrained"):
        if "speech_query_tokens" not in weights or not list(_layer_numbers(weights)):
            raise ValueError(f"no window-level Q-Former among its weights, which are {sorted(weights)[:5]} ...")
    return weights


def _settings(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the model's part of the configuration that the original saves with the weights.

    Raises:
        FatalError: If it was trained with other windows than those built here.
    """
    config = checkpoint.get("config")
    settings = config.get("model", {}) if isinstance(config, Mapping) else {}
    with _fatal("pretrained"):
        for name in ("second_per_window", "second_stride"):
            seconds = settings.get(name)
            if seconds is not None and round(50 * seconds) != WINDOW:
                raise ValueError(f"its {name} is {seconds}; only windows of {WINDOW} frames (0.34 s) are built")
    return settings


def _layer_numbers(weights: Mapping[str, Any]) -> Iterator[int]:
    pattern = re.compile(re.escape(_QFORMER_PREFIX) + r"encoder\.layer\.(\d+)\.")
    return (int(match[1]) for match in map(pattern.match, weights) if match)


def _qformer_config(name: str | None) -> Blip2QFormerConfig:
    """Return the Q-Former's sizes; depth and width of what it attends to are set later."""
    sizes = {}
    if name is not None:
        with _fatal("qformer"):
            bert = AutoConfig.from_pretrained(name, trust_remote_code=False)
            taken = ("hidden_size", "num_attention_heads", "intermediate_size", "hidden_act", "layer_norm_eps")
            sizes = {field: getattr(bert, field) for field in taken}
    return Blip2QFormerConfig(**sizes, cross_attention_frequency=1)


def _fill(model: SalmonnModel, weights: Mapping[str, torch.Tensor]) -> None:
    """Put the checkpoint's weights into the trained parts.

    Raises:
        ValueError: If one is missing.
        RuntimeError: If one has another shape.
    """
    own = {name: value for name, value in weights.items() if not name.startswith(("llama_model.", "beats."))}
    missing, unknown = model.load_state_dict({_own_name(name): value for name, value in own.items()}, strict=False)
    given = ("llama_model.", "speech_encoder.", "beats.")
    missing = [name for name in missing if not name.startswith(given)]
    if missing:
        raise ValueError(f"{len(missing)} weights are missing, {', '.join(missing[:3])} among them")
    _report_unused([*unknown, *(name for name in weights if name not in own and ".lora_" not in name)])


def _own_name(name: str) -> str:
    """Return the name of a weight here: transformers' Q-Former holds attention one level deeper than BERT's."""
    if not name.startswith(_QFORMER_PREFIX):
        return name
    name = "speech_Qformer." + name.removeprefix(_QFORMER_PREFIX)
    name = name.replace("embeddings.LayerNorm.", "layernorm.")
    return re.sub(r"\.(attention|crossattention)\.self\.", r".\1.attention.", name)


def _report_unused(names: list[str]) -> None:
    if names:
        # The original ignores them too; but a user should know.
        logger.warning(f"SALMONN's file holds {len(names)} weights that are not used: {', '.join(sorted(names)[:5])}")


# The networks that others published.


class _EncoderOnly(WhisperEncoder):
    """Whisper's encoder, loaded without a complaint about the decoder in the same file."""

    _keys_to_ignore_on_load_unexpected = (r"^model\.decoder\.", r"^proj_out\.")


def _load_beats(value: str | None) -> Beats:
    checkpoint = _read_pickle("beats", value, ["cfg", "model"])
    with _fatal("beats"):
        return Beats.from_checkpoint(checkpoint)


def _load_whisper(name: str) -> tuple[PreTrainedModel, WhisperFeatureExtractor]:
    """Load Whisper's encoder; its decoder, half of the weights, is not read."""
    with _fatal("whisper"):
        extractor = WhisperFeatureExtractor.from_pretrained(name)
        encoder, report = _EncoderOnly.from_pretrained(
            name, dtype=torch.float32, key_mapping={r"^model\.encoder\.": ""}, output_loading_info=True
        )
        if report["missing_keys"]:
            raise ValueError(f"{name} lacks weights of Whisper's encoder: {sorted(report['missing_keys'])[:3]}")
        if extractor.feature_size != 80:
            raise ValueError(f"{name} has {extractor.feature_size} mel bands, large-v2 has 80")
    return encoder, extractor


def _add_lora(llama: PreTrainedModel, weights: Mapping[str, torch.Tensor], alpha: int) -> None:
    """Put LoRA layers into the language model, in place; rank and layers are read from the weights.

    The layers stay float32 on a model of half precision, as in the original.

    Raises:
        FatalError: If the weights do not fit the language model.
    """
    from peft import LoraConfig, inject_adapter_in_model

    lora = {name.removeprefix(_LLAMA_PREFIX): value for name, value in weights.items() if ".lora_" in name}
    with _fatal("pretrained"):
        if not lora:
            raise ValueError("it holds no LoRA weights")
        rank = next(value.shape[0] for name, value in lora.items() if ".lora_A." in name)
        targets = sorted({name.split(".lora_")[0].rpartition(".")[2] for name in lora})
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, lora_dropout=0.0, bias="none")
        inject_adapter_in_model(config, llama)
        _load_lora(llama, lora)


def _load_lora(llama: PreTrainedModel, lora: Mapping[str, torch.Tensor]) -> None:
    layers = {name: parameter for name, parameter in llama.named_parameters() if ".lora_" in name}
    if layers.keys() != lora.keys():
        odd = sorted(layers.keys() ^ lora.keys())
        raise ValueError(
            f"its LoRA does not belong to this llama={llama.name_or_path}: {len(odd)} layers differ, {odd[0]}"
        )
    for name, parameter in layers.items():
        if parameter.shape != lora[name].shape:
            raise ValueError(
                f"its LoRA does not belong to this llama={llama.name_or_path}: {name} has the shape "
                f"{tuple(lora[name].shape)}, the model wants {tuple(parameter.shape)}"
            )
        parameter.requires_grad_(False)
        parameter.data = lora[name].to(parameter.device, torch.float32)


# Vicuna's tokenizer.


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Load the language model's tokenizer as a fast one.

    Vicuna comes with a sentencepiece model only. transformers converts it through protobuf, whose version in the
    harness's environment may not fit sentencepiece's generated code (it then falls back to another format and fails);
    the pieces and their scores are all that is needed, and sentencepiece gives these itself.
    """
    from transformers import LlamaTokenizer
    from transformers.utils import cached_file

    pieces = cached_file(name, "tokenizer.model", _raise_exceptions_for_missing_entries=False)
    if pieces is None:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    vocab, merges = read_pieces(pieces)
    return LlamaTokenizer(vocab=vocab, merges=merges, add_bos_token=True, clean_up_tokenization_spaces=False)


def read_pieces(path: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return vocabulary and merges of a sentencepiece BPE model.

    Such a model knows no merges, only pieces with scores: two neighbours are joined when the result is a piece, the
    best scored first. In a list of merges, that is the order of the results' scores.
    """
    from sentencepiece import SentencePieceProcessor

    model = SentencePieceProcessor(model_file=path)
    vocab = {model.id_to_piece(index): index for index in range(model.get_piece_size())}
    ranked = []
    for piece, index in vocab.items():
        splits = ((piece[:cut], piece[cut:]) for cut in range(1, len(piece)))
        pairs = [(left, right) for left, right in splits if left in vocab and right in vocab]
        ranked += [(-model.get_score(index), vocab[left], vocab[right], left, right) for left, right in pairs]
    return vocab, [(left, right) for *_, left, right in sorted(ranked)]
