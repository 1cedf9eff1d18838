"""One, two and four processes on the demo: the same records, and what each process more costs.

Run by hand; each start of the harness takes tens of seconds per process::

    python benchmarks/processes.py

On a machine with fewer cores than processes this shows correctness, not speed. The baseline is one process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from alas_metric.document.record import AlignmentRecord
from alas_tasks.demo.files import QWEN2_AUDIO, WHISPER


def run_demo(folder: Path, processes: int, limit: int) -> tuple[float, dict[str, str]]:
    """Run the demo's two tasks; return seconds and the records by task and document."""
    model = f"pretrained={QWEN2_AUDIO},alas_reference=whisper:{WHISPER},alas_cache={folder / 'cache'}"
    launch = [sys.executable]
    if processes > 1:
        launch += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = ["-m", "lmms_eval", "--tasks", "alas_demo", "--model", "qwen2_audio", "--model_args", model]
    command += ["--device", "cpu", "--limit", str(limit), "--log_samples", "--output_path", str(folder / "results")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    begin = time.perf_counter()
    done = subprocess.run([*launch, *command], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{processes} processes failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return time.perf_counter() - begin, read_records(folder / "results")


def read_records(folder: Path) -> dict[str, str]:
    """Return the records of all sample logs."""
    records = {}
    for path in folder.rglob("*_samples_*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            text = json.loads(line)["filtered_resps"]
            text = text[0] if isinstance(text, list) else text
            records[f"{path.name.partition('_samples_')[2]}:{AlignmentRecord.from_json(text).uid}"] = text
    return records


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--limit", type=int, default=16, help="documents of each task")
    arguments = parser.parse_args(argv)
    first: tuple[float, dict[str, str]] | None = None
    for processes in arguments.processes:
        with tempfile.TemporaryDirectory() as folder:
            found = run_demo(Path(folder), processes, arguments.limit)
        first = first or found
        same = "equal byte for byte" if found[1] == first[1] else "DIFFERENT"
        print(
            f"{processes} processes: {len(found[1])} records, {same}; {found[0]:.0f} s wall, "
            f"ratio to {arguments.processes[0]}: {found[0] / first[0]:.2f}",
            flush=True,
        )
        if found[1] != first[1]:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
