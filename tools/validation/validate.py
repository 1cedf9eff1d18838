"""Does the number mean what it says?

Every number and plot of docs/validation.md::

    python tools/validation/validate.py --quick --work FOLDER   # minutes: the package's models, few utterances
    python tools/validation/validate.py --work FOLDER           # hours: trains two more models first (needs espeak-ng)
    python tools/validation/validate.py --page                  # the page again from docs/validation/results.json

Whatever is finished is kept in the work folder, so that a run that was stopped goes on. The whole form writes
docs/validation/results.json and the page; the quick form writes both to the work folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

ROOT = Path(__file__).resolve().parents[2]
DEMO_WORLD = ROOT / "tools" / "demo_world"
sys.path[:0] = [str(ROOT), str(DEMO_WORLD)]

import controls  # noqa: E402
import recipe  # noqa: E402
from mapping import mapped  # noqa: E402
from measure import measure_model, test_rows  # noqa: E402
from measuring import (  # noqa: E402
    ALIGNED,
    ALL_FORMS,
    BASELINES,
    GOLD,
    KEYS,
    TRANSCRIBED,
    Document,
    Measured,
    QuestionFirst,
    Turned,
    asked_for_emotion,
    curves,
    curves_of,
    load_adapter,
    measure,
    read_documents,
    reversed_both,
    reversed_frames,
    rotation,
    rounded,
    same,
    spread,
    unfiltered,
)
from page import write_page  # noqa: E402
from speech import WORDS  # noqa: E402
from train_qwen2_audio import make_model, make_processor, save  # noqa: E402

from alas_metric import score_record  # noqa: E402
from alas_metric.corpus.answer_filter import kept  # noqa: E402
from alas_metric.corpus.metrics import METRICS  # noqa: E402
from alas_metric.corpus.significance import compare_runs  # noqa: E402
from alas_metric.files import write_atomically  # noqa: E402
from alas_tasks.demo.files import QWEN2_AUDIO  # noqa: E402
from model_patches.families.qwen2_audio import Qwen2AudioAdapter  # noqa: E402

QUICK_DOCUMENTS = 8
SEED = 0
SILENCE, STRETCH, SCALE = 0.4, 1.15, 7.0
PACKAGE, UNTRAINED, THREE_STAGES, END_TO_END = "in the package", "untrained", "three stages", "end to end"
MARKS = ("joint-0", "joint-10", "joint-25", "joint-50", "joint-100")
ROUTES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    THREE_STAGES: ((), MARKS[:-1]),
    END_TO_END: (("--end-to-end",), MARKS),
}
"""The two ways of training: options of the script, and the checkpoints that are looked at."""


@dataclass
class Study:
    """The models and utterances of one run, and what it has found so far.

    Args:
        work: folder of trainings and finished parts.
        quick: the package's models and few utterances.
    """

    work: Path
    quick: bool

    @cached_property
    def documents(self) -> list[Document]:
        """The utterances."""
        return read_documents(QUICK_DOCUMENTS if self.quick else None, self.work / "timestamps")

    @cached_property
    def models(self) -> dict[str, Path]:
        """The models that every section looks at: their folders by name."""
        untrained = self.work / "untrained"
        if not untrained.exists():
            processor = make_processor(SEED)
            save(make_model(processor, SEED), processor, untrained)
        found = {UNTRAINED: untrained, PACKAGE: QWEN2_AUDIO}
        return found if self.quick else found | {END_TO_END: self.work / END_TO_END / MARKS[-1]}

    @cached_property
    def checkpoints(self) -> dict[str, dict[str, Path]]:
        """The checkpoints along each way of training."""
        untrained = self.models[UNTRAINED]
        if self.quick:
            return {THREE_STAGES: {"untrained": untrained, MARKS[-1]: QWEN2_AUDIO}}
        three, direct = (self._trained(route) for route in ROUTES)
        # The package's model is the end of the first way: the same script and seed.
        return {THREE_STAGES: {"untrained": untrained} | three | {MARKS[-1]: QWEN2_AUDIO}, END_TO_END: direct}

    def _trained(self, route: str) -> dict[str, Path]:
        """Return the checkpoints of one way of training, trained if they are not there."""
        options, marks = ROUTES[route]
        folders = {mark: self.work / route / mark for mark in marks}
        if not all(folder.exists() for folder in folders.values()):
            script = DEMO_WORLD / "train_qwen2_audio.py"
            subprocess.run([sys.executable, str(script), "--work", str(self.work / route), *options], check=True)
        return folders

    def adapter(self, name: str) -> Qwen2AudioAdapter:
        """Return one of `models`, loaded."""
        if name == END_TO_END:
            self._trained(END_TO_END)
        return load_adapter(self.models[name])

    def part(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a part of the results, made only if it is not in the work folder."""
        file = self.work / "parts" / ("quick" if self.quick else "whole") / f"{name}.json"
        if not file.exists():
            print(f"{name} ...", flush=True)
            write_atomically(file, (json.dumps(rounded(make()), indent=1) + "\n").encode())
        return json.loads(file.read_text(encoding="utf-8"))


# 1. Learning


def learning(study: Study) -> dict[str, Any]:
    """Return the scores and the accuracy of every checkpoint, and how the two ranks of checkpoints agree."""
    routes = {
        route: {
            mark: study.part(f"learning-{route}-{mark}", partial(checkpoint, study, folder))
            for mark, folder in folders.items()
        }
        for route, folders in study.checkpoints.items()
    }
    every = [found for marks in routes.values() for found in marks.values()]
    comparison = None if study.quick else study.part("learning-comparison", partial(compare_routes, study))
    return {"routes": routes, "correlation": correlations(every), "comparison": comparison}


def checkpoint(study: Study, folder: Path) -> dict[str, Any]:
    """Return one checkpoint's accuracy and scores."""
    rows = test_rows()
    figures = measure_model(folder, spread(rows, QUICK_DOCUMENTS if study.quick else None))["all"]
    measured = measure(load_adapter(folder), study.documents, answers=True)
    passed = sum(kept(score_record(each.record)) for each in measured)
    return {"figures": figures, "kept": passed, "layers": curves_of(measured, (*KEYS, *BASELINES))}


def correlations(checkpoints: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return Kendall's tau between accuracy and each score: its best layer, its headline and layer 0."""
    accuracy = {
        "words right": [-each["figures"]["word error rate, %"] for each in checkpoints],
        "questions right": [each["figures"]["questions from audio, %"] for each in checkpoints],
    }
    found: dict[str, Any] = {"checkpoints": len(checkpoints)}
    for key in KEYS:
        sign = 1 if METRICS[key].direction == "higher" else -1
        scores = {
            "best layer": [sign * max(sign * v for v in each["layers"][key]["values"][1:]) for each in checkpoints],
            "headline": [each["layers"][key]["headline"] for each in checkpoints],
            "layer 0": [each["layers"][key]["values"][0] for each in checkpoints],
        }
        found[key] = {
            what: {name: tau([sign * value for value in values], right) for name, right in accuracy.items()}
            for what, values in scores.items()
        }
    return found


def tau(first: Sequence[float], second: Sequence[float]) -> dict[str, float | None]:
    """Return Kendall's tau-b with its p-value, None where one side does not vary."""
    found = kendalltau(first, second)
    return {name: None if np.isnan(value) else value for name, value in (("tau", found[0]), ("p", found[1]))}


def compare_routes(study: Study) -> dict[str, Any]:
    """Return the paired comparison of the last checkpoints: end to end minus three stages."""
    ends = [study.checkpoints[route][MARKS[-1]] for route in (THREE_STAGES, END_TO_END)]
    three, direct = (unfiltered(measure(load_adapter(folder), study.documents)) for folder in ends)
    return {
        key: {**vars(found), "layers": vars(found.layers)} for key, found in compare_runs(direct, three, KEYS).items()
    }


def maps(study: Study, name: str) -> dict[str, Any]:
    """Return the scores with the audio states mapped to text linearly, and, for comparison, as they are."""
    adapter, documents = study.adapter(name), study.documents
    states = [recipe.capture(adapter, document) for document in documents]
    return {"plain": curves_of(measure(adapter, documents)), "mapped": curves_of(mapped(documents, states))}


def forms(study: Study, name: str) -> dict[str, Any]:
    """Return the scores in each form of similarity, and the measures that need no path."""
    return curves_of(measure(study.adapter(name), study.documents), ALL_FORMS)


# 2. Reference


def references(study: Study, name: str) -> dict[str, Any]:
    """Return the scores with each reference, and how far Whisper's are from those with the exact times."""
    measured = measure(study.adapter(name), study.documents)
    found = {reference: curves(unfiltered(measured, reference)) for reference in (GOLD, ALIGNED, TRANSCRIBED)}
    gold = found[GOLD]
    agreement = {
        reference: {
            key: {
                "difference": [
                    a - b for a, b in zip(found[reference][key]["values"], gold[key]["values"], strict=True)
                ],
                **tau(found[reference][key]["values"], gold[key]["values"]),
            }
            for key in KEYS
        }
        for reference in (ALIGNED, TRANSCRIBED)
    }
    return {"layers": found, "agreement": agreement}


# 3. What must stay and what must break


def control_parts(study: Study, name: str) -> dict[str, Any]:
    """Return the scores under every control, and those of the same utterances undisturbed."""
    adapter, documents = study.adapter(name), study.documents
    plain = measure(adapter, documents)
    by_uid = {each.record.uid: each for each in plain}
    return {
        label: {
            "documents": len(changed),
            "undisturbed": curves_of([by_uid[each.record.uid] for each in changed]),
            "disturbed": curves_of(changed),
            "similarity moved by at most": largest_move(changed, by_uid),
        }
        for label, changed in controlled(adapter, documents, plain)
    }


def largest_move(changed: Sequence[Measured], plain: Mapping[str, Measured]) -> float | None:
    """Return the largest difference of a similarity, None where their shapes differ."""
    pairs = [(each.similarity, plain[each.record.uid].similarity) for each in changed]
    if any(a.shape != b.shape for a, b in pairs):
        return None
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def controlled(
    adapter: Qwen2AudioAdapter, documents: Sequence[Document], plain: Sequence[Measured]
) -> Iterator[tuple[str, list[Measured]]]:
    """Yield each control with what is found under it; `page.STAYS` and `page.BREAKS` say what is expected."""
    late = [d for d in documents if d.duration + SILENCE <= controls.LONGEST]
    moved = measure(adapter, [controls.after_silence(d, SILENCE) for d in late])
    yield "silence before, times moved", moved
    yield "silence before, times not moved", [m.again(words=d.words) for m, d in zip(moved, late, strict=True)]
    for label, factor in (("slower", STRETCH), ("faster", 1 / STRETCH)):
        fitting = [d for d in documents if d.duration * factor <= controls.LONGEST]
        found = measure(adapter, [controls.slower(d, factor) for d in fitting])
        yield f"{label}, times scaled", found
        yield f"{label}, times not scaled", [m.again(words=d.words) for m, d in zip(found, fitting, strict=True)]
    size = adapter.model.config.text_config.hidden_size
    turn, other = rotation(size, 1), rotation(size, 2)
    for label, text, audio in (
        ("hidden states scaled", lambda states: states * SCALE, lambda states: states / SCALE),
        ("hidden states rotated alike", turn, turn),
        ("hidden states rotated apart", same, other),
    ):
        yield label, measure(Turned(adapter.model, adapter.processor, text, audio), documents)
    yield "frames and words reversed", [reversed_both(m) for m in plain]
    yield "frames reversed", [reversed_frames(m) for m in plain]
    for label, words in other_words(documents).items():
        yield label, measure(adapter, [controls.with_words(d, words(d)) for d in documents])


def other_words(documents: Sequence[Document]) -> dict[str, Callable[[Document], list[str]]]:
    """Return what takes the place of a document's transcript, by the name of the control."""
    return {
        "other sentence, as many words": lambda d: controls.other_sentence(d, documents, True),
        "other sentence, not as many words": lambda d: controls.other_sentence(d, documents, False),
        "random words that are not spoken": lambda d: controls.random_words(d, WORDS, SEED),
        "the words spoken, shuffled": lambda d: controls.shuffled(d, SEED),
    }


def overlap(documents: Sequence[Document]) -> dict[str, float]:
    """Return the mean share of the other words that are spoken all the same, by the name of the control."""
    return {
        label: float(np.mean([controls.in_common(words(d), controls.texts(d)) / len(words(d)) for d in documents]))
        for label, words in other_words(documents).items()
    }


# 4. Tasks


def tasks(study: Study, name: str) -> dict[str, Any]:
    """Return the scores of both demo tasks, filtered and not, with the question behind and before the audio."""
    adapter = study.adapter(name)
    first = QuestionFirst(adapter.model, adapter.processor)
    emotion = [asked_for_emotion(document) for document in study.documents]
    found: dict[str, Any] = {}
    for place, chosen in (("question behind the audio", adapter), ("question before the audio", first)):
        both = {
            task: measure(chosen, docs, answers=True) for task, docs in (("sqa", study.documents), ("emotion", emotion))
        }
        found[place] = {task: task_scores(measured) for task, measured in both.items()}
        asked, felt = both.values()
        found[place]["similarity differs by at most"] = largest_move(asked, {each.record.uid: each for each in felt})
        if chosen is adapter:
            plain = unfiltered(asked)
    styles = {document.prepared.sample.uid: document.style for document in study.documents}
    found["styles"] = {
        style: curves([scores for scores in plain if styles[scores.uid] == style])
        for style in sorted(set(styles.values()))
    }
    return found


def task_scores(measured: Sequence[Measured]) -> dict[str, Any]:
    """Return a task's right answers and its scores with and without the answer filter."""
    scores = [score_record(each.record, GOLD) for each in measured]
    passed = [each for each in scores if kept(each)]
    right = [each.labels["audio"] == each.labels["target"] for each in scores if each.labels]
    return {
        "right from audio": float(np.mean(right)),
        "kept": len(passed),
        "all": curves_of(measured),
        "filtered": curves(passed) if passed else None,
    }


# 5. The authors' recipe


def recipes(study: Study, name: str) -> dict[str, Any]:
    """Return ALAS of every layer with each of the authors' choices, alone and together."""
    adapter, documents = study.adapter(name), study.documents
    heard = recipe.recognise(documents)
    states = [recipe.capture(adapter, document) for document in documents]
    first = states[0].around

    def mean(reference: str = GOLD, choices: Sequence[str] = ()) -> list[float]:
        scored = [
            recipe.score(each, document.prepared.references[reference], document.duration, choices, words, first)
            for each, document, words in zip(states, documents, heard, strict=True)
        ]
        return np.mean(scored, axis=0).tolist()

    rows = {"ours": mean(), "ours, Whisper's times": mean(ALIGNED)}
    rows |= {choice: mean(choices=[choice]) for choice in recipe.CHOICES} | {"all four": mean(choices=recipe.CHOICES)}
    return {
        label: {"values": values, "headline": float(np.mean(values[1:])), **tau(values, rows["ours"])}
        for label, values in rows.items()
    }


SECTIONS: dict[str, Callable[[Study, str], Any]] = {
    "forms": forms,
    "maps": maps,
    "references": references,
    "controls": control_parts,
    "tasks": tasks,
    "recipe": recipes,
}
"""The sections that look at `Study.models` one by one; `learning` looks at checkpoints."""


def results(study: Study) -> dict[str, Any]:
    """Return everything that the page shows."""
    found: dict[str, Any] = {
        "quick": study.quick,
        "documents": len(study.documents),
        "versions": {name: version(name) for name in ("torch", "transformers", "openai-whisper")},
    }
    for section, make in SECTIONS.items():
        found[section] = {name: study.part(f"{section}-{name}", partial(make, study, name)) for name in study.models}
    return found | {"overlap": rounded(overlap(study.documents)), "learning": learning(study)}


def main() -> None:
    """Measure what is missing and write results and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, help="trainings and finished parts")
    parser.add_argument("--quick", action="store_true", help="the package's models, few utterances")
    parser.add_argument("--page", action="store_true", help="only the page, from docs/validation/results.json")
    arguments = parser.parse_args()
    if not arguments.page and arguments.work is None:
        parser.error("--work FOLDER is needed to measure; --page makes the page again from what is measured")
    docs = arguments.work / "page" if arguments.quick else ROOT / "docs"
    file = docs / "validation" / "results.json"
    if not arguments.page:
        found = results(Study(arguments.work, arguments.quick))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(write_page(json.loads(file.read_text(encoding="utf-8")), docs))


if __name__ == "__main__":
    main()
