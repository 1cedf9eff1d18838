"""Reading the files that describe a user's speech: JSONL, JSON, CSV and TSV manifests, parquet files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alas_metric.errors import FatalError
from alas_metric.texts import whole_characters

MANIFESTS = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
"""The endings of files that are read."""


def local_columns(path: Path) -> list[str]:
    """Return a local file's columns."""
    if path.suffix.lower() == ".parquet":
        return parquet_columns(path)
    rows = read_manifest(path)
    return list({name: None for row in rows for name in row})


def parquet_columns(file: Any) -> list[str]:
    """Return the columns of a parquet file, given by path or opened."""
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(file).names)
    except Exception as error:
        raise FatalError(f"{file} cannot be read as parquet: {error}") from error


def read_words(value: Any, where: str) -> list[dict[str, Any]] | None:
    """Return word timestamps as ``[{"word", "start", "end"}, ...]`` in seconds.

    Args:
        value: that list, the same as ``[[word, start, end], ...]``, either as JSON text, or None.
        where: for messages.

    Raises:
        FatalError: If it is anything else. Reversed or infinite times are no error here: such a document is
            counted as ``bad_timestamps``.
    """
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise FatalError(f"{where}: the word timestamps are no JSON: {error}") from error
    if value is None:
        return None
    try:
        return [_word(entry) for entry in value]
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise FatalError(
            f"{where}: expected a list of {{word, start, end}} or [word, start, end], in seconds: {error!r}"
        ) from error


def _word(entry: Any) -> dict[str, Any]:
    word, start, end = (entry["word"], entry["start"], entry["end"]) if isinstance(entry, Mapping) else entry
    return {"word": whole_characters(str(word)), "start": float(start), "end": float(end)}


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSONL, JSON (a list, or a dictionary by id), CSV or TSV file.

    Raises:
        FatalError: If it cannot be read; the message names the line.
    """
    try:
        # utf-8-sig: spreadsheets put a mark before the first column's name
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FatalError(f"{path} cannot be read: {error}") from error
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        csv.field_size_limit(2**31 - 1)  # a row may hold the timestamps of a long recording
        rows = _table_rows(text, "\t" if ending == ".tsv" else ",", path)
    elif ending == ".jsonl":
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        rows = [_json(line, f"{path}, line {number}") for number, line in lines]
    else:
        rows = _json_rows(_json(text, str(path)))
    if not rows:
        raise FatalError(f"{path} holds no row")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or None in row:
            raise FatalError(f"{path}, row {number}: expected one value for each column, got {str(row)[:200]}")
    return rows


def _table_rows(text: str, delimiter: str, path: Path) -> list[dict[Any, Any]]:
    """Return the rows of a CSV file, whose empty cells are the only way to leave out a value."""
    # Not str.splitlines: that also ends lines where a transcript holds one of Unicode's other separators.
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [{name: value if value != "" else None for name, value in row.items()} for row in reader]
    except csv.Error as error:
        raise FatalError(f"{path}, line {reader.line_num}: no table: {error}") from error


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FatalError(f"{where}: no JSON: {error}") from error


def _json_rows(content: Any) -> list[Any]:
    if isinstance(content, dict):
        return [{"id": key, **row} if isinstance(row, dict) else row for key, row in content.items()]
    return content if isinstance(content, list) else [content]
