"""Manifests from anywhere: documents, or an error that names the file; what was written comes back as it was."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import damage, fuzz, json_values, numbers, texts, unicode_texts
from hypothesis import given
from hypothesis import strategies as st

from alas_metric.errors import FatalError
from alas_tasks.custom import load_documents, read_description, task_yaml
from alas_tasks.description import ALIASES, Description, describe
from alas_tasks.documents import FEATURES
from alas_tasks.manifests import read_manifest
from alas_tasks.speech import doc_to_visual
from alas_tasks.word_columns import read_words

ROLES = ("transcript", "question", "answer", "words", "speaker", "id")
timestamps = st.lists(
    st.tuples(texts, numbers, numbers) | st.fixed_dictionaries({"word": texts, "start": numbers, "end": numbers}),
    max_size=3,
)
cells = st.one_of(texts, unicode_texts, numbers, json_values, timestamps, timestamps.map(json.dumps))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LMMS_EVAL_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.wav").write_bytes(b"never decoded here")
    return tmp_path


def documents(path: Path, labels: list[str] | None = None) -> Any:
    """Return the documents of a manifest, None if it is refused; the refusal must name the file."""
    try:
        description, _, _ = describe(str(path), {}, labels=labels, prompt="What?")
        made = load_documents("fuzz", description)
    except FatalError as error:
        assert path.name in str(error) or "no column with audio" in str(error), error
        str(error).encode("utf-8")
        return None
    assert list(made.features) == list(FEATURES) and len(set(made["uid"])) == len(made)
    for doc in made.select_columns(sorted(set(FEATURES) - {"audio"})):
        doc_to_visual(doc)
        json.dumps(doc, ensure_ascii=False).encode("utf-8")
    return made


def rows_of(data: st.DataObject, audio: st.SearchStrategy[Any]) -> list[dict[str, Any]]:
    """Draw the rows of a manifest."""
    columns = ["audio", *data.draw(st.lists(st.sampled_from(ROLES), unique=True, max_size=4))]
    row = {name: audio if name == "audio" else cells for name in columns}
    return data.draw(st.lists(st.fixed_dictionaries({}, optional=row) | st.fixed_dictionaries(row), max_size=4))


names = st.sampled_from(
    ["a.wav", "./a.wav", "../a.wav", "/dev/zero", "a\0.wav", "\ud800.wav", "x" * 5000, ".", "", None]
)


@fuzz(10, share=0.1)
@given(data=st.data())
def test_rows_of_anything(folder: Path, data: st.DataObject) -> None:
    ending = data.draw(st.sampled_from([".jsonl", ".json"]))
    rows = [{"audio": "a.wav"}] * data.draw(st.integers(0, 1)) + rows_of(data, names | cells)
    path = folder / f"rows{ending}"
    path.write_text("\n".join(map(json.dumps, rows)) if ending == ".jsonl" else json.dumps(rows))
    documents(path, data.draw(st.sampled_from([None, ["yes", "no"]])))


@fuzz(25)
@given(data=st.data())
def test_damaged_text(folder: Path, data: st.DataObject) -> None:
    ending = data.draw(st.sampled_from([".jsonl", ".json", ".csv", ".tsv"]))
    good = {
        ".jsonl": b'{"audio": "a.wav", "transcript": "one two", "words": [["one", 0, 1]]}\n{"audio": "a.wav"}\n',
        ".json": b'{"u1": {"audio": "a.wav", "transcript": "one"}, "u2": {"audio": "a.wav"}}',
        ".csv": b'audio,transcript,words\na.wav,"one, two",\na.wav,one,"[[""one"", 0, 1]]"\n',
        ".tsv": b"audio\ttranscript\na.wav\tone two\na.wav\tthree\n",
    }[ending]
    path = folder / f"damaged{ending}"
    path.write_bytes(data.draw(damage(good)))
    documents(path)


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".tsv"])
@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 50_000, "\x00" * 100, '"' + "x" * 1_000_000, '{"a": 1' + "0" * 9000]
)
def test_extremes(folder: Path, ending: str, text: str) -> None:
    path = folder / f"extreme{ending}"
    path.write_text(text)
    assert documents(path) is None
    json_text = f'{{"audio": "a.wav", "words": {json.dumps(text)}}}'
    path.write_text(json_text if "json" in ending else f"audio,words\na.wav,{text}\n")
    documents(path)


@fuzz(40)
@given(rows=st.lists(st.tuples(unicode_texts, unicode_texts), min_size=1, max_size=4), tabs=st.booleans())
def test_tables_come_back(folder: Path, rows: list[tuple[str, str]], tabs: bool) -> None:
    """Whatever Unicode calls the end of a line, a row of a table ends only where its writer ended it."""
    # Python 3.10 neither writes nor reads NUL in a table.
    rows = [tuple(re.sub("[\r\0]", "", text) for text in row) for row in rows]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t" if tabs else ",")
    writer.writerows([("audio", "transcript", "answer"), *(("a.wav", *row) for row in rows)])
    path = folder / ("table.tsv" if tabs else "table.csv")
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    read = read_manifest(path)
    assert [(row["transcript"] or "", row["answer"] or "") for row in read] == rows


@fuzz(40)
@given(value=json_values | timestamps | timestamps.map(json.dumps) | texts)
def test_word_timestamps(value: Any) -> None:
    try:
        words = read_words(value, "row 1")
    except FatalError as error:
        assert "row 1" in str(error)
        return
    for word in words or []:
        assert isinstance(word["word"], str) and type(word["start"]) is type(word["end"]) is float


columns = st.sampled_from(
    [
        pa.array(["a.wav", None]),
        pa.array([b"RIFF", None]),
        pa.array([{"bytes": b"RIFF", "path": "x"}, None]),
        pa.array([{"bytes": 5, "path": "x"}, None]),
        pa.array([{"bytes": "text", "path": 5}, None]),
        pa.array([{"path": "x"}, None]),
        pa.array([1, 2]),
        pa.array([1.5, math.nan]),
        pa.array([["a", "b"], None]),
        pa.array([[{"word": "a", "start": 0.0, "end": math.inf}], []]),
        pa.array([{"word": "a"}, None]),
        pa.array([None, None]),
        pa.array(["x", "y"]).dictionary_encode(),
        pa.array(["x", "y"], pa.large_string()),
        pa.array([b"\xff\xfe", b"\x00"]).view(pa.string()),
        pa.array([1, 2], pa.timestamp("s")),
        pa.array([True, None]),
        pa.array([1, 2], pa.decimal128(10, 2)),
    ]
)


@fuzz(5, share=0.02)
@given(data=st.data())
def test_parquet_of_any_types(folder: Path, data: st.DataObject) -> None:
    chosen = ["audio", *data.draw(st.lists(st.sampled_from(ROLES), unique=True, max_size=3))]
    path = folder / f"t{data.draw(st.integers(0, 10**9))}.parquet"
    pq.write_table(pa.table({name: data.draw(columns) for name in chosen}), path)
    documents(path)


@fuzz(15, share=0.2)
@given(data=st.data())
def test_damaged_parquet(folder: Path, data: st.DataObject) -> None:
    file = io.BytesIO()
    table = pa.table({"audio": [b"RIFF"] * 3, "transcript": ["one", "two", None], "words": ["[]", None, "[]"]})
    pq.write_table(table, file)
    path = folder / f"d{data.draw(st.integers(0, 10**9))}.parquet"
    path.write_bytes(data.draw(damage(file.getvalue())))
    documents(path)


@fuzz(30)
@given(
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    data=unicode_texts,
    prompt=st.none() | unicode_texts.filter(bool),
    column=unicode_texts.filter(bool),
    labels=st.none() | st.lists(unicode_texts, min_size=2, max_size=3),
)
def test_task_files_come_back(name: str, data: str, prompt: str | None, column: str, labels: list[str] | None) -> None:
    made = Description(data, dict.fromkeys(ALIASES, column), prompt=prompt, labels=labels)
    assert read_description(task_yaml(name, made)) == (name, made)


@fuzz(30)
@given(text=texts | st.just("!!python/object/apply:os.system ['touch /tmp/x']") | st.just("a: &a [*a, *a]"))
def test_task_files_of_anything(text: str) -> None:
    good = task_yaml("t", Description("/a.csv", {"audio": "a"}))
    for content in (text, good.replace("a.csv", text), good + text, text + good):
        with contextlib.suppress(FatalError):
            read_description(content)
