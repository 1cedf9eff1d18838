"""The documents of a user's own data: manifests with audio files, and parquet files with audio inside."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc

from alas_metric.errors import FatalError
from alas_tasks.answers import label_reader
from alas_tasks.custom import Description, choose_columns
from alas_tasks.documents import make_documents, with_encoded_audio
from alas_tasks.manifests import read_manifest, read_words


def _manifest_documents(task: str, description: Description, path: Path) -> Any:
    from alas_tasks.documents import make_documents

    rows = read_manifest(path)
    columns = _standard_columns(rows, description, path)
    names = [row.get(description.columns["audio"]) for row in rows]
    audio = [{"bytes": None, "path": str(path.parent / str(name))} if name else None for name in names]
    missing = [entry["path"] for entry in audio if entry and not Path(str(entry["path"])).is_file()]
    if missing and len(missing) == sum(entry is not None for entry in audio):
        raise FatalError(f"{path}: none of its audio files exists; the first is {missing[0]}")
    return make_documents(columns, audio, task)


def _parquet_documents(task: str, description: Description, files: Sequence[Path]) -> Any:
    """Join the text columns with the audio as the loader mapped it into memory."""
    import datasets

    from alas_tasks.documents import make_documents, with_encoded_audio

    names = [str(file) for file in files]
    try:
        cache = os.environ.get("LMMS_EVAL_DATASETS_CACHE") or None  # where the harness keeps its own
        loaded = datasets.load_dataset("parquet", data_files={"test": names}, split="test", cache_dir=cache)
    except Exception as error:
        raise FatalError(f"{task}: {names[0]} cannot be read: {type(error).__name__}: {error}") from error
    data = with_encoded_audio(loaded)
    choose_columns(data.column_names, description.columns)
    column = description.columns["audio"]
    texts = data.select_columns(sorted(set(description.columns.values()) - {column})).to_dict()
    for name, feature in data.features.items():
        if name in texts and isinstance(feature, datasets.ClassLabel):
            texts[name] = [None if value is None else feature.int2str(value) for value in texts[name]]
    rows = [{name: texts[name][row] for name in texts} for row in range(len(data))]
    audio = _parquet_audio(data, column, files[0])
    return make_documents(_standard_columns(rows, description, files[0], audio), audio, task)


def _parquet_audio(data: Any, column: str, file: Path) -> Any:
    """Return an audio column as Arrow holds it, or rows of paths where the column holds paths."""
    import pyarrow as pa

    stored = data.data.column(column)
    if pa.types.is_struct(stored.type) and {"bytes", "path"} <= {
        stored.type.field(i).name for i in range(stored.type.num_fields)
    }:
        return stored
    values = stored.to_pylist()
    if pa.types.is_string(stored.type) or pa.types.is_large_string(stored.type):
        return [{"bytes": None, "path": str(file.parent / value)} if value else None for value in values]
    if pa.types.is_binary(stored.type) or pa.types.is_large_binary(stored.type):
        return [None if value is None else {"bytes": value, "path": None} for value in values]
    raise FatalError(f"the column {column} of {file} holds no audio but {stored.type}")


def _standard_columns(
    rows: Sequence[Mapping[str, Any]], description: Description, source: Path, audio: Any = None
) -> dict[str, list]:
    """Return the standard columns but the audio; all messages name the row."""
    columns, labels = description.columns, description.labels
    values = {
        role: [_text(row.get(columns[role])) for row in rows]
        for role in columns
        if role not in ("audio", "words")
    }
    targets = values.get("answer") or [None] * len(rows)
    if labels:
        targets = [_label(target, labels, number, source) for number, target in enumerate(targets, 1)]
    words = [None] * len(rows)
    if "words" in columns:
        words = [read_words(row.get(columns["words"]), f"{source}, row {n}") for n, row in enumerate(rows, 1)]  # type: ignore[misc]
    return {
        "uid": _names(values.get("id"), rows, columns["audio"], audio),
        "transcript": values.get("transcript") or [None] * len(rows),
        "instruction": values.get("instruction") or [None] * len(rows),
        "target": targets,
        "speaker": values.get("speaker") or [None] * len(rows),
        "words": words,
    }


def _names(
    ids: list[str | None] | None, rows: Sequence[Mapping[str, Any]], column: str, audio: Any
) -> list[str]:
    """Return a name for each row: its id, else the stem of its audio file, else its number."""
    paths: Sequence[Any]
    if audio is None:
        paths = [row.get(column) for row in rows]
    elif isinstance(audio, list):
        paths = [entry and entry["path"] for entry in audio]
    else:
        import pyarrow.compute as pc

        paths = pc.struct_field(audio, "path").to_pylist()
    given = ids or [None] * len(rows)
    stems = [Path(str(path)).stem if path else None for path in paths]
    return [name or stem or f"row{n}" for n, (name, stem) in enumerate(zip(given, stems, strict=True))]


def _text(value: Any) -> str | None:
    """Return a cell as text; empty cells of a CSV file and nulls are None."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    text = str(value).strip()
    return text or None


def _label(target: str | None, labels: list[str], number: int, source: Path) -> str | None:
    if target is None or target in labels:
        return target
    label = label_reader(labels)(target)
    if label is None:
        raise FatalError(
            f"{source}, row {number}: the answer {target!r} is none of the labels {', '.join(labels)}"
        )
    return label


