"""The folder of a report: figures, tables, pictures and the summary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from alas_metric.corpus.words import TEXTS, Words
from alas_metric.figures.figures import alignment_picture, save, titled
from alas_metric.figures.lens import lens_figure
from alas_metric.files import write_parquet
from alas_metric.report.figures import figures
from alas_metric.report.markdown import VIEW, markdown_summary
from alas_metric.report.run_report import Report, ranked
from alas_metric.report.tables import BY_OPTION, TABLES
from alas_metric.results.dumps import dump_files, dump_folder, read_dump, safe_name
from alas_metric.texts import csv_text
from alas_metric.viewer.page import viewer_page
from alas_metric.viewer.reading import view_run


def write_report(report: Report, folder: Path) -> Path:
    """Write figures, tables and the summary into a folder, and return the path of the summary.

    Raises:
        OSError: If something cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    signed = {"signature": report.values["signature"]}
    for name, (rows, columns) in TABLES.items():
        if (found := rows(report)) or name not in BY_OPTION:
            text = csv_text([row | signed for row in found], [*columns, *signed])
            (folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    write_words(report.words, folder)
    drawn = {}
    for name, caption, figure in figures(report):
        save(figure, folder / "figures" / name)
        drawn[name] = caption
    pictures = {uid: path.name for uid, path in _write_pictures(report, folder / "figures")}
    lenses = dict(_write_lenses(report, folder / "figures"))
    if report.examples:
        _write_view(report, folder / VIEW)
    path = folder / "report.md"
    path.write_text("\n".join(markdown_summary(report, drawn, pictures, lenses)) + "\n", encoding="utf-8")
    return path


def write_words(words: Words, folder: Path) -> None:
    """Write the table of words as CSV and as Parquet; nothing where no document holds any.

    Raises:
        OSError: If it cannot be written.
    """
    if not words.documents:
        return
    columns = words.columns
    (folder / "words.csv").write_text(csv_text(words.rows(), columns), encoding="utf-8", newline="")
    write_parquet(words.rows(), columns, folder / "words.parquet", TEXTS)


def _write_view(report: Report, path: Path) -> None:
    """Write the page of the documents that the summary names."""
    viewed = view_run(report.run, report.documents, report.selection, records=report.examples.values())
    path.write_text(viewer_page([viewed]), encoding="utf-8")


def _write_pictures(report: Report, folder: Path) -> Iterator[tuple[str, Path]]:
    """Draw the documents whose similarities the run kept; yield their ids and PNG files."""
    run = report.run
    for path in dump_files(dump_folder(run.samples.parent, run.date, run.task)):
        try:
            dump = read_dump(path)
            figure = alignment_picture(dump, names=(run.model, run.task))
        except (OSError, ValueError) as error:
            report.messages.append(str(error))
            continue
        yield dump.record.uid, save(figure, folder / f"alignment_{safe_name(path.stem)}")[0]


def _write_lenses(report: Report, folder: Path) -> Iterator[tuple[str, str]]:
    """Draw what the best, a typical and the worst document read as in each layer; yield their ids and PNG files."""
    for group in ranked(report.documents, report.selection.threshold).values():
        records = (report.examples.get(scores.uid) for scores in group)
        record = next((found for found in records if found is not None and found.lens is not None), None)
        if record is not None:
            figure = titled(lens_figure(record), report.run.model, report.run.task, record.uid)
            yield record.uid, save(figure, folder / f"lens_{safe_name(record.uid)}")[0].name
