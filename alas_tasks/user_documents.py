"""The documents of a user's own data: manifests with audio files, and parquet files with audio inside."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc
from loguru import logger

from alas_metric.errors import FatalError
from alas_metric.texts import whole_characters
from alas_tasks.answers import label_reader
from alas_tasks.description import Description, choose_columns
from alas_tasks.documents import make_documents, with_encoded_audio
from alas_tasks.manifests import read_manifest, read_words


def documents_of_manifest(task: str, description: Description, path: Path) -> datasets.Dataset:
    """Return the documents of a manifest; paths of audio files are relative to its folder.

    Raises:
        FatalError: If the manifest is damaged or none of its audio files exists.
    """
    rows = read_manifest(path)
    choose_columns(list({name: None for row in rows for name in row}), description.columns)
    names = [row.get(description.columns["audio"]) for row in rows]
    audio = [path.parent / whole_characters(str(name)) if name else None for name in names]
    # Unlike Path.is_file false, not an error, for names that no file can have.
    missing = [file for file in audio if file and not os.path.isfile(file)]
    if missing and len(missing) == sum(file is not None for file in audio):
        raise FatalError(f"{path}: none of its audio files exists; the first is {missing[0]}")
    if missing:
        logger.warning(f"{path}: {len(missing)} of {len(rows)} audio files do not exist; the first is {missing[0]}")
    encoded = [{"bytes": None, "path": str(file)} if file else None for file in audio]
    columns = _columns(rows, [str(file or "") for file in audio], description, str(path))
    return make_documents(columns, encoded, task)


def documents_of_parquet(task: str, description: Description, files: Sequence[Path]) -> datasets.Dataset:
    """Return the documents of parquet files; audio inside them stays where it is mapped into memory.

    Raises:
        FatalError: If a file cannot be read, lacks a column or holds no audio.
    """
    data = with_encoded_audio(_load(task, files))
    choose_columns(data.column_names, description.columns)
    column = description.columns["audio"]
    audio = _stored_audio(data, column, files[0])
    texts = data.select_columns(sorted(set(description.columns.values()) - {column})).to_dict()
    for name in texts:
        feature = data.features[name]
        if isinstance(feature, datasets.ClassLabel):
            texts[name] = [None if value is None else feature.int2str(value) for value in texts[name]]
    rows = [{name: values[row] for name, values in texts.items()} for row in range(len(data))]
    paths = pc.struct_field(audio, "path").to_pylist()
    return make_documents(_columns(rows, paths, description, str(files[0])), audio, task)


def _load(task: str, files: Sequence[Path]) -> datasets.Dataset:
    names = [str(file) for file in files]
    cache = os.environ.get("LMMS_EVAL_DATASETS_CACHE") or None  # where the harness keeps its own
    try:
        return datasets.load_dataset("parquet", data_files={"test": names}, split="test", cache_dir=cache)
    except Exception as error:
        raise FatalError(f"{task}: {names[0]} cannot be read: {type(error).__name__}: {error}") from error


def _stored_audio(data: datasets.Dataset, column: str, file: Path) -> pa.ChunkedArray:
    """Return an audio column as struct<bytes, path>: as it is stored, or made from bytes or paths alone."""
    stored = data.data.column(column)
    kind = stored.type
    if pa.types.is_struct(kind):
        names = {kind.field(i).name for i in range(kind.num_fields)}
        if names >= {"bytes", "path"}:
            return stored
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        paths = [str(file.parent / path) if path else None for path in stored.to_pylist()]
        return _struct([None] * len(paths), paths)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _struct(stored.to_pylist(), [None] * len(stored))
    raise FatalError(f"the column {column} of {file} holds no audio but {kind}")


def _struct(contents: Sequence[bytes | None], paths: Sequence[str | None]) -> pa.ChunkedArray:
    pairs = zip(contents, paths, strict=True)
    rows = [{"bytes": content, "path": path} if content or path else None for content, path in pairs]
    return pa.chunked_array([pa.array(rows, type=pa.struct({"bytes": pa.binary(), "path": pa.string()}))])


def _columns(
    rows: Sequence[Mapping[str, Any]], paths: Sequence[str | None], description: Description, source: str
) -> dict[str, list[Any]]:
    """Return the standard columns but the audio.

    A row is named by its id, else by its audio file, else by its number.
    """
    chosen = description.columns
    values = {
        role: [_text(row.get(chosen[role])) if role in chosen else None for row in rows]
        for role in ("id", "transcript", "instruction", "answer", "speaker")
    }
    names = [name or Path(path or "").stem for name, path in zip(values["id"], paths, strict=True)]
    return {
        "uid": [name or f"row{number}" for number, name in enumerate(names, 1)],
        "transcript": values["transcript"],
        "instruction": values["instruction"],
        "target": _targets(values["answer"], description.labels, source),
        "speaker": values["speaker"],
        "words": [
            read_words(row.get(chosen["words"]), f"{source}, row {number}") if "words" in chosen else None
            for number, row in enumerate(rows, 1)
        ],
    }


def _text(value: Any) -> str | None:
    """Return a cell as text. None is no value; an empty transcript stays one that is empty."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    return whole_characters(str(value)).strip()


def _targets(answers: list[str | None], labels: list[str] | None, source: str) -> list[str | None]:
    """Return gold answers, those of closed tasks as one of the labels."""
    if not labels:
        return answers
    read = label_reader(labels)
    targets = [answer if answer in labels else read(answer) for answer in answers]
    for number, (answer, target) in enumerate(zip(answers, targets, strict=True), 1):
        if answer and target is None:
            known = ", ".join(labels)
            raise FatalError(f"{source}, row {number}: the answer {answer!r} is none of the labels {known}")
    return targets
