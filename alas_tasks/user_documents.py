"""The documents of a user's own data: manifests and folders with audio files, and parquet files with audio inside."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from loguru import logger

from alas_metric.errors import FatalError
from alas_metric.texts import whole_characters
from alas_tasks.answers import label_reader
from alas_tasks.description import (
    ALIASES,
    Description,
    channel_number,
    choose_columns,
    like_times,
    seconds,
    unit_of_column,
)
from alas_tasks.documents import AUDIO_TYPE, make_documents, with_encoded_audio
from alas_tasks.hub_layout import split_patterns
from alas_tasks.layouts import Table, audio_path, place_of
from alas_tasks.manifests import columns_of
from alas_tasks.sources import literal, matching_files
from alas_tasks.word_columns import UNITS, moved, read_words

Row = Mapping[str, Any]


def documents_of_table(task: str, description: Description, table: Table) -> datasets.Dataset:
    """Return the documents of rows that name files of audio.

    Raises:
        FatalError: If a row is damaged or none of the audio files exists.
    """
    available = columns_of(table.rows)
    choose_columns(available, {**dict.fromkeys(ALIASES, ""), **description.columns})
    names = [_audio_name(row.get(description.columns["audio"])) for row in table.rows]
    place = place_of(table, [name for name in names if name])
    found = [audio_path(place, name) if name else None for name in names]
    missing = [name for name, file in zip(names, found, strict=True) if name and file is None]
    if missing and len(missing) == sum(name is not None for name in names):
        raise FatalError(f"{table.source}: none of its audio files exists; the first is {place / missing[0]}")
    if missing:
        logger.warning(
            f"{table.source}: {len(missing)} of {len(names)} audio files do not exist; "
            f"the first is {place / missing[0]}"
        )
    paths = [str(file or (place / name if name else "")) for file, name in zip(found, names, strict=True)]
    columns = _columns(table.rows, paths, description, str(table.source))
    if warning := whole_instead_of_parts(paths, columns, like_times(available, description.columns)):
        logger.warning(f"{table.source}: {warning}")
    return make_documents(columns, [{"bytes": None, "path": path} if path else None for path in paths], task)


def _audio_name(value: Any) -> str | None:
    if isinstance(value, Mapping):  # {"path": ...}, as the datasets library has it
        value = value.get("path")
    return whole_characters(str(value)) if value else None


def whole_instead_of_parts(paths: Sequence[str | None], columns: Mapping[str, list[Any]], times: Sequence[str]) -> str:
    """Return what to say where rows with other transcripts name one recording, and each is scored on all of it."""
    texts: dict[tuple[str, int | None], set[str | None]] = {}
    for path, part, text in zip(paths, columns["part"], columns["transcript"], strict=True):
        if path and (part is None or (part["begin"], part["end"]) == (0.0, None)):
            texts.setdefault((path, part["channel"] if part else None), set()).add(text)
    shared = [path for (path, _), said in texts.items() if len(said) > 1]
    if not shared:
        return ""
    advice = (
        f"the columns {', '.join(times)} look like times: name them with --begin, --end"
        if times
        else "say with --begin and --end"
    )
    return (
        f"rows with different transcripts name one recording, such as {shared[0]}, and each is scored on all of it; "
        f"{advice}"
    )


# ---- parquet -------------------------------------------------------------------------------------------------


def parquet_files(path: Path, split: str | None = None) -> list[Path]:
    """Return the parquet files (or Arrow files of ``save_to_disk``) that a path means, none where it means others."""
    if path.suffix.lower() == ".parquet":
        return [path]
    if not path.is_dir() or any((path / name).is_file() for name in ("wav.scp",)):
        return []
    for folder in (path / (split or "test"), path):
        if (folder / "state.json").is_file():
            return sorted(folder.glob("data-*.arrow"))
    names = [file.relative_to(path).as_posix() for file in sorted(path.rglob("*.parquet"))]
    patterns = split_patterns(names, split or "test", None)
    if names and not patterns and split is None and len({name.split("-")[0] for name in names}) == 1:
        return [path / name for name in names]
    return matching_files(path, patterns)


def documents_of_parquet(task: str, description: Description, files: Sequence[Path]) -> datasets.Dataset:
    """Return the documents of parquet files; audio inside them stays where it is mapped into memory.

    Raises:
        FatalError: If a file cannot be read, lacks a column or holds no audio.
    """
    data = read_parquet(task, files)
    choose_columns(data.column_names, {**dict.fromkeys(ALIASES, ""), **description.columns})
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


def read_parquet(task: str, files: Sequence[Path]) -> datasets.Dataset:
    """Return the rows of parquet or Arrow files, nothing decoded.

    Raises:
        FatalError: If they cannot be read.
    """
    kind = "arrow" if files[0].suffix == ".arrow" else "parquet"
    cache = os.environ.get("LMMS_EVAL_DATASETS_CACHE") or None  # where the harness keeps its own
    try:
        names = [literal(file) for file in files]
        data = datasets.load_dataset(kind, data_files={"test": names}, split="test", cache_dir=cache)
    except Exception as error:
        raise FatalError(f"{task}: {files[0]} cannot be read as parquet: {type(error).__name__}: {error}") from error
    return with_encoded_audio(data)


def _stored_audio(data: datasets.Dataset, column: str, file: Path) -> pa.ChunkedArray:
    """Return an audio column as struct<bytes, path>, whichever of the usual forms it is stored in.

    These are: that struct, also with one of the two or with other fields; bytes; paths; samples with their rate, as the
    datasets library decodes them (``{"array", "sampling_rate"}``) or as a plain list beside a column of rates.
    """
    stored = data.data.column(column)
    kind = stored.type
    if pa.types.is_dictionary(kind):
        stored = stored.cast(kind.value_type)
        kind = stored.type
    if pa.types.is_struct(kind):
        names = {kind.field(i).name for i in range(kind.num_fields)}
        if "array" in names:
            return _encoded_samples(stored.to_pylist(), file)
        if names & {"bytes", "path"}:
            contents = pc.struct_field(stored, "bytes") if "bytes" in names else None
            return _with_files(contents, pc.struct_field(stored, "path") if "path" in names else None, file)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _with_files(None, stored, file)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _with_files(stored, None, file)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        rates = next((data[name] for name in ("sampling_rate", "sample_rate", "sr") if name in data.column_names), None)
        if rates is not None:
            pairs = zip(stored.to_pylist(), rates, strict=True)
            return _encoded_samples([{"array": array, "sampling_rate": rate} for array, rate in pairs], file)
    raise FatalError(f"the column {column} of {file} holds no audio but {kind}")


def _with_files(contents: pa.ChunkedArray | None, paths: pa.ChunkedArray | None, file: Path) -> pa.ChunkedArray:
    """Return struct<bytes, path>; where there are no bytes the path is that of a file, relative to the parquet file."""
    if contents is None:
        assert paths is not None
        contents = pa.chunked_array([pa.nulls(len(chunk), pa.binary()) for chunk in paths.chunks], pa.binary())
    contents = contents.cast(pa.binary())
    names = [None] * len(contents) if paths is None else paths.to_pylist()
    lacking = pc.is_null(contents).to_pylist()
    wanted = [name for name, lacks in zip(names, lacking, strict=True) if name and lacks]
    if wanted:
        place = place_of(Table([], "", file.parent, file), wanted)
        names = [
            str(audio_path(place, name) or place / name) if name and lacks else name
            for name, lacks in zip(names, lacking, strict=True)
        ]
    chunks, begin = [], 0
    for chunk in contents.chunks:
        path = pa.array(names[begin : begin + len(chunk)], pa.string())
        nothing = pc.and_(pc.is_null(chunk), pc.is_null(path))
        chunks.append(pa.StructArray.from_arrays([chunk, path], fields=list(AUDIO_TYPE), mask=nothing))
        begin += len(chunk)
    return pa.chunked_array(chunks, AUDIO_TYPE)


def _encoded_samples(rows: Sequence[Mapping[str, Any] | None], file: Path) -> pa.ChunkedArray:
    """Return samples that were decoded before as the bytes of WAV files, exactly."""
    import io

    import soundfile

    contents: list[dict[str, Any] | None] = []
    for number, row in enumerate(rows, 1):
        if not row or row.get("array") is None:
            contents.append(None)
            continue
        try:
            samples = np.asarray(row["array"], dtype=np.float32)
            wav = io.BytesIO()
            soundfile.write(
                wav, samples if samples.ndim == 1 else samples.T, int(row["sampling_rate"]), "FLOAT", format="WAV"
            )
        except (TypeError, ValueError, KeyError, RuntimeError) as error:
            raise FatalError(f"{file}, row {number}: the samples cannot be read: {error}") from error
        contents.append({"bytes": wav.getvalue(), "path": row.get("path")})
    return pa.chunked_array([pa.array(contents, type=AUDIO_TYPE)])


# ---- columns -------------------------------------------------------------------------------------------------


def _columns(
    rows: Sequence[Row], paths: Sequence[str | None], description: Description, source: str
) -> dict[str, list[Any]]:
    """Return the standard columns but the audio.

    A row is named by its id, else by its audio file, else by its number.
    """
    chosen = description.columns
    for role in ("transcript", "instruction"):
        _check_texts(
            [row.get(chosen[role]) for row in rows] if role in chosen else [], role, chosen.get(role, ""), source
        )
    values = {
        role: [_text(row.get(chosen[role])) if role in chosen else None for row in rows]
        for role in ("id", "transcript", "instruction", "answer", "speaker", "language")
    }
    names = [name or Path(path or "").stem for name, path in zip(values["id"], paths, strict=True)]
    parts = [part_of(row, description, f"{source}, row {number}") for number, row in enumerate(rows, 1)]
    unit = description.word_times_in or "seconds"
    words = [
        read_words(row.get(chosen["words"]), f"{source}, row {number}", unit) if "words" in chosen else None
        for number, row in enumerate(rows, 1)
    ]
    return {
        "uid": [name or f"row{number}" for number, name in enumerate(names, 1)],
        "transcript": values["transcript"],
        "instruction": values["instruction"],
        "target": _targets(values["answer"], description.labels, source),
        "speaker": values["speaker"],
        "language": [language_code(language) for language in values["language"]],
        "words": words_of_parts(words, parts),
        "part": parts,
    }


def part_of(row: Row, description: Description, where: str) -> dict[str, Any] | None:
    """Turn a row into the part of the recording that it is about: fields of `alas_tasks.audio.Part`, None for all.

    Raises:
        FatalError: If a time or a channel is no number.
    """
    columns = description.columns
    times = {
        role: _time(row, columns[role], description, where) for role in ("begin", "end", "duration") if role in columns
    }
    channel = description.channel
    if "channel" in columns and row.get(columns["channel"]) is not None:
        channel = channel_number(row[columns["channel"]])
        if channel is None:
            raise FatalError(
                f"{where}: {columns['channel']}={row[columns['channel']]!r}: expected a channel from 0, or A, B"
            )
    known = {role: time for role, time in times.items() if time is not None}
    begin, unit = known.get("begin", (0.0, "seconds"))
    end = known.get("end", (None, unit))
    if "end" not in known and "duration" in known and known["duration"][0] > 0:  # 0 and -1: to the end
        length, end_unit = known["duration"]
        end = (begin + length, end_unit)
    if begin and end[0] is not None and end[1] != unit:
        raise FatalError(f"{where}: begin in {unit}, end or duration in {end[1]}: give both in one unit")
    if not begin and end[0] is None and channel is None:
        return None
    return {"begin": begin, "end": end[0], "unit": end[1] if end[0] is not None else unit, "channel": channel}


def _time(row: Row, column: str, description: Description, where: str) -> tuple[float, str] | None:
    """Return a time with its unit, seconds or samples."""
    try:
        value = seconds(row.get(column))
    except (TypeError, ValueError, OverflowError) as error:
        raise FatalError(f"{where}: {column}={row.get(column)!r}: expected a time: {error}") from error
    if value is None or value != value:
        return None
    unit = unit_of_column(column) or description.times_in or "seconds"
    return (value, unit) if unit == "samples" else (value * UNITS[unit], "seconds")


def words_of_parts(words: Sequence[Any], parts: Sequence[Mapping[str, Any] | None]) -> list[Any]:
    """Return word times counted from the beginning of each part.

    Those that count from the recording's beginning show as such: all lie inside their parts, and not all would if they
    counted from there.
    """
    shifts = [part["begin"] if part and part["unit"] == "seconds" else 0.0 for part in parts]
    if not any(shifts):
        return list(words)
    of_recording = of_part = True
    for said, part, shift in zip(words, parts, shifts, strict=True):
        timed = [word for word in said or () if word["start"] is not None]
        if not timed or not part or part["end"] is None or not shift:
            continue
        first, last = min(word["start"] for word in timed), max(word["end"] for word in timed)
        of_recording &= shift - 0.1 <= first and last <= part["end"] + 0.1
        of_part &= last <= part["end"] - shift + 0.1
    if of_part or not of_recording:
        return list(words)
    return [moved(said, -shift) for said, shift in zip(words, shifts, strict=True)]


def language_code(language: str | None) -> str | None:
    """Return the language of a code with a region, as Whisper knows it.

    Example:
        >>> language_code("pt-BR"), language_code("en_us"), language_code("English")
        ('pt', 'en', 'english')
    """
    return language.lower().replace("_", "-").partition("-")[0] if language else None


def _check_texts(values: Sequence[Any], role: str, column: str, source: str) -> None:
    """Refuse a column of texts that holds other things: it is another one that was meant."""
    for number, value in enumerate(values, 1):
        if value is not None and not isinstance(value, str) and value == value:
            raise FatalError(
                f"{source}, row {number}: {column}={value!r}: expected text ({role}); which column holds it? "
                f"--{role} COLUMN, or --{role} '' for none"
            )


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
