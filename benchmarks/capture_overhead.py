"""What the capture costs: paired runs with it against the same two ``generate`` calls without it.

Run by hand; prints ratios within one process, medians over interleaved rounds::

    python benchmarks/capture_overhead.py                        # tiny model, CPU
    python benchmarks/capture_overhead.py --shape 7b --seconds 10 30   # 7B shapes, random weights, bf16, CUDA

"With" is all that a document costs beyond its two answers but Whisper and the comparison of the answers: pooling,
similarities, monotonic alignment search and the record. Peak memory is that of the CUDA allocator.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from memory import QWEN2_AUDIO_7B

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from alas_metric.alignment import WordTiming
from alas_metric.units import split_units
from alas_tasks.speech import SpeechSample
from model_patches.paired import PairedRuns, Prepared
from model_patches.qwen2_audio import Qwen2AudioAdapter

WORDS_PER_SECOND = 2.5
QUESTION = "What is said? Answer the  question as short as possible (in 10-15 words)"


def load(shape: str, device: str) -> Qwen2AudioAdapter:
    """Return the tiny model, or Qwen2-Audio-7B's shapes with random weights."""
    from tiny_speech_llm import make_qwen2_audio
    from transformers import AutoProcessor, Qwen2AudioConfig, Qwen2AudioForConditionalGeneration

    folder = make_qwen2_audio(Path(tempfile.mkdtemp()))
    model, processor = Qwen2AudioAdapter.load(str(folder), dtype="auto", device_map=device)
    if shape == "7b":
        generation = model.generation_config
        config = Qwen2AudioConfig(
            text_config=QWEN2_AUDIO_7B,
            audio_token_index=processor.audio_token_id,
        )
        torch.set_default_dtype(torch.bfloat16)
        with torch.device(device):
            model = Qwen2AudioForConditionalGeneration(config).eval()
        torch.set_default_dtype(torch.float32)
        model.generation_config = generation
        processor = AutoProcessor.from_pretrained(folder)
    return Qwen2AudioAdapter(model, processor)


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


def measure(action: Callable[[], object]) -> tuple[float, int]:
    """Return seconds and peak bytes on CUDA beyond what was allocated before."""
    cuda = torch.cuda.is_available()
    before = 0
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    start = time.perf_counter()
    action()
    if cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    return seconds, torch.cuda.max_memory_allocated() - before if cuda else 0


def bound(adapter: Qwen2AudioAdapter, prepared: Prepared, audio: np.ndarray) -> int:
    """Return the bytes that the design allows: word vectors, one layer's audio slice, the similarities."""
    layers = adapter.decoder.num_entries
    words = len(prepared.units)
    positions = round(len(audio) / 16000 / adapter.seconds_per_position)
    size = adapter.model.get_input_embeddings().weight.shape[1]
    return 4 * (layers * words * size + positions * size + layers * 2 * words * positions)


def main() -> None:
    """Print one line per length of audio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=["tiny", "7b"], default="tiny")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 30.0])
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    adapter = load(arguments.shape, device)
    generation = {
        "max_new_tokens": arguments.new_tokens,
        "min_new_tokens": arguments.new_tokens,
        "do_sample": False,
    }
    runs = PairedRuns(adapter)
    print(f"{arguments.shape}, {device}, {adapter.model.dtype}, {arguments.new_tokens} new tokens")
    for seconds in arguments.seconds:
        prepared, audio = document(seconds)
        times: dict[str, list[float]] = {"without": [], "with": []}
        peaks = {"without": 0, "with": 0}
        actions = {
            "without": lambda p=prepared, a=audio: plain(adapter, p, a, generation),
            "with": lambda p=prepared, a=audio: runs([p], [a], generation),
        }
        for number in range(arguments.rounds + 2):
            for name, action in actions.items():
                elapsed, peak = measure(action)
                if number >= 2:  # the first rounds warm kernels and caches up
                    times[name].append(elapsed)
                    peaks[name] = max(peaks[name], peak)
        ratios = [a / b for a, b in zip(times["with"], times["without"], strict=True)]
        extra = (peaks["with"] - peaks["without"]) / 1e6
        print(
            f"{seconds:5.1f} s audio, {len(prepared.units)} words: "
            f"without {statistics.median(times['without']):.3f} s, "
            f"with {statistics.median(times['with']):.3f} s, ratio {statistics.median(ratios):.3f} "
            f"(min {min(ratios):.3f}, max {max(ratios):.3f}); peak memory +{extra:.1f} MB "
            f"(design: {bound(adapter, prepared, audio) / 1e6:.1f} MB)"
        )


if __name__ == "__main__":
    main()
