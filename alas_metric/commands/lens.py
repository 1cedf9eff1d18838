"""``alas lens``: what each word's stretch of audio reads as in each layer."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from alas_metric.commands.shared import add_run_options, chosen_runs, output_folder, show_files, writing
from alas_metric.commands.terminal import console, show_table
from alas_metric.document.record import AlignmentRecord
from alas_metric.errors import FatalError
from alas_metric.results.dumps import safe_name
from alas_metric.results.runs import Run, every_record
from alas_metric.texts import one_line

_DOCUMENTS = 3
"""Of each run, unless some are named."""
_WORDS = 9
"""In one table of the terminal."""
_STYLES = ("", "cyan", "bold green")


def add_parser(subparsers: Any) -> None:
    """Add the command to the ``alas`` command."""
    lens = subparsers.add_parser(
        "lens",
        help="show which word each stretch of audio reads as in each layer",
        description="Show, for documents of a run, which token the model's own output head reads off each word's "
        "stretch of audio in each layer, as tables and figures. The run must have read them: --model_args alas_lens=k.",
    )
    add_run_options(lens)
    lens.add_argument("--doc", action="append", metavar="UID", help="document by its id; again for more")
    lens.add_argument("--output", type=Path, metavar="FOLDER", help="of the figures; default: RUN_DIR/alas_lens")
    lens.set_defaults(func=_lens)


def _lens(arguments: argparse.Namespace) -> int:
    """Print tables, draw figures and print their files."""
    from alas_metric.figures.figures import save, titled
    from alas_metric.figures.lens import lens_figure

    output = arguments.output or output_folder(arguments.run_dir, "alas_lens")
    place = console(150)
    shown = 0
    for run in chosen_runs(arguments):
        for record in _records(run, arguments.doc):
            for table in tables(record):
                show_table(place, table)
            stem = output / run.model / f"{run.task}-{safe_name(record.uid)}"
            with writing(output):
                show_files(save(titled(lens_figure(record), run.model, run.task, record.uid), stem))
            shown += 1
    if not shown:
        named = f" {', '.join(arguments.doc)}" if arguments.doc else ""
        raise FatalError(
            f"no document{named} of {arguments.run_dir} holds what its layers read as: run lmms-eval with "
            "--model_args alas_lens=10 --log_samples"
        )
    return 0


def _records(run: Run, named: list[str] | None) -> Iterator[AlignmentRecord]:
    try:
        found = (record for record in every_record(run) if record.lens is not None)
        wanted = (record for record in found if named is None or record.uid in named)
        yield from islice(wanted, _DOCUMENTS if named is None else None)
    except OSError as error:
        raise FatalError(f"{run.samples}: {error.strerror or error}") from None


def tables(record: AlignmentRecord) -> Iterator[Table]:
    """Yield tables of a few words each, the last layer on top; green: the word itself is read, blue: it is found."""
    lens = record.lens
    assert lens is not None
    found = lens.levels
    for first in range(0, record.num_words, _WORDS):
        chosen = range(first, min(first + _WORDS, record.num_words))
        table = Table(title=Text(f"{record.uid}, words {first + 1} to {chosen.stop} of {record.num_words}"))
        table.add_column("layer", justify="right")
        for word in chosen:
            table.add_column(Text(one_line(record.words[word])), overflow="fold")
        for layer in reversed(range(lens.num_layers)):
            cells = [Text(one_line(lens.top_tokens[layer][w]), _STYLES[found[layer, w]]) for w in chosen]
            table.add_row(str(layer), *cells)
        yield table
