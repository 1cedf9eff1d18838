"""What a run keeps of the first documents of each task beside its results: similarities for pictures, hidden states."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from loguru import logger

from alas_metric.document.measuring import Measurement
from alas_metric.document.record import AlignmentRecord
from alas_metric.results.dumps import audio_file, dump_folder, dump_name, write_audio, write_dump
from alas_metric.results.states import bytes_per_word, states_folder, write_states


class FirstDocuments:
    """Files of the first documents of each task that go through.

    Processes and batches take documents in orders of their own. So every document that may be among the first ones
    is written, and whoever writes removes what is not among them any more: whatever the order, the same ones are
    left, and no process needs to hear of another.

    Args:
        folder: the model's folder in the harness's output path.
        date: the run's id in its file names.
        count: how many documents of each task are kept.
    """

    option: str
    """The model argument that asks for them."""
    what: str
    """What they hold."""
    folder_of: Callable[[Path, str, str], Path]
    """Where the files of a task lie, from the model's folder, the run's id and the task."""

    def __init__(self, folder: Path, date: str, count: int) -> None:
        self.folder = folder
        self.date = date
        self.count = count

    def add(self, task: str, number: int, record: AlignmentRecord, measurement: Measurement, audio: np.ndarray) -> None:
        """Keep a document if it is among the first; a full disk, or one too large, costs the file, not the run.

        Args:
            task: name of the task.
            number: the document's number in it.
            record: of the document.
            measurement: of the document.
            audio: its samples, 16 kHz mono.
        """
        folder = type(self).folder_of(self.folder, self.date, task)
        name = dump_name(number, record.uid)
        if sum(path.name < name for path in self._files(folder)) >= self.count:
            return
        try:
            size = self._write(folder / name, record, measurement, audio)
            logger.info(f"{self.what} of {record.uid} kept: {size / 1e6:.2f} MB in {folder / name}")
            for path in self._files(folder)[self.count :]:
                self._remove(path)
        except (OSError, ValueError) as error:
            logger.warning(f"the {self.what} of {record.uid} could not be kept in {folder}: {error}")

    def _write(self, path: Path, record: AlignmentRecord, measurement: Measurement, audio: np.ndarray) -> int:
        """Write a document's file and return its size in bytes."""
        raise NotImplementedError

    def _remove(self, path: Path) -> None:
        """Remove what `_write` wrote of a document."""
        path.unlink(missing_ok=True)

    def report_missing(self, task: str, from_journal: int) -> None:
        """Say so where documents of a task have no file because the journal already held their records."""
        kept = len(self._files(type(self).folder_of(self.folder, self.date, task)))
        logger.warning(
            f"{task}: {from_journal} documents came from the journal, which holds no {self.what}: {self.option}="
            f"{self.count} kept {kept}, of documents that ran now. Run without alas_journal to keep the first ones."
        )

    def _files(self, folder: Path) -> list[Path]:
        return sorted(folder.glob("*.npz"))


class Dumps(FirstDocuments):
    """Similarities, for pictures.

    Args:
        folder: see `FirstDocuments`.
        date: likewise.
        count: likewise.
        audio: keep the documents' speech too.
    """

    option, what, folder_of = "alas_dump", "similarities", staticmethod(dump_folder)

    def __init__(self, folder: Path, date: str, count: int, audio: bool = False) -> None:
        super().__init__(folder, date, count)
        self.audio = audio
        if audio:
            logger.warning(
                f"the speech of the first {count} documents of each task is kept in {folder} (alas_dump_audio): "
                "whether it may be passed on, also inside a page of alas view, is for the data's licence to say"
            )

    def _write(self, path: Path, record: AlignmentRecord, measurement: Measurement, audio: np.ndarray) -> int:
        if self.audio:  # first: whoever removes a dump removes its speech too
            write_audio(audio_file(path), audio)
        return write_dump(path, record, measurement.similarity, audio)

    def _remove(self, path: Path) -> None:
        super()._remove(path)
        audio_file(path).unlink(missing_ok=True)  # another process may have written it with speech


class StateFiles(FirstDocuments):
    """Hidden states, for people's own analyses; how large they will be is said before the first is written."""

    option, what, folder_of = "alas_states", "hidden states", staticmethod(states_folder)
    _told = False

    def _write(self, path: Path, record: AlignmentRecord, measurement: Measurement, audio: np.ndarray) -> int:
        words, heard = measurement.states
        if not self._told:
            self._tell(bytes_per_word(len(words), words.shape[-1]))
        return write_states(path, record, words, heard)

    def _tell(self, word: int) -> None:
        self._told = True
        logger.info(
            f"hidden states of the first {self.count} documents of each task are kept (alas_states): "
            f"{word / 1e6:.3g} MB a word, at 20 words a document {20 * word * self.count / 1e6:.3g} MB a task"
        )
