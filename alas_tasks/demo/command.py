"""``alas demo``: the whole way on what lies in the package, and in four lines what is to be seen."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from alas_metric.commands.shared import report
from alas_metric.commands.terminal import console, show_table
from alas_metric.corpus.aggregate import Brief
from alas_metric.corpus.layers import is_defined
from alas_metric.corpus.metrics import ROWS
from alas_metric.errors import FatalError
from alas_metric.numbers import number, of_unit
from alas_metric.results.runs import find_runs, read_documents, score_run
from alas_tasks.demo.files import QWEN2_AUDIO, WHISPER
from alas_tasks.installation import complaints

TASKS = ("alas_demo_sqa", "alas_demo_emotion")
MODEL = "the demo's Qwen2-Audio"
PICTURES = 3
_ESCAPES = re.compile("\x1b\\[[0-9;]*m")
CURVES = ("alas", "alas_evidence")
"""The metrics that are drawn over layers."""


def add_parser(subparsers: Any) -> None:
    """Add ``alas demo``."""
    parser = subparsers.add_parser(
        "demo",
        help="run everything once on data and models of the package: no network, no GPU, a minute or two",
        description="Run both demo tasks with the small models of the package, through lmms-eval as you would, and "
        "write results, layer curves, alignment pictures and a page in which utterances can be heard to a folder.",
    )
    parser.add_argument("--output", type=Path, default=Path("alas-demo"), metavar="FOLDER", help="default: alas-demo")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N utterances of each task")
    parser.add_argument(
        "--reference",
        choices=("whisper", "words"),
        default="whisper",
        help="word timestamps of the package's small Whisper (default), or the exact ones of the synthetic speech",
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the tasks, draw, and say what came out."""
    place = console(110, soft_wrap=True)
    results = free_folder(arguments.output) / "results"
    command = harness_command(results, arguments.reference, arguments.limit)
    place.print(f"Running: [bold]lmms-eval {shlex.join(command)}[/bold]", highlight=False)
    start = time.monotonic()
    run_harness(command, results, arguments.output / "lmms-eval.log", place)
    values = {run.task: score_run(run).values for run in find_runs(results)}
    place.print(f"Done in {time.monotonic() - start:.0f} s.\n")
    show_table(place, _table(values))
    pictures = [*draw(values, results, arguments.output), *write_views(results, arguments.output)]
    place.print(*explanation(values), sep="\n", highlight=False)
    place.print("\nTo be looked at:", *(f"  {picture}" for picture in pictures), sep="\n", highlight=False)
    place.print(f"Everything else: alas report {results}", highlight=False)
    return 0


def free_folder(folder: Path) -> Path:
    """Return the output folder, made; one that holds something else than an earlier demo is refused."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "lmms-eval.log").exists())):
        raise FatalError(f"{folder} is there and not from an earlier demo: choose another with --output FOLDER")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FatalError(f"{folder} cannot be made: {error.strerror or error}") from error
    return folder


def harness_command(results: Path, reference: str, limit: int | None) -> list[str]:
    """Return the arguments of lmms-eval."""
    model = {
        "pretrained": QWEN2_AUDIO,
        "alas_reference": "words" if reference == "words" else f"whisper:{WHISPER}",
        "alas_dump": PICTURES,
        "alas_dump_audio": "true",
    }
    command = ["--tasks", ",".join(TASKS), "--model", "qwen2_audio"]
    command += ["--model_args", ",".join(f"{name}={value}" for name, value in model.items())]
    command += ["--batch_size", "8", "--output_path", str(results), "--log_samples"]
    return command + (["--limit", str(limit)] if limit else [])


def run_harness(command: Sequence[str], results: Path, log: Path, place: Console) -> None:
    """Run lmms-eval with its output in a file.

    Raises:
        FatalError: If it fails or leaves no results, after the end of what it said.
    """
    before = samples_in(results)
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    with log.open("w", encoding="utf-8") as output, place.status(f"about a minute; what it says is in {log}"):
        done = subprocess.run(
            [sys.executable, "-m", "lmms_eval", *command], stdout=output, stderr=subprocess.STDOUT, env=offline
        )
    said = _ESCAPES.sub("", log.read_text(encoding="utf-8", errors="replace"))  # lmms-eval colours files too
    log.write_text(said, encoding="utf-8")
    if done.returncode or len(samples_in(results) - before) < len(TASKS):
        report(said.splitlines()[-15:])
        raise FatalError(". ".join([*failure(done.returncode, said), f"All that it said is in {log}"]))


def samples_in(results: Path) -> set[Path]:
    """Return the logs of samples of the demo's tasks below a folder."""
    return {path for task in TASKS for path in results.rglob(f"*_samples_{task}.jsonl")}


def failure(code: int, said: str) -> list[str]:
    """Return in sentences why the harness wrote no results."""
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "nothing")
    reason = last.removeprefix("alas: error: ").rstrip(".")
    problems = [problem for problem in complaints() if problem not in last]
    return [f"lmms-eval wrote no results (exit status {code}); the last that it said is: {reason}", *problems]


def _table(values: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table("metric", *TASKS, "", title="Mean over layers 1 and up; alas: words away from the word spoken")
    for row in ROWS:
        found = [values[task].get(row.key) for task in TASKS]
        if row.shown and any(value is not None and not isinstance(value, Brief) for value in found):
            table.add_row(row.key, *(of_unit(value, row.unit) for value in found), row.description)
    return table


def draw(values: Mapping[str, Mapping[str, Any]], results: Path, output: Path) -> list[Path]:
    """Draw the layer curves of each task and the alignment pictures; return the PNG files, beside which others lie."""
    from alas_metric.figures.figures import alignment_picture, layer_curves, save, titled
    from alas_metric.results.dumps import find_dumps, read_dump

    drawn: list[Path] = []
    for task in TASKS:
        layers, best = dict(values[task]["layers"].items()), values[task]["best_layer"]
        for key in CURVES:
            if is_defined(layers.get(key)):
                figure = titled(layer_curves(layers[key], key, best), MODEL, task)
                drawn += save(figure, output / f"curves-{task}-{key}")
    for file in find_dumps(results, None, TASKS[0]):
        dump = read_dump(file.path)
        drawn += save(alignment_picture(dump, names=(MODEL, TASKS[0])), output / f"alignment-{file.path.stem}")
    return [path for path in drawn if path.suffix == ".png"]


def write_views(results: Path, output: Path) -> list[Path]:
    """Write a page a task in which every utterance can be looked at, and the first ones be heard; return the files."""
    from alas_metric.viewer.page import viewer_page
    from alas_metric.viewer.reading import view_run

    written = []
    for run in find_runs(results):
        written.append(output / f"view-{run.task}.html")
        written[-1].write_text(viewer_page([view_run(run, read_documents(run).documents)]), encoding="utf-8")
    return written


def explanation(values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return four lines about what is to be seen, with the run's own numbers."""
    question, emotion = (values[task] for task in TASKS)
    evidence = (question["layers"].get("alas_evidence") or {"values": [None]})["values"]
    best = question["best_layer"]
    return [
        f"1. The model listens: {_share(question, 'audio')} of the questions answered right from the audio, "
        f"{_share(question, 'text')} from the transcript; the emotion, which no transcript tells, "
        f"{_share(emotion, 'audio')} and {_share(emotion, 'text')}.",
        f"2. Does a layer bind audio to words? alas_evidence is 1 where every position finds its word, 0 where audio "
        f"shifted in time does as well: {number(evidence[0])} at layer 0, where the audio enters, "
        f"{number(None if best is None else evidence[best])} at the best layer {best}, {number(evidence[-1])} at the "
        "last.",
        f"3. ALAS itself counts words: the path found is {number(question['alas'])} words away from the one of the "
        f"word timestamps, on shifted audio {number(question['alas_chance'])}, at random "
        f"{number(question['alas_uniform'])}. Short, evenly spoken sentences are easy: a straight line is "
        f"{number(question['alas_linear'])} away.",
        "4. In the pictures red (found) follows white (word timestamps) where a layer aligns; the curves show where "
        "in the model that is.",
    ]


def _share(values: Mapping[str, Any], run: str) -> str:
    accuracy = values[f"accuracy_{run}"]
    return "N/A" if accuracy is None else f"{accuracy:.0%}"
