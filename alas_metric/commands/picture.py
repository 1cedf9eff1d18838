"""``alas picture``: similarity matrices of documents with their paths."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alas_metric.commands.shared import (
    add_reference_option,
    add_run_options,
    output_folder,
    report,
    show_files,
    writing,
)
from alas_metric.document.similarity import FORMS
from alas_metric.errors import FatalError
from alas_metric.results.dumps import DumpFile, find_dumps, read_dump


def add_parser(subparsers: Any) -> None:
    """Add the command to the ``alas`` command."""
    picture = subparsers.add_parser(
        "picture",
        help="draw the similarity matrices of a document with their paths",
        description="Draw the similarity matrices of documents with the reference path (white) and the path that was "
        "found (red). The run must have kept similarities: --model_args alas_dump=N.",
    )
    add_run_options(picture)
    picture.add_argument(
        "--doc", action="append", metavar="NAME", help="document, by id or by a picture's name; again for more"
    )
    picture.add_argument(
        "--layers", type=_layers, metavar="LIST", help="such as 0,5,last; default: 0,5,10,last as far as there are"
    )
    add_reference_option(picture)
    picture.add_argument("--form", choices=FORMS, default="raw", help="of similarity; default: %(default)s")
    picture.add_argument("--output", type=Path, metavar="FOLDER", help="default: RUN_DIR/alas_pictures")
    picture.set_defaults(func=_picture)


def _layers(text: str) -> list[int]:
    """Read ``0,5,last``; -1 is the last layer."""
    try:
        return [-1 if part.strip() == "last" else _layer(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected layers such as 0,5,last, got {text!r}") from None


def _layer(text: str) -> int:
    layer = int(text)
    if layer < 0:
        raise ValueError(text)
    return layer


def _picture(arguments: argparse.Namespace) -> int:
    """Draw the pictures and print their files."""
    from alas_metric.figures.figures import alignment_picture, save

    files = _files(arguments)
    wanted = [file for file in files if arguments.doc is None or any(map(file.may_be, arguments.doc))]
    output = arguments.output or output_folder(arguments.run_dir, "alas_pictures")
    drawn, lacking = 0, False
    for file in wanted:
        try:
            dump = read_dump(file.path)
            if arguments.doc is not None and not {dump.record.uid, *file.printed}.intersection(arguments.doc):
                continue
            layers, absent = split_layers(arguments.layers, dump.record.num_layers)
            last = dump.record.num_layers - 1
            report(f"{file.path}: there is no layer {layer}, the last is {last}" for layer in absent)
            source = (file.model, file.task)
            figure = alignment_picture(dump, layers, arguments.reference, arguments.form, source)
        except (OSError, ValueError) as error:
            report([f"{file.path}: {error}"])
            lacking = True
            continue
        lacking |= bool(absent)
        ending = "" if arguments.form == "raw" else f"-{arguments.form}"
        stem = output / file.model / f"{file.task}-{file.path.stem}{ending}"
        with writing(output):
            show_files(save(figure, stem))
        drawn += 1
    if not drawn:
        names = ", ".join(sorted({file.name for file in files}))
        raise FatalError(f"nothing was drawn; similarities were kept of {names}")
    return int(lacking)


def split_layers(layers: Sequence[int] | None, num_layers: int) -> tuple[list[int] | None, list[int]]:
    """Return those of the layers that a model has, and those that it lacks.

    Example:
        >>> split_layers([0, 99, -1], 5)
        ([0, -1], [99])
    """
    if layers is None:
        return None, []
    return [layer for layer in layers if layer < num_layers], [layer for layer in layers if layer >= num_layers]


def _files(arguments: argparse.Namespace) -> list[DumpFile]:
    try:
        files = find_dumps(arguments.run_dir, arguments.date, arguments.task)
    except ValueError as error:
        raise FatalError(str(error)) from None
    if not files:
        raise FatalError(
            f"no similarities in {arguments.run_dir}: records hold paths only. Run lmms-eval with --output_path and "
            "--model_args alas_dump=N to keep those of N documents."
        )
    return files
