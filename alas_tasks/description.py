"""What a user says of their own speech: where it lies, which columns, what is asked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alas_metric.errors import FatalError
from alas_tasks.hub_layout import find_hub_files, hub_columns
from alas_tasks.manifests import MANIFESTS, local_columns

ALIASES: dict[str, tuple[str, ...]] = {
    "audio": (
        *("audio", "wav", "speech", "file", "path", "file_name", "filename"),
        *("audio_path", "audio_filepath", "audio_file", "wav_path", "speech_path"),
    ),
    "transcript": ("transcript", "transcription", "text", "sentence", "normalized_text"),
    "instruction": ("instruction", "question", "prompt", "query"),
    "answer": ("answer", "target", "label"),
    "words": ("words", "word_timestamps"),
    "speaker": ("speaker", "speaker_id", "spk", "spk_id", "client_id"),
    "id": ("id", "uid", "utterance_id", "utt_id", "utt", "key"),
}
"""Which columns are taken where the user names none, the first that is there."""

DEFAULT_PROMPT = "Repeat what the speaker says."
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Description:
    """What the YAML file of a user's task says about its data.

    Args:
        data: a manifest or parquet file, or a data set on the hub.
        columns: the data's column for each key of `ALIASES` that it has.
        revision: commit of a data set on the hub.
        files: patterns of its files.
        prompt: the instruction of every document, where no column holds one.
        labels: the labels of closed answers.
        language: the language spoken.
    """

    data: str
    columns: dict[str, str]
    revision: str | None = None
    files: list[str] = field(default_factory=list)
    prompt: str | None = None
    labels: list[str] | None = None
    language: str = "en"

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


def find_data(data: str) -> str:
    """Return the absolute path of a local file, or the id of a data set on the hub unchanged.

    A folder stands for its ``metadata`` or ``manifest`` file, as in the audio folders of the datasets
    library.

    Raises:
        FatalError: If it is neither.
    """
    path = Path(os.path.expandvars(data)).expanduser()
    if path.is_dir():
        inside = [path / f"{stem}{ending}" for stem in ("metadata", "manifest") for ending in MANIFESTS]
        path = next((file for file in inside if file.is_file()), path)
    if path.is_file():
        if path.suffix.lower() not in MANIFESTS:
            raise FatalError(f"{path}: expected a file that ends in {', '.join(MANIFESTS)}")
        return str(path.absolute())
    if path.is_dir():
        raise FatalError(f"the folder {path} holds no metadata or manifest file ({', '.join(MANIFESTS)})")
    if _HUB_ID.fullmatch(data) and path.suffix.lower() not in MANIFESTS:
        return data
    raise FatalError(f"{data}: there is no such file, and it is no id of a data set on the hub (owner/name)")


def is_hub_id(data: str) -> bool:
    """Tell a data set on the hub from a local file, which `find_data` makes absolute."""
    return not Path(data).is_absolute()


def choose_columns(available: Sequence[str], asked: Mapping[str, str | None]) -> dict[str, str]:
    """Return the data's column for each role: the one asked for, else the first usual name that is there.

    Args:
        available: the data's columns.
        asked: role to column; None where the user names none, empty where the role is not to be used.

    Raises:
        FatalError: If a column is not there, or no audio is found.
    """
    columns = {}
    for role, aliases in ALIASES.items():
        column = asked.get(role)
        if column and column not in available:
            raise FatalError(f"--{role} {column}: there is no such column; the data has {', '.join(available)}")
        free = (name for name in aliases if name in available and name not in asked.values())
        found = next(free, None) if column is None else column
        if found:
            columns[role] = found
    if "audio" not in columns:
        raise FatalError(f"no column with audio was found among {', '.join(available)}; name it with --audio COLUMN")
    return columns


def describe(
    data: str,
    asked: Mapping[str, str | None],
    *,
    split: str | None = None,
    config_name: str | None = None,
    revision: str | None = None,
    prompt: str | None = None,
    labels: list[str] | None = None,
    language: str = "en",
) -> Description:
    """Look at the data and return what the YAML file has to say about it.

    Raises:
        FatalError: If something about the data or the settings is wrong.
    """
    data = find_data(data)
    files: list[str] = []
    if is_hub_id(data):
        revision, files = find_hub_files(data, split or "test", config_name, revision)
        columns = choose_columns(hub_columns(data, revision, files), asked)
    else:
        columns = choose_columns(local_columns(Path(data)), asked)
    if prompt:
        columns.pop("instruction", None)
    elif "instruction" not in columns:
        if labels:
            raise FatalError("say with --prompt what the model is asked, or with --instruction which column does")
        prompt = DEFAULT_PROMPT
    return Description(data, columns, revision, files, prompt, labels, language)
