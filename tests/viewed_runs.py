"""Runs to be viewed, as the harness leaves them, with what was kept of some of their documents."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from run_folders import DATE, write_run

from alas_metric import AlignmentRecord, WordTiming, reference_path, score_pair
from alas_metric.corpus.selection import Selection
from alas_metric.document.lens_table import LensTable
from alas_metric.results.dumps import audio_file, dump_folder, dump_name, write_audio, write_dump
from alas_metric.results.runs import every_record, find_runs, read_documents
from alas_metric.viewer.reading import ViewedRun, view_run

SECONDS = 0.04
TASK = "alas_demo_sqa"
SIZES = {"alpha": (6, 250), "beta": (9, 400), "gamma": (4, 150)}
"""Words and positions of each document."""
WORDS = ("the", "quick", "brown", "fox", "jumps", "over")


def words(uid: str, num_words: int) -> list[str]:
    """Return the words of a document; every document has its own last one."""
    return [*(WORDS[index % len(WORDS)] for index in range(num_words - 1)), uid]


def make_document(
    uid: str, noise: float = 0.3, num_layers: int = 4, num_words: int = 6, num_frames: int = 50, **fields
) -> tuple[AlignmentRecord, np.ndarray]:
    """Return a record with two references, and the similarities (layers, 2, words, positions) it comes from.

    The reference path is planted in them; the noise grows with the layer.
    """
    rng = np.random.default_rng(len(uid) + num_words)
    spoken = words(uid, num_words)
    margin = min(0.1, num_frames * SECONDS / 10)
    edges = np.linspace(margin, num_frames * SECONDS - margin, num_words + 1).tolist()
    times = {
        name: [WordTiming(word, edges[i] + late, edges[i + 1] + late) for i, word in enumerate(spoken)]
        for name, late in (("whisper", 0.0), ("gold", 0.05))
    }
    planted = np.zeros((num_words, num_frames))
    path = reference_path(times["whisper"], num_frames, SECONDS)
    cells = (path, np.arange(num_frames)) if num_frames >= num_words else (np.arange(num_words), path)
    planted[cells] = 0.5
    spread = noise * (1 + np.arange(num_layers))[:, None, None, None]
    similarity = planted + spread * rng.normal(size=(num_layers, 2, num_words, num_frames))
    record = score_pair(
        similarity.astype(np.float32),
        uid=uid,
        transcript=" ".join(spoken),
        words=spoken,
        frame_seconds=SECONDS,
        references=times,
        reference="whisper",
        **fields,
    )
    return record, similarity


def read_by_lens(record: AlignmentRecord, other: str = " et") -> LensTable:
    """Return a lens's table: layer 0 reads another word, layer 1 has the words among the largest, others read them."""
    size = (record.num_layers, record.num_words)
    first = [f" {word}" for word in record.words]
    read = [[other] * record.num_words] * 2 + [first] * (record.num_layers - 2)
    return LensTable(5, first, read, np.arange(size[0])[:, None] > np.zeros(size))


def keep(folder: Path, number: int, record: AlignmentRecord, similarity: np.ndarray, audio: bool = False) -> Path:
    """Write a document's dump, as the run does, with a tone for speech."""
    tone = 0.3 * np.sin(np.arange(int(16_000 * SECONDS * record.num_frames)) * 0.1)
    path = dump_folder(folder, DATE, TASK) / dump_name(number, record.uid)
    if audio:
        write_audio(audio_file(path), tone)
    write_dump(path, record, similarity, tone)
    return path


def write_viewed_run(folder: Path, noise: float = 0.3, num_layers: int = 4) -> Path:
    """Write a run of four documents: similarities and speech of the first, similarities of the second, one skipped."""
    made = {
        uid: make_document(uid, noise * (1 + number), num_layers, *size, **answers(uid))
        for number, (uid, size) in enumerate(SIZES.items())
    }
    made["alpha"][0].lens = read_by_lens(made["alpha"][0])
    records = [record for record, _ in made.values()]
    skipped = AlignmentRecord.skip("delta", "too_long", "40 s")
    write_run(folder, [*records, skipped], TASK)
    keep(folder, 0, *made["alpha"], audio=True)
    keep(folder, 1, *made["beta"])
    return folder


def viewed(folder: Path, runs: int = 1, only: Collection[str] | None = None, reference: str | None = None) -> ViewedRun:
    """Return what a page shows of the only run in a folder."""
    [run] = find_runs(folder)
    selection = Selection(reference=reference)
    records = None if only is None else [record for record in every_record(run) if record.uid in only]
    return view_run(run, read_documents(run, selection).documents, selection, runs, records)


def answers(uid: str) -> dict:
    """Return a document's question and answers; only the last one's differ."""
    similarity = 0.1 if uid == "gamma" else 0.9
    return {
        "instruction": f"What is {uid}?",
        "target": "a letter",
        "audio_answer": f"heard {uid}",
        "text_answer": f"read {uid}",
        "similarities": {"responses": similarity, "audio_target": None, "text_target": None},
    }
