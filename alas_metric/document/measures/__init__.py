"""Measures per layer, one a file; a new one is found by lying here.

Each file holds ``MEASURE``, a `Measure`, and ``ROWS``, what comes of it in the table of metrics.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from alas_metric.document.measure import Measure
from alas_metric.document.metric import Metric

_MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
MEASURES: dict[str, Measure] = {module.MEASURE.name: module.MEASURE for module in _MODULES}
"""Every measure by its name."""
ROWS: tuple[Metric, ...] = tuple(row for module in _MODULES for row in module.ROWS)
"""Every metric that comes of a measure."""
