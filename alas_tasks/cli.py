"""``alas demo``, ``alas tasks`` and ``alas new-task``, subcommands of the console script ``alas``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from alas_metric.errors import FatalError
from alas_tasks.custom import load_documents, task_yaml
from alas_tasks.demo.command import add_parser as add_demo
from alas_tasks.description import ALIASES, Description, check_name, describe
from alas_tasks.needs import NEEDS, of_source

_ROLE_HELP = {
    "audio": "audio or paths of audio files",
    "transcript": "what is said; without it, Whisper's recognition is used",
    "instruction": "what the model is asked",
    "answer": "the gold answer",
    "words": "gold word timestamps in seconds: [{word, start, end}, ...] or [[word, start, end], ...]",
    "speaker": "who speaks; intervals are then drawn by speaker",
    "id": "the utterance's name",
}


def add_parsers(subparsers: Any) -> None:
    """Add the subcommands; each sets ``func``, which takes the arguments and returns the exit status."""
    add_demo(subparsers)
    tasks = subparsers.add_parser(
        "tasks", help="list the ALAS tasks, what each needs and whether its data is reachable"
    )
    tasks.set_defaults(func=run_tasks)
    new = subparsers.add_parser(
        "new-task",
        help="write a task file for your own speech",
        description="Write NAME.yaml, a task for your own speech, run as: lmms-eval --tasks NAME.yaml ...",
    )
    new.add_argument("name", metavar="NAME", help="name of the task")
    new.add_argument(
        "--data",
        required=True,
        metavar="FILE_OR_HUB_ID",
        help="a JSONL, JSON, CSV or TSV manifest (audio paths relative to it), a parquet file, "
        "or a data set with audio on the Hugging Face hub",
    )
    new.add_argument("--split", help="split of a data set on the hub (default: test)")
    new.add_argument("--config-name", help="configuration of a data set on the hub")
    new.add_argument("--revision", help="commit, branch or tag of a data set on the hub (default: newest commit)")
    for role, text in _ROLE_HELP.items():
        usual = ", ".join(ALIASES[role][:4])
        new.add_argument(f"--{role}", metavar="COLUMN", help=f"column with {text} (default: {usual}, ...; '' for none)")
    new.add_argument("--prompt", metavar="TEXT", help="what the model is asked, the same for every document")
    new.add_argument("--labels", metavar="A,B,...", help="the labels of closed answers, separated by commas")
    new.add_argument("--language", default="en", help="language spoken, as ISO 639-1 code (default: en)")
    new.add_argument("--output", default=".", metavar="DIR", help="folder for the file (default: this one)")
    new.set_defaults(func=run_new_task)


def run_new_task(args: argparse.Namespace) -> int:
    """Write the file of a new task, after looking at its data."""
    name = check_name(args.name)
    asked = {role: getattr(args, role) for role in ALIASES}
    labels = [label.strip() for label in (args.labels or "").split(",") if label.strip()]
    if args.labels is not None and len(set(labels)) < 2:
        raise FatalError(f"--labels {args.labels}: expected two or more different labels")
    description = describe(
        args.data,
        asked,
        split=args.split,
        config_name=args.config_name,
        revision=args.revision,
        prompt=args.prompt,
        labels=labels or None,
        language=args.language,
    )
    path = Path(args.output).expanduser() / f"{name}.yaml"
    _check_documents(name, description)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(task_yaml(name, description), encoding="utf-8")
    except OSError as error:
        raise FatalError(f"{path} cannot be written: {error}") from error
    _report(path, description)
    return 0


def _check_documents(name: str, description: Description) -> None:
    """Read local data once, so that its faults show now and not on a cluster."""
    if not description.revision:
        load_documents(name, description)


def _report(path: Path, description: Description) -> None:
    print(f"Wrote {path}")
    for role in ALIASES:
        column = description.columns.get(role)
        print(f"  {role:<12} {f'column {column}' if column else _without(role, description)}")
    print(f"Run it: lmms-eval --tasks {path} --model qwen2_audio --output_path runs --log_samples")


def _without(role: str, description: Description) -> str:
    return {
        "transcript": "none: Whisper's recognition is used",
        "instruction": f'"{description.prompt}"',
        "answer": "none: no comparison with gold answers",
        "words": "none: words are timed by Whisper",
        "speaker": "none: intervals are drawn by document",
        "id": "none: names of the audio files",
    }.get(role, "none")


def run_tasks(args: argparse.Namespace) -> int:
    """Print the tasks, what each needs and where that is; nothing is downloaded."""
    from rich.console import Console
    from rich.table import Table

    states = {source: of_source(source).found for source in {source for needs in NEEDS.values() for source in needs}}
    table = Table("task")
    for title in ("needs", "or a local copy in", "state"):
        table.add_column(title, overflow="fold")  # names are to be copied, so never cut
    for task, needs in NEEDS.items():
        if not needs:
            table.add_row(task, "nothing: in the package", "", "local")
        for row, source in enumerate(needs):
            table.add_row("" if row else task, source.repo_id, source.folder_variable, states[source])
    table.add_row("alas", "alas_librisqa and alas_iemocap", "", "")
    console = Console()
    console.print(table)
    console.print("Your own speech: alas new-task --help", highlight=False)
    return 0
