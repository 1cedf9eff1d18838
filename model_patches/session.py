"""The requests of ALAS tasks, from the harness's instances to one record (as JSON) for each.

The first document goes all the way at once: what is wrong with the model, the audio or an option shows now, not after
hours. Then two passes: the word timestamps of every document, after which Whisper's memory is given back, and the
paired runs. A document that fails is named in the log, counted by its cause and left out; the others go on.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from loguru import logger
from tqdm import tqdm

from alas_metric.errors import FatalError, SkipDocument
from alas_metric.record import AlignmentRecord
from alas_tasks.similarity import SentenceSimilarity
from alas_tasks.speech import SpeechSample, load_audio
from model_patches.adapter import SpeechAdapter
from model_patches.alignment_cache import AlignmentCache
from model_patches.dumping import Dumps
from model_patches.harness_run import HarnessRun, current_run
from model_patches.interruption import Interruption
from model_patches.journal import Journal, audio_digest, record_key
from model_patches.options import AlasOptions
from model_patches.paired import PairedRuns, Preparation, Prepared
from model_patches.provenance import dependencies, of_weights, short, software, weights_fingerprint
from model_patches.whisper_reference import WhisperReference

_MAX_NEW_TOKENS = 150
_MAX_FAILURES = 3
# CUDA and MPS; the CPU's allocator on Linux and on Windows; cuBLAS's workspace.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")
# What would change the shape of what generate() returns.
_NOT_ARGUMENTS = ("num_return_sequences", "return_dict_in_generate", "output_hidden_states", "output_attentions")


@dataclass
class Item:
    """One request on its way to a record."""

    uid: str
    task: str
    repeat: int
    instruction: str
    generation: Mapping[str, Any]
    until: Sequence[str]
    read: Callable[[], SpeechSample]
    number: int = 0
    document: Prepared | None = None
    duration: int = 0
    key: str = ""
    record: str | None = None
    skipped: SkipDocument | None = None
    from_journal: bool = False

    @property
    def samples(self) -> bool:
        """Whether the answers are drawn at random."""
        return bool(self.generation.get("do_sample"))

    def skip(self, skip: SkipDocument) -> None:
        """Leave this document out, saying why."""
        logger.warning(f"ALAS leaves out {self.uid}: {skip.cause}: {skip.detail}")
        # Not the exception itself: its traceback would hold the document's audio and hidden states to the end.
        self.skipped = SkipDocument(skip.cause, skip.detail)
        speaker = self.document.sample.speaker if self.document else None
        self.record = AlignmentRecord.skip(self.uid, skip.cause, skip.detail, speaker=speaker).to_json()


class Session:
    """Everything that the paired runs of one model need.

    Args:
        adapter: the model.
        options: the ``alas_`` arguments.
        identity: what tells this model from others: checkpoint, weights, dtype; part of the journal's keys.
        batch_size: documents per ``generate``.
        rank: this process's rank; only rank 0 shows progress.
        use_cache: whether ``generate`` keeps keys and values.
        dumps: keeps similarities for pictures, None to keep none.
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
        dumps: Dumps | None = None,
    ) -> None:
        self.options = options
        self.use_cache = use_cache
        self.batch_size = batch_size
        self.rank = rank
        self.dumps = dumps
        self.whisper = make_whisper(options, adapter.device)
        self.journal = Journal(options.journal) if options.journal else None
        self.identity = {**identity, **environment(options, self.whisper)}
        self.prepare = Preparation(adapter, self.whisper, options.language)
        settings = {**describe(options, self.whisper), **of_weights(identity)}
        self.runs = PairedRuns(adapter, options.responses, settings=settings)
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
        if self.options.responses and self.runs.similarity is None and has_free_answers(items):
            self._load_similarity()
        with self.interruption.awaited():
            if not self.runs.proven:
                self._prove(items)
            self._prepare_all([item for item in items if item.record is None and item.document is None])
            self._run_all([item for item in items if item.record is None])
        self._report_dumps(items)
        self._tell_run()
        return [item.record or "" for item in items]

    def _tell_run(self) -> None:
        """Have the harness's results say what the records say, and the versions of all packages."""
        run = current_run()
        if run is not None:
            settings = {**self.runs.all_settings, **self.runs.similarity_settings}
            run.facts.update(settings=settings, packages=dependencies())

    def _load_similarity(self) -> None:
        """Load Sentence-BERT; what it is, is known only now: the first run of all downloads it."""
        self.runs.similarity = SentenceSimilarity(self.options.sbert).pairs
        fingerprint = weights_fingerprint(self.options.sbert)
        self.identity["sentence_bert"] = fingerprint
        self.runs.similarity_settings = {"answer_similarity_weights": short(fingerprint)}

    def close(self) -> None:
        """Close the journal and give Whisper's memory back."""
        if self.journal is not None:
            self.journal.close()
        if self.whisper is not None:
            self.whisper.close()

    def _prove(self, items: Sequence[Item]) -> None:
        """Take documents all the way, one by one, until one has gone through or the journal knows one."""
        for item in self.interruption.between(items):
            if item.record is None:
                self._prepare(item)
            if item.record is None:
                self._run_batch([item])
            if item.record and item.skipped is None:
                return

    def _progress(self, title: str, total: int) -> tqdm:
        return tqdm(total=total, desc=title, disable=self.rank != 0)

    def _prepare_all(self, items: Sequence[Item]) -> None:
        with self._progress("ALAS word timestamps", len(items)) as progress:
            for item in self.interruption.between(items):
                self._prepare(item)
                progress.update(1)
        if self.whisper is not None:
            self.whisper.close()

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
            seed=self.seed if item.samples else None,
        )

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
                lambda row, record, similarity: self._dump(batch[row], record, similarity, audios[row]),
            )
        finished = [record.to_json() for record in records]
        for item, record in zip(batch, finished, strict=True):
            item.record, item.document = record, None
            if self.journal is not None:
                self.journal.put(item.key, record)

    def _dump(self, item: Item, record: AlignmentRecord, similarity: np.ndarray, audio: np.ndarray) -> None:
        if self.dumps is not None and item.repeat == 0:
            self.dumps.add(item.task, item.number, record, similarity, audio)

    def _report_dumps(self, items: Sequence[Item]) -> None:
        if self.dumps is not None:
            for task, count in Counter(item.task for item in items if item.from_journal).items():
                self.dumps.report_missing(task, count)

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


def has_free_answers(items: Sequence[Item]) -> bool:
    """Tell whether a task among the items compares answers by their meaning, judged by its first document."""
    first = {item.task: item for item in reversed(items)}
    for item in first.values():
        try:
            if item.read().read_answer is None:
                return True
        except Exception:  # the document's own turn will tell what is wrong with it
            return True
    return False


def resume_advice(options: AlasOptions) -> str:
    """Return how a run that ends early goes on."""
    if options.journal:
        return f"The same command goes on from here: the finished records are in alas_journal={options.journal}."
    return "Its records are lost, the word timestamps are kept. With alas_journal=FOLDER the same command would go on."


def check_options(options: AlasOptions, device: torch.device) -> None:
    """Try what the options name, without loading anything large.

    Raises:
        FatalError: If the Whisper checkpoint, its heads or the journal cannot be used, or there is no place for dumps.
    """
    if options.dump:
        writing_run()
    make_whisper(options, device)
    if options.journal:
        Journal(options.journal).close()


def writing_run() -> HarnessRun:
    """Return the harness's run, whose folder takes the dumps.

    Raises:
        FatalError: If nothing is written.
    """
    run = current_run()
    if run is None or not run.writes:
        raise FatalError(
            "alas_dump keeps similarities beside the results, and no results are written: add --output_path FOLDER "
            "(from Python, an evaluation_tracker with an output_path)"
        )
    return run


def make_whisper(options: AlasOptions, device: torch.device) -> WhisperReference | None:
    """Return the Whisper reference that the options ask for; nothing is loaded yet."""
    if options.whisper is None:
        return None
    return WhisperReference(
        options.whisper,
        mode=options.whisper_mode,  # type: ignore[arg-type]
        device=options.whisper_device or str(device),
        heads=options.whisper_heads,
        cache=AlignmentCache(options.cache),
    )


def describe(options: AlasOptions, whisper: WhisperReference | None) -> dict[str, str]:
    """Return what a record says of how it was made."""
    settings = {"answer_similarity": options.sbert} if options.responses else {}
    if whisper is not None:
        settings["whisper_checkpoint"] = whisper.fingerprint
    return settings


def environment(options: AlasOptions, whisper: WhisperReference | None) -> dict[str, Any]:
    """Return the versions and options that can change a record's numbers."""
    return {
        "versions": {**software(), "lmms-eval": version("lmms-eval")},
        "python": platform.python_version(),
        "options": describe(options, whisper),
        "reference": whisper.name if whisper else "words",
        "heads": options.whisper_heads,
        "language": options.language,
    }


def read_requests(
    requests: Sequence[Any],
    task_dict: Mapping[str, Any],
    responses: bool = True,
    always: Mapping[str, Any] | None = None,
) -> list[Item]:
    """Read the harness's instances; a rank's padding gets an empty answer, which nobody reads."""
    items = []
    seen: Counter[tuple[str, Any]] = Counter()
    for request in requests:
        context, generation, to_sample, doc_id, task, split = read_arguments(request.args)
        uid = f"{task}:{doc_id}"
        item = Item(
            uid=uid,
            task=task,
            repeat=seen[task, doc_id],
            instruction=context,
            generation={**generation_arguments(generation, responses), **(always or {})},
            until=[stop for stop in _as_list(generation.get("until")) if stop],
            read=partial(read_document, to_sample, task_dict, task, split, doc_id),
            number=int(doc_id),
        )
        seen[task, doc_id] += 1
        if (request.metadata or {}).get("__padding_only__"):
            item.record = ""
        items.append(item)
    return items


def read_document(
    to_sample: Callable[[Any], SpeechSample], task_dict: Mapping[str, Any], task: str, split: str, doc_id: Any
) -> SpeechSample:
    """Fetch one document; only now, since a data set need not fit into memory."""
    return to_sample(task_dict[task][split][doc_id])


def read_arguments(args: Sequence[Any]) -> tuple[str, dict, Callable[[Any], SpeechSample], Any, str, str]:
    """Return context, generation arguments, a reader of the document, its id, task and split.

    Simple requests are (context, generation, doc_to_visual, ...), chat requests (context, doc_to_messages, generation,
    ...); source: ``construct_requests`` of lmms-eval 0.7.3.
    """
    context, second, third, doc_id, task, split = args
    if callable(second):
        return context, third, lambda doc: sample_of_messages(second(doc)), doc_id, task, split
    return context, second, lambda doc: third(doc)[0], doc_id, task, split


def sample_of_messages(messages: Sequence[Mapping[str, Any]]) -> SpeechSample:
    """Return the speech sample inside chat messages."""
    parts = (part for message in messages for part in message["content"])
    return next(part["url"] for part in parts if isinstance(part.get("url"), SpeechSample))


def _as_list(until: Any) -> list[str]:
    return [until] if isinstance(until, str) else list(until or [])


def generation_arguments(generation: Mapping[str, Any], responses: bool = True) -> dict[str, Any]:
    """Return keyword arguments of ``generate`` from the task's ``generation_kwargs`` and ``--gen_kwargs``.

    Greedy unless a temperature above 0 is given, as the harness's wrappers do. Without answers a single new token is
    asked for: the prefill is all that is needed.

    Raises:
        FatalError: naming an argument that ``generate`` does not know.
    """
    from transformers import GenerationConfig

    arguments = {name: value for name, value in generation.items() if name != "until"}
    unknown = sorted(name for name in arguments if name in _NOT_ARGUMENTS or not hasattr(GenerationConfig(), name))
    if unknown:
        raise FatalError(
            f"--gen_kwargs: {', '.join(unknown)} cannot be used: not known to generate() of transformers, or it would "
            "return something else than one answer per document"
        )
    temperature = float(arguments.pop("temperature", None) or 0)
    sample = temperature > 0
    for name in ("do_sample", "top_p", "top_k"):
        value = arguments.pop(name, None)
        if sample and value is not None and name != "do_sample":
            arguments[name] = value
    if sample:
        arguments["temperature"] = temperature
    arguments.setdefault("max_new_tokens", _MAX_NEW_TOKENS)
    if not responses:
        return {"max_new_tokens": 1, "do_sample": False, "num_beams": 1}
    return {**arguments, "do_sample": sample}


def batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """Group items with equal generation arguments; in batches, documents of like length go together."""
    ordered = items if size == 1 else sorted(items, key=lambda item: -item.duration)
    if any(item.samples for item in items):
        size = 1  # each document draws from a seed of its own
    groups: dict[str, list[Item]] = {}
    for item in ordered:
        groups.setdefault(repr((item.generation, item.until)), []).append(item)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


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
    """End the run where the device is lost: after such an error every later document would fail.

    Raises:
        FatalError: If CUDA reports anything but missing memory.
    """
    if "CUDA error" in str(error) and not is_out_of_memory(error):
        raise FatalError(
            f"the device failed and no later document could be run: {error}. "
            "Start again; with alas_journal=FOLDER what is finished is kept."
        ) from error


def free_memory() -> None:
    """Give unused device memory back, so that one large document does not cost the next."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
