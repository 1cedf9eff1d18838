"""A metric: one row of the table that results, reports, leaderboards and documentation are made from.

A measure states its rows beside its code; `alas_metric.corpus.metrics` collects them. A row says everything that is
said of a metric anywhere: nothing outside of it names a metric in order to treat it apart.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from alas_metric.document.similarity import FORMS

DOCUMENTS = "documents"
"""A column of every document: 1 in each layer."""
RANDOM, LINEAR, SHIFTED, GUESSING = "random path", "constant rate", "shifted audio", "guessing"
"""What a metric is compared with."""


@dataclass(frozen=True)
class Sums:
    """A value of each layer, from sums over documents.

    Args:
        columns: of `DocumentScores`, which are added up over the documents that hold all of them; ``{form}`` in a
            name stands for the form of similarity. `DOCUMENTS` counts the documents.
        value: gets the sums in the order of the columns, as arrays of one shape or numbers; where it gives what is
            not finite, the value is undefined.
    """

    columns: tuple[str, ...]
    value: Callable[..., Any]

    @property
    def is_mean(self) -> bool:
        """Whether a document has a value of its own, of which this is the mean."""
        return self.columns[1:] == (DOCUMENTS,)

    def of_form(self, form: str | None) -> Sums:
        """Return the same of a form of similarity."""
        return self if form is None else replace(self, columns=tuple(name.format(form=form) for name in self.columns))


def mean(column: str) -> Sums:
    """Return the mean of a column over documents."""
    return Sums((column, DOCUMENTS), operator.truediv)


def ratio(above: str, below: str) -> Sums:
    """Return the ratio of two columns' sums over documents."""
    return Sums((above, below), operator.truediv)


def skill(above: str, below: str) -> Sums:
    """Return 1 - the ratio of two columns' sums over documents: 1 without error, 0 where it is that of chance."""
    return Sums((above, below), _one_less_ratio)


def _one_less_ratio(above: Any, below: Any) -> Any:
    return 1 - above / below


@dataclass(frozen=True)
class Statistic:
    """A value of a run that does not come layer by layer from sums.

    Args:
        kind: how it comes about, a name of `alas_metric.corpus.aggregate`.
        of: what it is taken of.
    """

    kind: str
    of: str = ""

    def of_form(self, form: str | None) -> Statistic:
        """Return the same of a form of similarity."""
        return self if form is None else replace(self, of=self.of.format(form=form))


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Args:
        key: its name in results; of the default form, if there are forms.
        title: its name for people.
        source: how the documents of a run combine.
        description: one line for tables and documentation.
        population: which documents enter: ``kept`` (by the answer filter), ``scorable`` or all ``documents``.
        direction: ``higher`` or ``lower`` is better, ``none`` if neither.
        unit: of the value, ``"1"`` where it has none, ``""`` where it is no number.
        form: of similarity that the key without a suffix means; None if there is only one.
        curve: whether it is drawn over layers.
        baselines: what else is drawn, by label.
        zero: what the line at 0 means where it is drawn.
        column: heading of its column in the leaderboard; empty for none.
        headline: whether models are compared by it.
        shown: whether the short tables of the terminal hold it.
        answers: kinds of answers that it needs, of ``free``, ``options`` and ``labels``; empty: every task reports it.
        option: the model argument without which it is undefined; reports leave it out then.
        validated: sections of docs/validation.md that it rests on.
        row: key of the row that it is a form of; its own by default.
    """

    key: str
    title: str
    source: Sums | Statistic
    description: str
    population: str = "kept"
    direction: str = "none"
    unit: str = "1"
    form: str | None = None
    curve: bool = False
    baselines: Mapping[str, Sums] = field(default_factory=dict)
    zero: str = ""
    column: str = ""
    headline: bool = False
    shown: bool = False
    answers: tuple[str, ...] = ()
    option: str = ""
    validated: tuple[str, ...] = ()
    row: str = ""

    @property
    def forms(self) -> dict[str, Metric]:
        """The metric of the default form and of each by its name, by key."""
        if self.form is None:
            return {self.key: replace(self, row=self.key)}
        named = {f"{self.key}_{form}": self._of_form(form, f"_{form}", f", {form}") for form in FORMS}
        return {self.key: self._of_form(self.form, "", "")} | named

    def _of_form(self, form: str, suffix: str, ending: str) -> Metric:
        return replace(
            self,
            key=self.key + suffix,
            title=self.title + ending,
            description=self.description + ending,
            source=self.source.of_form(form),
            form=form,
            baselines={label: sums.of_form(form) for label, sums in self.baselines.items()},
            row=self.key,
        )
