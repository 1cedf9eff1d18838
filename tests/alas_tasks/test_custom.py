"""A user's own speech: from the command line to the harness's documents."""

import argparse
import csv
import functools
import io
import json
from pathlib import Path

import datasets
import numpy as np
import pytest
import wrapt
from lmms_eval import utils
from lmms_eval.tasks import TaskManager
from worlds import UTTERANCES, encoded, fatal, make_hub_cache, make_manifest, parquet_with_audio, sound_of

from alas_metric.errors import FatalError
from alas_tasks import cli
from alas_tasks.audio import load_audio
from alas_tasks.custom import read_description
from alas_tasks.description import check_name, choose_columns, find_data
from alas_tasks.hub_layout import split_patterns
from alas_tasks.manifests import read_manifest
from alas_tasks.word_columns import read_words
from model_patches.harness.task_files import with_own_place, with_task_files


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    from huggingface_hub import snapshot_download

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LMMS_EVAL_DATASETS_CACHE", str(tmp_path / "datasets"))
    monkeypatch.setattr("lmms_eval.api.task._resolve_hf_datasets_cache_dir", lambda: str(tmp_path / "datasets"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    cached = functools.partial(snapshot_download, cache_dir=tmp_path / "hub")
    monkeypatch.setattr("huggingface_hub.snapshot_download", cached)
    monkeypatch.setattr(datasets.Audio, "decode_example", None)
    # What the entry point arranges.
    monkeypatch.setattr(utils, "load_yaml_config", wrapt.FunctionWrapper(utils.load_yaml_config, with_own_place))
    return tmp_path


def alas(*args):
    parser = argparse.ArgumentParser()
    cli.add_parsers(parser.add_subparsers(required=True))
    parsed = parser.parse_args([str(arg) for arg in args])
    return parsed.func(parsed)


def match(asked):
    """Look task names up as the harness's command line does, with the entry point's wrapper."""
    manager = TaskManager(include_defaults=False)
    names = with_task_files(manager.match_tasks, manager, (asked,), {})
    assert not [task for task in asked if task not in names]
    return manager, names


def load(path, task_type="simple"):
    manager, names = match([str(path)])
    (task,) = manager.load_task_or_group(names, task_type).values()
    return task


def test_manifest(world):
    manifest = make_manifest(world / "data")
    assert alas("new-task", "mine", "--data", manifest, "--output", world / "tasks", "--reference", "words") == 0
    task = load(world / "tasks" / "mine.yaml")
    docs = task.test_docs()
    assert task.config.task == "mine" and docs["uid"] == list(UTTERANCES)
    assert task.doc_to_text(docs[0]) == "What time is it"
    assert docs[0]["transcript"] == "eleven o'clock had struck"
    (sample,) = task.doc_to_visual(docs[1])
    assert [timing.word for timing in sample.words] == ["the", "dog", "slept", "by", "the", "fire"]
    assert sample.reference == "words"
    assert sample.speaker == "5639" and sample.target == "The dog sleeps by the fire."
    np.testing.assert_allclose(load_audio(sample.audio), sound_of(UTTERANCES[sample.uid][0], 1), atol=1e-4)
    assert task.config.metadata["alas"] is True
    assert "answer_similarity" in task.aggregation() and "accuracy_audio" not in task.aggregation()
    assert "audio" not in task.eval_docs_no_media.features
    json.dumps(task.dump_config(), default=str)


def test_chat_requests(world):
    alas("new-task", "mine", "--data", make_manifest(world))
    task = load("mine.yaml", "chat")
    (message,) = task.doc_to_messages(task.test_docs()[0])
    assert message["content"][0]["url"].uid == "5639-40744-0000"


def test_the_file_is_also_found_in_a_task_folder(world):
    alas("new-task", "mine", "--data", make_manifest(world / "data"), "--output", world / "tasks")
    manager = TaskManager(include_path=str(world / "tasks"), include_defaults=False)
    assert manager.all_subtasks == ["mine"]
    assert len(manager.load_task_or_group(["mine"])["mine"].test_docs()) == 6


def test_the_file_as_a_configuration(world):
    """The harness loads a folder's files like this, and would load a file like this."""
    alas("new-task", "mine", "--data", make_manifest(world))
    config = utils.load_yaml_config(str(world / "mine.yaml"))
    (task,) = TaskManager(include_defaults=False).load_config(config).values()
    assert len(task.test_docs()) == 6


def test_closed_answers(world):
    rows = read_manifest(make_manifest(world))
    for number, row in enumerate(rows):
        row["answer"] = "Yes" if number % 2 else "no"
    path = write(world / "m.json", json.dumps(rows))
    alas("new-task", "closed", "--data", path, "--labels", "yes, no", "--prompt", "Is it a question?")
    task = load("closed.yaml")
    assert task.test_docs()["target"] == ["no", "yes"] * 3
    assert task.doc_to_text(task.test_docs()[0]) == "Is it a question?"
    (sample,) = task.doc_to_visual(task.test_docs()[0])
    assert sample.read_answer("Yes, it is.") == "yes" and sample.target == "no"
    assert "uar_audio" in task.aggregation() and "answer_similarity" not in task.aggregation()


def write(path, text):
    Path(path).write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_tables(world, ending):
    rows = read_manifest(make_manifest(world))
    file = io.StringIO()
    writer = csv.writer(file, delimiter="," if ending == "csv" else "\t")
    writer.writerow(["wav_path", "sentence", "question", "words", "client_id"])
    for row in rows:
        words = json.dumps([[w["word"], w["start"], w["end"]] for w in row["words"]])
        writer.writerow([row["audio"], "", row["question"], words, row["speaker"]])
    alas("new-task", "table", "--data", write(world / f"m.{ending}", "\ufeff" + file.getvalue()))
    task = load("table.yaml")
    docs = task.test_docs()
    assert docs["uid"] == list(UTTERANCES)
    assert docs[0]["transcript"] is None and docs[0]["target"] is None
    assert docs[0]["words"] == rows[0]["words"]


def test_columns_by_name(world):
    row = {"f": "a.wav", "said": "hello", "text": "not it", "ask": "What?", "gold": "hi", "who": 7, "n": 1}
    (world / "a.wav").write_bytes(encoded(sound_of("hello"), kind="WAV"))
    path = write(world / "m.jsonl", json.dumps(row) + "\n\n")
    roles = {
        "audio": "f",
        "transcript": "said",
        "instruction": "ask",
        "answer": "gold",
        "speaker": "who",
        "id": "n",
    }
    alas(
        "new-task",
        "named",
        "--data",
        path,
        *[part for role, name in roles.items() for part in (f"--{role}", name)],
    )
    (doc,) = load("named.yaml").test_docs()
    assert {name: doc[name] for name in ("uid", "transcript", "instruction", "target", "speaker")} == {
        "uid": "1",
        "transcript": "hello",
        "instruction": "What?",
        "target": "hi",
        "speaker": "7",
    }


def test_a_column_can_be_left_out(world):
    alas("new-task", "mine", "--data", make_manifest(world), "--transcript", "", "--words", "")
    doc = load("mine.yaml").test_docs()[0]
    assert doc["transcript"] is None and doc["words"] is None


def test_only_audio(world, capsys):
    (world / "a.wav").write_bytes(encoded(sound_of("x"), kind="WAV"))
    alas("new-task", "bare", "--data", write(world / "metadata.csv", "file_name\na.wav\n"), "--language", "de")
    assert "Whisper" in capsys.readouterr().out
    task = load("bare.yaml")
    (sample,) = task.doc_to_visual(task.test_docs()[0])
    assert (sample.uid, sample.transcript, sample.language) == ("a", None, "de")
    assert task.doc_to_text(task.test_docs()[0]) == "Repeat what the speaker says."


def test_empty_transcripts_and_missing_files_stay(world):
    (world / "a.wav").write_bytes(encoded(sound_of("x"), kind="WAV"))
    rows = [{"audio": "a.wav", "text": ""}, {"audio": "b.wav", "text": "b"}, {"audio": None, "text": "c"}]
    path = write(world / "m.json", json.dumps(rows))
    alas("new-task", "mine", "--data", path)
    docs = load("mine.yaml").test_docs()
    assert docs["transcript"] == ["", "b", "c"] and docs["uid"] == ["a", "b", "row3"]
    assert docs[1]["audio"]["path"].endswith("b.wav") and docs[2]["audio"] is None


def speech_parquet():
    texts = [text for text, _, _ in UTTERANCES.values()]
    audio = [(encoded(sound_of(text)), f"{uid}.flac") for uid, (text, _, _) in UTTERANCES.items()]
    return parquet_with_audio({"sentence": texts, "client_id": ["s"] * 6}, audio)


def test_parquet_file(world):
    (world / "speech.parquet").write_bytes(speech_parquet())
    alas("new-task", "parquet", "--data", world / "speech.parquet", "--prompt", "What is said?")
    check_parquet_task("parquet.yaml")


def check_parquet_task(path):
    task = load(path)
    docs = task.test_docs()
    assert docs["uid"] == list(UTTERANCES) and set(docs["speaker"]) == {"s"}
    (sample,) = task.doc_to_visual(docs[2])
    assert sample.transcript == "HE WENT HOME" and load_audio(sample.audio).size > 8000


def test_data_set_on_the_hub(world):
    files = {
        "data/test-00000-of-00001.parquet": speech_parquet(),
        "data/train-00000-of-00001.parquet": b"never read",
    }
    snapshot = make_hub_cache(world / "hub", "me/speech", "main", files)
    alas("new-task", "hub", "--data", "me/speech", "--prompt", "What is said?")
    config = utils.load_yaml_config(str(world / "hub.yaml"))
    assert config["metadata"]["data"] == f"me/speech@{snapshot.name}"
    check_parquet_task("hub.yaml")


def test_data_set_on_the_hub_that_is_not_there(world):
    with pytest.raises(FatalError, match="no data set of that name"):
        alas("new-task", "hub", "--data", "me/nothing")
    make_hub_cache(world / "hub", "me/speech", "main", {"data/train.parquet": speech_parquet()})
    with pytest.raises(FatalError, match=r"split 'test'.*--split"):
        alas("new-task", "hub", "--data", "me/speech")


def test_files_of_a_split():
    names = [
        "en/test-00000-of-00002.parquet",
        "en/test-00001-of-00002.parquet",
        "de/test.parquet",
        "de/test/0.parquet",
    ]
    names += ["en/test_other-00000.parquet", "README.md", "xtest.parquet"]
    assert split_patterns(names, "test", "en") == ["en/test-*.parquet"]
    assert split_patterns(names, "test", "de") == ["de/test.parquet", "de/test/*.parquet"]
    assert split_patterns(names, "train", None) == []
    assert split_patterns(["test.parquet"], "test", None) == ["test.parquet"]
    assert split_patterns(["clean/test/0000.parquet"], "test", None) == ["clean/test/*.parquet"]
    with pytest.raises(FatalError, match="de, en"):
        split_patterns(names, "test", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no row"),
        ('{"audio": 1}\n{"audio"\n', "line 2: no JSON"),
        ("[1]\n", "row 1: expected"),
        ('{"sound": "a"}\n', "no column with audio was found among sound"),
        ('{"audio": "a.wav"}\n', "none of its audio files exists"),
        ('{"audio": "m.jsonl", "words": 5}\n', r"row 1: expected a list of \{word"),
        ('{"audio": "m.jsonl", "words": [["a", 1]]}\n', "row 1: expected a list"),
        ('{"audio": "m.jsonl", "words": "[["}\n', "row 1: the word timestamps are no JSON"),
    ],
)
def test_damaged_manifests(world, content, message):
    path = write(world / "m.jsonl", content)
    with pytest.raises(FatalError, match=message):
        alas("new-task", "mine", "--data", path)
    assert not (world / "mine.yaml").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("bad name", "--data", "m"), "no name for a task"),
        (("mine,other", "--data", "m"), "no name for a task"),
        (("alas_librisqa", "--data", "m"), "choose another"),
        (("mine", "--data", "nothing.jsonl"), "no such file"),
        (("mine", "--data", "data"), "holds no metadata"),
        (("mine", "--data", "notes.txt"), r"ends in \.jsonl"),
        (("mine", "--data", "manifest.jsonl", "--audio", "sound"), r"--audio sound.*transcript, question"),
        (("mine", "--data", "manifest.jsonl", "--labels", "yes"), "two or more"),
        (("mine", "--data", "manifest.jsonl", "--labels", "yes,no"), "none of the labels yes, no"),
        (("mine", "--data", "manifest.jsonl", "--labels", "a,b", "--instruction", ""), "--prompt"),
        (("mine", "--data", "latin.csv"), "cannot be read"),
        (("mine", "--data", "broken.parquet"), "cannot be read as parquet"),
    ],
)
def test_wrong_use(world, args, message):
    make_manifest(world)
    (world / "data").mkdir()
    write(world / "notes.txt", "")
    (world / "latin.csv").write_bytes(b"audio\n\xe4\n")
    (world / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(FatalError, match=message):
        alas("new-task", *args)


def test_data_that_is_gone_ends_the_run(world):
    manifest = make_manifest(world)
    alas("new-task", "mine", "--data", manifest)
    manifest.unlink()
    with fatal("no such file"):
        load("mine.yaml")


def test_a_column_that_is_gone_ends_the_run(world):
    manifest = make_manifest(world)
    alas("new-task", "mine", "--data", manifest)
    manifest.write_text(manifest.read_text().replace('"answer"', '"reply"'))
    with fatal(r"--answer answer.*reply"):
        load("mine.yaml")


@pytest.mark.parametrize("name", ["1.5", "true", "null", "a-b.c"])
def test_names_that_yaml_would_read_otherwise(world, name):
    alas("new-task", name, "--data", make_manifest(world))
    assert load(f"{name}.yaml").config.task == name


def test_renamed_files_work(world):
    alas("new-task", "mine", "--data", make_manifest(world))
    (world / "mine.yaml").rename(world / "yours.yaml")
    assert len(load("yours.yaml").test_docs()) == 6


SPELLINGS = ["tasks/mine.yaml", "./tasks/mine.yaml", "tasks/../tasks/mine.yaml", "{world}/tasks/mine.yaml"]


@pytest.mark.parametrize("spelling", [*SPELLINGS, "../{here}/tasks/mine.yaml"])
def test_every_spelling_of_a_path(world, spelling, capsys):
    alas("new-task", "mine", "--data", make_manifest(world / "data"), "--output", "tasks")
    assert "lmms-eval --tasks tasks/mine.yaml " in capsys.readouterr().out
    assert len(load(spelling.format(world=world, here=world.name)).test_docs()) == 6


@pytest.mark.parametrize("folder", ["a b", "a [1]", "[ab]", "a*b?", "{a,b}", ".dot", "ä日本", "a#b%20", "$a", "~b"])
def test_folders_of_every_name(world, folder, monkeypatch):
    """Task, manifest and run in folders that something on the way could take for a pattern."""
    alas("new-task", "mine", "--data", make_manifest(world / folder / "data"), "--output", world / folder / "tasks")
    monkeypatch.chdir(world / folder)
    (sample,) = (task := load("tasks/mine.yaml")).doc_to_visual(task.test_docs()[1])
    assert load_audio(sample.audio).size > 8000


def test_a_task_travels_with_its_data(world):
    """Paths in the file are relative to it."""
    alas("new-task", "mine", "--data", make_manifest(world / "here" / "data"), "--output", world / "here" / "tasks")
    text = (world / "here" / "tasks" / "mine.yaml").read_text()
    assert str(world) not in text and "data: ../data/manifest.jsonl" in text
    (world / "here").rename(world / "there")
    assert len(load("there/tasks/mine.yaml").test_docs()) == 6


def test_an_existing_file_is_not_overwritten(world):
    manifest = make_manifest(world)
    alas("new-task", "mine", "--data", manifest)
    with pytest.raises(FatalError, match=r"mine\.yaml exists; --force overwrites it"):
        alas("new-task", "mine", "--data", manifest, "--prompt", "What?")
    assert load("mine.yaml").test_docs()[0]["instruction"] == "What time is it"
    alas("new-task", "mine", "--data", manifest, "--prompt", "What?", "--force")
    assert load("mine.yaml").test_docs()[0]["instruction"] is None


def test_what_was_understood_is_shown(world, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    rows = read_manifest(make_manifest(world / "data"))
    for row in rows:
        row.pop("speaker")
        row |= {"mood": "calm", "t_start": 0, "transcript": row["transcript"] + " <noise>"}
        row["words"] = [{**word, "start": word["start"] * 1000, "end": word["end"] * 1000} for word in row["words"]]
    rows[3]["transcript"], rows[4]["transcript"] = "<MUSIC>", "привет"
    path = write(world / "data" / "m.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert alas("new-task", "mine", "--data", path, "--language", "en") == 0
    shown = capsys.readouterr().out
    for line in ("transcript", "mood", "(not used)", "eleven o'clock had struck <noise>", "What time is it"):
        assert line in shown
    total = sum(len(sound_of(text, seed)) / 16000 for seed, (text, _, _) in enumerate(UTTERANCES.values()))
    assert f"6 rows, {total:.1f} s of audio" in shown
    for odd in (
        "t_start: looks like a time",
        "word times of 6 of 6 rows go beyond their audio",
        "5 tags in transcripts are not taken for words: <noise>, <MUSIC>",
        "1 of 6 transcripts hold no word",
        "transcripts in several scripts: Latin 4, Cyrillic 1",
        "no speaker is known",
    ):
        assert f"odd: {odd}" in shown, shown


def test_a_language_that_the_script_denies(world, capsys):
    (world / "a.wav").write_bytes(encoded(sound_of("x"), kind="WAV"))
    path = write(world / "m.jsonl", json.dumps({"audio": "a.wav", "text": "今天天气很好"}))
    alas("new-task", "mine", "--data", path)
    assert (
        "the language is en, the transcripts are in Han: --language ja or ko or yue or zh?" in capsys.readouterr().out
    )
    alas("new-task", "mine", "--data", path, "--language", "zh", "--force")
    assert "the language is" not in capsys.readouterr().out


@pytest.mark.parametrize("columns", ["{audio: audio, transcript: 7}", "{audio: audio, transcripts: text}"])
def test_columns_that_are_none(world, columns):
    make_manifest(world)
    alas("new-task", "mine", "--data", "manifest.jsonl")
    text = (world / "mine.yaml").read_text()
    start, end = text.index("    columns:"), text.index("    language:")
    (world / "mine.yaml").write_text(f"{text[:start]}    columns: {columns}\n{text[end:]}")
    with fatal("columns: transcripts?: "):
        load("mine.yaml")


def test_other_yaml_files_are_left_to_the_harness(world):
    write(world / "stock.yaml", "task: stock\nmetadata: {version: 1}\nprocess_docs: !function a.b\n")
    write(world / "list.yaml", "- 1")
    write(world / "bad.yaml", "a: [")
    manager = TaskManager(include_defaults=False)
    asked = ["stock.yaml", "list.yaml", "bad.yaml", "none.yaml"]
    assert with_task_files(manager.match_tasks, manager, (asked,), {}) == []
    assert asked == ["stock.yaml", "list.yaml", "bad.yaml", "none.yaml"]
    assert with_task_files(manager.match_tasks, manager, (), {"task_list": asked}) == []


def test_small_things():
    assert check_name("my_task-1.2") == "my_task-1.2"
    assert find_data("owner/name") == "owner/name"
    assert choose_columns(["text", "audio"], {"answer": "text"}) == {"audio": "audio", "answer": "text"}
    assert read_words(None, "") is None and read_words(" ", "") is None and read_words([], "") == []
    with pytest.raises(FatalError, match="not as `alas new-task` writes it"):
        read_description("task: x")


def test_dictionary_by_id(world):
    (world / "a.wav").write_bytes(encoded(sound_of("x"), kind="WAV"))
    path = write(world / "m.json", json.dumps({"u1": {"wav": "a.wav", "text": "x"}}))
    alas("new-task", "mine", "--data", path)
    assert load("mine.yaml").test_docs()["uid"] == ["u1"]
