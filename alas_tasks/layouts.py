"""Folders of speech as tools and corpora lay them out, each as rows like those of a manifest.

| layout | known by | rows |
|---|---|---|
| audio folder of ``datasets`` | ``metadata.csv``, ``.jsonl``, ... in it or in its split's folder | its own |
| Common Voice | ``clips/`` and ``test.tsv`` | its own |
| Kaldi, ESPnet | ``wav.scp`` | ``text``, ``segments``, ``utt2spk``, ``utt2lang``, ``reco2file_and_channel`` |
| LibriSpeech | ``*.trans.txt`` somewhere below | one for each line |
| recordings | files of audio | one for each, with what lies beside it: TextGrid, WhisperX, CTM, .txt, .lab |
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from alas_metric.errors import FatalError
from alas_tasks.manifests import AUDIO_ENDINGS, MANIFESTS, Row, read_manifest
from alas_tasks.word_columns import rows_beside
from alas_tasks.word_times import read_ctm

_SAMPLE = 20
"""So many names of audio files tell which folder they are relative to."""


@dataclass(frozen=True)
class Table:
    """Rows that describe speech.

    Args:
        rows: dictionaries by column.
        layout: what they were taken for, in words.
        folder: where the names of audio files are looked for first.
        source: the file or folder, for messages.
    """

    rows: Sequence[Row]
    layout: str
    folder: Path
    source: Path


def find_manifest(folder: Path, split: str | None = None) -> Path | None:
    """Return the manifest inside a folder: ``metadata`` or ``manifest`` in it or in its split's, or the split's own."""
    names = [f"{stem}{ending}" for stem in ("metadata", "manifest") for ending in MANIFESTS]
    wanted = split or "test"
    places = [folder / wanted, folder] if split else [folder, folder / wanted]
    candidates = [place / name for place in places for name in names]
    candidates += [folder / f"{wanted}{ending}" for ending in MANIFESTS]
    return next((file for file in candidates if file.is_file()), None)


def read_table(path: Path, split: str | None = None) -> Table:
    """Return the rows of a manifest or of a folder in one of the known layouts.

    Raises:
        FatalError: If it is in none of them, or damaged.
    """
    if path.is_file():
        return Table(read_manifest(path), f"manifest {path.name}", path.parent, path)
    for layout, (is_so, read) in _LAYOUTS.items():
        if is_so(path):
            rows = list(read(path))
            if not rows:
                break
            return Table(rows, layout, path, path)
    raise FatalError(
        f"the folder {path} holds no metadata or manifest file ({', '.join(MANIFESTS)}), is no Kaldi folder (wav.scp) "
        "and no LibriSpeech tree (*.trans.txt), and has no audio in it"
    )


# ---- where the audio is --------------------------------------------------------------------------------------


def place_of(table: Table, names: Sequence[str]) -> Path:
    """Return the folder that the names of audio files are relative to.

    That of the manifest, a folder of clips in it, or one of those around it (recipes of Kaldi and ESPnet name files
    from where they are run): the first in which most of the first few are.
    """
    sample = names[:_SAMPLE]
    beside = [table.folder, *(table.folder / name for name in ("clips", "wavs", "wav", "audio"))]
    for folder in (*beside, *islice(table.folder.absolute().parents, 4)):
        if 2 * sum(audio_path(folder, name) is not None for name in sample) > len(sample):
            return folder
    return table.folder


def audio_path(folder: Path, name: str) -> Path | None:
    """Return the file of a recording, None where there is none.

    Understood are absolute names and those relative to ``folder``, ``~``, variables as ``$HOME``, ``file://``, names
    with the separators of another system, SpeechBrain's ``{data_root}`` and ``$data_root``, and names without ending.
    """
    for spelling in _spellings(name):
        path = folder / spelling
        if os.path.isfile(path):  # unlike Path.is_file false, not an error, for names that no file can have
            return path
    return None


def _spellings(name: str) -> Iterator[str]:
    yield name
    if name.startswith("file://"):
        from urllib.parse import unquote, urlparse

        yield unquote(urlparse(name).path)
    for root in ("{data_root}/", "$data_root/", "{data_root}\\"):
        if name.startswith(root):
            yield name.removeprefix(root)
    if "\0" not in name:
        yield os.path.expanduser(os.path.expandvars(name))
    yield name.replace("\\", "/")
    yield name.strip()
    if "." not in name[-5:]:
        yield from (name + ending for ending in AUDIO_ENDINGS)


# ---- Kaldi and ESPnet ----------------------------------------------------------------------------------------


def _is_kaldi(folder: Path) -> bool:
    return (folder / "wav.scp").is_file()


def _kaldi_rows(folder: Path) -> Iterator[Row]:
    """Yield the utterances of a Kaldi folder: those of ``segments``, else the recordings of ``wav.scp``."""
    recordings = _pairs(folder / "wav.scp")
    segments = {name: fields.split() for name, fields in _pairs(folder / "segments").items()}
    texts, speakers, languages = (_pairs(folder / name) for name in ("text", "utt2spk", "utt2lang"))
    channels = {name: fields.split()[-1] for name, fields in _pairs(folder / "reco2file_and_channel").items()}
    words = read_ctm(folder / "ctm") if (folder / "ctm").is_file() else {}
    for utterance in segments or recordings:
        recording, *times = segments.get(utterance, [utterance])
        if recording not in recordings or len(times) not in (0, 2):
            raise FatalError(f"{folder}/segments: {utterance}: expected recording of wav.scp, begin, end")
        row: Row = {"id": utterance, "audio": _extended(recordings[recording], folder)}
        if times:
            row |= {"begin": times[0], "end": None if float(times[1]) < 0 else times[1]}
        known: dict[str, Mapping[str, Any]] = {"transcript": texts, "speaker": speakers, "language": languages}
        known["words"] = words
        row |= {role: values[utterance] for role, values in known.items() if utterance in values}
        if recording in channels:
            row["channel"] = channels[recording]
        yield row


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig") if path.is_file() else ""


def _pairs(path: Path) -> dict[str, str]:
    """Return what the lines of a file say by their first word."""
    lines = (line.split(maxsplit=1) for line in _text(path).split("\n") if line.strip())
    return {fields[0]: fields[1].strip() if len(fields) > 1 else "" for fields in lines}


_DECODERS = {"flac", "cat", "sox", "ffmpeg", "lame", "mpg123", "opusdec", "oggdec"}
_HARMLESS = {
    *(
        "-c",
        "-d",
        "-s",
        "-cd",
        "-dc",
        "-dcs",
        "-cds",
        "--decode",
        "--stdout",
        "--silent",
        "--totally-silent",
        "-",
        "-t",
        "-i",
    ),
    *(
        "-f",
        "-q",
        "-r",
        "-b",
        "-e",
        "-ar",
        "-y",
        "-v",
        "-nostdin",
        "-hide_banner",
        "-loglevel",
        "error",
        "quiet",
        "fatal",
    ),
    *("wav", "mp3", "flac", "sph", "ogg", "m4a", "opus", "pipe:1", "signed-integer", "signed", "-acodec", "-codec:a"),
    *("-c:a", "pcm_s16le", "--quiet", "-w", "-V1", "-G"),
}
"""Programs and arguments that decode and do no more."""


def _extended(value: str, folder: Path) -> str:
    """Return the recording that an entry of ``wav.scp`` names. A command is never run.

    Raises:
        FatalError: If it is a command that does more than to decode one file, or a place inside an archive.
    """
    if not value.endswith("|"):
        return value
    try:
        program, *arguments = shlex.split(value.removesuffix("|"))
    except ValueError as error:
        raise FatalError(f"{folder}/wav.scp: {value!r} cannot be read: {error}") from error
    files = [part for part in arguments if part not in _HARMLESS and not part.replace(".", "").isdigit()]
    if Path(program).name in _DECODERS and len(files) == 1:
        return files[0]
    raise FatalError(
        f"{folder}/wav.scp: commands are not run, and {value!r} does more than to decode one file: write its output to "
        "files and name these in wav.scp"
    )


# ---- corpora and plain folders -------------------------------------------------------------------------------


def _transcripts(folder: Path) -> Iterator[Path]:
    return (path for path in _files(folder) if path.name.endswith(".trans.txt"))


def _is_librispeech(folder: Path) -> bool:
    return next(_transcripts(folder), None) is not None


def _librispeech_rows(folder: Path) -> Iterator[Row]:
    for path in _transcripts(folder):
        for name, text in _pairs(path).items():
            audio = audio_path(path.parent, name)
            found = audio.relative_to(folder) if audio else (path.parent / f"{name}.flac").relative_to(folder)
            yield {"id": name, "audio": str(found), "transcript": text, "speaker": name.partition("-")[0]}


def _files(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, sorted; a name that begins with a dot counts like any other."""
    for root, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        yield from (Path(root, name) for name in sorted(names))


def _recordings(folder: Path) -> Iterable[Path]:
    return (path for path in _files(folder) if path.suffix.lower() in AUDIO_ENDINGS)


def _has_recordings(folder: Path) -> bool:
    return next(iter(_recordings(folder)), None) is not None


def _recording_rows(folder: Path) -> Iterator[Row]:
    for audio in _recordings(folder):
        name = audio.relative_to(folder)
        shared: Row = {"audio": str(name)}
        if len(name.parts) > 1:  # often the speaker, and as often not: to be named by the user
            shared["folder"] = name.parent.as_posix()
        yield from ({**shared, **row} for row in rows_beside(audio))


_LAYOUTS: dict[str, tuple[Callable[[Path], bool], Callable[[Path], Iterator[Row]]]] = {
    "Kaldi folder": (_is_kaldi, _kaldi_rows),
    "LibriSpeech tree": (_is_librispeech, _librispeech_rows),
    "folder of recordings": (_has_recordings, _recording_rows),
}
