"""A run as data frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alas_metric.corpus.metrics import METRICS, RANKING
from alas_metric.corpus.selection import USUAL, Selection
from alas_metric.corpus.words import TEXTS
from alas_metric.document.record import AlignmentRecord
from alas_metric.document.scores import DocumentScores
from alas_metric.report.run_report import Report, make_report
from alas_metric.report.tables import OF_DOCUMENTS, document_rows, layer_rows, summary_rows
from alas_metric.results.runs import Run, find_runs, read_records

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class RunTables:
    """One run, see `read_run`.

    Args:
        report: what `alas report` writes of it.
    """

    report: Report

    @property
    def run(self) -> Run:
        """Where the records lie."""
        return self.report.run

    @property
    def values(self) -> dict[str, Any]:
        """The values of the run by metric, as in results.json."""
        return self.report.values

    @cached_property
    def scores(self) -> dict[str, DocumentScores]:
        """The scores of each document by its id, skipped ones included."""
        return {scores.uid: scores for scores in self.report.documents}

    def record(self, uid: str) -> AlignmentRecord:
        """Return the record of a document.

        Raises:
            KeyError: If there is no such document, or its record cannot be read.
        """
        return read_records(self.run, {self.report.places[uid]})[uid]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row for each metric: ``metric, value, low, high, unit, better, meaning``."""
        return _frame(summary_rows(self.report), ("value", "low", "high"))

    @cached_property
    def documents(self) -> pd.DataFrame:
        """A row for each document: what became of it, and its own value of each metric over layers 1 to L."""
        return _frame(document_rows(self.report), ("answer_similarity", *OF_DOCUMENTS))

    @cached_property
    def layers(self) -> pd.DataFrame:
        """A row for each metric and layer 0 to L: ``metric, form, layer, value, low, high``; 95 % intervals."""
        rows = [{**row, "form": METRICS[row["metric"]].form} for row in layer_rows(self.report)]
        return _frame(rows, ("value", "low", "high"))[["metric", "form", "layer", "value", "low", "high"]]

    @cached_property
    def words(self) -> pd.DataFrame:
        """A row for each word and group of layers, see `alas_metric.corpus.words`."""
        words = self.report.words
        columns = words.columns
        whole = {*TEXTS, "kept", "index", "frequency", "entries"}
        return _frame(list(words.rows()), [name for name in columns if name not in whole], columns)

    def plot(self, key: str = RANKING) -> Figure:
        """Draw a metric over layers with its 95 % band and what chance gives.

        Args:
            key: a metric that has a value in every layer.

        Raises:
            ValueError: If it is undefined in every layer, or is no such metric.
        """
        from alas_metric.figures.figures import layer_curves, titled

        if "values" not in self.report.curves.get(key, {}):
            raise ValueError(f"{key!r} is no metric with a value in every layer; see .layers.metric.unique()")
        figure = layer_curves(self.report.curves[key], key, self.report.best_layer)
        return titled(figure, self.run.model, self.run.task)

    def __repr__(self) -> str:
        count, kept = len(self.report.documents), len(self.report.kept)
        return f"RunTables({self.run.model}, {self.run.task}, run {self.run.date}: {count} documents, {kept} kept)"

    def _repr_html_(self) -> str:
        from alas_metric.notebook.html import run_html

        return run_html(self.report, repr(self))


def read_run(
    folder: str | Path,
    task: str | None = None,
    date: str | None = None,
    selection: Selection = USUAL,
) -> RunTables:
    """Return a finished run as data frames.

    Args:
        folder: the harness's output path, or the folder of one model in it.
        task: its name; needed where there are several.
        date: the run of this id instead of the newest.
        selection: which documents count, and which word times.

    Returns:
        With the frames ``summary``, ``documents``, ``layers`` and ``words``, the ``scores`` of documents, and ``plot``.

    Raises:
        ValueError: If the folder holds no such run, or more than one.

    Example:
        >>> run = read_run("results", task="alas_librisqa")  # doctest: +SKIP
        >>> run.documents.nsmallest(5, "alas_skill")  # doctest: +SKIP
    """
    runs = find_runs(Path(folder), date, task)
    if len(runs) > 1:
        names = ", ".join(f"{run.model} {run.task}" for run in runs)
        raise ValueError(f"{folder} holds {len(runs)} runs ({names}): name a task=, or the folder of one model")
    return RunTables(make_report(runs[0], selection))


def _frame(
    rows: Sequence[dict[str, Any]], numbers: Sequence[str], columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return rows as a data frame, with NaN where a number is undefined."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype(dict.fromkeys((name for name in numbers if name in frame), float))
