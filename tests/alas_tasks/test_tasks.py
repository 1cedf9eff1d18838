"""The tasks as the harness loads them, from local copies and from a warm hub cache."""

import functools
import json
import os
import re
from pathlib import Path

import datasets
import numpy as np
import pytest
from lmms_eval.tasks import TaskManager
from worlds import (
    EMOTIONS,
    UTTERANCES,
    add_wdseg,
    even_words,
    fatal,
    iemocap_parquet,
    librispeech_parquet,
    librispeech_words,
    librisqa_rows,
    make_hub_cache,
    make_iemocap,
    make_librispeech,
    make_librisqa,
    mmau_parquet,
    sound_of,
)

import alas_tasks
from alas_metric.corpus import aggregate as corpus
from alas_tasks import sources
from alas_tasks.audio import load_audio
from alas_tasks.librisqa import word_times

FOLDER = str(Path(alas_tasks.__file__).parent)


@functools.cache
def manager(model_name=None):
    return TaskManager(include_path=FOLDER, include_defaults=False, model_name=model_name)


def load(name, task_type="simple", model_name=None):
    return manager(model_name).load_task_or_group([name], task_type)[name]


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """An environment without data: caches in the test's folder, no hub, and no decoder."""
    for name in list(os.environ):
        if name.startswith("ALAS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ALAS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LMMS_EVAL_DATASETS_CACHE", str(tmp_path / "datasets"))
    monkeypatch.setattr("lmms_eval.api.task._resolve_hf_datasets_cache_dir", lambda: str(tmp_path / "datasets"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    use_hub_cache(monkeypatch, tmp_path / "hub")
    monkeypatch.setattr(datasets.Audio, "decode_example", poison)
    word_times._of_hub.cache_clear()
    return tmp_path


def use_hub_cache(monkeypatch, folder):
    from huggingface_hub import snapshot_download

    monkeypatch.setattr("huggingface_hub.snapshot_download", functools.partial(snapshot_download, cache_dir=folder))


def poison(*_):
    raise AssertionError("audio was decoded by the datasets library")


@pytest.fixture
def local(world, monkeypatch):
    monkeypatch.setenv("ALAS_LIBRISQA_DIR", str(make_librisqa(world / "LibriSQA")))
    monkeypatch.setenv("ALAS_LIBRISPEECH_DIR", str(make_librispeech(world / "LibriSpeech")))
    monkeypatch.setenv("ALAS_IEMOCAP_DIR", str(make_iemocap(world / "IEMOCAP")))
    return world


def make_hub(world, skip=()):
    rows = {part: json.dumps(librisqa_rows(number)).encode() for number, part in ((1, "PartI"), (2, "PartII"))}
    files = {f"LibriSQA-{part}/LibriSQA-{part}-test.json": content for part, content in rows.items()}
    for source, content in (
        (sources.LIBRISQA, files),
        (sources.LIBRISPEECH, {"clean/test/0000.parquet": librispeech_parquet(skip)}),
        (sources.IEMOCAP, {"data/train-00000-of-00001.parquet": iemocap_parquet()}),
    ):
        make_hub_cache(world / "hub", source.repo_id, source.revision, content)


def test_listing_is_cheap_and_complete():
    assert manager().all_subtasks == [
        "alas_demo_emotion",
        "alas_demo_sqa",
        "alas_iemocap",
        "alas_librisqa",
        "alas_librisqa_mc",
        "alas_mmau_speech",
    ]
    assert manager().all_groups == ["alas", "alas_demo"]
    assert "generate_until" in manager().list_all_tasks()


@pytest.mark.parametrize("where", ["local", "hub"])
def test_librisqa(where, world, request):
    make_hub(world) if where == "hub" else request.getfixturevalue("local")
    task = load("alas_librisqa")
    docs = task.test_docs()
    assert docs["uid"] == list(UTTERANCES)
    assert docs["target"] == [answer for _, _, answer in UTTERANCES.values()]
    assert docs["transcript"] == [text for text, _, _ in UTTERANCES.values()]
    assert set(docs["speaker"]) == {"5639", "61"}
    assert task.doc_to_text(docs[0]) == ("What time is it. Answer the  question as short as possible (in 10-15 words)")
    assert "audio" not in task.eval_docs_no_media.features
    (sample,) = task.doc_to_visual(docs[0])
    assert sample.uid == "5639-40744-0000" and sample.read_answer is None and sample.words is None
    assert load_audio(sample.audio).shape[0] > 16_000


@pytest.mark.parametrize("where", ["local", "hub"])
def test_librisqa_options_take_the_transcript_from_librispeech(where, world, request):
    make_hub(world) if where == "hub" else request.getfixturevalue("local")
    task = load("alas_librisqa_mc", "chat")
    docs = task.test_docs()
    assert docs["transcript"] == [text for text, _, _ in UTTERANCES.values()]
    assert docs["target"] == list("ABCDAB")
    (message,) = task.doc_to_messages(docs[1])
    speech, text = message["content"]
    assert speech["type"] == "speech_sample" and speech["url"].read_answer("(b)") == speech["url"].target == "B"
    assert text["text"].startswith("Where does the dog sleep? A. Something else 0 B. The dog")
    assert text["text"].endswith("\nAnswer with the letter of the right option only.")


@pytest.mark.parametrize("where", ["local", "hub"])
def test_iemocap(where, world, request):
    make_hub(world) if where == "hub" else request.getfixturevalue("local")
    task = load("alas_iemocap")
    docs = task.test_docs()
    kept = [uid for uid, (emotion, _) in EMOTIONS.items() if emotion != "fru"]
    found = {row["uid"]: row for row in docs}
    assert sorted(found) == sorted(kept)
    assert found["Ses02M_script01_1_F004"]["target"] == "happiness"
    assert found["Ses01F_impro01_M001"]["transcript"] == "What -- what is it now? [LAUGHTER]"
    assert found["Ses01F_impro01_M001"]["speaker"] == "Ses01M"
    (sample,) = task.doc_to_visual(found["Ses01F_impro01_F000"])
    assert sample.target == sample.read_answer("The speaker sounds neutral.") == "neutral"
    assert load_audio(sample.audio).dtype == np.float32


@pytest.mark.parametrize("where", ["local", "hub", "TextGrid"])
def test_librisqa_has_the_forced_aligners_words(where, local, monkeypatch, capture_log):
    lacking = "61-70968-0001"
    content = librispeech_words(skip=(lacking,))
    if where == "hub":
        files = {"data/test_clean-00000-of-00001.parquet": content, "data/test_other-00000-of-00001.parquet": b""}
        make_hub_cache(local / "hub", sources.LIBRISPEECH_WORDS.repo_id, sources.LIBRISPEECH_WORDS.revision, files)
    else:
        folder = local / "words" / "test-clean"
        folder.mkdir(parents=True)
        if where == "local":
            (folder / "0000.parquet").write_bytes(content)
        else:
            write_textgrids(folder, skip=lacking)
        monkeypatch.setenv("ALAS_LIBRISPEECH_WORDS_DIR", str(folder.parent))
    for name in ("alas_librisqa", "alas_librisqa_mc"):
        task = load(name)
        docs = task.test_docs()
        assert [row["uid"] for row in docs if row["words"] is None] == [lacking]
        text = UTTERANCES["5639-40744-0000"][0].lower()
        (sample,) = task.doc_to_visual(docs[0])
        words = [(w.word, w.start, w.end) for w in sample.words if w.word]
        assert words == even_words(text, len(sound_of(text.upper(), 0)) / 16_000)
    assert "librispeech-alignments" in task.config.metadata["data"]
    assert "cannot be had" not in capture_log()


def write_textgrids(folder, skip):
    from praatio import textgrid

    for seed, (uid, (text, _, _)) in enumerate(UTTERANCES.items()):
        seconds = len(sound_of(text, seed)) / 16_000
        words = [(start, end, word) for word, start, end in even_words(text.lower(), seconds)]
        grid = textgrid.Textgrid()
        grid.addTier(textgrid.IntervalTier("words", words, 0, seconds))
        if uid != skip:
            grid.save(str(folder / f"{uid}.TextGrid"), format="long_textgrid", includeBlankSpaces=True)


def test_librisqa_goes_on_without_the_forced_aligners_words(local, capture_log):
    docs = load("alas_librisqa").test_docs()
    assert docs["words"] == [None] * len(UTTERANCES)
    log = capture_log()
    assert log.count("word times (gilkeyio/librispeech-alignments, main) cannot be had") == 1
    assert "ALAS_LIBRISPEECH_WORDS_DIR" in log


def test_iemocap_has_the_releases_words(local):
    add_wdseg(local / "IEMOCAP", skip=("Ses02M_script01_1_M003",))
    docs = {row["uid"]: row for row in load("alas_iemocap").test_docs()}
    assert [uid for uid, row in docs.items() if row["words"] is None] == ["Ses02M_script01_1_M003"]
    words = docs["Ses01F_impro01_M001"]["words"]
    assert [w["word"] for w in words] == ["WHAT", "WHAT", "IS", "IT", "NOW"]
    assert words[0]["start"] == 0.15


@pytest.mark.parametrize("where", ["local", "hub"])
def test_mmau_asks_about_speech_only_and_names_what_is_broken(where, world, monkeypatch, capture_log):
    file = "data/test_mini-00000-of-00001.parquet"
    if where == "hub":
        make_hub_cache(world / "hub", sources.MMAU.repo_id, sources.MMAU.revision, {file: mmau_parquet()})
    else:
        (world / "MMAU" / "data").mkdir(parents=True)
        (world / "MMAU" / file).write_bytes(mmau_parquet())
        monkeypatch.setenv("ALAS_MMAU_DIR", str(world / "MMAU"))
    task = load("alas_mmau_speech")
    docs = task.test_docs()
    assert docs["uid"] == ["one", "two"]
    assert docs["target"] == ["B", "B"] and docs["transcript"] == [None, None]
    assert task.doc_to_text(docs[1]) == (
        "Who speaks?\nA. Nobody\nB. The cat\nC. The dog\n"
        "Answer with the option's letter from the given choices directly."
    )
    (sample,) = task.doc_to_visual(docs[0])
    assert sample.read_answer("B. The cat") == sample.target == "B"
    assert load_audio(sample.audio).dtype == np.float32
    log = capture_log()
    assert "six options is left out: 6 options" in log and "no answer is left out" in log


@pytest.fixture
def capture_log():
    from loguru import logger

    lines: list[str] = []
    handler = logger.add(lambda message: lines.append(str(message)), format="{message}")
    yield lambda: "".join(lines)
    logger.remove(handler)


def test_prompts_of_emotions_follow_the_model(local):
    qwen, salmonn = load("alas_iemocap"), load("alas_iemocap", model_name="salmonn")
    doc = qwen.test_docs()[0]
    assert qwen.doc_to_text(doc) == (
        "classify the emotion of the speaker in only one word including anger, happiness, sadness, neutrality."
    )
    assert salmonn.doc_to_text(doc) == (
        "Describe the emotion of the speaker in one word. The emotion could be only "
        "from these four category: anger, happiness, sadness, neutrality."
    )
    assert salmonn.doc_to_visual(doc)[0].read_answer("sad") == "sadness"


@pytest.mark.parametrize("where", ["local", "hub"])
def test_missing_audio_keeps_its_row(where, world, request):
    missing = "5639-40744-0001"
    if where == "hub":
        make_hub(world, skip=(missing,))
    else:
        request.getfixturevalue("local")
        next((world / "LibriSpeech").rglob(f"{missing}.flac")).unlink()
    docs = load("alas_librisqa").test_docs()
    assert len(docs) == len(UTTERANCES)
    assert [row["uid"] for row in docs if row["audio"] is None] == [missing]
    assert docs[1]["transcript"] == "THE DOG SLEPT BY THE FIRE"


def test_flat_folder_and_inner_folders(world, monkeypatch):
    monkeypatch.setenv("ALAS_LIBRISQA_DIR", str(make_librisqa(world / "flat", flat=True)))
    for place in (
        make_librispeech(world / "a" / "LibriSpeech").parent,
        world / "a" / "LibriSpeech" / "test-clean",
    ):
        monkeypatch.setenv("ALAS_LIBRISPEECH_DIR", str(place))
        assert all(row["audio"] for row in load("alas_librisqa").test_docs())


def test_group_holds_both(local):
    loaded = manager().load_task_or_group(["alas"])
    (tasks,) = loaded.values()
    assert sorted(tasks) == ["alas_iemocap", "alas_librisqa"]


@pytest.mark.parametrize("name", ["alas_librisqa", "alas_librisqa_mc", "alas_iemocap"])
def test_settings(name, local):
    task = load(name)
    assert task.config.generation_kwargs == {
        "max_new_tokens": 150,
        "temperature": 0.0,
        "do_sample": False,
        "num_beams": 1,
        "until": [],
    }
    assert task.config.metadata["alas"] is True and task.VERSION == 1.0
    assert "(local copy)" in task.config.metadata["data"]
    assert (task.config.cluster_key, task.config.score_key) == ("speaker", "score")
    assert set(task.aggregation()) <= set(corpus.METRICS)
    assert set(task.process_results(task.eval_docs_no_media[0], [["junk"]])) == set(task.aggregation())
    json.dumps(task.dump_config(), default=str)


def test_results_name_the_data_that_was_read(world, monkeypatch):
    """The pinned revision, the one that the environment chose, or that it was a local copy; and the commits."""
    make_hub(world)
    pinned = f"{sources.LIBRISQA.repo_id}@75a39e781262d3e5e59af904892427e0f0618240"
    task = load("alas_librisqa")
    words = "gilkeyio/librispeech-alignments@main"
    assert task.config.metadata["data"] == f"{pinned}, openslr/librispeech_asr@refs/convert/parquet, {words}"
    commits = sources.commits_read({"alas_librisqa": task.dump_config()})
    assert commits[sources.LIBRISQA.repo_id] == sources.LIBRISQA.revision
    assert re.fullmatch("[0-9a-f]{40}", commits[sources.LIBRISPEECH.repo_id])
    assert sources.commits_read({"another": {"metadata": {"data": "else"}}}) == {} == sources.commits_read({"x": {}})
    assert load("alas_iemocap").config.metadata["data"] == (
        f"{sources.IEMOCAP.repo_id}@9f1696a135a65ce997d898d4121c952269a822ca"
    )
    monkeypatch.setenv("ALAS_LIBRISPEECH_DIR", str(make_librispeech(world / "LibriSpeech")))
    assert load("alas_librisqa").config.metadata["data"] == f"{pinned}, openslr/librispeech_asr (local copy), {words}"
    monkeypatch.setenv("ALAS_IEMOCAP_REVISION", "main")
    make_hub_cache(world / "hub", sources.IEMOCAP.repo_id, "main", {"data/train-0.parquet": iemocap_parquet()})
    assert load("alas_iemocap").config.metadata["data"] == f"{sources.IEMOCAP.repo_id}@main"


@pytest.mark.parametrize(
    ("name", "variable"),
    [("alas_librisqa", "ALAS_LIBRISQA_DIR"), ("alas_iemocap", "ALAS_IEMOCAP_DIR")],
)
def test_unreachable_hub_ends_the_run_and_says_what_to_do(name, variable):
    with fatal(variable):
        load(name)


def test_unreachable_librispeech(world, monkeypatch):
    monkeypatch.setenv("ALAS_LIBRISQA_DIR", str(make_librisqa(world / "LibriSQA")))
    with fatal(r"openslr/librispeech_asr.*(?s:.*)ALAS_LIBRISPEECH_DIR"):
        load("alas_librisqa")


@pytest.mark.parametrize(
    ("variable", "content", "name", "message"),
    [
        ("ALAS_LIBRISQA_DIR", None, "alas_librisqa", "no such folder"),
        ("ALAS_LIBRISQA_DIR", "nothing", "alas_librisqa", "has neither"),
        ("ALAS_LIBRISPEECH_DIR", "nothing", "alas_librisqa", "none of 6"),
        ("ALAS_IEMOCAP_DIR", "nothing", "alas_iemocap", "SpeechBrain"),
    ],
)
def test_wrong_folders(variable, content, name, message, local, monkeypatch):
    folder = local / "empty"
    if content:
        folder.mkdir()
        (folder / "notes.json").write_text("[1]")
    monkeypatch.setenv(variable, str(folder))
    with fatal(message):
        load(name)


def test_a_file_without_the_expected_columns(local):
    path = local / "LibriSQA" / "LibriSQA-PartI" / "LibriSQA-PartI-test.json"
    path.write_text(json.dumps([{"speech_path": "a", "q": "b"}]))
    with fatal("lacks answer, question; it has speech_path, q"):
        load("alas_librisqa")


def test_repeated_utterances_get_names_of_their_own(local):
    path = local / "LibriSQA" / "LibriSQA-PartI" / "LibriSQA-PartI-test.json"
    path.write_text(json.dumps(librisqa_rows(1)[:2] * 2))
    docs = load("alas_librisqa").test_docs()
    assert docs["uid"][2:] == ["5639-40744-0000#2", "5639-40744-0001#2"]
    assert docs[2]["audio"] == docs[0]["audio"]
