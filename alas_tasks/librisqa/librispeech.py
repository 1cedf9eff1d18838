"""LibriSpeech's audio and transcripts by utterance, from a local tree or from the hub's parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from loguru import logger

from alas_metric.errors import UnobtainableError
from alas_tasks.documents import AUDIO_TYPE
from alas_tasks.sources import LIBRISPEECH

Speech = tuple[pa.ChunkedArray, list[str | None]]
"""The audio and the transcript of each utterance asked for, null where there is none."""


def speech_of(utterances: Sequence[str]) -> Speech:
    """Return audio and transcript for each utterance id, such as ``5639-40744-0000``; nothing is decoded.

    Raises:
        FatalError: If the local folder or the hub has none of them.
    """
    folder = LIBRISPEECH.folder()
    if folder is None:
        audio, transcripts = _from_parquet(LIBRISPEECH.files(), utterances)
        where = f"{LIBRISPEECH.repo_id} ({LIBRISPEECH.chosen_revision})"
    else:
        audio, transcripts = _from_tree(folder, utterances)
        where = f"{LIBRISPEECH.folder_variable}={folder}"
    _check_found(utterances, audio, where)
    return audio, transcripts


def _check_found(utterances: Sequence[str], audio: pa.ChunkedArray, where: str) -> None:
    missing = [name for name, valid in zip(utterances, audio.is_valid().to_pylist(), strict=True) if not valid]
    if len(missing) == len(utterances) > 0:
        raise UnobtainableError(
            f"{where} holds the audio of none of {len(utterances)} utterances (the first is {missing[0]}); "
            "expected LibriSpeech's layout, such as test-clean/5639/40744/5639-40744-0000.flac"
        )
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        logger.warning(f"{where} lacks the audio of {len(missing)} of {len(utterances)} utterances: {shown}")


def _from_tree(folder: Path, utterances: Sequence[str]) -> Speech:
    roots = split_folders(folder)
    paths = [_flac(roots, utterance) for utterance in utterances]
    transcripts = [_transcript(_chapter(roots, utterance), utterance) for utterance in utterances]
    rows = [{"bytes": None, "path": str(path)} if path else None for path in paths]
    return pa.chunked_array([pa.array(rows, type=AUDIO_TYPE)]), transcripts


def split_folders(folder: Path) -> list[Path]:
    """Return the folders that may hold speakers: the folder, its splits, those of a LibriSpeech in it."""
    inner = [child for child in sorted(folder.iterdir()) if child.is_dir() and not child.name.isdigit()]
    nested = [child for child in sorted((folder / "LibriSpeech").glob("*")) if child.is_dir()]
    return [folder, *sorted(inner + nested, key=lambda path: path.name != "test-clean")]


def _chapter(roots: Sequence[Path], utterance: str) -> Path | None:
    speaker, _, rest = utterance.partition("-")
    chapter = rest.partition("-")[0]
    return _first_folder(tuple(roots), f"{speaker}/{chapter}") if speaker and chapter else None


@cache
def _first_folder(roots: tuple[Path, ...], name: str) -> Path | None:
    return next((root / name for root in roots if (root / name).is_dir()), None)


def _flac(roots: Sequence[Path], utterance: str) -> Path | None:
    chapter = _chapter(roots, utterance)
    path = chapter / f"{utterance}.flac" if chapter else None
    return path if path and path.is_file() else None


def _transcript(chapter: Path | None, utterance: str) -> str | None:
    if chapter is None:
        return None
    return _transcripts(chapter / f"{utterance.rpartition('-')[0]}.trans.txt").get(utterance)


@cache
def _transcripts(path: Path) -> dict[str, str]:
    """Read a chapter's transcripts: lines of an utterance id, a space and what is said."""
    if not path.is_file():
        return {}
    lines = (line.partition(" ") for line in path.read_text(encoding="utf-8").splitlines())
    return {name: text.strip() for name, _, text in lines if name}


def _from_parquet(files: Sequence[Path], utterances: Sequence[str]) -> Speech:
    """Read only the wanted rows' audio; an utterance that is not there becomes null by a null index."""
    index = pa.concat_tables([pq.read_table(file, columns=["id", "text"]) for file in files])
    rows = {name: row for row, name in enumerate(index["id"].to_pylist())}
    wanted = pa.array([rows.get(utterance) for utterance in utterances], type=pa.int64())
    transcripts = index["text"].take(wanted).to_pylist()
    audio = pa.concat_tables([pq.read_table(file, columns=["audio"]) for file in files])["audio"]
    return _plain(audio).take(wanted), transcripts


def _plain(audio: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the column as struct<bytes, path>, whatever the order of its fields."""
    return audio.cast(AUDIO_TYPE) if audio.type != AUDIO_TYPE else audio
