"""What ``alas doctor`` does; its options are in `model_patches.cli`, which loads this with its first use."""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from pathlib import Path

from rich.table import Table
from rich.text import Text

from alas_metric.commands.terminal import console, show_table
from alas_tasks.answer_similarity import model_for
from alas_tasks.findings import Finding, State
from alas_tasks.needs import free_answers, languages, of_tasks, references
from model_patches.doctor import machine
from model_patches.doctor.weights import Weights, in_memory, of_model, of_whisper
from model_patches.reference.sources import DEFAULT, GOLD, read_sources
from model_patches.registry import FAMILIES, MODEL_IDS, Family
from model_patches.run.options import PREFIX

_STYLES = {State.THERE: "green", State.REACHABLE: "cyan", State.NOTE: "yellow", State.MISSING: "bold red"}


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; return 1 if something is missing."""
    names = [name for name in (arguments.tasks or "").split(",") if name]
    findings = examine(names, arguments.model, model_arguments(arguments.model_args), arguments.device)
    show_table(console(), table(findings))
    missing = [finding.subject for finding in findings if finding.state is State.MISSING]
    print(f"Missing or wrong: {', '.join(missing)}." if missing else "Nothing is missing.")
    return 1 if missing else 0


def model_arguments(text: str) -> dict[str, str]:
    """Return the arguments of a model by name."""
    return dict(part.partition("=")[::2] for part in text.split(",") if part)


def examine(tasks: list[str], model: str | None, arguments: dict[str, str], device: str | None) -> list[Finding]:
    """Return all that was found.

    Args:
        tasks: names or YAML files.
        model: a model id of the harness, or None.
        arguments: of the model.
        device: the harness's ``--device``, or None.
    """
    place, free = machine.device(arguments.get("device") or device)
    found = [*machine.versions(), machine.harness(), place, machine.hub(), *of_tasks(tasks)]
    weights: list[Weights] = []
    if model:
        family = next((family for family in FAMILIES if family.model_id == model), None)
        if family is None:
            advice = f"model ids that work: {', '.join(MODEL_IDS)}"
            found.append(Finding("model", State.MISSING, f"{model} gives no hidden states", advice))
        else:
            weights += of_family(family, arguments)
            found += of_packages(family, arguments.get("pretrained"))
    if tasks or model:
        weights += of_answers_and_times(tasks, arguments)
    found += [each.finding for each in weights]
    if weights and free:
        needed = {each.finding.subject: each.memory for each in weights if each.memory}
        unknown = [each.finding.subject for each in weights if not each.memory]
        found.append(machine.memory(free, needed, unknown))
    return found + machine.disk(downloads(found))


def of_family(family: Family, arguments: dict[str, str]) -> list[Weights]:
    """Return what was found of the weights that a family's model arguments name."""
    default = None if family.model_id == "alas_hf" else family.checkpoints[0].pretrained
    asked = {"pretrained": default, **dict(family.other_weights)}
    asked = {name: arguments.get(name, usual) for name, usual in asked.items()}
    asked |= {"peft": arguments["peft"]} if "peft" in arguments else {}
    return [_of_weights(name, place, arguments) for name, place in asked.items()]


def _of_weights(name: str, place: str | None, arguments: dict[str, str]) -> Weights:
    subject = f"{name}="
    if not place:
        advice = f"--model_args {name}=PATH; docs/models.md says where it comes from"
        return Weights(Finding(subject, State.MISSING, "not named, and there is none by default", advice))
    found = of_model(subject, place, arguments.get("revision") if name == "pretrained" else None)
    taken = in_memory(place, arguments) if found.memory and name == "pretrained" else 0
    return Weights(found.finding, taken or found.memory)


def of_packages(family: Family, pretrained: str | None) -> list[Finding]:
    """Return what was found of the packages that a checkpoint needs beyond ours."""
    config = Path(pretrained or "", "config.json")
    kind = json.loads(config.read_text(encoding="utf-8")).get("model_type") if pretrained and config.is_file() else None
    meant = (each for each in family.checkpoints if kind == each.model_type or pretrained == each.pretrained)
    needs = {name for each in meant for name in each.needs}
    return [
        Finding(name, State.THERE, "installed")
        if find_spec(name)
        else Finding(name, State.MISSING, "not installed", f"pip install {name.replace('_', '-')}")
        for name in sorted(needs)
    ]


def of_answers_and_times(tasks: list[str], arguments: dict[str, str]) -> list[Weights]:
    """Return what was found of the aligners, which time words, and of Sentence-BERT, which compares answers."""
    times = [_of_source(*source) for source in _sources(tasks, arguments.get(f"{PREFIX}reference"))]
    compared = free_answers(tasks) and arguments.get(f"{PREFIX}responses", "true").lower() == "true"
    named = arguments.get(f"{PREFIX}sbert")
    models = sorted({named or model_for(arguments.get(f"{PREFIX}language", spoken)) for spoken in languages(tasks)})
    return [
        *(each for each in times if each is not None),
        *(of_model("Sentence-BERT", name) for name in models if compared),
    ]


def _sources(tasks: list[str], reference: str | None) -> list[tuple[str, str]]:
    """Return kind and checkpoint of each source of word times that the argument names, else the tasks, else neither."""
    asked = [reference] if reference else [each or DEFAULT for each in references(tasks)] or [DEFAULT]
    return list(dict.fromkeys(source for each in asked for source in read_sources(each)))


def _of_source(kind: str, checkpoint: str) -> Weights | None:
    """Return what was found of a source of word times, None for the data's own."""
    if kind == "whisper":
        return of_whisper(checkpoint, machine.reachable)
    return None if kind == GOLD else of_model("Qwen3 aligner", checkpoint)


def downloads(findings: list[Finding]) -> dict[Path, int]:
    """Return how many bytes are to be downloaded to each folder."""
    from huggingface_hub import constants

    from model_patches.reference.whisper_reference import official_file

    whisper = sum(finding.download for finding in findings if finding.subject == "Whisper")
    rest = sum(finding.download for finding in findings) - whisper
    return {Path(constants.HF_HUB_CACHE): rest, **({official_file("large-v3").parent: whisper} if whisper else {})}


def table(findings: list[Finding]) -> Table:
    """Return one row a finding."""
    shown = Table()
    for name in ("", "state", "found", "to do"):
        shown.add_column(name, overflow="fold")
    for each in findings:
        shown.add_row(each.subject, Text(each.state.value, _STYLES[each.state]), Text(each.found), Text(each.advice))
    return shown
