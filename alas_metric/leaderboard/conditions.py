"""Under which conditions runs were made, and which of them differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from alas_metric.document.conditions import SOFTWARE
from alas_metric.leaderboard.entry import RUN_CONDITIONS, Entry, num_swapped
from alas_metric.results.runs import Origin

_DOCUMENT_CONDITIONS: dict[str, Callable[[Origin], str]] = {
    "prompts": lambda origin: origin.instruction,
    "transcripts": lambda origin: origin.transcript,
}
"""What every document must have in common in all runs that hold it."""


def differences(entries: Sequence[Entry]) -> list[str]:
    """Return what keeps runs of one task from being compared, one line each; none: they can be.

    Args:
        entries: of one task.
    """
    found = []
    for name, condition in RUN_CONDITIONS.items():
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
    return {name: text for name, text in entry.facts.versions.items() if name in SOFTWARE.values()}


def _unequal(what: str, facts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return a line for every name under which the models' facts are known and not the same."""
    found = []
    for name in dict.fromkeys(name for known in facts.values() for name in known):
        values = {model: known.get(name) for model, known in facts.items()}
        if len(set(values.values()) - {None}) > 1:
            found.append(f"{what} {name} differ: {_grouped(values)}")
    return found


def oddities(entries: Sequence[Entry]) -> list[str]:
    """Return what a reader should know of runs that can be compared."""
    found = _unequal("versions of", {entry.model: _software(entry) for entry in entries})
    found += _unequal("commits of", {entry.model: entry.facts.commits for entry in entries})
    for entry in entries:
        if 0 < num_swapped(entry) < len(entry.origins):
            text = "documents have fewer positions than words and so are not in alas"
            found.append(f"{entry.model}: {num_swapped(entry)} of {len(entry.origins)} {text}")
    sets = {entry.model: frozenset(scores.uid for scores in entry.documents) for entry in entries}
    if len(set(sets.values())) > 1:
        counts = ", ".join(f"{model} {len(uids)}" for model, uids in sets.items())
        shared = len(frozenset.intersection(*sets.values()))
        found.append(f"the runs hold different documents ({counts}; {shared} in all): values are over each run's own")
    return found
