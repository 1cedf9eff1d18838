"""The demo's tasks for the harness, miniatures of LibriSQA and IEMOCAP on 64 utterances that lie in the package.

The names in the YAML files that are computed when the task is really loaded: see `alas_tasks.librisqa.utils`.
"""

from __future__ import annotations

from typing import Any

import datasets

from alas_tasks.demo.files import TEST_SPLIT
from alas_tasks.documents import make_documents, with_encoded_audio


def __getattr__(name: str) -> Any:
    if name != "dataset_kwargs":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return {"data_files": {"test": str(TEST_SPLIT)}}


def process_docs_sqa(dataset: datasets.Dataset) -> datasets.Dataset:
    """Return the documents of ``alas_demo_sqa``: a question to each utterance, answered by one of its words."""
    rows = _texts(dataset)
    return _documents(dataset, rows, rows["question"], rows["answer"], "alas_demo_sqa")


def process_docs_emotion(dataset: datasets.Dataset) -> datasets.Dataset:
    """Return the documents of ``alas_demo_emotion``: how it is spoken, which only the audio tells."""
    rows = _texts(dataset)
    return _documents(dataset, rows, None, rows["emotion"], "alas_demo_emotion")


def _texts(dataset: datasets.Dataset) -> dict[str, list[Any]]:
    return dict(dataset.remove_columns("audio").to_dict())


def _documents(
    dataset: datasets.Dataset, rows: dict[str, list[Any]], instructions: list[Any] | None, targets: list[Any], task: str
) -> datasets.Dataset:
    columns = {
        **{name: rows[name] for name in ("uid", "transcript", "words", "speaker")},
        **({"instruction": instructions} if instructions else {}),
        "target": targets,
    }
    return make_documents(columns, with_encoded_audio(dataset).data.column("audio"), task)
