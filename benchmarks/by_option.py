"""What the layer map and the lens cost a document, beside what is measured anyway.

Run by hand::

    python benchmarks/by_option.py
    python benchmarks/by_option.py --layers 31 --words 20 --frames 250 --width 576 --vocabulary 49152

Made-up hidden states of the given shape on the CPU, one thread. CPU seconds of a document: measured as always, with
the layer map; and the lens, of a few positions of one layer and a part of the
vocabulary, multiplied up. Bytes are those of the record.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from timing import time_call
from torch import nn

from alas_metric import AlignmentRecord, Measurement, WordTiming
from alas_metric.document.lens_table import LensTable
from model_patches.adapters.capture import Decoder
from model_patches.adapters.lens import Lens

SECONDS = 0.04
POSITIONS, TOKENS = 16, 2**14
"""Of which at most the lens is timed."""


def measure(arguments: argparse.Namespace, layer_map: bool) -> AlignmentRecord:
    """Measure a made-up document."""
    generator = torch.Generator().manual_seed(0)
    step = arguments.frames * SECONDS / arguments.words
    timing = [WordTiming(f"w{i}", i * step, (i + 1) * step) for i in range(arguments.words)]
    words = [word.word for word in timing]
    measurement = Measurement("u", words, arguments.frames, SECONDS, {"gold": timing}, "gold", layer_map=layer_map)
    for layer in range(arguments.layers):
        sizes = (arguments.words, arguments.frames)
        measurement(layer, *(torch.randn(size, arguments.width, generator=generator) for size in sizes))
    return measurement.record("")


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("layers", 33), ("words", 60), ("frames", 750), ("width", 4096), ("vocabulary", 152064)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    layers, words, width = arguments.layers, arguments.words, arguments.width
    records, seconds = {True: measure(arguments, True)}, {}  # once before, so that no one pays for the start
    for layer_map in (False, True):
        seconds[layer_map] = time_call(lambda kind=layer_map: records.update({kind: measure(arguments, kind)}))["CPU"]
    bytes_of = {kind: len(made.to_json()) for kind, made in records.items()}
    print(
        f"{layers} layers x {words} words x {arguments.frames} positions of {width}: {seconds[False]:.2f} s of CPU, "
        f"with the layer map {seconds[True]:.2f} s, ratio {seconds[True] / seconds[False]:.2f}; "
        f"record {bytes_of[False] / 1e3:.1f} kB, with the map "
        f"{bytes_of[True] / 1e3:.1f} kB; vectors kept 2 x {4 * layers * words * width / 1e6:.0f} MB"
    )
    with torch.inference_mode():
        tokens = min(arguments.vocabulary, TOKENS)
        head = nn.Linear(width, tokens, bias=False)
        lens = Lens(Decoder([nn.Identity()] * (layers - 1), nn.RMSNorm(width)), head, 10)
        states = torch.randn(POSITIONS, width)
        some = time_call(lambda: lens(0, states))["CPU"]
    every = some * arguments.frames / POSITIONS * arguments.vocabulary / tokens * layers
    rows = [[" token"] * words] * layers
    records[False].lens = LensTable(10, rows[0], rows, np.zeros((layers, words), bool))
    product = 2 * layers * arguments.frames * width * arguments.vocabulary
    print(
        f"lens with {arguments.vocabulary} tokens: {product / 1e12:.2f} TFLOP, about {every:.1f} s of CPU in float32; "
        f"record {(len(records[False].to_json()) - bytes_of[False]) / 1e3:.1f} kB more"
    )


if __name__ == "__main__":
    main()
