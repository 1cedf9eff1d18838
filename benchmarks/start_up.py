"""What the plugin adds to the harness's start: the import of its entry point, and ``lmms-eval --tasks list``.

Run by hand; each start is a process of its own and takes tens of seconds::

    python benchmarks/start_up.py

The import is what ``-X importtime`` shows beyond modules that the harness has imported before it looks for plugins.
"Without" is the same command in a process that hides the entry point, so that nothing of the plugin is imported; it
takes tens of seconds and its noise is larger than the difference.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence

from corpus_scale import Cost, run

ENTRY = "model_patches.harness.entry"
OF_THE_HARNESS = ("asyncio", "importlib.metadata", "loguru")


def import_time(module: str = ENTRY) -> tuple[float, list[str]]:
    """Return the milliseconds that ``-X importtime`` gives a module, and the largest lines below it."""
    program = "; ".join(f"import {name}" for name in (*OF_THE_HARNESS, module))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program], capture_output=True, text=True, check=True
    )
    lines = re.findall(r"import time:\s+(\d+) \|\s+(\d+) \| +(\S+)", done.stderr)
    times = {name: (int(own) / 1e3, int(whole) / 1e3) for own, whole, name in lines}
    largest = sorted(times, key=lambda name: -times[name][1])
    parts = [f"{name} {times[name][1]:.1f}" for name in largest if name in ("wrapt", "model_patches.registry")]
    return times[module][1], parts


def start(hidden: bool, arguments: Sequence[str]) -> Cost:
    """Start the harness with or without the plugin's entry point."""
    return run("hide" if hidden else "show", *arguments, module="harness_start")


def main(argv: Sequence[str] | None = None) -> None:
    """Print import times and the cost of the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arguments", nargs="+", default=["--tasks", "list"], help="of lmms-eval")
    arguments = parser.parse_args(argv)
    times = [import_time() for _ in range(max(1, arguments.rounds))]
    whole, parts = min(times)
    print(f"import of {ENTRY} after {', '.join(OF_THE_HARNESS)}: {whole:.1f} ms; of these {', '.join(parts)}")
    costs: dict[bool, list[float]] = {True: [], False: []}
    for number in range(arguments.rounds):
        for hidden in (True, False) if number % 2 else (False, True):
            costs[hidden].append(start(hidden, arguments.arguments).cpu)
    if arguments.rounds:
        without, with_plugin = (statistics.median(costs[hidden]) for hidden in (True, False))
        print(
            f"lmms-eval {' '.join(arguments.arguments)}: without {without:.2f} s, with {with_plugin:.2f} s CPU, "
            f"difference {1e3 * (with_plugin - without):.0f} ms, ratio {with_plugin / without:.3f} "
            f"(spread of the same command {max(costs[True]) - min(costs[True]):.2f} s)"
        )


if __name__ == "__main__":
    main()
