"""LibriSQA for the harness: files for its loader, documents for its tasks.

The names ``dataset_path``, ``dataset_kwargs_part1``/``_part2`` and ``data`` in the YAML files are values that are
computed when a task is really loaded: listing tasks stays quick and asks no hub, and the environment is read
in time.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import datasets

from alas_metric.errors import FatalError, UnobtainableError
from alas_tasks.answers import read_option
from alas_tasks.documents import make_documents
from alas_tasks.librisqa.librispeech import speech_of
from alas_tasks.librisqa.word_times import words_of
from alas_tasks.sources import LIBRISPEECH, LIBRISPEECH_WORDS, LIBRISQA

PARTS = {"dataset_kwargs_part1": "LibriSQA-PartI", "dataset_kwargs_part2": "LibriSQA-PartII"}


def __getattr__(name: str) -> Any:
    if name == "dataset_path":
        return "json"
    if name == "data":
        return ", ".join(source.stated for source in (LIBRISQA, LIBRISPEECH, LIBRISPEECH_WORDS))
    if name in PARTS:
        return {"data_files": {"test": str(questions_file(PARTS[name]))}}
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def questions_file(part: str) -> Path:
    """Return the JSON file of a part's test questions, from the local copy or the hub.

    Raises:
        FatalError: If it is not there.
    """
    name = f"{part}-test.json"
    folder = LIBRISQA.folder()
    if folder is None:
        return LIBRISQA.files(f"{part}/{name}")[0]
    for path in (folder / part / name, folder / name):
        if path.is_file():
            return path
    raise UnobtainableError(f"{LIBRISQA.folder_variable}={folder} has neither {part}/{name} nor {name}")


def process_docs_part1(dataset: datasets.Dataset) -> datasets.Dataset:
    """Return the documents of Part I: free answers, the transcript from LibriSQA itself."""
    rows = _columns(dataset, "question", "answer")
    audio, spoken = speech_of(rows["uid"])
    own = _column(dataset, "text") if "text" in dataset.column_names else spoken
    columns = {
        **_standard(rows["uid"]),
        "transcript": [text if text is not None else other for text, other in zip(own, spoken, strict=True)],
        "instruction": rows["question"],
        "target": rows["answer"],
    }
    return make_documents(columns, audio, "alas_librisqa")


def process_docs_part2(dataset: datasets.Dataset) -> datasets.Dataset:
    """Return the documents of Part II: four options, the transcript from LibriSpeech."""
    rows = _columns(dataset, "question_and_option", "answer")
    audio, spoken = speech_of(rows["uid"])
    columns = {
        **_standard(rows["uid"]),
        "transcript": spoken,
        "instruction": rows["question_and_option"],
        "target": [read_option(answer) or answer for answer in rows["answer"]],
    }
    return make_documents(columns, audio, "alas_librisqa_mc")


def _standard(uids: list[str]) -> dict[str, list[Any]]:
    return {"uid": uids, "speaker": [uid.split("-")[0] for uid in uids], "words": words_of(uids)}


def _columns(dataset: datasets.Dataset, *names: str) -> dict[str, list[Any]]:
    """Return columns as lists, and the utterance ids as ``uid``.

    Raises:
        FatalError: If a column is missing.
    """
    missing = {"speech_path", *names} - set(dataset.column_names)
    if missing:
        raise FatalError(
            f"the LibriSQA file lacks {', '.join(sorted(missing))}; it has {', '.join(dataset.column_names)}"
        )
    paths = _column(dataset, "speech_path")
    uids = [PurePosixPath(str(path).replace("\\", "/")).stem for path in paths]
    return {"uid": uids, **{name: _column(dataset, name) for name in names}}


def _column(dataset: datasets.Dataset, name: str) -> list[Any]:
    return list(dataset.select_columns([name]).to_dict()[name])
