"""One HTML page of a run's documents, or of two runs', that needs no server and no network.

Texts of runs are of other people: they reach the page as data, in JSON and in base64, and its script writes them as
text. The page's own policy forbids every request, and every script and style but its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from alas_metric.document.similarity import FORMS
from alas_metric.viewer.reading import ViewedRun
from alas_metric.web import asset, colours, json_island

_SCRIPTS = ("blocks.js", "clock.js", "drawing.js", "curve.js", "lens.js", "panel.js", "list.js", "viewer.js")
_COLOURS = 256


def viewer_page(runs: Sequence[ViewedRun]) -> str:
    """Return the page.

    Args:
        runs: one, or two of the same task.

    Returns:
        HTML, some 50 kB and what the runs' documents take.
    """
    environment = Environment(
        loader=PackageLoader("alas_metric.viewer", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    style = colours() + asset("alas_metric.viewer", "viewer.css")
    script = "\n".join(
        ["(() => {", '"use strict";', *(asset("alas_metric.viewer", name) for name in _SCRIPTS), "})();"]
    )
    return environment.get_template("viewer.html").render(
        task=runs[0].run.task,
        models=names(runs),
        policy=_policy(script, style),
        style=Markup(style),
        script=Markup(script),
        index=json_island(_index(runs)),
        blocks=list(_blocks(runs)),
    )


def address(uid: str, layer: int | None) -> str:
    """Return what follows a page's name in a link to one of its documents.

    Example:
        >>> address("a b/c", 16)
        '#uid=a+b%2Fc&layer=16'
    """
    return f"#{urlencode({'uid': uid} | ({} if layer is None else {'layer': layer}), errors='replace')}"


def names(runs: Sequence[ViewedRun]) -> list[str]:
    """Return the models' names, with the runs' dates where the names are the same."""
    models = [viewed.run.model for viewed in runs]
    if len(set(models)) == len(models):
        return models
    return [f"{viewed.run.model} {viewed.run.date}" for viewed in runs]


def _policy(script: str, style: str) -> str:
    """Return a policy that lets a page run this script and take this style, and nothing else."""
    return (
        f"default-src 'none'; script-src 'sha256-{_digest(script)}'; style-src 'sha256-{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def document_ids(runs: Sequence[ViewedRun]) -> list[str]:
    """Return the ids of the documents of all runs, those of the first in its order."""
    return list(dict.fromkeys(uid for viewed in runs for uid in viewed.documents))


def _index(runs: Sequence[ViewedRun]) -> dict[str, Any]:
    """Return what the page's script knows before a document is opened."""
    from alas_metric.figures.style import FOUND, REFERENCE, SIMILARITY

    ramp = (SIMILARITY(range(_COLOURS), bytes=True)[:, :3]).tolist()
    return {
        "task": runs[0].run.task,
        "forms": [form for form in FORMS if any(form in viewed.skill for viewed in runs)],
        "colours": {"ramp": ramp, "found": FOUND, "reference": REFERENCE},
        "runs": [
            {"name": name, "layers": viewed.num_layers, "skill": viewed.skill}
            for name, viewed in zip(names(runs), runs, strict=True)
        ],
        "documents": [_listed(uid, runs) for uid in document_ids(runs)],
        "notes": [note for name, viewed in zip(names(runs), runs, strict=True) for note in _notes(name, viewed)],
    }


def _listed(uid: str, runs: Sequence[ViewedRun]) -> dict[str, Any]:
    found = [viewed.documents.get(uid) for viewed in runs]
    first = next(document for document in found if document is not None)
    return {
        "uid": uid,
        "text": first.text,
        "speaker": first.speaker,
        "runs": [None if document is None else document.summary for document in found],
    }


def _notes(name: str, viewed: ViewedRun) -> Iterator[str]:
    if viewed.left_out:
        causes = ", ".join(f"{cause.replace('_', ' ')} ({count})" for cause, count in sorted(viewed.left_out.items()))
        yield f"{name}: not shown, since they could not be scored: {causes}."
    yield from (f"{name}: {message}" for message in viewed.messages)


def _blocks(runs: Sequence[ViewedRun]) -> Iterator[tuple[str, str]]:
    """Yield what the page holds of each document and run, by the ids of its elements."""
    for number, uid in enumerate(document_ids(runs)):
        for column, viewed in enumerate(runs):
            if (document := viewed.documents.get(uid)) is None:
                continue
            parts = {"details": document.details, "similarity": document.similarity, "audio": document.audio}
            yield from ((f"{kind}-{number}-{column}", part) for kind, part in parts.items() if part is not None)
