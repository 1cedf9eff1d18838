"""The bench of known truth at real size: three frozen language models hear Whisper's features through five connectors.

    python tools/real_parts/bench.py --output FOLDER

fetches the parts, speaks the sentences, fits the connectors, takes the hidden states and scores them with the product's
own functions. Every stage is kept in the work folder, so that it goes on where it stopped. ``FOLDER`` gets
``bench.json``, ``bench.md`` and figures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from connectors import CONNECTORS, token_accuracy
from features import SECONDS_PER_POSITION, load_shard
from forms import TRIED, Form
from parts import default_work
from states import OPENINGS, Listener, States
from synthesis import Utterance
from tqdm import tqdm

from alas_metric import Measurement, WordTiming, score_record
from alas_metric.corpus.aggregate import layer_items, layer_samples, layer_values
from alas_metric.corpus.bootstrap import Samples
from alas_metric.corpus.layers import headline
from alas_metric.document.measure import Layers
from alas_metric.document.scores import DocumentScores
from alas_metric.document.similarity import FORMS

FITTED = {"joe": 10}
"""Shards of the training split by voice that the connectors are fitted to, unless the command line names others."""
HEARD = {"joe": 2}
"""Shards of the test split by voice that are scored, likewise."""
METRICS = (
    *(f"{name}_{form}" for name in ("alas_skill", "alas_evidence", "frame_skill") for form in FORMS),
    *("retrieval_skill", "cka", "cka_evidence"),
)
"""What is tabulated, of the product's metrics."""
SKILLS = tuple(f"alas_skill_{form}" for form in FORMS)
OTHERS = tuple(name for name in CONNECTORS if name != "ridge")
SURE = 0.025
"""A layer is sure of an order that at most this share of the resamples turns round."""


@dataclass(frozen=True)
class Curve:
    """A metric over layers with its bootstrap.

    Args:
        values: of each layer, 0 to L.
        samples: the same in each resample.
    """

    values: np.ndarray
    samples: Samples

    @property
    def mean(self) -> float:
        """The headline, the mean over layers 1 to L."""
        return float(headline(self.values.tolist()) or np.nan)

    def wrongly_below(self, other: Curve) -> np.ndarray:
        """Return for each layer how often a resample does not put this curve above the other one."""
        return np.asarray((self.samples.values <= other.samples.values).mean(axis=0))


@dataclass
class Bench:
    """Curves of one language model by metric and connector."""

    model: str
    utterances: int
    accuracy: float
    curves: dict[tuple[str, str], Curve] = field(default_factory=dict)

    def wrong_order(self, key: str) -> dict[str, np.ndarray]:
        """Return by other connector how often each layer's bootstrap does not put ridge above it."""
        ridge = self.curves[key, "ridge"]
        return {other: ridge.wrongly_below(self.curves[key, other]) for other in OTHERS}


@dataclass(frozen=True)
class Speech:
    """What the connectors are fitted to and what is scored.

    Args:
        fitted: shards of the training split by voice.
        heard: shards of the test split by voice.
        utterances: how many of the latter at most.
    """

    fitted: Mapping[str, int]
    heard: Mapping[str, int]
    utterances: int


def heard_states(listener: Listener, speech: Speech) -> tuple[list[tuple[Utterance, States]], float]:
    """Return test utterances with their hidden states, and how often the ridge finds the spoken token.

    Args:
        listener: the language model.
        speech: what is fitted to and what is scored.
    """
    work = listener.work
    tests = list(islice(shards(work, "test", speech.heard), speech.utterances))
    label = "-".join(f"{voice}-{count}" for voice, count in speech.fitted.items())
    connectors = listener.connectors(shards(work, "train", speech.fitted), label)
    accuracy = token_accuracy(connectors.ridge, tests, listener.tokenizer, listener.embeddings())
    states = [
        (utterance, listener.states(utterance, features, connectors, label))
        for utterance, features in tqdm(tests, listener.name)
    ]
    return states, accuracy


def shards(work: Path, split: str, counts: Mapping[str, int]) -> Iterator[tuple[Utterance, np.ndarray]]:
    """Yield the utterances of the first shards of some voices with their features, made when asked for."""
    return (p for voice, count in counts.items() for i in range(count) for p in load_shard(work, voice, split, i))


def scored(utterance: Utterance, words: np.ndarray, frames: np.ndarray, forms: Sequence[Form] = ()) -> DocumentScores:
    """Return an utterance's scores by the product's own measures.

    Args:
        utterance: with its exact times.
        words: shape (L + 1, N, D).
        frames: shape (L + 1, T, D).
        forms: take the place of the product's three forms, one each, if given.
    """
    measurement = Measurement(
        utterance.uid,
        [word for word, _, _ in utterance.words],
        frames.shape[1],
        SECONDS_PER_POSITION,
        {"gold": [WordTiming(*word) for word in utterance.words]},
        "gold",
    )
    layers = Layers.of_vectors(words, frames, measurement.equal)
    if forms:
        layers = Layers(np.stack([form(words, frames) for form in forms], axis=1))
    measurement.add(layers)
    return score_record(measurement.record(utterance.text))


def curves(documents: Sequence[DocumentScores], keys: Sequence[str] = METRICS) -> dict[str, Curve]:
    """Return the curves of several documents by metric."""
    items = layer_items(documents)
    samples = layer_samples(keys, items)
    return {key: Curve(np.array(layer_values(key, items), float), samples[key]) for key in keys}


def run(listener: Listener, speech: Speech, forms: Mapping[str, Form]) -> Bench:
    """Return the bench of one language model.

    Args:
        listener: the language model.
        speech: what is fitted to and what is scored.
        forms: tried beside the product's; their skill is kept under their names.
    """
    heard, accuracy = heard_states(listener, speech)
    bench = Bench(listener.name, len(heard), accuracy)
    for connector in tqdm(CONNECTORS, "scores"):
        pairs = [(utterance, states.words, states.frames[connector]) for utterance, states in heard]
        found = curves([scored(*pair) for pair in pairs])
        for few in _threes(list(forms)):
            tried = curves([scored(*pair, [forms[name] for name in few]) for pair in pairs], SKILLS)
            found |= {name: tried[key] for name, key in zip(few, SKILLS, strict=True)}
        bench.curves |= {(key, connector): curve for key, curve in found.items()}
    return bench


def _threes(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield names in threes, the last one again where they do not come out even."""
    for first in range(0, len(names), len(FORMS)):
        yield [names[min(i, len(names) - 1)] for i in range(first, first + len(FORMS))]


def as_json(bench: Bench) -> dict[str, Any]:
    """Return a bench as plain data: values, intervals and how often the order with ridge is wrong."""
    keys = list(dict.fromkeys(key for key, _ in bench.curves))
    return {
        "model": bench.model,
        "utterances": bench.utterances,
        "token_accuracy": round(bench.accuracy, 4),
        "curves": [curve_as_json(key, connector, curve) for (key, connector), curve in bench.curves.items()],
        "wrong_order": {key: {o: _rounded(w) for o, w in bench.wrong_order(key).items()} for key in keys},
    }


def curve_as_json(key: str, connector: str, curve: Curve) -> dict[str, Any]:
    """Return a metric's curve over the layers with its intervals as plain data."""
    return {
        "metric": key,
        "connector": connector,
        "values": _rounded(curve.values),
        "low": _rounded(low for low, _ in curve.samples.layer_intervals()),
        "high": _rounded(high for _, high in curve.samples.layer_intervals()),
        "mean": _rounded([curve.mean])[0],
        "mean_interval": _rounded(curve.samples.interval()),
    }


def _rounded(values: Iterable[float | None]) -> list[float | None]:
    return [None if value is None or np.isnan(value) else round(float(value), 4) for value in values]


def tables(bench: Bench, forms: Iterable[str] = ()) -> Iterator[str]:
    """Yield the lines of a bench's Markdown tables.

    Args:
        bench: to be shown.
        forms: the names of forms that were tried.
    """
    layers = shown_layers(len(bench.curves[METRICS[0], "ridge"].values) - 1)
    yield f"### {bench.model}"
    yield f"\n{bench.utterances} utterances; the ridge's most similar embedding, of all tokens, is that of the token"
    yield f"being spoken at {bench.accuracy:.0%} of the positions.\n"
    yield from _head(["metric", "connector", *map(str, layers), "mean 1..L", "95 %"])
    for key in METRICS:
        for connector in CONNECTORS:
            curve = bench.curves[key, connector]
            ends = " to ".join(_number(end) for end in curve.samples.interval())
            yield _row([f"`{key}`", connector, *(_number(curve.values[i]) for i in layers), _number(curve.mean), ends])
    yield f"\nOf layers 1 to {len(curve.values) - 1}: how many put ridge above each other connector, and how far\n"
    yield from _head(["metric", *OTHERS, "all four", "mean of ridge less the best other", "lowest layer of ridge"])
    for key in [*METRICS, *forms]:
        yield _row([_named(key), *_separation(bench, key)])
    yield "\nHow often a resample of the utterances does not put ridge above the other: mean of layers 1 to "
    yield f"{len(curve.values) - 1}, and the worst layer\n"
    yield from _head(["metric", *OTHERS])
    for key in [*METRICS, *forms]:
        wrong = bench.wrong_order(key)
        yield _row([_named(key), *(f"{wrong[o][1:].mean():.1%} ({wrong[o][1:].max():.1%})" for o in OTHERS)])


def _named(key: str) -> str:
    return f"`{key}`" if key in METRICS else key


def _separation(bench: Bench, key: str) -> list[str]:
    sure = [wrong[1:] <= SURE for wrong in bench.wrong_order(key).values()]
    ridge = bench.curves[key, "ridge"]
    gap = ridge.mean - max(bench.curves[key, other].mean for other in OTHERS)
    every = np.logical_and.reduce(sure)
    return [*(str(s.sum()) for s in sure), str(every.sum()), _number(gap), _number(np.nanmin(ridge.values[1:]))]


def _number(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.2f}"


def shown_layers(last: int) -> list[int]:
    """Return about ten layers from 0 to the last one.

    Example:
        >>> shown_layers(30)
        [0, 1, 2, 4, 8, 12, 16, 20, 24, 28, 30]
    """
    return sorted({0, 1, 2, *range(4, last - 1, 4), last})


def _head(names: Sequence[str]) -> list[str]:
    return [_row(names), "|" + "---|" * len(names)]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def draw(bench: Bench, folder: Path) -> Path:
    """Draw skill over layers, one panel a form, one line a connector with its interval."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(FORMS), figsize=(12, 3.6), sharey=True, layout="constrained")
    for axis, form, key in zip(axes, FORMS, SKILLS, strict=True):
        for connector in CONNECTORS:
            curve = bench.curves[key, connector]
            low, high = np.array(curve.samples.layer_intervals(), float).T
            layers = np.arange(len(curve.values))
            (line,) = axis.plot(layers, curve.values, label=connector)
            axis.fill_between(layers, low, high, alpha=0.2, color=line.get_color(), linewidth=0)
        axis.axhline(0, color="grey", linewidth=0.8)
        axis.set(title=form, xlabel="layer")
    axes[0].set(ylabel="alas_skill")
    axes[-1].legend(frameon=False)
    figure.suptitle(
        f"{bench.model}: words at their place (ridge) and four connectors that put them elsewhere or nowhere"
    )
    file = folder / f"bench-{bench.model}.png"
    figure.savefig(file, dpi=120)
    pyplot.close(figure)
    return file


def _counts(text: str) -> dict[str, int]:
    pairs = [item.partition("=") for item in text.split(",")]
    return {voice: int(count) for voice, _, count in pairs}


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=default_work())
    parser.add_argument("--llm", nargs="+", choices=OPENINGS, default=list(OPENINGS))
    parser.add_argument("--fitted", type=_counts, default=FITTED, help="voices and shards to fit to, as joe=10,heart=2")
    parser.add_argument("--heard", type=_counts, default=HEARD, help="voices and shards of the test split to score")
    parser.add_argument("--utterances", type=int, default=100, help="test utterances of each language model")
    parser.add_argument("--forms", choices=("product", "all"), default="product")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    speech = Speech(arguments.fitted, arguments.heard, arguments.utterances)
    forms = TRIED if arguments.forms == "all" else {}
    lines: list[str] = []
    benches = []
    for name in arguments.llm:
        bench = run(Listener(name, arguments.work), speech, forms)
        lines += [*tables(bench, forms), ""]
        draw(bench, arguments.output)
        benches.append(as_json(bench))
        (arguments.output / "bench.json").write_text(json.dumps(benches, indent=1) + "\n")
        (arguments.output / "bench.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
