"""How many bytes a document leaves behind, by its length; the same numbers on every machine.

Run by hand::

    python benchmarks/record_size.py

A line of the harness's sample log holds the record twice, as answer and as filtered answer, and the items of all
metrics. The baseline is the float16 hidden states that a recipe without hooks would store.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace

from made_up_runs import FRAME_SECONDS, record, utterance

from alas_metric import score_record
from alas_metric.corpus.aggregate import document_items

WIDTH = 4096


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=33)
    parser.add_argument("--frames", type=int, nargs="+", default=[185, 375, 750])
    parser.add_argument("--words-per-frame", type=float, default=60 / 750)
    arguments = parser.parse_args(argv)
    for frames in arguments.frames:
        count = max(2, round(frames * arguments.words_per_frame))
        words, _ = utterance(frames * FRAME_SECONDS, count)
        kept = {"responses": 0.9, "audio_target": 0.5, "text_target": 0.5}
        made = replace(record(0, words, frames, arguments.layers), similarities=kept)
        text = made.to_json()
        items = len(json.dumps(document_items(score_record(made))))
        states = 2 * arguments.layers * WIDTH * (frames + count)
        print(
            f"{arguments.layers} layers x {count} words x {frames} positions: record {len(text) / 1e3:.1f} kB, "
            f"metric items {items / 1e3:.1f} kB, line of the log about {(2 * len(json.dumps(text)) + items) / 1e3:.0f} "
            f"kB; float16 states of the words and positions alone {states / 1e6:.0f} MB, "
            f"ratio to the record {states / len(text):.0f}"
        )


if __name__ == "__main__":
    main()
