"""Runs side by side: one row for each model, a block of columns for each task.

Values are those of `summarise` over each run's own kept documents; ranks and differences come from `comparison`, on
the documents that two runs both kept. Runs that differ in what decides the numbers, other than the model, are refused
or, if wanted, marked.
"""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alas_metric.comparison import COMPARED_COLUMNS, HEADLINES, SIGNIFICANT, PairDifference, compare_all, ranks
from alas_metric.corpus import METRICS, THRESHOLD, summarise
from alas_metric.dumps import find_dumps
from alas_metric.runs import LOCAL_COPY, Origin, Run, RunDocuments, find_runs, read_results, read_run
from alas_metric.scores import DocumentScores
from alas_metric.texts import printable

DEFAULT_SORT = "alas_skill"
_SECRET = re.compile(r"(?i)(?:^|_)(?:token|key|secret|password)$")
_OPTIONS = ("limit", "gen_kwargs", "num_fewshot")
"""Options of the harness that change results, besides those that every command names."""
_BYTES_FOR_A_PROCESS = 2**25
"""Samples from which one more process pays: reading them takes as long as starting it, about 2 s."""


@dataclass(frozen=True)
class Column:
    """A column of every task's block.

    Args:
        key: its name, also in files.
        title: its name for people.
        direction: ``higher`` or ``lower`` is better, ``none`` if neither.
        unit: of the values.
        description: one line.
    """

    key: str
    title: str
    direction: str
    unit: str
    description: str


def _metric_column(key: str, title: str) -> Column:
    metric = METRICS[key]
    return Column(key, title, metric.direction, metric.unit, metric.description)


COLUMNS = (
    Column("rank", "Rank", "lower", "", "1 and how many models are significantly better; equal ranks are ties"),
    _metric_column("alas", "ALAS"),
    _metric_column("alas_skill", "Skill"),
    _metric_column("alas_evidence", "Evidence"),
    Column("best_depth", "Best layer", "none", "share of depth", "layer with the highest skill, over all layers"),
    _metric_column("frame_skill", "Frame skill"),
    _metric_column("kept_share", "Kept"),
    Column(
        "task_audio", "Task, audio", "higher", "share", "accuracy, or similarity of free answers to the gold; audio"
    ),
    Column("task_text", "Task, text", "higher", "share", "the same for the transcript"),
    Column("documents", "Documents", "none", "", "documents of the run, skipped ones included"),
    Column("seconds", "s/doc", "lower", "seconds", "seconds per document, over all tasks of the run"),
)
_SOFTWARE = {
    "plugin": "lmms-eval-alas",
    **{name: name for name in ("torch", "transformers", "openai-whisper", "sentence-transformers")},
}
"""Settings of records that name versions; runs of different ones can be compared."""
_OF_MODEL = ("model_weights", "peft_weights", "quantised", "dtype", "attention", "device", "prompts")
"""Settings of records that belong to the model of a row."""
_SIMILARITY_WEIGHTS = "answer_similarity_weights"
_TASK_VALUES = {
    "task_audio": ("accuracy_audio", "answer_similarity_audio"),
    "task_text": ("accuracy_text", "answer_similarity_text"),
}


@dataclass(frozen=True)
class Facts:
    """What a run's results say of how it came about; None or empty where they are missing.

    Args:
        data: data set with its revision.
        task_version: of the task.
        versions: of the software, by name.
        model: what the records say of the model: weights, number format, device, hash of the prompts, ...
        commits: of the data on the hub, by data set.
        command: repeats the run.
        seconds: per document.
    """

    data: str | None = None
    task_version: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    model: dict[str, str] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    command: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Entry:
    """One model on one task.

    Args:
        model: the row's name.
        run: where the records lie.
        documents: scores of each document, as far as runs are compared by them.
        values: of the columns, None where undefined; ``rank`` comes later.
        intervals: low and high by column.
        layers: curves of every layered metric, see `corpus.aggregate`.
        origins: of the scored documents.
        facts: of the run.
    """

    model: str
    run: Run
    documents: Sequence[DocumentScores]
    values: dict[str, float | int | None]
    intervals: dict[str, tuple[float, float]]
    layers: Mapping[str, Any]
    origins: Sequence[Origin]
    facts: Facts

    @property
    def conditions(self) -> dict[str, str | None]:
        """What it must have in common with the others of its task; None is unknown and agrees with everything."""
        return {name: condition(self) for name, condition in _RUN_CONDITIONS.items()}

    @property
    def provenance(self) -> dict[str, str | None]:
        """Everything that tells this row from another, by name."""
        data = {"data": self.facts.data, **{f"commit of {name}": each for name, each in self.facts.commits.items()}}
        return {**self.facts.model, **self.conditions, **data, **self.facts.versions}

    @property
    def num_layers(self) -> int:
        """Number L of layers above layer 0; 0 if no document was kept."""
        return max(len(self.layers["alas_seconds"]["values"]) - 1, 0)


@dataclass(frozen=True)
class Board:
    """The leaderboard.

    Args:
        models: the rows, sorted.
        tasks: the blocks.
        entries: by model and task; a model may lack a task.
        pairs: of the tasks, by task and metric; positions are those of ``order``.
        order: by task the models that ``pairs`` counts.
        ranked_by: the metric of the ranks.
        sort: task and column that the rows are sorted by.
        threshold: of the answer filter.
        mixed: what differs although runs were mixed.
        messages: what was left out or is odd, and why.
    """

    models: list[str]
    tasks: list[str]
    entries: dict[tuple[str, str], Entry]
    pairs: dict[str, dict[str, list[PairDifference]]]
    order: dict[str, list[str]]
    ranked_by: str
    sort: tuple[str, str]
    threshold: float
    mixed: list[str]
    messages: list[str]

    def of_task(self, task: str) -> list[Entry]:
        """Return the entries of a task in the order of the rows."""
        return [self.entries[model, task] for model in self.models if (model, task) in self.entries]


def build_board(
    folders: Sequence[Path],
    sort: str = DEFAULT_SORT,
    task: str | None = None,
    threshold: float = THRESHOLD,
    reference: str | None = None,
    mix: bool = False,
) -> Board:
    """Return the leaderboard of all runs in some folders; what cannot be read is left out with a message.

    Args:
        folders: output paths of the harness.
        sort: a key of `COLUMNS`, or one with a task before it, ``alas_demo_sqa:alas``.
        task: only this one.
        threshold: of the answer filter.
        reference: name of the word timestamps, each record's primary one by default.
        mix: also put side by side what cannot be compared.

    Raises:
        ValueError: If nothing can be read, the column is unknown, or runs cannot be compared.
    """
    sort_task, column = _sort_column(sort)
    messages: list[str] = []
    found = []
    for entry, told in _read_all(_label_runs(_find(folders, task, messages)), threshold, reference):
        messages += told
        found += [] if entry is None else [entry]
    if not found:
        raise ValueError("; ".join(["no run could be read", *messages]))
    entries = {(entry.model, entry.run.task): entry for entry in found}
    tasks = sorted({name for _, name in entries})
    if sort_task is not None and sort_task not in tasks:
        raise ValueError(f"--sort: expected one of the tasks {tasks}, got {sort_task!r}")
    groups = {name: [entry for (_, own), entry in entries.items() if own == name] for name in tasks}
    mixed = [f"{name}: {text}" for name in tasks for text in differences(groups[name])]
    if mixed and not mix:
        raise ValueError("these runs cannot be compared:\n  " + "\n  ".join(mixed) + "\n--mix shows them all the same")
    messages += [f"{name}: {text}" for name in tasks for text in _oddities(groups[name])]
    ranked_by = column.key if column.key in HEADLINES else DEFAULT_SORT
    pairs = {name: compare_all([entry.documents for entry in groups[name]], threshold=threshold) for name in tasks}
    for name in tasks:
        for entry, rank in zip(groups[name], ranks(len(groups[name]), pairs[name][ranked_by]), strict=True):
            entry.values["rank"] = None if entry.values[ranked_by] is None else rank
    models = sorted_models(entries, sort_task or tasks[0], column)
    order = {name: [entry.model for entry in groups[name]] for name in tasks}
    by = (sort_task or tasks[0], column.key)
    return Board(models, tasks, entries, pairs, order, ranked_by, by, threshold, mixed, messages)


def _sort_column(sort: str) -> tuple[str | None, Column]:
    task, _, key = sort.rpartition(":")
    columns = {column.key: column for column in COLUMNS}
    if key not in columns:
        raise ValueError(f"--sort: expected one of {list(columns)}, got {key!r}")
    return task or None, columns[key]


def sorted_models(entries: Mapping[tuple[str, str], Entry], task: str, column: Column) -> list[str]:
    """Return the models, the better or larger first, those without a value last.

    Args:
        entries: by model and task, with their ranks.
        task: whose values count.
        column: one of `COLUMNS`.
    """

    def place(model: str) -> tuple[bool, float, str]:
        entry = entries.get((model, task))
        value = None if entry is None else entry.values[column.key]
        sign = 1 if column.direction == "lower" else -1
        return value is None, sign * (value or 0), model

    return sorted({model for model, _ in entries}, key=place)


# Reading


def _find(folders: Iterable[Path], task: str | None, messages: list[str]) -> list[tuple[Path, Run]]:
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


def _label_runs(found: Sequence[tuple[Path, Run]]) -> list[tuple[str, Run]]:
    """Return each run with the name of its row; the folder is added where a model has several runs of a task."""
    counts = Counter((run.model, run.task) for _, run in found)
    several = {model for (model, _), count in counts.items() if count > 1}
    labels = []
    for folder, run in found:
        # The harness writes Qwen/Qwen2-Audio-7B as Qwen__Qwen2-Audio-7B.
        name = run.model.replace("__", "/", 1)
        labels.append((printable(f"{name} ({folder})") if run.model in several else name, run))
    return labels


def _read_all(
    labelled: Sequence[tuple[str, Run]], threshold: float, reference: str | None
) -> list[tuple[Entry | None, list[str]]]:
    """Return what `_read` gives for every run, by several processes where there is much to read."""
    # Here, since most commands read one run and should not wait for it.
    from joblib import Parallel, delayed

    several = Parallel(n_jobs=_num_processes([run for _, run in labelled]))
    return list(several(delayed(_read)(*each, threshold, reference) for each in labelled))


def _num_processes(runs: Sequence[Run]) -> int:
    from joblib import cpu_count

    size = sum(run.samples.stat().st_size for run in runs)
    return max(1, min(cpu_count(), len(runs), size // _BYTES_FOR_A_PROCESS))


def _read(label: str, run: Run, threshold: float, reference: str | None) -> tuple[Entry | None, list[str]]:
    """Return a run's entry, None if it cannot be read, and messages."""
    messages = []
    try:
        found = read_run(run, reference)
        messages += [f"{run.model}: {message}" for message in found.messages]
        if not found.origins:
            raise ValueError(f"{run.samples.name} holds no document that can be scored")
        return _entry(label, found, threshold), messages
    except (OSError, ValueError) as error:
        return None, [*messages, f"left out: {run.model}: {error}"]


def _entry(model: str, found: RunDocuments, threshold: float) -> Entry:
    results = _results(found.run)
    facts = _facts(results, found.run.task, found.origins)
    values = summarise(found.documents, threshold)
    layers = dict(values["layers"].items())
    own = {column.key: values.get(column.key) for column in COLUMNS}
    for key, choices in _TASK_VALUES.items():
        own[key] = next((values[choice] for choice in choices if values[choice] is not None), None)
    depth = max(len(layers["alas_seconds"]["values"]) - 1, 0)
    best = values["best_layer"]
    own |= {
        "best_depth": None if best is None else best / depth,
        "documents": len(found.documents),
        "seconds": facts.seconds,
    }
    intervals = {
        key: (layers[key]["headline_low"], layers[key]["headline_high"])
        for key in HEADLINES
        if layers[key]["headline_low"] is not None
    }
    best_entry = layers["best_layer"]
    if best is not None and best_entry["low"] is not None:
        intervals["best_depth"] = (best_entry["low"] / depth, best_entry["high"] / depth)
    documents = [_for_comparison(scores) for scores in found.documents]
    return Entry(model, found.run, documents, own, intervals, layers, found.origins, facts)


def _for_comparison(scores: DocumentScores) -> DocumentScores:
    """Leave out columns that nothing reads any more: a board holds many runs at once."""
    columns = {name: column for name, column in scores.columns.items() if name in COMPARED_COLUMNS}
    return replace(scores, columns=columns)


def _results(run: Run) -> Any:
    try:
        return read_results(run)
    except (OSError, ValueError):
        return None  # read_run has said so


def _facts(results: Any, task: str, origins: Sequence[Origin]) -> Facts:
    """Return what results say, as far as they are what the harness writes."""
    versions = {name: text for key, name in _SOFTWARE.items() if (text := _setting(origins, key)) is not None}
    model = {key: text for key in _OF_MODEL if (text := _setting(origins, key)) is not None}
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


def _setting(origins: Iterable[Origin], name: str) -> str | None:
    """Return what the records say under a name, None where none does: older ones know fewer."""
    found = {origin.settings[name] for origin in origins if name in origin.settings}
    return _join(found) if found else None


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
    arguments = config.get("model_args")
    if isinstance(arguments, dict):
        arguments = ",".join(f"{key}={value}" for key, value in arguments.items())
    if arguments:
        parts += ["--model_args", ",".join(_without_secret(part) for part in str(arguments).split(","))]
    if config.get("batch_size"):
        parts += ["--batch_size", str(config["batch_size"])]
    for name in _OPTIONS:
        if config.get(name) not in (None, "", {}):
            parts += [f"--{name}", str(config[name])]
    return shlex.join([*parts, "--log_samples", "--output_path", "runs"])


def _without_secret(argument: str) -> str:
    name, equals, _ = argument.partition("=")
    return f"{name}=..." if equals and _SECRET.search(name.strip()) else argument


# What can be compared


_RUN_CONDITIONS: dict[str, Callable[[Entry], str | None]] = {
    "reference": lambda entry: _join({origin.reference for origin in entry.origins}),
    "unit": lambda entry: "positions" if 2 * _num_swapped(entry) > len(entry.origins) else "words",
    "answer filter": lambda entry: _join(
        {"on" if scores.answered else "off" for scores in entry.documents if scores.skipped is None}
    ),
    "source of transcripts": lambda entry: _join({origin.transcript_source for origin in entry.origins}),
    "settings": lambda entry: _join({_settings(origin) for origin in entry.origins}),
    "weights of the answer similarity": lambda entry: _setting(entry.origins, _SIMILARITY_WEIGHTS),
    "data": lambda entry: None if LOCAL_COPY in (entry.facts.data or "") else entry.facts.data,
    "version of the task": lambda entry: entry.facts.task_version,
}
"""What every run of a task must have in common; None is unknown and agrees with everything."""
_DOCUMENT_CONDITIONS: dict[str, Callable[[Origin], str]] = {
    "prompts": lambda origin: origin.instruction,
    "transcripts": lambda origin: origin.transcript,
}
"""What every document must have in common in all runs that hold it."""


def _num_swapped(entry: Entry) -> int:
    return sum(scores.swapped for scores in entry.documents)


def _settings(origin: Origin) -> str:
    apart = {*_SOFTWARE, *_OF_MODEL, _SIMILARITY_WEIGHTS}
    kept = {name: value for name, value in sorted(origin.settings.items()) if name not in apart}
    return ", ".join(f"{name}={value}" for name, value in kept.items()) or "none"


def _join(values: Iterable[str]) -> str:
    return " and ".join(sorted(values))


def differences(entries: Sequence[Entry]) -> list[str]:
    """Return what keeps runs of one task from being compared, one line each; none: they can be.

    Args:
        entries: of one task.
    """
    found = []
    for name, condition in _RUN_CONDITIONS.items():
        values = {entry.model: condition(entry) for entry in entries}
        if len({value for value in values.values() if value is not None}) > 1:
            found.append(f"{name} differs: {_grouped(values)}")
    for name, of_origin in _DOCUMENT_CONDITIONS.items():
        found += _document_difference(name, of_origin, entries)
    return found


def distinctions(entries: Sequence[Entry]) -> dict[str, dict[str, str | None]]:
    """Return what the rows of a task do not have in common: by name, the value of each model, None where unknown."""
    rows = {entry.model: entry.provenance for entry in entries}
    names = dict.fromkeys(name for row in rows.values() for name in row)
    found = {name: {model: row.get(name) for model, row in rows.items()} for name in names}
    return {name: values for name, values in found.items() if len(set(values.values())) > 1}


def _grouped(values: Mapping[str, str | None]) -> str:
    models: dict[str, list[str]] = {}
    for model, value in values.items():
        if value is not None:
            models.setdefault(value, []).append(model)
    return "; ".join(f"{_shortened(value)!r} in {', '.join(names)}" for value, names in models.items())


def _shortened(text: str, longest: int = 100) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _document_difference(name: str, condition: Callable[[Origin], str], entries: Sequence[Entry]) -> list[str]:
    """Return a line if a document differs between runs, with the first such document."""
    first: dict[str, tuple[str, str]] = {}
    for entry in entries:
        for origin in entry.origins:
            model, value = first.setdefault(origin.uid, (entry.model, condition(origin)))
            if value != condition(origin):
                both = _grouped({model: value, entry.model: condition(origin)})
                return [f"{name} differ: document {origin.uid!r} has {both}"]
    return []


def _software(entry: Entry) -> dict[str, str]:
    return {name: text for name, text in entry.facts.versions.items() if name in _SOFTWARE.values()}


def _unequal(what: str, facts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return a line for every name under which the models' facts are known and not the same."""
    found = []
    for name in dict.fromkeys(name for known in facts.values() for name in known):
        values = {model: known.get(name) for model, known in facts.items()}
        if len(set(values.values()) - {None}) > 1:
            found.append(f"{what} {name} differ: {_grouped(values)}")
    return found


def _oddities(entries: Sequence[Entry]) -> list[str]:
    """Return what a reader should know of runs that can be compared."""
    found = _unequal("versions of", {entry.model: _software(entry) for entry in entries})
    found += _unequal("commits of", {entry.model: entry.facts.commits for entry in entries})
    for entry in entries:
        if 0 < _num_swapped(entry) < len(entry.origins):
            text = "documents have fewer positions than words and so are not in alas"
            found.append(f"{entry.model}: {_num_swapped(entry)} of {len(entry.origins)} {text}")
    sets = {entry.model: frozenset(scores.uid for scores in entry.documents) for entry in entries}
    if len(set(sets.values())) > 1:
        counts = ", ".join(f"{model} {len(uids)}" for model, uids in sets.items())
        shared = len(frozenset.intersection(*sets.values()))
        found.append(f"the runs hold different documents ({counts}; {shared} in all): values are over each run's own")
    return found


# As data


def board_data(board: Board) -> dict[str, Any]:
    """Return everything on the leaderboard as JSON-able data."""
    return {
        "threshold": board.threshold,
        "ranked_by": board.ranked_by,
        "significant": SIGNIFICANT,
        "sorted_by": {"task": board.sort[0], "column": board.sort[1]},
        "mixed": board.mixed,
        "messages": board.messages,
        "columns": [vars(column) for column in COLUMNS],
        "rows": [
            {
                "model": model,
                "tasks": {task: _entry_data(board.entries.get((model, task))) for task in board.tasks},
            }
            for model in board.models
        ],
        "pairs": pair_rows(board),
        "distinctions": {task: distinctions(board.of_task(task)) for task in board.tasks},
    }


def _entry_data(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "run": entry.run.date,
        "values": entry.values,
        "intervals": {key: list(ends) for key, ends in entry.intervals.items()},
        "num_layers": entry.num_layers,
        "layers": entry.layers,
        "provenance": entry.provenance,
        "command": entry.facts.command,
        "dumps": [str(file.path) for file in find_dumps(entry.run.samples.parent, entry.run.date, entry.run.task)],
    }


def pair_rows(board: Board) -> list[dict[str, Any]]:
    """Return every pair of models as a flat row, for tables."""
    rows = []
    for task in board.tasks:
        for key, pairs in board.pairs[task].items():
            for pair in pairs:
                found = pair.difference
                rows.append(
                    {
                        "task": task,
                        "metric": key,
                        "first": board.order[task][pair.first],
                        "second": board.order[task][pair.second],
                        "documents": found.documents,
                        "clusters": found.clusters,
                        "value_first": found.first,
                        "value_second": found.second,
                        "difference": found.difference,
                        "low": found.low,
                        "high": found.high,
                        "p": found.p,
                        "p_holm": pair.p_holm,
                        "significant": pair.significant,
                    }
                )
    return rows
