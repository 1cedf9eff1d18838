"""A user's own speech as a task: ``alas new-task`` writes a YAML file, the harness runs it.

That file names itself as the harness's data set, one row with its text, and `process_docs` turns the row into
the documents that the file describes. So the data goes through our own checks (the harness would swallow an
error of its loader and exit with 0), files of the hub through `alas_tasks.sources`, and word timestamps as
nested lists are possible.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from alas_metric.errors import FatalError
from alas_tasks.hub_layout import find_hub_files, hub_columns
from alas_tasks.manifests import MANIFESTS, local_columns
from alas_tasks.sources import hub_files

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
        """The kind of task, a key of `alas_tasks.scoring.TASK_METRICS`."""
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


# What the data looks like


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


# The YAML file

_TEMPLATE = """\
# Made by `alas new-task`. Run: lmms-eval --tasks {file} --model qwen2_audio --output_path runs --log_samples
task: "{name}"
# The harness reads this file itself as the data set; process_docs makes documents of what `default` says.
dataset_path: text
dataset_kwargs:
  data_files:
    test: "{file}"
  sample_by: document
test_split: test
process_docs: !function alas_tasks.custom.process_docs
output_type: generate_until
doc_to_visual: !function alas_tasks.speech.doc_to_visual
doc_to_text: !function alas_tasks.speech.doc_to_text
doc_to_messages: !function alas_tasks.speech.doc_to_messages
doc_to_target: !function alas_tasks.speech.doc_to_target
process_results: !function alas_tasks.scoring.process_results_{kind}
metric_list: !function alas_tasks.scoring.metric_list_{kind}
generation_kwargs:
  max_new_tokens: 150
  temperature: 0
  do_sample: false
  num_beams: 1
  until: []
cluster_key: speaker
score_key: score
"""


def task_yaml(name: str, description: Description) -> str:
    """Return the text of the file ``NAME.yaml``."""
    settings = asdict(description)
    settings["instruction"] = settings.pop("prompt")
    settings["answers"] = settings.pop("labels") or "free"
    default = {key: value for key, value in settings.items() if value not in (None, [])}
    data = f"{description.data}@{description.revision}" if description.revision else description.data
    rest = {
        "lmms_eval_specific_kwargs": {"default": default},
        "metadata": {"version": 1.0, "alas": True, "data": data},
    }
    # PyYAML reads U+0085, a line break of its own, as a space unless it was written as an escape.
    text = yaml.safe_dump(rest, sort_keys=False, allow_unicode="\\x85" not in repr(rest), width=10_000)
    return _TEMPLATE.format(name=name, file=f"{name}.yaml", kind=description.kind) + text


def _function_name(loader: yaml.SafeLoader, node: Any) -> str:
    return str(loader.construct_scalar(node))


class _Reader(yaml.SafeLoader):
    """Reads a task's YAML without resolving its functions."""


_Reader.add_constructor("!function", _function_name)


def read_description(text: str) -> tuple[str, Description]:
    """Return the task's name and description from the text of its YAML file.

    Raises:
        FatalError: If it says nothing usable.
    """
    try:
        config = yaml.load(text, _Reader)
        settings = config["lmms_eval_specific_kwargs"]["default"]
        answers = settings.get("answers", "free")
        description = Description(
            data=str(settings["data"]),
            columns=dict(settings["columns"]),
            revision=settings.get("revision"),
            files=list(settings.get("files") or []),
            prompt=settings.get("instruction"),
            labels=[str(label) for label in answers] if isinstance(answers, list) else None,
            language=settings.get("language") or "en",
        )
        return str(config["task"]), description
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise FatalError(f"the task's YAML file is not as `alas new-task` writes it: {error!r}") from error


# The documents


def process_docs(dataset: Any) -> Any:
    """Return the documents that a task's YAML file describes.

    Args:
        dataset: one row whose ``text`` is the YAML file.

    Raises:
        FatalError: If the data is missing, damaged or empty.
    """
    return load_documents(*read_description(dataset[0]["text"]))


def load_documents(task: str, description: Description) -> Any:
    """Return the documents of a task; see `alas_tasks.documents`. Nothing is decoded."""
    try:
        return _documents(task, description)
    except Exception as error:  # columns of types that nobody thought of, text that is no UTF-8, damage inside
        raise FatalError(f"{task}: {description.data} cannot be read: {type(error).__name__}: {error}") from error


def _documents(task: str, description: Description) -> Any:
    from alas_tasks.user_documents import documents_of_manifest, documents_of_parquet

    data = find_data(description.data)
    if is_hub_id(data):
        if not (description.revision and description.files):
            raise FatalError(f"{task}: a data set on the hub needs `revision` and `files`: use `alas new-task`")
        return documents_of_parquet(task, description, hub_files(data, description.revision, description.files))
    path = Path(data)
    if path.suffix.lower() == ".parquet":
        return documents_of_parquet(task, description, [path])
    return documents_of_manifest(task, description, path)
