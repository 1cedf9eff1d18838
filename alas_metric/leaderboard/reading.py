"""Runs on disk, read into entries of the leaderboard."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alas_metric.corpus.aggregate import summarise
from alas_metric.corpus.metrics import missing_forms, reported
from alas_metric.corpus.selection import Selection
from alas_metric.corpus.significance import COMPARED_COLUMNS
from alas_metric.document.conditions import OF_MODEL, SOFTWARE
from alas_metric.document.scores import DocumentScores
from alas_metric.leaderboard.entry import COLUMNS, Entry, Facts, setting_text
from alas_metric.results.runs import Origin, Run, RunDocuments, find_runs, read_documents, read_results
from alas_metric.results.secrets import without_secrets
from alas_metric.texts import printable

_OPTIONS = ("limit", "gen_kwargs", "num_fewshot")
"""Options of the harness that change results, besides those that every command names."""
_BYTES_FOR_A_PROCESS = 2**25
"""Samples from which one more process pays: reading them takes as long as starting it, about 2 s."""


def runs_in_folders(folders: Iterable[Path], task: str | None, messages: list[str]) -> list[tuple[Path, Run]]:
    """Return the runs of all folders, each once."""
    found: dict[Path, tuple[Path, Run]] = {}
    for folder in folders:
        try:
            runs = find_runs(folder, task=task)
        except (OSError, ValueError) as error:
            messages.append(f"left out: {error}")
            continue
        for run in runs:
            found.setdefault(run.samples.resolve(), (folder, run))
    return list(found.values())


def label_runs(found: Sequence[tuple[Path, Run]]) -> list[tuple[str, Run]]:
    """Return each run with the name of its row; the folder is added where a model has several runs of a task."""
    counts = Counter((run.model, run.task) for _, run in found)
    several = {model for (model, _), count in counts.items() if count > 1}
    labels = []
    for folder, run in found:
        # The harness writes Qwen/Qwen2-Audio-7B as Qwen__Qwen2-Audio-7B.
        name = run.model.replace("__", "/", 1)
        labels.append((printable(f"{name} ({folder})") if run.model in several else name, run))
    return labels


def read_all(labelled: Sequence[tuple[str, Run]], selection: Selection) -> list[tuple[Entry | None, list[str]]]:
    """Return what `_read` gives for every run, by several processes where there is much to read."""
    # Here, since most commands read one run and should not wait for it.
    from joblib import Parallel, delayed

    several = Parallel(n_jobs=_num_processes([run for _, run in labelled]))
    return list(several(delayed(_read)(*each, selection) for each in labelled))


def _num_processes(runs: Sequence[Run]) -> int:
    from joblib import cpu_count

    size = sum(run.samples.stat().st_size for run in runs)
    return max(1, min(cpu_count(), len(runs), size // _BYTES_FOR_A_PROCESS))


def _read(label: str, run: Run, selection: Selection) -> tuple[Entry | None, list[str]]:
    """Return a run's entry, None if it cannot be read, and messages."""
    messages = []
    try:
        found = read_documents(run, selection)
        messages += [f"{run.model}: {message}" for message in found.messages]
        if not found.origins:
            raise ValueError(f"{run.samples.name} holds no document that can be scored")
        entry, told = _entry(label, found, selection)
        return entry, messages + told
    except (OSError, ValueError) as error:
        return None, [*messages, f"left out: {run.model}: {error}"]


def _entry(model: str, found: RunDocuments, selection: Selection) -> tuple[Entry, list[str]]:
    """Return a run's entry, and messages."""
    facts = _facts(_results(found.run), found.run.task, found.origins)
    values = reported(summarise(found.documents, selection.threshold), found.keys)
    layers = dict(values["layers"].items())
    own = {column.key: values[column.key] for column in COLUMNS if column.key in values}
    own |= {"documents": len(found.documents), "seconds": facts.seconds}
    intervals = {key: _ends(layers[key], "headline_") for key in own if key in layers}
    documents = [_for_comparison(scores) for scores in found.documents]
    signature = str(values["signature"])
    entry = Entry(model, found.run, documents, own, intervals, layers, found.origins, facts, signature, found.places)
    best = layers["best_layer"]
    own["best_depth"] = None if best["layer"] is None else best["layer"] / entry.num_layers
    depths = [None if end is None else end / entry.num_layers for end in _ends(best)]
    intervals["best_depth"] = (depths[0], depths[1])
    return entry, [f"{model}: {text}" for text in missing_forms(values)]


def _ends(curve: Mapping[str, Any], prefix: str = "") -> tuple[float | None, float | None]:
    return curve[f"{prefix}low"], curve[f"{prefix}high"]


def _for_comparison(scores: DocumentScores) -> DocumentScores:
    """Leave out columns that nothing reads any more: a board holds many runs at once."""
    columns = {name: column for name, column in scores.columns.items() if name in COMPARED_COLUMNS}
    return replace(scores, columns=columns)


def _results(run: Run) -> Any:
    try:
        return read_results(run)
    except (OSError, ValueError):
        return None  # read_documents has said so


def _facts(results: Any, task: str, origins: Sequence[Origin]) -> Facts:
    """Return what results say, as far as they are what the harness writes."""
    versions = {name: text for key, name in SOFTWARE.items() if (text := setting_text(origins, key)) is not None}
    model = {key: text for key in OF_MODEL if (text := setting_text(origins, key)) is not None}
    if not isinstance(results, dict):
        return Facts(versions=versions, model=model)
    harness = results.get("lmms_eval_version")
    if isinstance(harness, str):
        versions["lmms-eval"] = harness
    if isinstance(results.get("git_hash"), str):
        versions["git"] = results["git_hash"]
    version = _dict(results.get("versions")).get(task)
    return Facts(
        _data(_dict(_dict(results.get("configs")).get(task))),
        None if version is None else str(version),
        versions,
        model,
        {str(name): str(commit) for name, commit in _dict(_dict(results.get("alas")).get("data")).items()},
        _command(_dict(results.get("config")), results, task),
        _seconds(results),
    )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _data(config: Mapping[str, Any]) -> str | None:
    """Return the data set and its revision: the task's own statement, else the harness's."""
    stated = _dict(config.get("metadata")).get("data")
    if stated is not None:
        return str(stated)
    parts = [config.get("dataset_path"), config.get("dataset_name"), config.get("test_split")]
    revision = _dict(config.get("dataset_kwargs")).get("revision")
    text = " ".join(str(part) for part in parts if part)
    return (f"{text}@{revision}" if revision else text) or None


def _seconds(results: Mapping[str, Any]) -> float | None:
    """Return seconds per document; the harness times the run as a whole, all its tasks together."""
    seconds = results.get("total_evaluation_time_seconds")
    try:
        total = float(seconds)  # type: ignore[arg-type]  # the harness writes text in some versions
        documents = sum(int(counts["effective"]) for counts in _dict(results.get("n-samples")).values())
        each = total / documents
    except (TypeError, ValueError, KeyError, OverflowError, ZeroDivisionError):
        return None
    return each if math.isfinite(each) else None


def _command(config: Mapping[str, Any], results: Mapping[str, Any], task: str) -> str | None:
    """Return the command that repeats a run of one task, without passwords."""
    if not isinstance(config.get("model"), str):
        return None
    parts = ["python", "-m", "lmms_eval", "--model", config["model"], "--tasks", task]
    if arguments := without_secrets(config.get("model_args")):
        parts += ["--model_args", arguments]
    if config.get("batch_size"):
        parts += ["--batch_size", str(config["batch_size"])]
    for name in _OPTIONS:
        if config.get(name) not in (None, "", {}):
            parts += [f"--{name}", str(config[name])]
    return shlex.join([*parts, "--log_samples", "--output_path", "runs"])
