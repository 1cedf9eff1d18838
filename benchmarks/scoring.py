"""What scoring one document costs: the search against three other ways, and its share of the whole document.

Run by hand; ratios within one process::

    python benchmarks/scoring.py

"This plugin" is the compiled search of the package ``monotonic-alignment-search`` on layers a few at a time, with the
subtraction that keeps float32 sums exact enough. Compared with it are the same package called on everything at once
(``cython``), its NumPy version, and a plain loop in NumPy, one layer after the other. All find the same paths, which is
checked.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from made_up_runs import FRAME_SECONDS, utterance
from monotonic_alignment_search import maximum_path_cython, maximum_path_numpy
from searches import numpy_loop
from timing import in_turns, show

from alas_metric import AlignmentRecord, monotonic_alignment_search, score_pair, score_record
from alas_metric.corpus.aggregate import document_items


def package_search(search: object, values: np.ndarray) -> np.ndarray:
    """Return paths (L, T) from a function of the package, which takes and gives tensors."""
    tensor = torch.from_numpy(values)
    return search(tensor, torch.ones_like(tensor)).argmax(dim=1).numpy()  # type: ignore[operator]


def loop(values: np.ndarray) -> np.ndarray:
    """Return paths (L, T), layer by layer."""
    return np.stack([numpy_loop(layer) for layer in values])


def compare_searches(arguments: argparse.Namespace, values: np.ndarray) -> None:
    """Time the search over all layers four times."""
    layers = np.ascontiguousarray(values[:, 0])
    lowered = layers - layers.max(axis=1, keepdims=True)  # as ours does, so that all sum the same numbers
    actions = {
        "this plugin": partial(monotonic_alignment_search, layers),
        "cython": partial(package_search, maximum_path_cython, lowered),
        "package's NumPy": partial(package_search, maximum_path_numpy, lowered),
        "plain NumPy loop": partial(loop, layers),
    }
    expected = actions["this plugin"]()
    for name, action in actions.items():
        assert np.array_equal(action(), expected), name
    print(f"search: {layers.shape[0]} layers x {layers.shape[1]} words x {layers.shape[2]} positions, equal paths")
    show(in_turns(actions, arguments.rounds), "this plugin")


def parts_of_a_document(arguments: argparse.Namespace, values: np.ndarray) -> None:
    """Time what is done for each document, on raw and centred states with their controls."""
    words, _ = utterance(arguments.frames * FRAME_SECONDS, arguments.words)
    make = partial(
        score_pair,
        values,
        uid="benchmark",
        transcript=" ".join(word.word for word in words),
        words=[word.word for word in words],
        frame_seconds=FRAME_SECONDS,
        references={"words": words},
        reference="words",
    )
    record = make()
    text, scores = record.to_json(), score_record(record)
    actions = {
        "record from similarities": make,
        "to JSON": record.to_json,
        "from JSON": partial(AlignmentRecord.from_json, text),
        "scores of the record": partial(score_record, record),
        "items of all metrics": partial(document_items, scores),
    }
    print(f"one document: {len(text) / 1e3:.1f} kB as JSON; four paths and the frame hits of every layer")
    times = in_turns(actions, arguments.rounds)
    show(times, "record from similarities")
    whole = sum(found.median() for found in times.values())
    print(f"  all together {1e3 * whole:.1f} ms CPU: below 1 % of a document that takes {100 * whole:.1f} s or more")


def main(argv: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=33)
    parser.add_argument("--words", type=int, default=90)
    parser.add_argument("--frames", type=int, default=750)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    shape = (arguments.layers, 2, arguments.words, arguments.frames)
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    compare_searches(arguments, values)
    parts_of_a_document(arguments, values)


if __name__ == "__main__":
    main()
