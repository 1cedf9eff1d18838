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
from pathlib import Path
from typing import Any

import numpy as np
import torch
from connectors import CONNECTORS, token_accuracy
from features import SECONDS_PER_POSITION, load_shard
from forms import PRODUCT, TRIED, Form
from parts import default_work
from speech import Utterance
from states import OPENINGS, Listener, States
from tqdm import tqdm

from alas_metric import WordTiming, score_pair, score_record
from alas_metric.corpus.aggregate import layer_items, layer_samples, layer_values
from alas_metric.corpus.bootstrap import headline_samples, interval
from alas_metric.corpus.layers import headline
from alas_metric.document.record import STATES
from alas_metric.document.scores import DocumentScores

FITTED = 10
"""Shards of Piper that the connectors are fitted to."""
HEARD = {"joe": 2}
"""Shards of the test split by voice that are scored."""
METRICS = ("alas_skill", "alas_evidence", "frame_skill")
OTHERS = tuple(name for name in CONNECTORS if name != "ridge")


@dataclass(frozen=True)
class Curve:
    """A metric over layers with its bootstrap.

    Args:
        values: of each layer, 0 to L.
        samples: the same in each resample, (resamples, L + 1).
    """

    values: np.ndarray
    samples: np.ndarray

    @property
    def mean(self) -> float:
        """The headline, the mean over layers 1 to L."""
        return float(headline(self.values.tolist()) or np.nan)

    @property
    def mean_interval(self) -> tuple[float | None, float | None]:
        """95 % interval of the headline."""
        return interval(headline_samples(self.samples))

    def wrongly_below(self, other: Curve) -> np.ndarray:
        """Return for each layer how often a resample does not put this curve above the other one."""
        return (self.samples <= other.samples).mean(axis=0)


@dataclass
class Bench:
    """Curves of one language model by form, connector and metric."""

    model: str
    utterances: int
    accuracy: float
    curves: dict[tuple[str, str, str], Curve] = field(default_factory=dict)


def heard_states(listener: Listener, number: int) -> tuple[list[tuple[Utterance, States]], float]:
    """Return test utterances with their hidden states, and how often the ridge finds the spoken token.

    Args:
        listener: the language model.
        number: how many utterances at most.
    """
    work = listener.work
    fitted = [pair for i in range(FITTED) for pair in load_shard(work, "joe", "train", i)]
    tests = [p for voice, n in HEARD.items() for i in range(n) for p in load_shard(work, voice, "test", i)][:number]
    label = f"joe-{FITTED}"
    connectors = listener.connectors(fitted, label)
    accuracy = token_accuracy(connectors.ridge, tests, listener.tokenizer, listener.embeddings())
    states = [
        (utterance, listener.states(utterance, features, connectors, label))
        for utterance, features in tqdm(tests, listener.name)
    ]
    return states, accuracy


def scored(utterance: Utterance, states: States, connector: str, forms: Mapping[str, Form]) -> dict[str, DocumentScores]:
    """Return an utterance's scores by form.

    A record holds one similarity for each of the product's own forms; other forms take their places, so many at once.
    """
    frames = states.frames[connector]
    names, found = list(forms), {}
    for first in range(0, len(names), len(STATES)):
        few = names[first : first + len(STATES)]
        padded = [*few, *[few[-1]] * (len(STATES) - len(few))]
        similarity = np.stack([forms[name](states.words, frames) for name in padded], axis=1)
        record = score_pair(
            similarity,
            uid=utterance.uid,
            transcript=utterance.text,
            words=[word for word, _, _ in utterance.words],
            frame_seconds=SECONDS_PER_POSITION,
            references={"gold": [WordTiming(*word) for word in utterance.words]},
            reference="gold",
        )
        scores = score_record(record)
        found |= {name: _of_state(scores, state) for name, state in zip(few, STATES, strict=False)}
    return found


def _of_state(scores: DocumentScores, state: str) -> DocumentScores:
    """Return the scores of one state alone, under the names without suffix."""
    columns = dict(scores.columns)
    if state != STATES[0]:
        suffix = f"_{state}"
        columns |= {name.removesuffix(suffix): c for name, c in scores.columns.items() if name.endswith(suffix)}
    return DocumentScores(uid=scores.uid, speaker=None, forced=scores.forced, columns=columns)


def curves(documents: Sequence[DocumentScores]) -> dict[str, Curve]:
    """Return the curves of several documents by metric."""
    items = layer_items(documents)
    samples = layer_samples(METRICS, items)
    return {key: Curve(np.array(layer_values(key, items), float), samples[key]) for key in METRICS}


def run(listener: Listener, number: int, forms: Mapping[str, Form]) -> Bench:
    """Return the bench of one language model."""
    heard, accuracy = heard_states(listener, number)
    bench = Bench(listener.name, len(heard), accuracy)
    for connector in tqdm(CONNECTORS, "scores"):
        documents = [scored(utterance, states, connector, forms) for utterance, states in heard]
        for form in forms:
            found = curves([document[form] for document in documents])
            bench.curves |= {(form, connector, key): curve for key, curve in found.items()}
    return bench


def as_json(bench: Bench) -> dict[str, Any]:
    """Return a bench as plain data: values, intervals and separations."""
    entries = [
        {
            "form": form,
            "connector": connector,
            "metric": key,
            "values": _rounded(curve.values),
            "mean": round(curve.mean, 4),
            "mean_interval": curve.mean_interval,
        }
        for (form, connector, key), curve in bench.curves.items()
    ]
    return {
        "model": bench.model,
        "utterances": bench.utterances,
        "token_accuracy": bench.accuracy,
        "curves": entries,
        "wrong_order": {
            form: {key: {other: _rounded(w) for other, w in found.items()} for key, found in of_form.items()}
            for form, of_form in separations(bench).items()
        },
    }


def _rounded(values: Iterable[float]) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 4) for value in values]


def separations(bench: Bench) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Return by form, metric and other connector how often each layer's bootstrap orders ridge wrongly."""
    forms = dict.fromkeys(form for form, _, _ in bench.curves)
    return {
        form: {
            key: {
                other: bench.curves[form, "ridge", key].wrongly_below(bench.curves[form, other, key])
                for other in OTHERS
            }
            for key in METRICS
        }
        for form in forms
    }


def tables(bench: Bench) -> Iterator[str]:
    """Yield the lines of a bench's Markdown tables."""
    layers = shown_layers(len(next(iter(bench.curves.values())).values) - 1)
    yield f"### {bench.model}: {bench.utterances} utterances, ridge finds the token at {bench.accuracy:.0%} of positions"
    for key in METRICS:
        yield f"\n`{key}`\n"
        yield from _head(["form", "connector", *map(str, layers), "mean 1..L", "95 %"])
        for (form, connector, metric), curve in bench.curves.items():
            if metric == key and form in PRODUCT:
                low, high = curve.mean_interval
                ends = "" if low is None else f"{low:.2f} to {high:.2f}"
                yield _row([form, connector, *(f"{curve.values[i]:.2f}" for i in layers), f"{curve.mean:.2f}", ends])
    yield "\nHow many of the layers 1..L put ridge above each other connector in at least 97.5 % of resamples\n"
    yield from _head(["form", "metric", *OTHERS, "all four"])
    for form, of_form in separations(bench).items():
        for key, found in of_form.items():
            sure = {other: wrong[1:] <= 0.025 for other, wrong in found.items()}
            every = np.logical_and.reduce(list(sure.values()))
            if form in PRODUCT:
                yield _row([form, key, *(str(s.sum()) for s in sure.values()), f"{every.sum()} of {len(every)}"])


def comparison(bench: Bench) -> Iterator[str]:
    """Yield the lines of the table of all forms: skill of ridge and of the others, and what tells them apart."""
    yield f"### {bench.model}: forms, by the headline of alas_skill\n"
    yield from _head(["form", "ridge", *OTHERS, "ridge less the best other", "layers sure of all four", "worst layer"])
    for form, of_form in separations(bench).items():
        means = {c: bench.curves[form, c, "alas_skill"].mean for c in CONNECTORS}
        every = np.logical_and.reduce([wrong[1:] <= 0.025 for wrong in of_form["alas_skill"].values()])
        worst = bench.curves[form, "ridge", "alas_skill"].values[1:].min()
        gap = means["ridge"] - max(means[other] for other in OTHERS)
        yield _row([form, *(f"{m:.2f}" for m in means.values()), f"{gap:.2f}", str(every.sum()), f"{worst:.2f}"])


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

    figure, axes = pyplot.subplots(1, len(PRODUCT), figsize=(12, 3.6), sharey=True, layout="constrained")
    for axis, form in zip(axes, PRODUCT, strict=True):
        for connector in CONNECTORS:
            curve = bench.curves[form, connector, "alas_skill"]
            low, high = np.nanpercentile(curve.samples, [2.5, 97.5], axis=0)
            layers = np.arange(len(curve.values))
            (line,) = axis.plot(layers, curve.values, label=connector)
            axis.fill_between(layers, low, high, alpha=0.2, color=line.get_color(), linewidth=0)
        axis.axhline(0, color="grey", linewidth=0.8)
        axis.set(title=form, xlabel="layer")
    axes[0].set(ylabel="alas_skill")
    axes[-1].legend(frameon=False)
    figure.suptitle(f"{bench.model}: words at their place (ridge) and four connectors that put none there")
    file = folder / f"bench-{bench.model}.png"
    figure.savefig(file, dpi=120)
    pyplot.close(figure)
    return file


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=default_work())
    parser.add_argument("--llm", nargs="+", choices=OPENINGS, default=list(OPENINGS))
    parser.add_argument("--utterances", type=int, default=100, help="test utterances of each language model")
    parser.add_argument("--forms", choices=("product", "all"), default="product")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    forms = PRODUCT if arguments.forms == "product" else PRODUCT | TRIED
    lines: list[str] = []
    benches = []
    for name in arguments.llm:
        bench = run(Listener(name, arguments.work), arguments.utterances, forms)
        lines += [*tables(bench), ""]
        if arguments.forms == "all":
            lines += [*comparison(bench), ""]
        draw(bench, arguments.output)
        benches.append(as_json(bench))
        (arguments.output / "bench.json").write_text(json.dumps(benches, indent=1) + "\n")
        (arguments.output / "bench.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
