"""Which similarities of a run are kept for pictures: those of the first documents of each task that go through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from loguru import logger

from alas_metric.document.record import AlignmentRecord
from alas_metric.results.dumps import audio_file, dump_folder, dump_name, write_audio, write_dump


class Dumps:
    """The dumps of one run.

    Processes and batches take documents in orders of their own. So every document that may be among the first ones
    is written, and whoever writes removes what is not among them any more: whatever the order, the same ones are
    left, and no process needs to hear of another.

    Args:
        folder: the model's folder in the harness's output path.
        date: the run's id in its file names.
        count: how many documents of each task are kept.
        audio: keep their speech too.
    """

    def __init__(self, folder: Path, date: str, count: int, audio: bool = False) -> None:
        self.folder = folder
        self.date = date
        self.count = count
        self.audio = audio
        if audio:
            logger.warning(
                f"the speech of the first {count} documents of each task is kept in {folder} (alas_dump_audio): "
                "whether it may be passed on, also inside a page of alas view, is for the data's licence to say"
            )

    def add(self, task: str, number: int, record: AlignmentRecord, similarity: np.ndarray, audio: np.ndarray) -> None:
        """Keep a document if it is among the first; a full disk, or a matrix too large, costs the picture, not the run.

        Args:
            task: name of the task.
            number: the document's number in it.
            record: of the document.
            similarity: shape ``(L + 1, 2, N, T)``.
            audio: its samples, 16 kHz mono.
        """
        folder = dump_folder(self.folder, self.date, task)
        name = dump_name(number, record.uid)
        if sum(path.name < name for path in self._files(folder)) >= self.count:
            return
        try:
            if self.audio:  # first: whoever removes a dump removes its speech too
                write_audio(audio_file(folder / name), audio)
            size = write_dump(folder / name, record, similarity, audio)
            logger.info(f"similarities of {record.uid} kept: {size / 1e6:.2f} MB in {folder / name}")
            for path in self._files(folder)[self.count :]:
                path.unlink(missing_ok=True)
                audio_file(path).unlink(missing_ok=True)
        except (OSError, ValueError) as error:
            logger.warning(f"the similarities of {record.uid} could not be kept in {folder}: {error}")

    def report_missing(self, task: str, from_journal: int) -> None:
        """Say so where documents of a task have no dump because the journal already held their records."""
        kept = len(self._files(dump_folder(self.folder, self.date, task)))
        logger.warning(
            f"{task}: {from_journal} documents came from the journal, which holds no similarities: alas_dump="
            f"{self.count} kept {kept}, of documents that ran now. Run without alas_journal to keep the first ones."
        )

    def _files(self, folder: Path) -> list[Path]:
        return sorted(folder.glob("*.npz"))
