"""The harness's requests as items on their way to a record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from loguru import logger

from alas_metric.document.record import AlignmentRecord
from alas_metric.errors import SkipDocument
from alas_tasks.speech import SpeechSample
from model_patches.adapters.generation import generation_arguments
from model_patches.run.preparation import Prepared


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


def languages_of_free_answers(items: Sequence[Item]) -> list[str]:
    """Return the languages of the tasks that compare answers by their meaning, judged by their first documents."""
    first = {item.task: item for item in reversed(items)}
    found = []
    for item in first.values():
        try:
            sample = item.read()
        except Exception:  # the document's own turn will tell what is wrong with it
            found.append(SpeechSample.language)
            continue
        if sample.read_answer is None:
            found.append(sample.language)
    return sorted(set(found))


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


def read_arguments(args: Sequence[Any]) -> tuple[str, dict[str, Any], Callable[[Any], SpeechSample], Any, str, str]:
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
    urls = (part.get("url") for part in parts)
    return next(url for url in urls if isinstance(url, SpeechSample))


def _as_list(until: Any) -> list[str]:
    return [until] if isinstance(until, str) else list(until or [])


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
