"""A user's own speech as a task: ``alas new-task`` writes a YAML file, the harness runs it.

That file names itself as the harness's data set, one row with its text, and `process_docs` turns the row into
the documents that the file describes. So the data goes through our own checks (the harness would swallow an
error of its loader and exit with 0), files of the hub through `alas_tasks.sources`, and word timestamps as
nested lists are possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from alas_metric.errors import FatalError
from alas_tasks.description import ALIASES, Description, find_data, is_hub_id
from alas_tasks.layouts import read_table
from alas_tasks.sources import hub_files
from alas_tasks.word_columns import UNITS

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


def read_task(text: str) -> dict[str, Any]:
    """Return the content of a task's YAML file; functions are names, nothing is imported."""
    content: dict[str, Any] = yaml.load(text, _Reader)
    return content


def read_description(text: str) -> tuple[str, Description]:
    """Return the task's name and description from the text of its YAML file.

    Raises:
        FatalError: If it says nothing usable.
    """
    try:
        config = yaml.load(text, _Reader)
        settings = config["lmms_eval_specific_kwargs"]["default"]
        answers = settings.get("answers", "free")
        _check_names(settings["columns"])
        channel = settings.get("channel")
        description = Description(
            data=str(settings["data"]),
            columns=dict(settings["columns"]),
            revision=settings.get("revision"),
            files=list(settings.get("files") or []),
            prompt=settings.get("instruction"),
            labels=[str(label) for label in answers] if isinstance(answers, list) else None,
            language=settings.get("language") or "en",
            split=settings.get("split"),
            channel=None if channel is None else int(channel),
            times_in=_unit(settings.get("times_in")),
            word_times_in=_unit(settings.get("word_times_in")),
            word_times=settings.get("word_times"),
            reference=settings.get("reference"),
        )
        return str(config["task"]), description
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise FatalError(f"the task's YAML file is not as `alas new-task` writes it: {error!r}") from error


def _check_names(columns: Mapping[str, Any]) -> None:
    for role, column in columns.items():
        if role not in ALIASES:
            raise FatalError(f"the task's YAML file: columns: {role}: expected one of {', '.join(ALIASES)}")
        if not isinstance(column, str):
            raise FatalError(f"the task's YAML file: columns: {role}: {column!r}: expected the name of a column")


def _unit(name: str | None) -> str | None:
    if name is not None and name not in UNITS:
        raise FatalError(f"the task's YAML file: times in {name!r}: expected one of {', '.join(UNITS)}")
    return name


# The documents


def process_docs(dataset: Any, folder: Path | None = None) -> Any:
    """Return the documents that a task's YAML file describes.

    Args:
        dataset: one row whose ``text`` is the YAML file.
        folder: the one that it lies in, which its paths are relative to; None: the current folder.

    Raises:
        FatalError: If the data is missing, damaged or empty.
    """
    return load_documents(*read_description(dataset[0]["text"]), folder)


def load_documents(task: str, description: Description, folder: Path | None = None) -> Any:
    """Return the documents of a task; see `alas_tasks.documents`. Nothing is decoded."""
    try:
        return _documents(task, description, folder)
    except FatalError:
        raise
    except Exception as error:  # columns of types that nobody thought of, text that is no UTF-8, damage inside
        raise FatalError(f"{task}: {description.data} cannot be read: {type(error).__name__}: {error}") from error


def _documents(task: str, description: Description, folder: Path | None) -> Any:
    from alas_tasks.user_documents import documents_of_parquet, documents_of_table, parquet_files

    data = find_data(description.data, description.split, folder)
    if is_hub_id(data):
        if not (description.revision and description.files):
            raise FatalError(f"{task}: a data set on the hub needs `revision` and `files`: use `alas new-task`")
        return documents_of_parquet(task, description, hub_files(data, description.revision, description.files))
    if files := parquet_files(Path(data), description.split):
        return documents_of_parquet(task, description, files)
    return documents_of_table(task, description, read_table(Path(data), description.split))
