"""Does the score follow learning? Word errors and every metric over the checkpoints that training left.

    python tools/real_parts/checkpoints.py ADAPTER ... --output FILE.json [--figure FILE.png] [--work FOLDER]

Each adapter is merged, asked to repeat unseen sentences, and scored with the product's own functions on their exact
times. ``FILE.json`` holds what was found, adapter by adapter, and is gone on with; a table is printed, and
Kendall's tau between the words that are right and each metric, of its headline and of its best layer.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import METRICS, curve_as_json, curves, scored
from features import load_shard
from hearing import answers, word_errors
from parts import default_work
from scipy.stats import kendalltau
from speech_llm import AUDIO_TOKENS, load_adapter, make_model, make_processor
from states import OPENINGS, Reader
from synthesis import Utterance
from transformers import PreTrainedTokenizerBase, Qwen2AudioForConditionalGeneration
from verdicts import curves_of

from alas_metric.corpus.verdict import by_layer, verdicts

Found = dict[str, Any]
"""``adapter``, ``word_errors``, ``answers``, the layers' values of each metric, and the verdict."""


def measured(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    heard: Sequence[tuple[Utterance, np.ndarray]],
) -> Found:
    """Return a model's word errors and its metrics by layer.

    Args:
        model: with its adapter merged.
        tokenizer: its tokenizer.
        heard: utterances with exact times and what the encoder hears of them.
    """
    said = answers(model, tokenizer, [features for _, features in heard])
    opening = OPENINGS["smollm2"]
    reader = Reader(model.model.language_model, tokenizer, opening, opening + AUDIO_TOKENS[1])
    documents = [scored(u, reader.words(u.text), reader.frames([_projected(model, f)])[0]) for u, f in heard]
    found = [curve_as_json(key, "", curve) for key, curve in curves(documents).items()]
    judged = verdicts(curves_of({"utterances": len(documents), "curves": found}, ""))
    return {
        "word_errors": round(word_errors([u.text for u, _ in heard], said), 4),
        "answers": said,
        "values": {curve["metric"]: curve["values"] for curve in found},
        "verdict": judged["leaning"] or judged["kind"],
        "verdicts": by_layer(judged["layers"]),
    }


@torch.inference_mode()
def _projected(model: Qwen2AudioForConditionalGeneration, features: np.ndarray) -> np.ndarray:
    vectors: np.ndarray = model.model.multi_modal_projector(torch.from_numpy(features)).numpy()
    return vectors


def headline(values: Sequence[float]) -> float:
    """Return the mean over layers 1 to L."""
    return float(np.mean(values[1:]))


def tables(found: Sequence[Found]) -> Iterator[str]:
    """Yield the table of the adapters and the table of Kendall's tau."""
    shown = ("alas_skill_raw", "alas_skill_centred", "alas_skill_standardised", *METRICS[3:])
    yield f"| adapter | words wrong | {' | '.join(f'`{key}`' for key in shown)} | verdict | layer by layer |"
    yield "|---|---:|" + "---:|" * len(shown) + "---|---|"
    for one in found:
        cells = (f"{headline(one['values'][key]):.2f} ({max(one['values'][key][1:]):.2f})" for key in shown)
        judged = f"{one['verdict']} | {one['verdicts']}"
        yield f"| {one['adapter']} | {one['word_errors']:.1%} | {' | '.join(cells)} | {judged} |"
    if len(found) > 2:
        yield "\n| metric | tau of the headline | tau of the best layer |\n|---|---:|---:|"
        errors = [-one["word_errors"] for one in found]
        for key in shown:
            summaries = (headline, lambda values: max(values[1:]))
            taus = [kendalltau(errors, [s(one["values"][key]) for one in found]).statistic for s in summaries]
            yield f"| `{key}` | {taus[0]:.2f} | {taus[1]:.2f} |"


def figure(found: Sequence[Found], file: Path, key: str = "alas_skill_standardised") -> None:
    """Draw a metric over the layers of each training's checkpoints, darker the more words are right."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    starts = list(dict.fromkeys(one["adapter"].split("/")[0] for one in found))
    drawn, axes = pyplot.subplots(1, len(starts), figsize=(5 * len(starts), 3.6), sharey=True, layout="constrained")
    shade = pyplot.get_cmap("viridis_r")
    for start, axis in zip(starts, np.atleast_1d(axes), strict=True):
        for one in (one for one in found if one["adapter"].startswith(f"{start}/")):
            right = max(0.0, 1 - one["word_errors"])
            label = f"{int(one['adapter'].split('-')[-1])}: {one['word_errors']:.0%}"
            axis.plot(one["values"][key], color=shade(right), label=label)
        axis.set(title=f"{start} start", xlabel="layer")
        axis.legend(title="step: words wrong", fontsize="x-small", title_fontsize="x-small")
    np.atleast_1d(axes)[0].set_ylabel(key)
    drawn.savefig(file, dpi=110)


def main() -> None:
    """Measure adapters."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("adapter", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--figure", type=Path, help="curves over the layers, as a picture")
    parser.add_argument("--work", type=Path, default=default_work())
    parser.add_argument("--utterances", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tokenizer = make_processor(arguments.work).tokenizer
    plain = make_model(arguments.work, tokenizer)
    heard = load_shard(arguments.work, "joe", "test", 0)[: arguments.utterances]
    found: list[Found] = json.loads(arguments.output.read_text()) if arguments.output.exists() else []
    for file in arguments.adapter:
        name = f"{file.parent.name}/{file.stem}"
        if name not in [one["adapter"] for one in found]:
            model = load_adapter(copy.deepcopy(plain), file)
            found.append({"adapter": name, **measured(model, tokenizer, heard)})
            found.sort(key=lambda one: one["adapter"])
            arguments.output.write_text("[\n" + ",\n".join(map(json.dumps, found)) + "\n]\n")
    print("\n".join(tables(found)))
    if arguments.figure:
        figure(found, arguments.figure)


if __name__ == "__main__":
    main()
