"""``alas demo``, ``alas tasks`` and ``alas new-task``, subcommands of the console script ``alas``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from alas_metric.errors import FatalError
from alas_tasks.custom import load_documents, task_yaml
from alas_tasks.demo.command import add_parser as add_demo
from alas_tasks.description import ALIASES, check_name, describe, relative_to
from alas_tasks.needs import of_source, reads
from alas_tasks.overview import show
from alas_tasks.word_columns import UNITS

_ROLE_HELP = {
    "audio": "audio or paths of audio files",
    "transcript": "what is said; without it, Whisper's recognition is used",
    "instruction": "what the model is asked",
    "answer": "the gold answer",
    "words": "gold word timestamps: [{word, start, end}, ...] or [[word, start, end], ...]",
    "speaker": "who speaks; intervals are then drawn by speaker",
    "id": "the utterance's name",
    "begin": "where in the recording the row begins",
    "end": "where it ends",
    "duration": "how long it is, in place of the end",
    "channel": "the channel to read, from 0 or A; or the channel of all recordings, as a number",
    "language": "the language spoken; or the language of all, as its ISO 639-1 code (otherwise en)",
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
        metavar="DATA",
        help="a JSONL, JSON, CSV or TSV manifest (audio paths relative to it), a parquet file, a folder (audio folder, "
        "Kaldi, LibriSpeech, recordings with TextGrids or WhisperX files beside them), or a data set with audio on the "
        "Hugging Face hub; docs/data.md",
    )
    new.add_argument("--split", help="split of a folder or of a data set on the hub (default: test)")
    new.add_argument("--config-name", help="configuration of a data set on the hub")
    new.add_argument("--revision", help="commit, branch or tag of a data set on the hub (default: newest commit)")
    for role, text in _ROLE_HELP.items():
        usual = ", ".join(ALIASES[role][:4])
        new.add_argument(f"--{role}", metavar="COLUMN", help=f"column with {text} (default: {usual}, ...; '' for none)")
    new.add_argument("--prompt", metavar="TEXT", help="what the model is asked, the same for every document")
    new.add_argument("--labels", metavar="A,B,...", help="the labels of closed answers, separated by commas")
    new.add_argument("--times-in", choices=UNITS, help="unit of begin, end and duration (default: what the data tells)")
    new.add_argument(
        "--word-times",
        metavar="FOLDER",
        help="gold word times in files named as the utterances: TextGrid, WhisperX's JSON, wdseg; or CTM, parquet",
    )
    new.add_argument("--word-times-in", choices=UNITS, help="unit of word timestamps (default: seconds)")
    new.add_argument(
        "--reference",
        metavar="NAME",
        help="the word times that scores use, as alas_reference, which overrides it: words, whisper:PATH, ...",
    )
    new.add_argument("--output", default=".", metavar="DIR", help="folder for the file (default: this one)")
    new.add_argument("--force", action="store_true", help="write the file even where there is one")
    new.set_defaults(func=run_new_task)


def run_new_task(args: argparse.Namespace) -> int:
    """Write the file of a new task, after looking at its data, and show what was understood."""
    name = check_name(args.name)
    path = Path(args.output).expanduser() / f"{name}.yaml"
    if path.exists() and not args.force:
        raise FatalError(f"{path} exists; --force overwrites it")
    labels = [label.strip() for label in (args.labels or "").split(",") if label.strip()]
    if args.labels is not None and len(set(labels)) < 2:
        raise FatalError(f"--labels {args.labels}: expected two or more different labels")
    description, columns, rows = describe(
        args.data,
        {role: getattr(args, role) for role in ALIASES},
        split=args.split,
        config_name=args.config_name,
        revision=args.revision,
        prompt=args.prompt,
        labels=labels or None,
        times_in=args.times_in,
        word_times_in=args.word_times_in,
        word_times=args.word_times,
    )
    description = replace(description, reference=args.reference)
    # Local data is read once, so that its faults show now and not on a cluster.
    docs = None if description.revision else load_documents(name, description)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(task_yaml(name, relative_to(path.parent, description)), encoding="utf-8")
    except OSError as error:
        raise FatalError(f"{path} cannot be written: {error}") from error
    show(description, columns, rows, docs)
    print(f"Wrote {path}")
    for role in (*_WITHOUT, "instruction"):
        if role not in description.columns and not (role == "words" and description.word_times):
            print(f"  {role:<12} {_WITHOUT.get(role) or description.prompt}")
    print(f"Run it: lmms-eval --tasks {quote(str(path))} --model qwen2_audio --output_path runs --log_samples")
    print("(The demo's model answers only its own questions: with it, add alas_responses=false to --model_args.)")
    return 0


_WITHOUT = {
    "transcript": "none: Whisper's recognition is used",
    "answer": "none: no comparison with gold answers",
    "words": "none: words are timed by Whisper",
    "id": "none: names of the audio files",
}


def run_tasks(args: argparse.Namespace) -> int:
    """Print the tasks, what each needs and where that is; nothing is downloaded."""
    from rich.table import Table

    from alas_metric.commands.terminal import console, show_table

    states = {source: of_source(source).found for source in {source for needs in reads().values() for source in needs}}
    table = Table("task")
    for title in ("needs", "or a local copy in", "state"):
        table.add_column(title, overflow="fold")  # names are to be copied, so never cut
    for task, needs in reads().items():
        if not needs:
            table.add_row(task, "nothing: in the package", "", "local")
        for row, source in enumerate(needs):
            table.add_row("" if row else task, source.repo_id, source.folder_variable, states[source])
    table.add_row("alas", "alas_librisqa and alas_iemocap", "", "")
    place = console()
    show_table(place, table)
    place.print("Your own speech: alas new-task --help", highlight=False)
    return 0
