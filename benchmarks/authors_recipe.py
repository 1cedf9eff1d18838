"""What ALAS costs beyond the answers, against the recipe of the authors' scripts on the same model and document.

Run by hand; needs ``pip install ".[benchmarks]"``::

    python benchmarks/authors_recipe.py

Their recipe, written anew: ``output_hidden_states=True`` in both ``generate`` calls, the states of all layers and all
generated tokens to gzip-compressed HDF5, and afterwards, from that file, for each layer the cosine similarity, a
monotonic alignment search in NumPy and the L1 distance to the reference. It is given our positions of words and audio
(theirs are fixed counts), so that both compute the same number, which is checked.

The baseline is the same two ``generate`` calls alone. What lies beyond it is measured as a difference within a round.
The second part does the same from random states of 7B shapes, without a model: all is on the CPU, where for both ways
most of the work is reading and writing memory.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from capture_overhead import QUESTION, document, load, plain
from made_up_runs import utterance
from searches import numpy_loop
from threadpoolctl import threadpool_limits
from timing import in_turns, show

from alas_metric import AlignmentRecord, WordTiming, score_pair, score_record
from alas_metric.document.paths import reference_path
from alas_metric.document.similarity import similarities
from model_patches.adapters.capture import pool_words
from model_patches.families.qwen2_audio import Qwen2AudioAdapter
from model_patches.run.paired import PairedRuns
from model_patches.run.preparation import Prepared

LAYERS, WIDTH = 33, 4096  # of Qwen2-Audio-7B: hidden states and their size
PROMPT = 40  # its positions around audio or transcript


def store(path: Path, run: str, hidden_states: Sequence[torch.Tensor]) -> None:
    """Write the states of every generated token, (layers, positions, D) each, to gzip-compressed HDF5."""
    with h5py.File(path, "a") as file:
        for step, states in enumerate(hidden_states):
            file.create_dataset(f"{run}/{step}", data=states.cpu().numpy(), compression="gzip")


def align_from_file(path: Path, words: Sequence[Sequence[int]], positions: np.ndarray, reference: np.ndarray) -> Any:
    """Return the L1 distance of every layer, read layer by layer from what `store` wrote."""
    with h5py.File(path, "r") as file:
        text, audio = file["text/0"], file["audio/0"]
        layers = ([run[layer].astype(np.float32) for run in (text, audio)] for layer in range(text.shape[0]))
        return [layer_distance(*states, words, positions, reference) for states in layers]


def layer_distance(
    text: np.ndarray, audio: np.ndarray, words: Sequence[Sequence[int]], positions: np.ndarray, reference: np.ndarray
) -> float:
    """Return the L1 distance of one layer from its states (positions, D) in both prompts."""
    vectors = np.stack([text[list(tokens)].mean(axis=0) for tokens in words])
    frames = audio[positions]
    norms = np.linalg.norm(vectors, axis=1)[:, None] * np.linalg.norm(frames, axis=1)[None, :]
    return float(np.abs(numpy_loop(vectors @ frames.T / norms) - reference).mean())


def recipe(
    adapter: Qwen2AudioAdapter, prepared: Prepared, audio: np.ndarray, generation: dict, folder: Path
) -> tuple[list[float], int]:
    """Run a document as the authors' scripts do; return the distance of every layer and the bytes on disk."""
    path = folder / "states.h5"
    path.unlink(missing_ok=True)
    text = adapter.text_prompts([prepared.transcript], [QUESTION], [prepared.units])
    speech = adapter.audio_prompts([audio], [QUESTION])
    keep = {"output_hidden_states": True, "return_dict_in_generate": True}
    for run, prompts in (("text", text), ("audio", speech)):
        output = adapter.generate(prompts.inputs, **generation, **keep)
        adapter.processor.batch_decode(output.sequences[:, prompts.length :], skip_special_tokens=True)
        store(path, run, [torch.cat(list(layers)) for layers in output.hidden_states])
    positions = speech.positions[0].numpy()
    reference = reference_path(prepared.references["words"], len(positions), adapter.seconds_per_position)
    return align_from_file(path, text.words[0], positions, reference), path.stat().st_size


def on_a_whole_document(arguments: argparse.Namespace, folder: Path) -> None:
    """Compare on the tiny model, generation included."""
    adapter = load("tiny", "cpu")
    tokens = arguments.new_tokens
    generation = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False}
    runs = PairedRuns(adapter)
    for seconds in arguments.seconds:
        prepared, audio = document(seconds)
        (record,) = runs([prepared], [audio], generation)
        theirs, size = recipe(adapter, prepared, audio, generation, folder)
        np.testing.assert_allclose(theirs, score_record(record).columns["alas_raw"], atol=0.05)
        print(f"tiny model, {seconds:.1f} s of audio, {len(prepared.units)} words, {tokens} new tokens")
        actions = {
            "answers alone": partial(plain, adapter, prepared, audio, generation),
            "this plugin": partial(runs, [prepared], [audio], generation),
            "the authors' recipe": partial(recipe, adapter, prepared, audio, generation, folder),
        }
        times = in_turns(actions, arguments.rounds)
        show(times, "answers alone")
        base, ours, recipes = (times[name].rounds["CPU"] for name in actions)
        beyond = [statistics.median(a - b for a, b in zip(found, base, strict=True)) for found in (ours, recipes)]
        kept = len(record.to_json())
        print(
            f"  beyond the answers, CPU: {1e3 * beyond[0]:.1f} ms against {1e3 * beyond[1]:.1f} ms, "
            f"ratio {beyond[1] / beyond[0]:.1f}"
        )
        print(f"  on disk: {kept / 1e3:.1f} kB against {size / 1e3:.1f} kB, ratio {size / kept:.0f}", flush=True)


def seven_b(arguments: argparse.Namespace, folder: Path) -> None:
    """Put a document of 7B shapes together from random states in float16, without the model."""
    num_words, num_frames, layers = arguments.words, arguments.frames, arguments.layers
    generator = torch.Generator().manual_seed(0)
    runs = {
        run: torch.stack([torch.randn(length, arguments.width, generator=generator).half() for _ in range(layers)])
        for run, length in (("text", PROMPT + 2 * num_words), ("audio", PROMPT + num_frames))
    }
    words = [[20 + 2 * i, 21 + 2 * i] for i in range(num_words)]
    positions = torch.arange(20, 20 + num_frames)
    timings, _ = utterance(0.04 * num_frames, num_words)
    reference = reference_path(timings, num_frames, 0.04)
    path, later = folder / "states.h5", arguments.steps - 1

    def theirs() -> list[float]:
        path.unlink(missing_ok=True)
        for run, states in runs.items():
            store(path, run, [states, *[states[:, -1:]] * later])
        return align_from_file(path, words, positions.numpy(), reference)

    def ours() -> AlignmentRecord:
        compared = [
            similarities(pool_words(text, words), audio.index_select(0, positions).float())
            for text, audio in zip(*runs.values(), strict=True)
        ]
        made = _record(torch.stack(compared).numpy(), timings)
        made.to_json()
        return made

    np.testing.assert_allclose(theirs(), score_record(ours()).columns["alas_raw"], atol=0.05)
    times = in_turns({"this plugin": ours, "the authors' recipe": theirs}, arguments.rounds)
    print(
        f"7B shapes: {layers} layers, {num_words} words, {num_frames} positions, {arguments.steps} new tokens, float16"
    )
    show(times, "this plugin")
    record, stored = len(ours().to_json()), path.stat().st_size
    raw = 2 * (sum(states.numel() for states in runs.values()) + 2 * later * layers * arguments.width)
    print(
        f"  on disk: record {record / 1e3:.1f} kB against {raw / 1e6:.0f} MB of float16 states, "
        f"{stored / 1e6:.0f} MB after gzip, ratio {stored / record:.0f}"
    )


def _record(similarity: np.ndarray, timings: Sequence[WordTiming]) -> AlignmentRecord:
    return score_pair(
        similarity,
        uid="benchmark",
        transcript=" ".join(timing.word for timing in timings),
        words=[timing.word for timing in timings],
        frame_seconds=0.04,
        references={"words": timings},
        reference="words",
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 30.0])
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--layers", type=int, default=LAYERS, help="of the document of 7B shapes")
    parser.add_argument("--words", type=int, default=60, help="its words")
    parser.add_argument("--frames", type=int, default=750, help="its audio positions")
    parser.add_argument("--steps", type=int, default=150, help="its new tokens")
    parser.add_argument("--width", type=int, default=WIDTH, help="its hidden size")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    parts: list[Callable[[argparse.Namespace, Path], None]] = [on_a_whole_document, seven_b]
    # NumPy's threads too: waiting for each other they burn CPU time.
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        for part in parts:
            part(arguments, Path(folder))


if __name__ == "__main__":
    main()
