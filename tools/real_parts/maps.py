"""Layer map and lens on the bench of known truth: which text layer audio is nearest to, and what it reads as.

    python tools/real_parts/maps.py --output FOLDER

takes the states that ``bench.py`` keeps, or makes them. ``FOLDER`` gets, for each connector, a layer map, and for a few
utterances the lens's table. The records hold the same fields as those of a run with
``alas_layer_map=true,alas_lens=10``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from bench import shards
from connectors import CONNECTORS
from features import SECONDS_PER_POSITION
from parts import default_work
from states import OPENINGS, Listener
from synthesis import Utterance
from torch import nn

from alas_metric import AlignmentRecord, Measurement, WordTiming, score_record, summarise
from alas_metric.corpus.layer_map import sentence
from alas_metric.document.units import split_units
from alas_metric.figures.layer_map import layer_map_figure
from alas_metric.figures.lens import lens_figure
from alas_metric.figures.style import save
from model_patches.adapters.adapter import tokens_of_units
from model_patches.adapters.capture import find_decoder
from model_patches.adapters.lens import DocumentLens, Lens


def lens_of(listener: Listener, largest: int) -> Lens:
    """Return the lens of a language model whose output head is its input embedding, as that of all three is."""
    head = nn.Linear(listener.embed.embedding_dim, listener.embed.num_embeddings, bias=False)
    head.weight = listener.embed.weight
    return Lens(find_decoder(listener.model), head, largest)


def first_tokens(listener: Listener, text: str) -> torch.Tensor:
    """Return the first token of each word as the text prompt has it."""
    lead = f"{listener.opening}Audio Transcription: "
    encoded = listener.tokenizer(lead + text, return_offsets_mapping=True, return_tensors="pt")
    spans, mask = encoded.offset_mapping[0].tolist(), encoded.attention_mask[0].tolist()
    words = tokens_of_units(spans, mask, split_units(text), len(lead))
    return encoded.input_ids[0][torch.tensor([tokens[0] for tokens in words])]


@torch.inference_mode()
def measured(
    listener: Listener, utterance: Utterance, words: np.ndarray, frames: np.ndarray, lens: Lens | None
) -> AlignmentRecord:
    """Return the record of an utterance with its layer map and, if there is a lens, with what it reads.

    Args:
        listener: the language model.
        utterance: with its exact times.
        words: shape (L + 1, N, D).
        frames: shape (L + 1, T, D).
        lens: reads the layers, None: nothing is read.
    """
    timing = [WordTiming(*word) for word in utterance.words]
    texts = [word.word for word in timing]
    grid = (texts, frames.shape[1], SECONDS_PER_POSITION, {"gold": timing}, "gold")
    measurement = Measurement(utterance.uid, *grid, layer_map=True)
    reader = lens and DocumentLens(lens, first_tokens(listener, utterance.text), measurement.timelines["gold"])
    for layer, states in enumerate(frames):
        read = reader and reader(layer, torch.from_numpy(states))
        measurement(layer, words[layer], states, read)
    table = reader and reader.table(lambda token: listener.tokenizer.decode([token]))
    return measurement.record(utterance.text, lens=table)


def run(listener: Listener, fitted: int, utterances: int, read: int, connectors: Sequence[str], output: Path) -> None:
    """Draw the maps and the tables of one language model, and print what the maps say.

    Args:
        listener: the language model.
        fitted: shards of the training split that the connectors are fitted to.
        utterances: how many are heard.
        read: of how many of them the layers are read.
        connectors: which.
        output: where the figures go.
    """
    label = f"joe-{fitted}"
    known = listener.connectors(shards(listener.work, "train", {"joe": fitted}), label)
    heard = list(islice(shards(listener.work, "test", {"joe": 1}), utterances))
    lens = lens_of(listener, 10)
    for connector in connectors:
        records = []
        for number, (utterance, features) in enumerate(heard):
            states = listener.states(utterance, features, known, label)
            reader = lens if number < read else None
            records.append(measured(listener, utterance, states.words, states.frames[connector], reader))
            if reader:
                save(lens_figure(records[-1]), output / f"lens-{listener.name}-{connector}-{utterance.uid}")
        values = summarise([score_record(record) for record in records], keys=["layer_map", "layers"])
        maps = dict(values["layer_map"].items())
        save(layer_map_figure(maps), output / f"layer-map-{listener.name}-{connector}")
        print(listener.name, connector, *(sentence(name, entry) for name, entry in maps.items()))
        for name, entry in maps.items():
            print(name, [(nearest["layer"], nearest["low"], nearest["high"]) for nearest in entry["nearest"]])
        for key in ("lens_recall", "lens_recall_chance", "lens_evidence"):
            print(key, [value and round(value, 2) for value in values["layers"][key]["values"]])


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=default_work())
    parser.add_argument("--llm", choices=OPENINGS, default="smollm2")
    parser.add_argument("--fitted", type=int, default=10, help="shards to fit to")
    parser.add_argument("--utterances", type=int, default=40)
    parser.add_argument("--read", type=int, default=3, help="utterances of each connector that the lens reads")
    parser.add_argument("--connectors", nargs="+", choices=CONNECTORS, default=["ridge", "random"])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    listener = Listener(arguments.llm, arguments.work)
    counts = (arguments.fitted, arguments.utterances, arguments.read)
    run(listener, *counts, arguments.connectors, arguments.output)


if __name__ == "__main__":
    main()
