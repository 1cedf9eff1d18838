"""What the capture costs: paired runs with it against the same two ``generate`` calls without it.

Run by hand; prints ratios within one process, medians over interleaved rounds with 95 % intervals::

    python benchmarks/capture_overhead.py                        # tiny model, CPU
    python benchmarks/capture_overhead.py --shape small          # 30 layers of 576, random weights, CPU
    python benchmarks/capture_overhead.py --shape 7b --seconds 10 30   # 7B shapes, random weights, bf16, CUDA
    python benchmarks/capture_overhead.py --shape 7b --new-tokens 1    # the two prefills alone
    python benchmarks/capture_overhead.py --shape 7b --options         # also with the layer map, and with the lens
    python benchmarks/capture_overhead.py --pretrained FOLDER    # a Qwen2-Audio of yours

The CPU ratio is the one to read on a machine that does other work too, see `timing`. The baseline is there twice: what
its second row is away from 1 is what this machine cannot tell apart. "With" is all that a document
costs beyond its two answers but Whisper and the comparison of the answers: pooling, similarities, monotonic alignment
search and the record. Peak memory is that of the CUDA allocator.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from memory import QWEN2_AUDIO_7B
from timing import in_turns, show

from alas_metric.document.paths import WordTiming
from alas_metric.document.units import split_units
from alas_tasks.speech import SpeechSample
from model_patches.adapters.lens import Lens
from model_patches.families.qwen2_audio import Qwen2AudioAdapter
from model_patches.run.paired import PairedRuns
from model_patches.run.preparation import Prepared

SMALL_DECODER = {
    "model_type": "llama",
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}
SMALL_ENCODER = {
    "model_type": "qwen2_audio_encoder",
    "num_mel_bins": 128,
    "d_model": 384,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
}
SHAPES: dict[str, tuple[dict[str, Any], torch.dtype]] = {
    "small": ({"text_config": SMALL_DECODER, "audio_config": SMALL_ENCODER}, torch.float32),
    "7b": ({"text_config": QWEN2_AUDIO_7B}, torch.bfloat16),
}
"""Configurations, the first of SmolLM2-135M behind an encoder of Whisper tiny's size, and the type of their weights."""
WORDS_PER_SECOND = 2.5
QUESTION = "What is said? Answer the  question as short as possible (in 10-15 words)"


def load(shape: str, device: str) -> Qwen2AudioAdapter:
    """Return the tiny model, or one of `SHAPES` with random weights."""
    from tiny_speech_llm import make_qwen2_audio
    from transformers import AutoProcessor, Qwen2AudioConfig, Qwen2AudioForConditionalGeneration

    folder = make_qwen2_audio(Path(tempfile.mkdtemp()))
    model, processor = Qwen2AudioAdapter.load(str(folder), dtype="auto", device_map=device)
    if shape in SHAPES:
        configuration, dtype = SHAPES[shape]
        generation = model.generation_config
        config = Qwen2AudioConfig(**configuration, audio_token_index=processor.audio_token_id)
        torch.set_default_dtype(dtype)
        with torch.device(device):
            model = Qwen2AudioForConditionalGeneration(config).eval()
        torch.set_default_dtype(torch.float32)
        model.generation_config = generation
        processor = AutoProcessor.from_pretrained(folder)
    return Qwen2AudioAdapter(model, processor)


def pretrained(folder: str, device: str) -> Qwen2AudioAdapter:
    """Return the model of a folder or of the hub, in the precision that it names."""
    return Qwen2AudioAdapter(*Qwen2AudioAdapter.load(folder, dtype="auto", device_map=device))


def document(seconds: float) -> tuple[Prepared, np.ndarray]:
    """Return an utterance of noise with evenly spread words."""
    count = max(2, int(seconds * WORDS_PER_SECOND))
    transcript = " ".join(f"word{i}" for i in range(count))
    step = seconds / count
    timings = [WordTiming(f"word{i}", i * step, (i + 1) * step) for i in range(count)]
    audio = np.random.default_rng(0).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)
    sample = SpeechSample(uid="benchmark", audio=None, transcript=transcript)
    return Prepared(
        sample, QUESTION, transcript, "dataset", split_units(transcript), {"words": timings}, "words"
    ), audio


def plain(adapter: Qwen2AudioAdapter, prepared: Prepared, audio: np.ndarray, generation: dict) -> None:
    """Do the same two ``generate`` calls, prompts included, and nothing else."""
    text = adapter.text_prompts([prepared.transcript], [QUESTION], [prepared.units])
    speech = adapter.audio_prompts([audio], [QUESTION])
    with torch.no_grad():
        for prompts in (text, speech):
            inputs = {name: value.to(adapter.device) for name, value in prompts.inputs.items()}
            tokens = adapter.model.generate(**inputs, **generation)
            adapter.processor.batch_decode(tokens[:, prompts.length :], skip_special_tokens=True)


def synchronise() -> None:
    """Wait for the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak(action: Callable[[], object]) -> int:
    """Return the peak bytes on CUDA, weights included; 0 on the CPU, where nothing counts them."""
    if not torch.cuda.is_available():
        return 0
    torch.cuda.reset_peak_memory_stats()
    action()
    return torch.cuda.max_memory_allocated()


def bound(adapter: Qwen2AudioAdapter, prepared: Prepared, audio: np.ndarray) -> int:
    """Return the bytes that the design allows: word vectors, one layer's audio slice, the similarities."""
    layers = adapter.decoder.num_entries
    words = len(prepared.units)
    positions = round(len(audio) / 16000 / adapter.seconds_per_position)
    size = adapter.model.get_input_embeddings().weight.shape[1]
    return 4 * (layers * words * size + positions * size + layers * 2 * words * positions)


def main(argv: Sequence[str] | None = None) -> None:
    """Print one line per length of audio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=["tiny", *SHAPES], default="tiny")
    parser.add_argument("--pretrained", help="a model in the place of a shape")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 30.0])
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--options", action="store_true", help="also with alas_layer_map=true, and with alas_lens=10")
    parser.add_argument("--threads", type=int, default=1, help="of torch on the CPU")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    named, shape = arguments.pretrained, arguments.shape
    adapter = pretrained(named, device) if named else load(shape, device)
    generation = {
        "max_new_tokens": arguments.new_tokens,
        "min_new_tokens": arguments.new_tokens,
        "do_sample": False,
    }
    runs = {"with": PairedRuns(adapter)}
    if arguments.options:
        runs["with the map"] = PairedRuns(adapter, layer_map=True)
        runs["with the lens"] = PairedRuns(adapter, lens=Lens.of(adapter, 10))
    card = torch.cuda.get_device_name() if device == "cuda" else device
    print(f"{named or shape}, {card}, {adapter.model.dtype}, {arguments.new_tokens} new tokens")
    for seconds in arguments.seconds:
        prepared, audio = document(seconds)
        actions = {
            "without": partial(plain, adapter, prepared, audio, generation),
            "without, again": partial(plain, adapter, prepared, audio, generation),
            **{name: partial(run, [prepared], [audio], generation) for name, run in runs.items()},
        }
        print(f"{seconds:.1f} s of audio, {len(prepared.units)} words")
        show(in_turns(actions, arguments.rounds, warm_up=2, synchronise=synchronise), "without")
        print(f"  memory: by design {bound(adapter, prepared, audio) / 1e6:.2f} MB, ", end="")
        if device == "cpu":
            print("peak not measured on the CPU", flush=True)
            continue
        peaks = {name: peak(action) for name, action in actions.items()}
        found = [f"{name} {(peaks[name] - peaks['without']) / 1e6:+.1f} MB" for name in runs]
        print(f"peak on the device {peaks['without'] / 1e6:.0f} MB without, {', '.join(found)}", flush=True)


if __name__ == "__main__":
    main()
