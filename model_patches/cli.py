"""``alas models``, and ``alas doctor``: subcommands of the console script ``alas``."""

from __future__ import annotations

import argparse
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from alas_metric.commands.terminal import console, show_table
from alas_metric.errors import FatalError
from model_patches.registry import FAMILIES, MODEL_IDS, Family

if TYPE_CHECKING:
    from model_patches.checking import Finding

_COLOURS = {"passed": "green", "failed": "bold red", "not applicable": "yellow"}


def add_parsers(subparsers: Any) -> None:
    """Add the subcommands; each sets ``func``, which takes the arguments and returns the exit status."""
    models = subparsers.add_parser(
        "models",
        help="list the model ids, what each reads and whether its packages are installed; --check tries a checkpoint",
        description="The model ids that run ALAS tasks, with what was shown to work on each; see docs/models.md. "
        "--check tries a checkpoint on this machine, before a long run; where a check fails, the exit status is 1.",
    )
    models.add_argument("--check", metavar="PATH_OR_ID", help="a checkpoint of transformers: a folder or a hub id")
    models.add_argument("--audio", metavar="FILE", help="speech to try it on (default: an utterance of the demo)")
    models.add_argument("--transcript", metavar="TEXT", help="what is said in --audio")
    models.add_argument(
        "--device", metavar="DEVICE", help="cuda, cuda:1, mps or cpu (default: CUDA where there is one)"
    )
    models.add_argument("--dtype", metavar="DTYPE", help="float32, bfloat16 or float16 (default: the checkpoint's)")
    models.add_argument("--peft", metavar="PATH_OR_ID", help="an adapter of peft on top")
    models.set_defaults(func=run_models)
    doctor = subparsers.add_parser(
        "doctor",
        help="say what a run needs and whether it is there, before anything is downloaded or loaded",
        description="Look at versions, device, memory, disk and hub, and at the data and weights of the tasks and the "
        "model that are named. Exit status 1 if something is missing.",
    )
    doctor.add_argument("--tasks", metavar="A,B,...", help="as for lmms-eval: names, or YAML files")
    doctor.add_argument("--model", metavar="ID", help=f"as for lmms-eval: {', '.join(MODEL_IDS)}")
    doctor.add_argument("--model_args", default="", metavar="NAME=VALUE,...", help="as for lmms-eval")
    doctor.add_argument("--device", help="as for lmms-eval")
    doctor.set_defaults(func=run_doctor)


def run_doctor(args: argparse.Namespace) -> int:
    """Print what a run needs; return 1 if something is missing."""
    # Here, since it loads torch and Whisper, for which no other command of ``alas`` should wait.
    from model_patches.doctor.command import run

    return run(args)


def run_models(args: argparse.Namespace) -> int:
    """Print the table of models, or check one."""
    place = console(160)
    if args.check:
        return run_check(args, place)
    if args.audio or args.transcript:
        raise FatalError("--audio and --transcript say what to try a checkpoint on: add --check PATH_OR_ID")
    show_table(place, models_table())
    place.print(
        "alas_hf reads other models of transformers too, if they put a placeholder into the prompt for each position "
        "of audio: it measures what it is not told, checks itself on the first document, and says what it misses. "
        "alas models --check PATH_OR_ID tries one before a long run."
    )
    return 0


def run_check(args: argparse.Namespace, place: Console) -> int:
    """Check one checkpoint: its prompts, its answers, then a table of what was found."""
    from model_patches import checking

    if (args.audio is None) != (args.transcript is None):
        raise FatalError("--audio and --transcript go together: what is heard, and what is said in it")
    own = args.audio is not None
    utterance = checking.utterance_of(args.audio, args.transcript) if own else checking.demo_utterance()
    loading = {name: value for name in ("device", "dtype", "peft") if (value := getattr(args, name)) is not None}
    loads, trial = checking.load(args.check, utterance, **loading)
    found = [loads]
    if trial is not None:
        for title, text in checking.prompts_and_answers(trial).items():
            place.print(f"[bold]{title}[/bold]")
            place.print(text, end="\n\n", markup=False, highlight=False)
        with place.status("checking"):
            found += checking.findings(trial)
    place.print(findings_table(f"{args.check} with {checking.surroundings()}", found))
    return int(any(finding.outcome == "failed" for finding in found))


def findings_table(title: str, found: list[Finding]) -> Table:
    """Return one row per check."""
    table = Table("check", "outcome", "what was seen", title=escape(title))
    for finding in found:
        colour = _COLOURS[finding.outcome]
        table.add_row(finding.check, f"[{colour}]{finding.outcome}[/{colour}]", escape(finding.detail))
    return table


def models_table() -> Table:
    """Return one row per kind of checkpoint."""
    table = Table(title=f"transformers {metadata.version('transformers')}, lmms-eval {metadata.version('lmms-eval')}")
    for name in ("--model", "model type", "pretrained", "positions/s", "hears", "tried with", "needs"):
        table.add_column(name, justify="right" if name == "positions/s" else "left", overflow="fold")
    for family in FAMILIES:
        for place, checkpoint in enumerate(family.checkpoints):
            table.add_row(
                family.model_id if place == 0 else "",
                checkpoint.model_type,
                checkpoint.pretrained,
                f"{checkpoint.rate:.4g}",
                checkpoint.longest,
                checkpoint.tried,
                ", ".join([*map(state, checkpoint.needs), *(_of_other_tasks(family) if place == 0 else [])]),
            )
    return table


def _of_other_tasks(family: Family) -> list[str]:
    return [f"{state(package)} for other tasks" for package in family.others_need]


def state(package: str) -> str:
    """Return a package's name and whether it is installed."""
    return f"{package} ({'installed' if find_spec(package) else 'not installed'})"
