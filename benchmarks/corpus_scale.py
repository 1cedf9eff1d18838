"""Scoring at the size of the paper's test set: rescoring one run, and a leaderboard over many.

Run by hand, records are made up by code::

    python benchmarks/corpus_scale.py

Each command runs in a process of its own, as a user starts it. Memory is the peak of that process. The baseline of
rescoring is a run of a quarter of the documents, that of the leaderboard is one rescored run: growing like the
number of documents is 4, and memory that does not grow is 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from made_up_runs import write_runs

# Modules beside this one can be run too.
ENV = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).resolve().parent), os.environ.get("PYTHONPATH")])),
}


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds on the wall and of CPU, peak memory in bytes."""

    wall: float
    cpu: float
    memory: int

    def __str__(self) -> str:
        return f"{self.wall:.1f} s wall, {self.cpu:.1f} s CPU, peak {self.memory / 1e6:.0f} MB"


def run(*arguments: str, module: str = "alas_metric") -> Cost:
    """Run a module with arguments and return what it cost; its output is shown only if it fails."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=output, stderr=output, env=ENV)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            output.seek(0)
            raise SystemExit(f"{arguments} failed:\n{output.read().decode()[-3000:]}")
    kilobytes = 1 if sys.platform == "darwin" else 1024
    return Cost(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * kilobytes)


def main(argv: Sequence[str] | None = None) -> None:
    """Print what each command costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=2620)
    parser.add_argument("--layers", type=int, default=33)
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (quarter,) = write_runs(folder / "quarter", 1, max(1, arguments.documents // 4), arguments.layers)
        runs = [str(run) for run in write_runs(folder / "runs", arguments.runs, arguments.documents, arguments.layers)]
        size = sum(file.stat().st_size for file in Path(runs[0]).iterdir())
        print(f"{arguments.documents} documents x {arguments.layers} layers, {size / 1e6:.0f} MB a run", flush=True)
        small = run("score", str(quarter), "--json", str(folder / "quarter.json"))
        whole = run("score", runs[0], "--json", str(folder / "whole.json"))
        print(f"  alas score, a quarter: {small}")
        print(
            f"  alas score: {whole}; ratio to the quarter: {whole.cpu / small.cpu:.2f} CPU, "
            f"{whole.memory / small.memory:.2f} memory",
            flush=True,
        )
        board = run("leaderboard", *runs, "--output", str(folder / "board"))
        print(
            f"  alas leaderboard of {len(runs)} runs: {board}; ratio to alas score: {board.cpu / whole.cpu:.1f} CPU, "
            f"{board.memory / whole.memory:.2f} memory",
            flush=True,
        )


if __name__ == "__main__":
    main()
