"""MMAU for the harness: the questions about speech of its test-mini split, as the harness's own task asks them.

It has no transcripts: Whisper recognises what is said, and the record says so.
"""

from __future__ import annotations

import json
import string
from typing import Any

import datasets
from loguru import logger

from alas_metric.errors import FatalError, UnobtainableError
from alas_tasks.documents import make_documents, with_encoded_audio
from alas_tasks.sources import MMAU, matching_files

LETTERS = string.ascii_uppercase[:4]
"""The options that answers are read as; see `alas_tasks.answers.read_option`."""


def __getattr__(name: str) -> Any:
    if name == "data":
        return MMAU.stated
    if name != "dataset_kwargs":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    folder = MMAU.folder()
    files = MMAU.files() if folder is None else matching_files(folder, [MMAU.pattern])
    if not files:
        raise UnobtainableError(f"{MMAU.folder_variable}={folder} has no file {MMAU.pattern}")
    return {"data_files": {"test": [str(path) for path in files]}}


def process_docs(dataset: datasets.Dataset) -> datasets.Dataset:
    """Return the documents about speech; those without two to four options, or without the right one, are named."""
    dataset = with_encoded_audio(dataset)
    missing = {"audio", "question", "choices", "answer", "task"} - set(dataset.column_names)
    if missing:
        raise FatalError(f"MMAU lacks {', '.join(sorted(missing))}; it has {', '.join(dataset.column_names)}")
    texts = dataset.select_columns([name for name in dataset.column_names if name != "audio"]).to_dict()
    speech = [row for row, task in enumerate(texts["task"]) if str(task).strip().lower() == "speech"]
    asked = {row: _asked(texts, row) for row in speech}
    kept = [row for row, question in asked.items() if question is not None]
    columns = {
        "uid": [_uid(texts, row) for row in kept],
        "instruction": [asked[row][0] for row in kept],  # type: ignore[index]  # None was left out
        "target": [asked[row][1] for row in kept],  # type: ignore[index]
    }
    audio = dataset.data.column("audio").take(kept)
    return make_documents(columns, audio, "alas_mmau_speech")


def _uid(texts: dict[str, list[Any]], row: int) -> str:
    return str(texts["id"][row]) if "id" in texts else f"row-{row}"


def _asked(texts: dict[str, list[Any]], row: int) -> tuple[str, str] | None:
    """Return a question with its options, and the letter of the right one."""
    try:
        options = [str(option) for option in json.loads(texts["choices"][row])]
        place = [option.strip().lower() for option in options].index(str(texts["answer"][row]).strip().lower())
        if not 2 <= len(options) <= len(LETTERS):
            raise ValueError(f"{len(options)} options")
    except (ValueError, TypeError) as error:
        logger.warning(f"alas_mmau_speech: {_uid(texts, row)} is left out: {error}")
        return None
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
    return f"{texts['question'][row]}\n{listed}", LETTERS[place]
