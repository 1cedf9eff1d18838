"""How far the SALMONN of this project is from the original's recorded outputs, stage by stage.

``python tests/salmonn_conformance.py FOLDER`` prints the table of largest differences; FOLDER is the conformance data
(tests/data/salmonn, or the full set; tests/data/README.md says how it was recorded). The tests hold every number to its
tolerance.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch

from model_patches.families.salmonn.adapter import SalmonnAdapter
from model_patches.families.salmonn.fbank import beats_features
from model_patches.families.salmonn.processor import fit

AUDIO = {
    "c1_1.0s": "a1_1.0s_float.wav",
    "c2_7.3s": "a2_7.3s.flac",
    "c3_29.0s": "a3_29.0s.flac",
    "c4_35.0s": "a4_35.0s.flac",
    "c5_0.6s_stereo": "a5_0.6s_stereo_float.wav",
}
BATCH = "b1_batch_1.0s_7.3s"
TEXT = {
    "text_nospace": ("the quick brown fox jumps over the lazy dog", "What did the speaker say?"),
    "text_space": ("rain falls on the old tin roof and a small bell rings twice", " Please describe the audio."),
}
INSTRUCTION = "Recognize the speech and give me the transcription."
VOCABULARY = 512  # the original's logits have one more, for its random token [PAD]

FED = 2e-5
"""Largest difference of a stage that is fed with the recorded inputs."""

END_TO_END = 1e-4
"""Largest difference from the audio on; also of the log-mels, which another library computes."""


class Difference(NamedTuple):
    """How far one stage is from the recording; ``value`` is 0 or 1 for token ids: equal or not."""

    stage: str
    route: str
    value: float
    tolerance: float


def load_tiny(folder: Path, **arguments) -> SalmonnAdapter:
    """Load the tiny files of the conformance data."""
    files = {name: str(folder / f"tiny_{part}") for name, part in FOLDERS.items()}
    load = {"dtype": "float32", "device_map": "cpu", "beats": str(folder / "tiny_beats.pt"), **files, **arguments}
    return SalmonnAdapter(*SalmonnAdapter.load(str(folder / "salmonn_tiny.pth"), **load))


FOLDERS = {"llama": "llama", "whisper": "whisper", "qformer": "bert"}


def read_audio(folder: Path, case: str) -> np.ndarray:
    """Return a clip as the original took it: of stereo, the first channel."""
    samples, _ = soundfile.read(folder / "audio" / AUDIO[case], dtype="float32", always_2d=True)
    return samples[:, 0].copy()


def read_expected(folder: Path, case: str) -> dict[str, torch.Tensor]:
    """Return what the original gave."""
    with np.load(folder / "expected" / f"{case}.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


def largest(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest absolute difference; infinite where the shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    return float((found - expected).abs().max())


def unequal(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return 0 for equal token ids, else 1."""
    return 0.0 if found.tolist() == expected.tolist() else 1.0


@torch.no_grad()
def compare_audio(adapter: SalmonnAdapter, folder: Path, case: str) -> Iterator[Difference]:
    """Compare every stage of one clip, fed with the recorded inputs and from the audio on."""
    expected = read_expected(folder, case)
    audio = read_audio(folder, case)
    inputs = adapter.audio_prompts([audio[: 30 * 16000]], [INSTRUCTION]).inputs
    yield from _features(inputs, audio, expected)
    yield from _encoders(adapter.model, inputs, expected)
    yield from _joined(adapter.model, [expected["whisper_encoder_out"], expected["beats_out"]], inputs, expected)
    yield from _language_model(adapter.model, adapter.model.embed(**_without_mask(inputs)), expected, "end to end")


@torch.no_grad()
def compare_batch(adapter: SalmonnAdapter, folder: Path) -> Iterator[Difference]:
    """Compare the original's batch from the encoders' outputs on; these depend on the padding there, and here not."""
    expected = read_expected(folder, BATCH)
    singles = [read_expected(folder, case) for case in ("c1_1.0s", "c2_7.3s")]
    whisper = torch.cat([single["whisper_encoder_out"] for single in singles])
    inputs = adapter.audio_prompts([read_audio(folder, case) for case in ("c1_1.0s", "c2_7.3s")], [INSTRUCTION] * 2)
    yield from _joined(adapter.model, [whisper, expected["beats_out"]], inputs.inputs, expected)


@torch.no_grad()
def compare_text(adapter: SalmonnAdapter, folder: Path, case: str) -> Iterator[Difference]:
    """Compare a text prompt."""
    from alas_metric.document.units import split_units

    transcript, instruction = TEXT[case]
    expected = read_expected(folder, case)
    inputs = adapter.text_prompts([transcript], [instruction], [split_units(transcript)]).inputs
    yield Difference("prompt ids", "end to end", unequal(inputs["input_ids"], expected["input_ids"]), 0)
    yield from _language_model(adapter.model, adapter.model.embed(inputs["input_ids"]), expected, "end to end")


def _without_mask(inputs) -> dict[str, torch.Tensor]:
    return {name: value for name, value in inputs.items() if name != "attention_mask"}


def _features(inputs, audio: np.ndarray, expected: dict[str, torch.Tensor]) -> Iterator[Difference]:
    before, after = expected["prompt_before_ids"][0].tolist(), expected["prompt_after_ids"][0].tolist()
    ids = torch.tensor([1, *before, *[VOCABULARY] * 88, *after])
    yield Difference("prompt ids", "end to end", unequal(inputs["input_ids"][0], ids), 0)
    yield Difference("log-mel", "end to end", largest(inputs["input_features"], expected["input_features"]), END_TO_END)
    banks = torch.from_numpy(beats_features(fit(audio)))
    assert torch.equal(banks, inputs["beats_features"][0])
    sparse = banks[:: int(expected["beats_fbank_stride"])]  # of long clips every 8th frame was kept
    yield Difference("filter banks", "end to end", largest(sparse[None], expected["beats_fbank"]), FED)


def _encoders(model, inputs, expected: dict[str, torch.Tensor]) -> Iterator[Difference]:
    found = model.encode_beats(inputs["beats_features"], inputs["beats_lengths"])
    yield Difference("BEATs", "end to end", largest(found[0][None], expected["beats_out"]), END_TO_END)
    found = model.encode_whisper(inputs["input_features"])
    yield Difference("Whisper", "end to end", largest(found, expected["whisper_encoder_out"]), END_TO_END)
    if int(expected["beats_fbank_stride"]) == 1:
        yield Difference("BEATs", "fed", largest(model.beats(expected["beats_fbank"]), expected["beats_out"]), FED)
    found = model.encode_whisper(expected["input_features"])
    yield Difference("Whisper", "fed", largest(found, expected["whisper_encoder_out"]), FED)
    if "beats_pre_pos_conv" in expected:
        yield from _inside_beats(model.beats.encoder, expected)


def _inside_beats(encoder, expected: dict[str, torch.Tensor]) -> Iterator[Difference]:
    before, convolved = expected["beats_pre_pos_conv"], expected["beats_pos_conv_out"]
    yield Difference("BEATs convolution", "fed", largest(encoder.convolved(before), convolved), FED)
    bias = encoder.position_bias(before.shape[1])
    yield Difference("BEATs position bias", "fed", largest(bias, expected["beats_pos_bias"]), FED)
    first = encoder.layers[0](encoder.layer_norm(before + convolved), bias)
    yield Difference("BEATs first layer", "fed", largest(first, expected["beats_layer0_out"]), FED)


def _joined(model, encoded, inputs, expected: dict[str, torch.Tensor]) -> Iterator[Difference]:
    whisper, beats = encoded
    yield Difference("joined", "fed", largest(model.join(whisper, list(beats)), expected["concat_features"]), FED)
    if "input_features" in expected:
        found = model.join(
            model.encode_whisper(inputs["input_features"]),
            model.encode_beats(inputs["beats_features"], inputs["beats_lengths"]),
        )
        yield Difference("joined", "end to end", largest(found, expected["concat_features"]), END_TO_END)
        yield Difference("Q-Former", "end to end", largest(model.query(found), expected["qformer_out"]), END_TO_END)
        features = {name: inputs[name] for name in ("input_features", "beats_features", "beats_lengths")}
        found = model.embed_audio(**features)
        yield Difference("projected", "end to end", largest(found, expected["speech_embeds"]), END_TO_END)
    yield Difference("Q-Former", "fed", largest(model.query(expected["concat_features"]), expected["qformer_out"]), FED)
    found = model.speech_llama_proj(expected["qformer_out"]).reshape(expected["speech_embeds"].shape)
    yield Difference("projected", "fed", largest(found, expected["speech_embeds"]), FED)
    merged = model.merge(inputs["input_ids"], expected["speech_embeds"])
    yield Difference("wrapped", "fed", largest(merged[:, 1:], expected["wrapped_embeds"]), FED)
    yield from _language_model(model, expected["hidden_states"][0], expected, "fed")


def _language_model(model, embeddings: torch.Tensor, expected: dict[str, torch.Tensor], route: str):
    tolerance = FED if route == "fed" else END_TO_END
    output = model.llama_model(inputs_embeds=embeddings, output_hidden_states=True)
    for layer, (found, recorded) in enumerate(zip(output.hidden_states, expected["hidden_states"], strict=True)):
        yield Difference(f"hidden states {layer}", route, largest(found, recorded), tolerance)
    first = expected["logits_first"][:, :VOCABULARY]
    yield Difference("first logits", route, largest(output.logits[:, -1], first), tolerance)
    yield from _generation(model.llama_model, embeddings, expected, route, tolerance)


def _generation(llama, embeddings: torch.Tensor, expected: dict[str, torch.Tensor], route: str, tolerance: float):
    arguments = {"inputs_embeds": embeddings, "max_new_tokens": 8, "do_sample": False}
    output = llama.generate(**arguments, output_logits=True, return_dict_in_generate=True)
    # The recorded ids start with a bos that transformers 4.28 put there.
    yield Difference("greedy ids", route, unequal(output.sequences, expected["gen_ids"][:, 1:]), 0)
    steps = torch.stack(output.logits, dim=1)
    yield Difference("step logits", route, largest(steps, expected["gen_step_logits"][..., :VOCABULARY]), tolerance)
    if "gen_beam4_ids" in expected:
        beams = llama.generate(**arguments, num_beams=4)
        yield Difference("beam ids", route, unequal(beams, expected["gen_beam4_ids"][:, 1:]), 0)


def compare_all(adapter: SalmonnAdapter, folder: Path) -> dict[str, list[Difference]]:
    """Return the differences of every case that the folder holds."""
    audio = {case: partial(compare_audio, case=case) for case in AUDIO}
    text = {case: partial(compare_text, case=case) for case in TEXT}
    compare = {**audio, BATCH: compare_batch, **text}
    held = {case: found for case, found in compare.items() if (folder / "expected" / f"{case}.npz").exists()}
    return {case: list(found(adapter, folder)) for case, found in held.items()}


def table(found: dict[str, list[Difference]]) -> str:
    """Return the largest difference per stage and route over all cases, as Markdown."""
    rows: dict[tuple[str, str], tuple[float, float, str]] = {}
    for case, differences in found.items():
        for stage, route, value, tolerance in differences:
            if (stage, route) not in rows or value > rows[stage, route][0]:
                rows[stage, route] = (value, tolerance, case)
    lines = ["| stage | route | largest difference | tolerance | case |", "|---|---|---|---|---|"]
    for (stage, route), (value, tolerance, case) in rows.items():
        shown = ("equal" if value == 0 else "UNEQUAL") if tolerance == 0 else f"{value:.1e}"
        lines.append(f"| {stage} | {route} | {shown} | {tolerance:.0e} | {case} |")
    return "\n".join(lines)


if __name__ == "__main__":
    data = Path(sys.argv[1])
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}))
    print(table(compare_all(load_tiny(data), data)))
