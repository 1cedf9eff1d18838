"""The requests of ALAS tasks, from the harness's instances to one record (as JSON) for each.

The first document goes all the way at once: what is wrong with the model, the audio or an option shows now, not after
hours. Then two passes: the word timestamps of every document, after which Whisper's memory is given back, and the
paired runs. A document that fails is named in the log, counted by its cause and left out; the others go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from loguru import logger
from tqdm import tqdm

from alas_metric.document.measuring import Measurement
from alas_metric.document.record import AlignmentRecord
from alas_metric.errors import FatalError, SkipDocument
from alas_tasks.audio import load_audio
from alas_tasks.speech import SpeechSample
from model_patches.adapters.adapter import SpeechAdapter
from model_patches.adapters.lens import Lens
from model_patches.reference.sources import settings_of
from model_patches.run.comparison import AnswerComparison
from model_patches.run.dumping import FirstDocuments, StateFiles
from model_patches.run.harness_run import current_run
from model_patches.run.interruption import Interruption
from model_patches.run.journal import Journal, audio_digest, record_key
from model_patches.run.options import AlasOptions, Aligners, environment, resume_advice
from model_patches.run.paired import PairedRuns
from model_patches.run.preparation import Preparation
from model_patches.run.provenance import dependencies, of_weights
from model_patches.run.requests import Item, batches, languages_of_free_answers, read_requests

_MAX_FAILURES = 3
# CUDA and MPS; the CPU's allocator on Linux and on Windows; cuBLAS's workspace.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")


class Session:
    """Everything that the paired runs of one model need.

    Args:
        adapter: the model.
        options: the ``alas_`` arguments.
        identity: what tells this model from others: checkpoint, weights, dtype; part of the journal's keys.
        batch_size: documents per ``generate``.
        rank: this process's rank; only rank 0 shows progress.
        use_cache: whether ``generate`` keeps keys and values.
        keepers: what keeps something of the first documents beside the results.
    """

    def __init__(
        self,
        adapter: SpeechAdapter,
        options: AlasOptions,
        identity: Mapping[str, Any],
        *,
        batch_size: int = 1,
        rank: int = 0,
        use_cache: bool = True,
        keepers: Sequence[FirstDocuments] = (),
    ) -> None:
        self.options = options
        self.use_cache = use_cache
        self.batch_size = batch_size
        self.rank = rank
        self.keepers = keepers
        self.aligners = Aligners(options, adapter.device)
        self.journal = Journal(options.journal) if options.journal else None
        self.identity = {**identity, **environment(options)}
        self.prepare = Preparation(adapter, self.aligners.of, options.language)
        self.comparison = AnswerComparison(options.sbert, options.language)
        lens = Lens.of(adapter, options.lens) if options.lens else None
        facts = of_weights(identity)
        self.runs = PairedRuns(
            adapter, options.responses, self.comparison, facts, layer_map=options.layer_map, lens=lens
        )
        self.runs.keep_states = any(isinstance(keeper, StateFiles) for keeper in keepers)
        self.interruption = Interruption(resume_advice(options))
        self.seed = torch.initial_seed()
        self.failures = 0

    def answer(self, requests: Sequence[Any], task_dict: Mapping[str, Any]) -> list[str]:
        """Return one record for each request, as JSON, in order.

        Args:
            requests: the harness's instances, simple or chat.
            task_dict: documents by task and split, as the harness gives them to its models.

        Raises:
            FatalError: If the run cannot go on, or SIGINT asked it to stop.
        """
        items = read_requests(requests, task_dict, self.options.responses, {"use_cache": self.use_cache})
        # Loaded now: an unreachable model must stop the run before its first document, not after its last.
        for language in languages_of_free_answers(items) if self.options.responses else ():
            self.comparison.load(language)
        with self.interruption.awaited():
            if not self.runs.proven:
                self._prove(items)
            self._prepare_all([item for item in items if item.record is None and item.document is None])
            self._run_all([item for item in items if item.record is None])
        self._report_missing(items)
        self._tell_run()
        return [item.record or "" for item in items]

    def _tell_run(self) -> None:
        """Have the harness's results say what the records say, and the versions of all packages."""
        run = current_run()
        if run is not None:
            times = settings_of(self.aligners.made.values())
            settings = {**self.runs.all_settings, **self.comparison.all_settings, **times}
            run.facts.update(settings=settings, packages=dependencies())

    def close(self) -> None:
        """Close the journal and give the aligners' memory back."""
        if self.journal is not None:
            self.journal.close()
        self.aligners.close()

    def _prove(self, items: Sequence[Item]) -> None:
        """Take documents all the way, one by one, until one has gone through or the journal knows one."""
        for item in self.interruption.between(items):
            if item.record is None:
                self._prepare(item)
            if item.record is None:
                self._run_batch([item])
            if item.record and item.skipped is None:
                return

    def _progress(self, title: str, total: int) -> tqdm[Any]:
        return tqdm(total=total, desc=title, disable=self.rank != 0)

    def _prepare_all(self, items: Sequence[Item]) -> None:
        with self._progress("ALAS word timestamps", len(items)) as progress:
            for item in self.interruption.between(items):
                self._prepare(item)
                progress.update(1)
        self.aligners.close()

    def _run_all(self, items: Sequence[Item]) -> None:
        with self._progress("ALAS paired runs", len(items)) as progress:
            for batch in self.interruption.between(batches(items, self.batch_size)):
                self._run_batch(batch)
                progress.update(len(batch))

    def _prepare(self, item: Item) -> None:
        with document_errors(item):
            self._read_and_place(item)

    def _read_and_place(self, item: Item) -> None:
        """Read a document and place its words; take its record from the journal if it is there."""
        sample = item.read()
        item.uid = sample.uid
        if self.options.responses and sample.read_answer is None:
            # Perhaps of another language than its task's first document; known in this pass, before the long one.
            self.comparison.load(sample.language)
        audio = load_audio(sample.audio)
        # The audio is not kept: that of a whole data set would fill the memory of every rank.
        item.document = self.prepare(replace(sample, audio=None), item.instruction, audio)
        item.duration = len(audio)
        if self.journal is not None:
            item.key = self._key(item, audio)
            item.record = self.journal.get(item.key)
            item.from_journal = item.record is not None

    def _key(self, item: Item, audio: np.ndarray) -> str:
        document = item.document
        assert document is not None
        adapter = self.runs.adapter
        return record_key(
            identity=self.identity,
            task=item.task,
            uid=item.uid,
            repeat=item.repeat,
            generation=item.generation,
            until=item.until,
            audio=audio_digest(audio),
            audio_prompt=adapter.render(document.instruction, 1),
            text_prompt=adapter.render_text(document.transcript, document.instruction),
            target=document.sample.target,
            speaker=document.sample.speaker,
            answers=document.sample.answers,
            references={name: list(words) for name, words in document.references.items()},
            reference=document.reference,
            settings=document.settings,
            comparison=self._compared_by(document.sample),
            seed=self.seed if item.samples else None,
        )

    def _compared_by(self, sample: SpeechSample) -> str | None:
        """Return the fingerprint of what compares a document's answers, None where nothing does."""
        free = self.options.responses and sample.read_answer is None
        return self.comparison.fingerprint(sample.language) if free else None

    def _run_batch(self, batch: Sequence[Item]) -> None:
        if len(batch) > 1:
            try:
                self._finish(batch)
                return
            except Exception as error:
                stop_if_lost(error)
                logger.info(f"a batch of {len(batch)} failed ({error}); its documents are run one by one")
            free_memory()  # not above: there the error still holds what it failed on
        for item in batch:
            with document_errors(item):
                self._finish([item])
            self._count_failures(item)

    def _finish(self, batch: Sequence[Item]) -> None:
        documents = [item.document for item in batch if item.document is not None]
        audios = [load_audio(item.read().audio) for item in batch]
        with self._seeded(batch[0]):
            records = self.runs(
                documents,
                audios,
                batch[0].generation,
                batch[0].until,
                lambda row, record, measurement: self._keep(batch[row], record, measurement, audios[row]),
            )
        finished = [record.to_json() for record in records]
        for item, record in zip(batch, finished, strict=True):
            item.record, item.document = record, None
            if self.journal is not None:
                self.journal.put(item.key, record)

    def _keep(self, item: Item, record: AlignmentRecord, measurement: Measurement, audio: np.ndarray) -> None:
        for keeper in self.keepers if item.repeat == 0 else ():
            keeper.add(item.task, item.number, record, measurement, audio)

    def _report_missing(self, items: Sequence[Item]) -> None:
        for keeper in self.keepers:
            for task, count in Counter(item.task for item in items if item.from_journal).items():
                keeper.report_missing(task, count)

    @contextmanager
    def _seeded(self, item: Item) -> Iterator[None]:
        """Draw sampled answers from a seed of the document's own.

        They then depend neither on the documents before it, which a resumed run or another number of processes
        would change, nor on anything but the run's seed.
        """
        if not item.samples:
            yield
            return
        digest = record_key(seed=self.seed, uid=item.uid, repeat=item.repeat)
        with torch.random.fork_rng():
            torch.manual_seed(int(digest[:15], 16))
            yield

    def _count_failures(self, item: Item) -> None:
        """End the run when nothing has gone through and documents fail in ways that are not their own."""
        if self.runs.proven or item.skipped is None or item.skipped.cause != "error":
            return
        self.failures += 1
        if self.failures >= _MAX_FAILURES:
            raise FatalError(
                f"{self.failures} documents failed and none has gone through, the last with {item.skipped.detail}. "
                "--verbosity DEBUG shows where it happens."
            )


@contextmanager
def document_errors(item: Item) -> Iterator[None]:
    """Turn whatever goes wrong with one document into its being left out, by cause."""
    try:
        yield
    except SkipDocument as skip:
        item.skip(skip)
    except OSError as error:
        item.skip(SkipDocument("io_error", str(error)))
    except Exception as error:
        stop_if_lost(error)
        logger.opt(exception=error).debug(f"ALAS: {item.uid}")
        if is_out_of_memory(error):
            item.skip(SkipDocument("out_of_memory", str(error).partition("\n")[0]))
        else:
            item.skip(SkipDocument("error", f"{type(error).__name__}: {error}"))
    if item.skipped is not None and item.skipped.cause == "out_of_memory":
        free_memory()


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an exception says that memory is short: torch has a class of its own only for CUDA's allocator."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


def stop_if_lost(error: Exception) -> None:
    """End the run where an error is not the document's own, or the device is lost, so that every later one would fail.

    Raises:
        FatalError: If it is one, or CUDA reports anything but missing memory.
    """
    if isinstance(error, FatalError):
        raise error
    if "CUDA error" in str(error) and not is_out_of_memory(error):
        raise FatalError(
            f"the device failed and no later document could be run: {error}. "
            "Start again; with alas_journal=FOLDER what is finished is kept."
        ) from error


def free_memory() -> None:
    """Give unused device memory back, so that one large document does not cost the next."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
