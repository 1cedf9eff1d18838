import datasets
import pyarrow as pa
import pytest

from alas_metric.errors import FatalError
from alas_tasks.documents import AUDIO_TYPE, FEATURES, make_documents, unique_names, with_encoded_audio


def test_columns_are_the_same_for_every_source():
    words = [[{"word": "a", "start": 0.0, "end": 1.0}], None]
    rows = make_documents({"uid": ["x", "y"], "words": words}, [{"bytes": b"1", "path": "p"}, None], "t")
    arrow = pa.chunked_array([pa.array([{"bytes": b"1", "path": "p"}, None], AUDIO_TYPE)])
    mapped = make_documents({"uid": ["x", "y"], "words": words}, arrow, "t")
    assert list(rows) == list(mapped)
    assert rows.features == mapped.features == FEATURES
    assert rows[0]["words"] == words[0] and rows[1]["words"] is None
    assert rows[0]["audio"] == {"bytes": b"1", "path": "p"} and rows[1]["audio"] is None
    assert rows[0]["transcript"] is None
    assert "audio" not in rows.remove_columns("audio").features


def test_audio_in_arrow_is_not_copied():
    audio = pa.chunked_array([pa.array([{"bytes": b"x" * 1000, "path": None}], AUDIO_TYPE)])
    docs = make_documents({"uid": ["u"]}, audio, "t")
    stored = docs.data.column("audio").chunk(0).field("bytes").buffers()[2]
    assert stored.address == audio.chunk(0).field("bytes").buffers()[2].address


def test_no_document():
    with pytest.raises(FatalError, match="mine: no document"):
        make_documents({"uid": []}, [], "mine")


def test_names():
    assert unique_names(["a", "b", "a", "a"]) == ["a", "b", "a#2", "a#3"]


def test_audio_is_left_as_stored():
    features = datasets.Features({"speech": datasets.Audio()})
    table = pa.table({"speech": pa.array([{"bytes": b"junk", "path": None}], AUDIO_TYPE)})
    data = datasets.Dataset(table, info=datasets.DatasetInfo(features=features))
    assert with_encoded_audio(data)[0]["speech"]["bytes"] == b"junk"
