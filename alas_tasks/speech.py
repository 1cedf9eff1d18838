"""What a document hands to a model: one utterance with its transcript, and how its audio becomes samples.

The functions ``doc_to_*`` are shared by every task's YAML. They read the standard columns
(`alas_tasks.documents`) and the settings of ``lmms_eval_specific_kwargs``:

- ``pre_prompt``, ``post_prompt``: put around the document's instruction, as in the harness's own tasks;
- ``instruction``: the instruction itself, for tasks that ask every document the same;
- ``answers``: ``free`` (default), ``free_or_contained`` (they also agree where one is contained in the other),
  ``option`` (a letter A to D), ``emotion``, or a list of labels;
- ``language``: the language spoken, ``en`` by default;
- ``reference``: the word timestamps that the scores use, as the model argument ``alas_reference``, which overrides it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from alas_metric.document.paths import WordTiming
from alas_metric.errors import FatalError
from alas_tasks.answers import FREE_OR_CONTAINED, label_reader, read_emotion, read_option
from alas_tasks.audio import Audio


@dataclass(frozen=True, eq=False)
class SpeechSample:
    """One utterance as the adapters of `model_patches` read it.

    The stock wrappers of the harness cannot use it: what they would do with an audio dictionary (look up a
    key, take its length, iterate) ends the run with the model ids that work, instead of an answer to a prompt
    without audio.

    Args:
        uid: the utterance's name, unique within the task.
        audio: see `Audio`; nothing is decoded before `load_audio`.
        transcript: what is said, or None where a recogniser has to tell.
        target: the gold answer; the label itself for closed answers.
        words: gold word timestamps, where the data set has them.
        speaker: who speaks, where known.
        read_answer: reads an answer as one of the labels, or None; not set where answers are free.
        language: the language spoken, as an ISO 639-1 code.
        answers: the task's setting that ``read_answer`` was made from: what tells one way of reading from another.
        reference: the source of word times that the task asks for, None if it asks for none.
    """

    uid: str
    audio: Audio
    transcript: str | None = None
    target: str | None = None
    words: Sequence[WordTiming] | None = None
    speaker: str | None = None
    read_answer: Callable[[str], str | None] | None = None
    language: str = "en"
    answers: Any = None
    reference: str | None = None

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: object) -> NoReturn:
        self._refuse()

    def __len__(self) -> int:
        self._refuse()

    def __iter__(self) -> Iterator[Any]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise FatalError(
            f"document {self.uid!r} of an ALAS task was given to a model wrapper that does not know ALAS. "
            "`alas models` lists the model ids that work."
        )


def doc_to_text(doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:
    """Return the instruction, without any transcript: the runs of the model side add what they need."""
    settings = lmms_eval_specific_kwargs or {}
    instruction = settings.get("instruction") or doc.get("instruction") or ""
    return f"{settings.get('pre_prompt') or ''}{instruction}{settings.get('post_prompt') or ''}"


def doc_to_visual(
    doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None
) -> list[SpeechSample]:
    """Return the document's utterance, its audio not yet decoded."""
    settings = lmms_eval_specific_kwargs or {}
    read_answer = answer_reader(settings.get("answers"))
    target = doc.get("target")
    if read_answer and target:
        target = read_answer(target) or target
    return [
        SpeechSample(
            uid=doc["uid"],
            audio=audio_of(doc),
            transcript=doc.get("transcript"),
            target=target,
            words=_words(doc.get("words")),
            speaker=doc.get("speaker"),
            read_answer=read_answer,
            language=doc.get("language") or settings.get("language") or "en",
            answers=settings.get("answers"),
            reference=settings.get("reference"),
        )
    ]


def audio_of(doc: Mapping[str, Any]) -> Audio:
    """Return a document's audio, with the part of the recording that it is about where it is not about all of it."""
    audio, part = doc.get("audio"), doc.get("part")
    return {**audio, "part": part} if audio and part else audio


def _words(words: Sequence[Mapping[str, Any]] | None) -> list[WordTiming] | None:
    """Return word timestamps; NaN stands for times that a word has not."""
    if words is None:
        return None
    times = [(w["word"], *(float("nan") if w[edge] is None else w[edge] for edge in ("start", "end"))) for w in words]
    return [WordTiming(*word) for word in times]


def doc_to_messages(
    doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the same for the harness's chat requests."""
    (sample,) = doc_to_visual(doc, lmms_eval_specific_kwargs)
    text = doc_to_text(doc, lmms_eval_specific_kwargs)
    content = [{"type": "speech_sample", "url": sample}, {"type": "text", "text": text}]
    return [{"role": "user", "content": content}]


def doc_to_target(doc: Mapping[str, Any]) -> str:
    """Return the gold answer; empty where there is none, as the harness wants a string."""
    return doc.get("target") or ""


def answer_reader(answers: str | Sequence[str] | None) -> Callable[[str], str | None] | None:
    """Return the function that reads a closed answer, or None for free answers.

    Args:
        answers: the setting ``answers``; see the module's description.

    Raises:
        FatalError: For an unknown setting.
    """
    if answers is None or answers in ("free", FREE_OR_CONTAINED):
        return None
    if answers == "option":
        return read_option
    if answers == "emotion":
        return read_emotion
    if isinstance(answers, str) or not answers:
        raise FatalError(
            f"answers must be free, {FREE_OR_CONTAINED}, option, emotion or a list of labels, got {answers!r}"
        )
    return label_reader([str(label) for label in answers])
