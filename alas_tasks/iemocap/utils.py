"""IEMOCAP for the harness: the four classes that the paper uses, excited counted as happy.

The names ``dataset_path``, ``dataset_kwargs`` and ``data`` in the YAML file are values that are computed when the task
is really loaded, as in `alas_tasks.librisqa.utils`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import datasets
from loguru import logger

from alas_metric.errors import FatalError, UnobtainableError
from alas_tasks.documents import FEATURES, make_documents, unique_names, with_encoded_audio
from alas_tasks.sources import IEMOCAP, write_manifest
from alas_tasks.word_times import Words, read_wdseg

CLASSES = {
    **dict.fromkeys(("ang", "anger", "angry"), "anger"),
    **dict.fromkeys(("hap", "happiness", "happy", "exc", "excited", "excitement"), "happiness"),
    **dict.fromkeys(("sad", "sadness"), "sadness"),
    **dict.fromkeys(("neu", "neutral", "neutrality", "neutral state"), "neutral"),
}
"""The data sets' names of emotions to the four classes; all other emotions are left out."""


def __getattr__(name: str) -> Any:
    if name not in ("dataset_path", "dataset_kwargs", "data"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "data":
        return IEMOCAP.stated
    folder = IEMOCAP.folder()
    if name == "dataset_path":
        return "parquet" if folder is None else "json"
    files = [str(path) for path in IEMOCAP.files()] if folder is None else str(local_manifest(folder))
    return {"data_files": {"test": files}}


def local_manifest(folder: Path) -> Path:
    """Return a JSON lines file made from a release folder's JSON files, as SpeechBrain's recipe writes them.

    Raises:
        FatalError: If the folder has no such file.
    """
    rows = {uid: row for path in _json_files(folder) for uid, row in _entries(path)}
    if not rows:
        raise UnobtainableError(
            f"{IEMOCAP.folder_variable}={folder} has no JSON file as SpeechBrain's IEMOCAP recipe writes it: "
            '{uid: {"wav": "{data_root}/Session1/...wav", "emo": "ang", "text": "...", "length": 1.9}, ...}'
        )
    return write_manifest(
        [
            {
                "file": str(folder / str(row["wav"]).replace("{data_root}", str(folder))),
                "major_emotion": str(row["emo"]),
                "transcription": row.get("text"),
                "uid": uid,
            }
            for uid, row in sorted(rows.items())
        ]
    )


def _json_files(folder: Path) -> list[Path]:
    """Return the folder's JSON files, or those of its direct subfolders where it has none."""
    return sorted(folder.glob("*.json")) or sorted(folder.glob("*/*.json"))


def _entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        logger.warning(f"{path} is not read: {error}")
        return
    for uid, row in content.items() if isinstance(content, dict) else ():
        if isinstance(row, dict) and {"wav", "emo"} <= row.keys():
            yield str(uid), row


def process_docs(dataset: datasets.Dataset) -> datasets.Dataset:
    """Return the documents of the four classes; the audio of the others is never touched."""
    dataset = with_encoded_audio(dataset)
    missing = {"file", "major_emotion", "transcription"} - set(dataset.column_names)
    if missing:
        raise FatalError(f"IEMOCAP lacks {', '.join(sorted(missing))}; it has {', '.join(dataset.column_names)}")
    texts = [name for name in ("file", "major_emotion", "transcription", "uid") if name in dataset.column_names]
    columns = dataset.select_columns(texts).to_dict()
    classes = [CLASSES.get(str(name).strip().lower()) for name in columns["major_emotion"]]
    kept = [row for row, label in enumerate(classes) if label]
    if not kept:
        raise FatalError(f"IEMOCAP: no row is of the four classes; emotions: {set(columns['major_emotion'])}")
    uids = columns.get("uid") or [_stem(file) for file in columns["file"]]
    return _documents(dataset, columns, classes, uids, kept)


def _documents(
    dataset: datasets.Dataset, columns: dict[str, list[Any]], classes: list[Any], uids: list[str], kept: list[int]
) -> datasets.Dataset:
    """Build documents; hub audio stays where the loader mapped it into memory, rows chosen by an index."""
    standard: dict[str, list[Any]] = {
        "uid": uids,
        "speaker": [speaker_of(uid) for uid in uids],
        "transcript": columns["transcription"],
        "target": classes,
    }
    if "audio" not in dataset.column_names:
        standard["words"] = [_words(Path(file)) for file in columns["file"]]
        rows = {name: [values[row] for row in kept] for name, values in standard.items()}
        audio = [{"bytes": None, "path": columns["file"][row]} for row in kept]
        return make_documents(rows, audio, "alas_iemocap")
    standard["uid"] = unique_names(uids)
    num_rows = len(dataset)
    texts = datasets.Features({name: feature for name, feature in FEATURES.items() if name != "audio"})
    values: dict[str, list[Any]] = {name: standard.get(name) or [None] * num_rows for name in texts}
    both = [datasets.Dataset.from_dict(values, features=texts), dataset.select_columns(["audio"])]
    return datasets.concatenate_datasets(both, axis=1).select(kept)


def _words(wav: Path) -> Words | None:
    """Return the word times of a release's ``sentences/wav/<dialog>/<utterance>.wav``, None where it has none."""
    path = wav.parents[2] / "ForcedAlignment" / wav.parent.name / f"{wav.stem}.wdseg" if len(wav.parents) > 2 else wav
    if path == wav or not path.is_file():
        return None
    return read_wdseg(path)[wav.stem] or None


def _stem(file: str) -> str:
    return PurePosixPath(str(file).replace("\\", "/")).stem


def speaker_of(uid: str) -> str | None:
    """Return who speaks: ``Ses01F_impro01_M003`` is the man of session 1, ``Ses01M``.

    The letter after the session's number is the actor who wore the motion capture, not the one who speaks.
    """
    match = re.match(r"(Ses\d+)[FM]_.*_([FM])[^_]*$", uid)
    return match.group(1) + match.group(2) if match else None
