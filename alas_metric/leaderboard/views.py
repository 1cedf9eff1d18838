"""For each task a page in which documents of the leaderboard's first two models can be looked at, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from alas_metric.corpus.selection import Selection
from alas_metric.leaderboard.board import Board
from alas_metric.leaderboard.entry import Entry
from alas_metric.report.run_report import ranked
from alas_metric.viewer.page import address, viewer_page
from alas_metric.viewer.reading import view_run

_MODELS = 2
_GROUPS = ("best", "worst")


@dataclass(frozen=True)
class View:
    """A page and what leads into it.

    Args:
        name: of the file.
        page: HTML.
        models: that it shows.
        links: groups of documents, each with its documents' ids and addresses.
    """

    name: str
    page: str
    models: list[str]
    links: list[tuple[str, list[tuple[str, str]]]]


def task_views(board: Board, messages: list[str]) -> dict[str, View]:
    """Make the pages of all tasks.

    Args:
        board: the leaderboard.
        messages: gets what could not be made and why.

    Returns:
        By task; those of which no document has a skill are missing.
    """
    found = {}
    for task in board.tasks:
        entries = [entry for entry in board.of_task(task) if _groups(entry, board.selection.threshold)][:_MODELS]
        try:
            if entries:
                found[task] = _view(f"view-{task}.html", entries, board.selection)
        except (OSError, ValueError) as error:
            messages.append(f"{task}: no page of documents: {error}")
    return found


def _view(name: str, entries: Sequence[Entry], selection: Selection) -> View:
    groups = {
        f"{group} of {entry.model}": uids
        for entry in entries
        for group, uids in _groups(entry, selection.threshold).items()
    }
    shown = {uid for uids in groups.values() for uid in uids}
    runs = [view_run(entry.run, entry.documents, selection, len(entries), entry.records(shown)) for entry in entries]
    layer = entries[0].layers["best_layer"]["layer"]
    file = quote(name)
    links = [(group, [(uid, file + address(uid, layer)) for uid in uids]) for group, uids in groups.items()]
    return View(name, viewer_page(runs), [entry.model for entry in entries], links)


def _groups(entry: Entry, threshold: float) -> dict[str, list[str]]:
    """Return the ids of the documents that align best and worst, by group."""
    groups = ranked(entry.documents, threshold)
    return {group: uids for group in _GROUPS if (uids := [scores.uid for scores in groups[group]])}
