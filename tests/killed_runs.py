"""Run the demo's model over and over, kill it at random moments, and let the journal go on each time.

Run by tests/test_fault_processes.py in an interpreter of its own: a process is forked for each run, which saves the
imports and would not be safe where torch has started threads.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")

import pyarrow.parquet as pq
import torch
from loguru import logger
from speech_samples import run, sample

from alas_metric import WordTiming
from alas_tasks.demo.files import QWEN2_AUDIO, TEST_SPLIT, WHISPER
from alas_tasks.speech import SpeechSample
from model_patches.families.qwen2_audio import Qwen2AudioAdapter
from model_patches.run.options import AlasOptions
from model_patches.run.session import Session


def documents(count: int) -> list[SpeechSample]:
    """Return the first documents of the demo; closed answers, so that no Sentence-BERT is needed."""
    return [
        sample(
            row["uid"],
            row["transcript"],
            audio=row["audio"],
            words=[WordTiming(word["word"], word["start"], word["end"]) for word in row["words"]],
            target=row["answer"],
            read_answer=str.lower,
        )
        for row in pq.read_table(TEST_SPLIT).slice(0, count).to_pylist()
    ]


def answer(adapter: Qwen2AudioAdapter, samples: Sequence[SpeechSample], folder: Path) -> list[str]:
    """Run all documents, with a cache and a journal in the folder."""
    options = AlasOptions(
        reference=f"whisper:{WHISPER}",
        cache=str(folder / "cache"),
        journal=str(folder / "journal"),
        whisper_device="cpu",
    )
    return [record.to_json() for record in run(Session(adapter, options, {}), samples)]


def forked(adapter: Qwen2AudioAdapter, samples: Sequence[SpeechSample], folder: Path) -> int:
    """Start a process that writes the records to a file; return its id."""
    process = os.fork()
    if process:
        return process
    folder.mkdir(exist_ok=True)
    (folder / "records.json").write_text(json.dumps(answer(adapter, samples, folder)))
    os._exit(0)


def killed(process: int, folder: Path, count: int, seconds: float) -> bool:
    """Kill a process so long after its journal holds some documents; return whether it was still there to be killed."""
    end = None
    while end is None or time.monotonic() < end:
        if os.waitpid(process, os.WNOHANG)[0]:
            return False
        if end is None and len(journalled(folder)) >= count:
            end = time.monotonic() + seconds
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


def journalled(folder: Path) -> list[str]:
    """Return the whole lines of a journal, keys and records, as often as they are there."""
    parts = [path.read_text().split("\n") for path in (folder / "journal").glob("*.tsv")]
    return sorted(line for part in parts for line in part if line.endswith("}"))


def main(folder: Path, kills: int, count: int) -> None:
    """Kill runs so many times and print after how many documents; every run ends with the undisturbed one's records."""
    logger.remove()
    torch.set_num_threads(1)
    samples = documents(count)
    adapter = Qwen2AudioAdapter(*Qwen2AudioAdapter.load(str(QWEN2_AUDIO), dtype="auto", device_map="cpu"))
    start = time.monotonic()
    os.waitpid(forked(adapter, samples, folder / "undisturbed"), 0)
    seconds = time.monotonic() - start
    records = (folder / "undisturbed" / "records.json").read_text()
    journal = journalled(folder / "undisturbed")
    assert len(journal) == count == len(json.loads(records))

    chance, killed_after, whole = random.Random(0), [], 0
    while True:
        place = folder / str(whole)
        enough = len(killed_after) >= kills
        # Mostly a short while: the documents come in quick succession, after a long start.
        moment = chance.randrange(count), seconds * chance.random() ** 4
        if killed(forked(adapter, samples, place), place, *((0, 600) if enough else moment)):
            assert not enough, "the last run did not end"
            killed_after.append(len(journalled(place)))
            continue
        assert (place / "records.json").read_text() == records, "the resumed run has other records"
        assert journalled(place) == journal, "a document is missing in the journal, or was run twice"
        whole += 1
        if enough:
            break
    print(json.dumps({"killed_after": killed_after, "whole": whole}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
