"""What a user's data is taken for: which column holds what, in which units; see docs/data.md."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alas_metric.errors import FatalError
from alas_tasks.hub_layout import find_hub_files, hub_schema
from alas_tasks.layouts import find_manifest, read_table
from alas_tasks.manifests import MANIFESTS, columns_of, is_manifest

ALIASES: dict[str, tuple[str, ...]] = {
    "audio": (
        *("audio", "wav", "speech", "audio_filepath", "audio_path", "audio_file", "audio_file_path", "audio_filename"),
        *(
            "audio_file_name",
            "file_name",
            "filename",
            "file",
            "filepath",
            "file_path",
            "path",
            "wav_path",
            "speech_path",
        ),
        *("wav_file", "wav_filename", "recording", "clip", "flac", "mp3"),
    ),
    "transcript": (
        *("transcript", "transcription", "text", "sentence", "normalized_text", "wrd", "utterance", "raw_text", "txt"),
        *("normalized_transcript", "normalized_transcription", "raw_transcription", "reference_text"),
        "words",  # SpeechBrain's JSON: text and not timestamps
    ),
    "instruction": ("instruction", "question", "prompt", "query"),
    "answer": ("answer", "target", "label"),
    "words": (
        "words",
        "word_timestamps",
        "word_segments",
        "word_timings",
        "alignment",
        "alignments",
        "chunks",
        "timestamps",
    ),
    "speaker": ("speaker", "speaker_id", "spk", "spk_id", "client_id", "speaker_name", "spkid", "reader_id", "user_id"),
    "id": ("id", "uid", "utterance_id", "utt_id", "utt", "key", "segment_id", "name"),
    "begin": (
        *("onset", "offset", "begin", "start", "start_time", "begin_time", "start_sec", "start_seconds", "start_s"),
        *("segment_start", "audio_start", "start_ms", "begin_ms", "offset_ms", "start_sample", "frame_offset", "xmin"),
    ),
    "end": (
        *("end", "stop", "end_time", "stop_time", "end_sec", "end_seconds", "end_s", "segment_end", "audio_end"),
        *("end_ms", "stop_ms", "end_sample", "stop_sample", "xmax", "offset"),
    ),
    "duration": (
        "duration",
        "dur",
        "duration_ms",
        "duration_sec",
        "duration_s",
        "duration_seconds",
        "num_frames",
        "length",
    ),
    "channel": ("channel", "channel_id", "channel_selector", "audio_channel"),
    "language": ("language", "locale", "lang", "lang_id", "language_id", "source_lang"),
}
"""Which columns are taken where the user names none, the first that is there, in whatever capitals."""

_LOOKED_AT = 1_000  # rows of parquet files
NUMBERS = ("begin", "end", "duration", "channel")
"""Roles that only a column of numbers has."""

DEFAULT_PROMPT = "Repeat what the speaker says."
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LIKE_TIMES = re.compile(
    r"(?i)(^|_)(start|begin|offset|onset|from|end|stop|until|xm(in|ax)|tm(in|ax)|t[01]|dur|duration)(_|\d|$)"
)


@dataclass(frozen=True)
class Description:
    """What the YAML file of a user's task says about its data.

    Args:
        data: a manifest or parquet file, a folder, or a data set on the hub.
        columns: the data's column for each key of `ALIASES` that it has.
        revision: commit of a data set on the hub.
        files: patterns of its files.
        prompt: the instruction of every document, where no column holds one.
        labels: the labels of closed answers.
        language: the language spoken, where no column tells.
        split: which part of a folder with several.
        channel: the channel to read of every recording, where no column tells.
        times_in: unit of ``begin``, ``end`` and ``duration``, a key of `UNITS`; None: seconds.
        word_times_in: unit of ``words``; None: seconds.
        word_times: folder with the word times in files of their own, see `alas_tasks.word_times.read_folder`.
        reference: the word timestamps that the scores use, see `alas_tasks.speech`; None: the model argument's.
    """

    data: str
    columns: dict[str, str]
    revision: str | None = None
    files: list[str] = field(default_factory=list)
    prompt: str | None = None
    labels: list[str] | None = None
    language: str = "en"
    split: str | None = None
    channel: int | None = None
    times_in: str | None = None
    word_times_in: str | None = None
    word_times: str | None = None
    reference: str | None = None

    @property
    def kind(self) -> str:
        """The kind of task, one of `alas_tasks.scoring.KINDS`."""
        return "labels" if self.labels else "free"


def check_name(name: str) -> str:
    """Return a task's name where the harness can use it, in ``--tasks`` and in the names of its files.

    Raises:
        FatalError: If it cannot.
    """
    taken = {"alas", *(path.stem for path in Path(__file__).parent.glob("*/*.yaml"))}
    if not _NAME.fullmatch(name) or name.endswith(".yaml"):
        raise FatalError(f"{name!r} is no name for a task: use letters, digits, '_', '-' and '.', and no .yaml")
    if name in taken:
        raise FatalError(f"{name!r} is the name of a task of lmms-eval-alas; choose another")
    return name


def find_data(data: str, split: str | None = None, folder: Path | None = None) -> str:
    """Return the absolute path of a local file or folder, or the id of a data set on the hub unchanged.

    A folder stands for the manifest inside it, as in the audio folders of the datasets library, where it has one.

    Args:
        data: what the user or the YAML file names.
        split: of a folder with several.
        folder: what relative paths start from; None: the current folder.

    Raises:
        FatalError: If it is neither.
    """
    path = Path(os.path.expanduser(data))
    if not os.path.exists(path):
        path = Path(os.path.expandvars(data)).expanduser()
    path = (folder or Path()).absolute() / path
    if path.is_dir():
        path = find_manifest(path, split) or path
    if path.is_file() and not is_manifest(path):
        raise FatalError(f"{path}: expected a folder or a file that ends in {', '.join(MANIFESTS)}")
    if path.exists():
        return os.path.normpath(path)
    if _HUB_ID.fullmatch(data) and not is_manifest(Path(data)):
        return data
    raise FatalError(f"{data}: there is no such file or folder, and it is no id of a data set on the hub (owner/name)")


def is_hub_id(data: str) -> bool:
    """Tell a data set on the hub from a local file, which `find_data` makes absolute."""
    return not Path(data).is_absolute()


def choose_columns(
    available: Sequence[str], asked: Mapping[str, str | None], unfit: Mapping[str, Collection[str]] | None = None
) -> dict[str, str]:
    """Return the data's column for each role: the one asked for, else the first usual name that is there.

    Args:
        available: the data's columns.
        asked: role to column; None where the user names none, empty where the role is not to be used.
        unfit: role to columns that cannot have it, by what they hold.

    Raises:
        FatalError: If a column is not there, or no audio is found.
    """
    columns: dict[str, str] = {}
    lower = {name.lower(): name for name in reversed(available)}
    for role, aliases in ALIASES.items():
        column = asked.get(role)
        if column and column not in available:
            raise FatalError(f"--{role} {column}: there is no such column; the data has {', '.join(available)}")
        taken = {*filter(None, asked.values()), *columns.values(), *(unfit or {}).get(role, ())}
        free = (lower[name] for name in aliases if name in lower and lower[name] not in taken)
        found = next(free, None) if column is None else column
        if found:
            columns[role] = found
    if "audio" not in columns:
        raise FatalError(f"no column with audio was found among {', '.join(available)}; name it with --audio COLUMN")
    # A duration alone is that of the file, except in NeMo's manifests, where the offset may be left out.
    needed = {"end": {"begin"}, "duration": {"begin", "audio_filepath"}}
    for role, one_of in needed.items():
        if role in columns and not asked.get(role) and not one_of & {*columns, columns["audio"]}:
            del columns[role]
    return columns


def like_times(available: Sequence[str], columns: Mapping[str, str]) -> list[str]:
    """Return the columns that look like times of a part of a recording and have no role."""
    return [name for name in available if _LIKE_TIMES.search(name) and name not in columns.values()]


def describe(
    data: str,
    asked: Mapping[str, str | None],
    *,
    split: str | None = None,
    config_name: str | None = None,
    revision: str | None = None,
    prompt: str | None = None,
    labels: list[str] | None = None,
    times_in: str | None = None,
    word_times_in: str | None = None,
    word_times: str | None = None,
) -> tuple[Description, list[str], Sequence[Mapping[str, Any]]]:
    """Look at the data and return what the YAML file has to say about it, its columns and some rows.

    Raises:
        FatalError: If something about the data or the settings is wrong.
    """
    data = find_data(data, split)
    files: list[str] = []
    rows: Sequence[Mapping[str, Any]] = ()
    if is_hub_id(data):
        revision, files = find_hub_files(data, split or "test", config_name, revision)
        schema = hub_schema(data, revision, files)
        available, unfit = schema.names, unfit_of_schema(schema)
        split = None
    else:
        available, unfit, rows = local_columns(Path(data), split)
    asked, fixed = _fixed(asked, available)
    columns = choose_columns(available, asked, unfit)
    if prompt:
        columns.pop("instruction", None)
    elif "instruction" not in columns:
        if labels:
            raise FatalError("say with --prompt what the model is asked, or with --instruction which column does")
        prompt = DEFAULT_PROMPT
    unit = times_in or unit_of_parts(columns, rows)
    times: dict[str, Any] = {"times_in": unit, "word_times_in": word_times_in, "word_times": _folder(word_times)}
    made = Description(data, columns, revision, files, prompt, labels, split=split, **times, **fixed)
    return made, list(available), rows


def _folder(path: str | None) -> str | None:
    if path is None:
        return None
    folder = Path(os.path.expandvars(path)).expanduser().absolute()
    if not folder.is_dir():
        raise FatalError(f"--word-times {path}: there is no such folder")
    return str(folder)


def relative_to(folder: Path, description: Description) -> Description:
    """Return a description whose data is named from a folder, so that both can be moved together."""
    if is_hub_id(description.data):
        return description
    try:
        data = os.path.relpath(description.data, os.path.abspath(folder))
    except ValueError:  # on another drive
        return description
    return replace(description, data=Path(data).as_posix())


def _fixed(
    asked: Mapping[str, str | None], available: Sequence[str]
) -> tuple[Mapping[str, str | None], dict[str, Any]]:
    """Take ``--channel 1`` and ``--language de`` for those of every recording where no column is called so."""
    fixed: dict[str, Any] = {}
    channel, language = ((asked.get(role) or "") for role in ("channel", "language"))
    if channel not in available and channel_number(channel) is not None:
        fixed["channel"] = channel_number(channel)
    if language not in available and re.fullmatch(r"[A-Za-z]{2,3}([-_]\w+)?|[A-Za-z]{4,}", language):
        fixed["language"] = language
    return {**asked, **dict.fromkeys(fixed, "")}, fixed


Unfit = dict[str, set[str]]


def local_columns(path: Path, split: str | None = None) -> tuple[list[str], Unfit, Sequence[Mapping[str, Any]]]:
    """Return a local source's columns, which roles they cannot have, and its rows (of parquet files the first ones)."""
    from datasets import Audio

    from alas_tasks.user_documents import parquet_files, read_parquet

    if files := parquet_files(path, split):
        table = read_parquet(path.name, files)
        plain = [name for name in table.column_names if not isinstance(table.features[name], Audio)]
        try:
            rows = table.select_columns(plain).select(range(min(len(table), _LOOKED_AT))).to_list() if plain else []
        except UnicodeDecodeError as error:
            raise FatalError(f"{path} holds text that is no UTF-8: {error}. Write its texts anew as UTF-8") from error
        return table.column_names, unfit_of_schema(table.data.schema), rows
    rows = read_table(path, split).rows
    available = columns_of(rows)
    values = {name: [row[name] for row in rows if row.get(name) is not None] for name in available}
    texts = {name for name in available if not all(map(_is_number, values[name]))}
    lists = {name for name in available if any(map(_is_list, values[name]))}
    sentences = {name for name in available if values[name] and not lists & {name} and name in texts}
    return available, {**dict.fromkeys(NUMBERS, texts), "words": sentences, "transcript": {"words"} - sentences}, rows


def unfit_of_schema(schema: Any) -> Unfit:
    """Return which roles the columns of an Arrow schema cannot have."""
    import pyarrow as pa

    texts = {
        field.name for field in schema if not (pa.types.is_integer(field.type) or pa.types.is_floating(field.type))
    }
    strings = {field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)}
    return {**dict.fromkeys(NUMBERS, texts), "transcript": {"words"} - strings}


def _is_list(value: Any) -> bool:
    return isinstance(value, list | dict) or (isinstance(value, str) and value.lstrip().startswith("["))


def _is_number(value: Any) -> bool:
    try:
        return value is None or channel_number(value) is not None or seconds(value) is not None
    except (TypeError, ValueError, OverflowError):
        return False


def seconds(value: Any) -> float | None:
    """Read a time: a number, or ``hh:mm:ss.s``.

    Raises:
        ValueError, TypeError: If it is none.

    Example:
        >>> seconds("1:02.5"), seconds(3)
        (62.5, 3.0)
    """
    if value is None or value == "":
        return None
    total = 0.0
    for part in str(value).split(":") if isinstance(value, str) else [value]:
        total = 60 * total + float(part)
    return total


def channel_number(value: Any) -> int | None:
    """Read a channel: a number from 0, or A, B, left, right; None for anything else."""
    letters = {"a": 0, "b": 1, "left": 0, "right": 1, "l": 0, "r": 1}
    text = str(value).strip().lower().removesuffix(".0")
    return letters.get(text, int(text) if text.isdecimal() and len(text) < 9 else None)


def unit_of_column(column: str) -> str | None:
    """Return the unit that a column's name says, a key of `UNITS`."""
    name = column.lower()
    if re.search(r"(^|_)(ms|msec|millis\w*)$", name):
        return "milliseconds"
    if re.search(r"sample|frame", name):
        return "samples"
    return "seconds" if re.search(r"(^|_)(s|secs?|seconds)$", name) else None


def unit_of_parts(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what begin and end are counted in where it is not seconds, as far as the rows tell.

    SpeechBrain's ``start`` and ``stop`` are samples. Elsewhere a duration beside them is held against their difference.
    """
    if not {"begin", "end"} <= columns.keys():
        return None
    lengths, ratios = [], []
    for row in rows:
        begin, end, length = (_time_or_none(row.get(columns.get(role, ""))) for role in ("begin", "end", "duration"))
        if begin is not None and end is not None:
            lengths.append(end - begin)
            ratios += [(end - begin) / length] if length else []
    if not lengths:
        return None
    whole = all(length == round(length) for length in lengths)
    if whole and columns["end"].lower() == "stop" and max(lengths) >= 1000:
        return "samples"
    ratio = sorted(ratios)[len(ratios) // 2] if ratios else 1.0
    if 900 < ratio < 1100:
        return "milliseconds"
    return "samples" if whole and ratio >= 4000 else None


def _time_or_none(value: Any) -> float | None:
    try:
        found = seconds(value)
    except (TypeError, ValueError, OverflowError):  # said when the rows are read
        return None
    return found if found is not None and math.isfinite(found) else None
