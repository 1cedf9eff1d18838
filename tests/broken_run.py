"""Run lmms-eval with one thing in it broken: ``python broken_run.py PLACE ARGUMENT...``."""

from __future__ import annotations

import sys
from typing import Any

import wrapt


def raising(error: Exception) -> Any:
    """Return a function that raises, whatever it is given."""

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise error

    return fail


def break_import() -> None:
    """As with filelock 4.3: lmms-eval 0.7.3 imports this module, which is gone, in the middle of a run."""
    wrapt.register_post_import_hook(lambda _: sys.modules.update({"filelock._api": None}), "lmms_eval.evaluator")


def break_loading() -> None:
    """The library that reads data sets fails."""
    error = RuntimeError("the data set is not what\nit was")
    wrapt.register_post_import_hook(lambda module: setattr(module, "load_dataset", raising(error)), "datasets")


def break_model() -> None:
    """The model's own code fails on every document."""
    error = RuntimeError("shapes do not fit")
    wrapt.register_post_import_hook(
        lambda module: setattr(module.GenerationMixin, "generate", raising(error)), "transformers.generation.utils"
    )


def break_aggregation() -> None:
    """The harness fails after the model has run."""
    error = ZeroDivisionError("nothing to divide by")
    wrapt.register_post_import_hook(
        lambda module: setattr(module, "consolidate_results", raising(error)), "lmms_eval.evaluator_utils"
    )


def break_nothing() -> None:
    """All is well with the program."""


if __name__ == "__main__":
    place, *arguments = sys.argv[1:]
    globals()[f"break_{place}"]()
    sys.argv = ["lmms-eval", *arguments]
    from lmms_eval.cli.dispatch import main

    main()
