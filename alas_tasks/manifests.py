"""Reading the files that describe a user's speech: JSON lines, JSON, CSV and TSV manifests, parquet files.

What a file is shows in what it holds: JSON lines in a ``.json``, a table with another separator than its ending says,
or one that does not quote, are read as what they are.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alas_metric.errors import FatalError
from alas_tasks.word_columns import segments_of_json

MANIFESTS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".ndjson", ".manifest", ".jsonl.gz", ".json.gz")
"""The endings of files that are read."""

AUDIO_ENDINGS = (
    *(
        ".wav",
        ".flac",
        ".mp3",
        ".ogg",
        ".opus",
        ".m4a",
        ".mp4",
        ".webm",
        ".aac",
        ".amr",
        ".3gp",
        ".aiff",
        ".aif",
        ".au",
    ),
    *(".wma", ".caf", ".sph", ".mka", ".mkv", ".mov", ".w64"),
)
"""The endings of recordings in folders."""

Row = dict[str, Any]


def is_manifest(path: Path) -> bool:
    """Tell by its name whether a file is one that is read."""
    return path.name.lower().endswith(MANIFESTS)


def parquet_schema(file: Any) -> Any:
    """Return the Arrow schema of a parquet file, given by path or opened."""
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(file)
    except Exception as error:
        raise FatalError(f"{file} cannot be read as parquet: {error}") from error


def read_manifest(path: Path) -> list[Row]:
    """Return the rows of a JSON lines, JSON (a list, or a dictionary by id), CSV or TSV file.

    Raises:
        FatalError: If it cannot be read; the message names the line.
    """
    try:
        content = path.read_bytes()
        # utf-8-sig: spreadsheets put a mark before the first column's name
        text = (gzip.decompress(content) if path.suffix.lower() == ".gz" else content).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise FatalError(f"{path} cannot be read: {error}") from error
    is_table = path.suffix.lower() in (".csv", ".tsv")
    rows = _table_rows(text, path) if is_table else _json_rows(text, path)
    if not rows:
        raise FatalError(f"{path} holds no row")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or None in row:
            raise FatalError(f"{path}, row {number}: expected one value for each column, got {str(row)[:200]}")
    return rows


# ---- tables ------------------------------------------------------------------------------------------------


def _table_rows(text: str, path: Path) -> list[Row]:
    """Return the rows of a table, whose empty cells are the only way to leave out a value."""
    text = text.replace("\r\n", "\n")
    delimiter = _delimiter(text, path)
    table = _cells(text, delimiter, path)
    header, *cells = table
    if delimiter == "|" and len(header) in (2, 3) and not {"audio", "text", "transcript", "file_name"} & set(header):
        header, cells = ["audio", "text", "normalized_text"][: len(header)], table  # LJSpeech's has no header
    return [{name: value if value != "" else None for name, value in zip(header, row, strict=True)} for row in cells]


def _delimiter(text: str, path: Path) -> str:
    """Return what separates a table's columns: what its ending says, unless only another one does so in every row."""
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    counts = {mark: {line.count(mark) for line in text.split("\n") if line} for mark in (usual, "\t", ";", "|", ",")}
    even = [mark for mark, found in counts.items() if len(found) == 1 and min(found)]
    in_header = [mark for mark in counts if mark in text.partition("\n")[0]]
    preferred = [mark for mark in ("|", usual) if mark in even]  # bars in every row are no text
    return next(iter([*preferred, *even, *in_header, usual]))


def _cells(text: str, delimiter: str, path: Path) -> list[list[str]]:
    """Return a table's cells, quoted (RFC 4180) or as they stand.

    Tables with tabs usually do not quote, so that a quotation mark is one that belongs to the text: read as quoted, a
    sentence that begins with one would swallow rows. A file counts as quoted where only so all rows are as long as the
    first, or where it doubles the marks inside.
    """
    plain = [line.split(delimiter) for line in text.split("\n") if line]
    if '"' not in text:
        return _even(plain, path)
    try:
        quoted = list(_quoted(text, delimiter))
    except csv.Error as error:
        quoted, problem = [], f"{path}: no table: {error}"
    else:
        problem = ""
    if quoted and _is_even(quoted) and not (_is_even(plain) and delimiter == "\t" and not _doubles(plain)):
        return quoted
    if problem and not _is_even(plain):
        raise FatalError(problem)
    return _even(plain if _is_even(plain) or not quoted else quoted, path)


def _quoted(text: str, delimiter: str) -> Iterable[list[str]]:
    csv.field_size_limit(2**31 - 1)  # a row may hold the timestamps of a long recording
    # Not str.splitlines: that also ends lines where a transcript holds one of Unicode's other separators.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from (row for row in reader if row)
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num}: {error}") from error


def _is_even(cells: list[list[str]]) -> bool:
    return len({len(row) for row in cells}) == 1


def _doubles(cells: list[list[str]]) -> bool:
    """Tell whether marks around cells are the table's: those inside are doubled, or all of the first row have them."""
    around = [cell for row in cells for cell in row if len(cell) > 1 and cell[0] == cell[-1] == '"']
    if any(cell.startswith('"') and not (len(cell) > 1 and cell.endswith('"')) for row in cells for cell in row):
        return False
    inside = [cell[1:-1] for cell in around]
    if any('"' in text.replace('""', "") for text in inside):
        return False
    return any('""' in text for text in inside) or all(cell[:1] == '"' for cell in cells[0])


def _even(cells: list[list[str]], path: Path) -> list[list[str]]:
    """Raise FatalError for a table with a row that is longer or shorter than the first."""
    for number, row in enumerate(cells):
        if len(row) != len(cells[0]):
            raise FatalError(
                f"{path}, row {number}: expected one value for each column, {len(cells[0])}, got {len(row)}: "
                f"{str(row)[:200]}"
            )
    return cells or [[]]


# ---- JSON --------------------------------------------------------------------------------------------------


def _json_rows(text: str, path: Path) -> list[Any]:
    """Return the rows of a JSON file, or of JSON lines under whatever name."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    by_line = path.name.lower().endswith((".jsonl", ".jsonl.gz", ".ndjson"))
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        if by_line or (len(lines) > 1 and _is_json(lines[0][1])):
            return [_json(line, f"{path}, line {number}") for number, line in lines]
        raise FatalError(f"{path}: no JSON: {error}") from error
    if by_line and len(lines) == 1:
        return [content]
    return _rows_of_json(content, path)


def _rows_of_json(content: Any, path: Path) -> list[Any]:
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        return [content]
    segments = segments_of_json(content, str(path))
    if segments is not None:
        return [{"audio": recording_beside(path), **row} for row in segments]
    if len(content) == 1 and isinstance(rows := next(iter(content.values())), list):  # {"data": [...]}
        return rows
    if all(isinstance(row, dict) for row in content.values()):
        return [{"id": key, **row} for key, row in content.items()]
    return [content]


def recording_beside(path: Path) -> str:
    """Return the name of the recording that a file is about, by its own name.

    Raises:
        FatalError: If there is none beside it.
    """
    found = [path.with_suffix(ending) for ending in AUDIO_ENDINGS if path.with_suffix(ending).is_file()]
    if not found:
        raise FatalError(
            f"{path} holds the words of a recording, and beside it lies none of that name ({path.stem}.wav, ...)"
        )
    return found[0].name


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FatalError(f"{where}: no JSON: {error}") from error


def columns_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the columns of rows, in the order in which they come."""
    return list({name: None for row in rows for name in row})
