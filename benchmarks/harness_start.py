"""The harness's command line, for `start_up`: ``python -m harness_start hide|show ARGUMENTS``."""

from __future__ import annotations

import importlib.metadata
import sys


def hide_the_plugin() -> None:
    """Let no entry point for models be found; this plugin is the only one that is installed."""
    found = importlib.metadata.entry_points()
    others = importlib.metadata.EntryPoints(point for point in found if point.group != "lmms_eval.models")
    importlib.metadata.entry_points = lambda **wanted: others.select(**wanted) if wanted else others


if __name__ == "__main__":
    if sys.argv.pop(1) == "hide":
        hide_the_plugin()
    from lmms_eval.__main__ import cli_evaluate

    cli_evaluate()
