"""The harness's command line, for `start_up`: ``python -m harness_start hide|show ARGUMENTS``."""

from __future__ import annotations

import importlib.metadata
import sys


def hide_the_plugin() -> None:
    """Let this plugin's package name no entry points."""
    every = importlib.metadata.Distribution.entry_points.fget
    none = importlib.metadata.EntryPoints()
    importlib.metadata.Distribution.entry_points = property(
        lambda package: none if package.metadata["Name"] == "lmms-eval-alas" else every(package)
    )


if __name__ == "__main__":
    if sys.argv.pop(1) == "hide":
        hide_the_plugin()
    from lmms_eval.__main__ import cli_evaluate

    cli_evaluate()
