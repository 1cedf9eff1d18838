"""Word times in a manifest's column, and what the files beside a recording say of it.

All forms become ``[{"word", "start", "end"}, ...]``; a word without times has None in their place and is later put
between its neighbours.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from alas_metric.errors import FatalError
from alas_metric.texts import whole_characters
from alas_tasks.word_times import Words, read_ctm, read_textgrid

_NAMES = {
    "word": ("word", "text", "label", "token", "value", "w"),
    "start": ("start", "begin", "start_time", "startTime", "onset", "xmin", "s"),
    "end": ("end", "stop", "end_time", "endTime", "xmax", "e"),
    "duration": ("duration", "dur"),
}
"""What the fields of one word are called, by those who write them."""

UNITS = {"seconds": 1.0, "milliseconds": 1e-3, "samples": 1 / 16_000}
"""What times may be given in; samples of 16 kHz."""


def read_words(value: Any, where: str, unit: str = "seconds") -> Words | None:
    """Return word timestamps as ``[{"word", "start", "end"}, ...]`` in seconds.

    Args:
        value: a list of such dictionaries (other usual names of the fields are understood too) or of
            ``[word, start, end]``, the same as JSON text, or None.
        where: for messages.
        unit: of the times, a key of `UNITS`.

    Raises:
        FatalError: If it is anything else. Reversed or infinite times are no error here: such a document is
            counted as ``bad_timestamps``. Missing ones are None.
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
        return [_word(entry, UNITS[unit]) for entry in value]
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise FatalError(
            f"{where}: expected a list of {{word, start, end}} or [word, start, end], in seconds: {error!r}"
        ) from error


def _word(entry: Any, scale: float) -> dict[str, Any]:
    word, start, end = _fields(entry) if isinstance(entry, Mapping) else entry
    known = start is not None and end is not None
    return {
        "word": whole_characters(str(word)),
        "start": float(start) * scale if known else None,
        "end": float(end) * scale if known else None,
    }


def _fields(entry: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    def first(role: str) -> Any:
        return next((entry[name] for name in _NAMES[role] if name in entry), None)

    if "timestamp" in entry:  # the pipelines of transformers
        start, end = entry["timestamp"]
        return first("word"), start, end
    word, start, end, length = (first(role) for role in _NAMES)
    if word is None:
        raise KeyError("word")
    if end is None and start is not None and length is not None:
        end = float(start) + float(length)
    return word, start, end


def moved(words: Words | None, seconds: float) -> Words | None:
    """Return words with all times that much later."""
    if words is None:
        return None
    return [
        {**word, "start": word["start"] + seconds, "end": word["end"] + seconds} if word["start"] is not None else word
        for word in words
    ]


# ---- files beside the audio --------------------------------------------------------------------------------


def rows_beside(audio: Path) -> list[dict[str, Any]]:
    """Return what the files beside a recording say of it: rows with ``transcript``, ``words``, ``begin``, ``end``.

    Looked for, in this order: ``.TextGrid`` (MFA, Praat), ``.json`` (WhisperX, Whisper, MFA), ``.csv`` (MFA), ``.ctm``,
    ``.txt`` or ``.lab`` with the transcript alone. One empty row where there is none.

    Raises:
        FatalError: If such a file cannot be read.
    """
    rows: list[dict[str, Any]] = [{}]
    for ending, read in _READERS.items():
        beside = audio.with_suffix(ending)
        if beside.is_file():
            try:
                found = read(beside)
            except FatalError:
                raise
            except Exception as error:  # of whichever library reads it
                raise FatalError(f"{beside} cannot be read: {type(error).__name__}: {error}") from error
            if rows == [{}]:
                rows = found
            elif len(rows) == len(found) == 1:  # times in one file, the transcript in another
                return [{**found[0], **rows[0]}]
    return rows


def segments_of_json(content: Any, where: str) -> list[dict[str, Any]] | None:
    """Return the segments of Whisper's or WhisperX's output as rows, None if it is no such thing.

    A recording of up to 30 s, which every model takes at once, is one row; of a longer one every segment is.
    """
    segments = content.get("segments") if isinstance(content, dict) else None
    if not isinstance(segments, list) or not all(isinstance(segment, dict) for segment in segments):
        return None
    rows = [_segment_row(segment, where) for segment in segments if str(segment.get("text") or "").strip()]
    shared = {"language": content["language"]} if content.get("language") else {}
    if not rows or max(float(row["end"] or 0) for row in rows) > 30:
        return [{**shared, **row, "words": moved(row.get("words"), -float(row["begin"] or 0))} for row in rows]
    words = [word for row in rows for word in row.get("words") or ()]
    text = " ".join(row["transcript"] for row in rows)
    speakers = {row.get("speaker") for row in rows}
    speaker = {"speaker": speakers.pop()} if len(speakers) == 1 else {}
    return [{**shared, **speaker, "transcript": text, "words": words or None}]


def _segment_row(segment: Mapping[str, Any], where: str) -> dict[str, Any]:
    row: dict[str, Any] = {"transcript": str(segment["text"]).strip()}
    row |= {"begin": segment.get("start"), "end": segment.get("end")}
    if segment.get("words") is not None:
        row["words"] = read_words(segment["words"], where)
    if segment.get("speaker") is not None:
        row["speaker"] = segment["speaker"]
    return row


def _of_json(path: Path) -> list[dict[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    rows = segments_of_json(content, str(path))
    if rows is None and isinstance(content, dict) and isinstance(content.get("tiers"), dict):  # MFA's JSON
        tiers = [tier for name, tier in content["tiers"].items() if re.search(r"(?i)\bwords?\b", name)]
        rows = _one_row([[word, start, end] for tier in tiers for start, end, word in tier["entries"]], path)
    if rows is None and isinstance(content, list):
        rows = _one_row(content, path)
    if rows is None:
        raise FatalError(f"{path}: neither segments with words (WhisperX) nor tiers (MFA)")
    return rows


def _one_row(words: Iterable[Any], path: Path) -> list[dict[str, Any]]:
    return [{"words": read_words(list(words), str(path))}]


def _of_csv(path: Path) -> list[dict[str, Any]]:
    lines = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
    words = [[line["Label"], line["Begin"], line["End"]] for line in lines if line.get("Type") == "words"]
    return _one_row(words, path)


def _of_ctm(path: Path) -> list[dict[str, Any]]:
    return [{"words": [word for words in read_ctm(path).values() for word in words]}]


def _of_textgrid(path: Path) -> list[dict[str, Any]]:
    return [{"words": read_textgrid(path)[path.stem]}]


def _of_text(path: Path) -> list[dict[str, Any]]:
    return [{"transcript": " ".join(path.read_text(encoding="utf-8-sig").split())}]


_READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    ".TextGrid": _of_textgrid,
    ".textgrid": _of_textgrid,
    ".json": _of_json,
    ".csv": _of_csv,
    ".ctm": _of_ctm,
    ".txt": _of_text,
    ".lab": _of_text,
}
