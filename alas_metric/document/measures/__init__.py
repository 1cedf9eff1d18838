"""Measures per layer, one a file; a new one is found by lying here.

Each file holds ``MEASURE``, a `Measure`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from alas_metric.document.measure import Measure

_MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
MEASURES: dict[str, Measure] = {module.MEASURE.name: module.MEASURE for module in _MODULES}
"""Every measure by its name."""
