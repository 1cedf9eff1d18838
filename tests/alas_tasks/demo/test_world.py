"""The demo's speech and models as they lie in the package: true times, a model that listens, a Whisper that times."""

from __future__ import annotations

import datasets
import jiwer
import numpy as np
import pytest
import yaml

from alas_metric.document.paths import WordTiming
from alas_metric.document.scores import score_record
from alas_metric.document.units import split_units
from alas_tasks.answers import read_label
from alas_tasks.audio import SAMPLE_RATE, load_audio
from alas_tasks.demo import utils
from alas_tasks.demo.files import FOLDER, QWEN2_AUDIO, TEST_SPLIT, WHISPER
from alas_tasks.documents import with_encoded_audio


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    cache = str(tmp_path_factory.mktemp("datasets"))
    return with_encoded_audio(
        datasets.load_dataset("parquet", data_files=str(TEST_SPLIT), split="train", cache_dir=cache)
    )


@pytest.fixture(scope="module")
def some(data):
    """Every style, speakers heard in training and not."""
    return [data[row] for row in range(0, 64, 5)]


def labels() -> list[str]:
    text = (FOLDER / "alas_demo_sqa.yaml").read_text().replace("!function ", "")
    return yaml.safe_load(text)["lmms_eval_specific_kwargs"]["default"]["answers"]


def test_it_is_small_and_balanced(data) -> None:
    assert TEST_SPLIT.stat().st_size < 3e6
    assert len(data) == len(set(data["uid"])) == 64
    for column, count in (("emotion", 16), ("speaker", 8)):
        assert {list(data[column]).count(value) for value in set(data[column])} == {count}
    assert list(data["seen_speaker"]).count(False) == 16
    assert len(set(data["transcript"])) == 64


def test_words_are_those_of_the_transcript_and_lie_in_the_audio(data) -> None:
    for row in data:
        assert [word["word"] for word in row["words"]] == row["transcript"].split()
        times = [time for word in row["words"] for time in (word["start"], word["end"])]
        assert times == sorted(times)
        assert times[0] > 0 and times[-1] < len(load_audio(row["audio"])) / SAMPLE_RATE <= 5


def test_it_sounds_where_words_are(some) -> None:
    for row in some:
        samples = load_audio(row["audio"])
        inside = np.zeros(len(samples), bool)
        for word in row["words"]:
            inside[round(word["start"] * SAMPLE_RATE) : round(word["end"] * SAMPLE_RATE)] = True
        assert np.mean(samples[inside] ** 2) > 30 * np.mean(samples[~inside] ** 2)


def test_answers_are_spoken_and_are_labels(data) -> None:
    for row in data:
        assert row["answer"] in row["transcript"].split()
        assert read_label(f"It is the {row['answer']}.", labels()) == row["answer"]


def test_documents_of_both_tasks(data) -> None:
    questions, emotions = utils.process_docs_sqa(data), utils.process_docs_emotion(data)
    assert questions["target"] == data["answer"] and questions["instruction"] == data["question"]
    assert emotions["target"] == data["emotion"] and set(emotions["instruction"]) == {None}
    assert questions["words"] == emotions["words"] == data["words"]
    assert load_audio(questions[3]["audio"]).tolist() == load_audio(data[3]["audio"]).tolist()


@pytest.fixture(scope="module")
def listener():
    from model_patches.families.qwen2_audio import Qwen2AudioAdapter

    return Qwen2AudioAdapter(*Qwen2AudioAdapter.load(str(QWEN2_AUDIO), dtype="auto", device_map="cpu"))


def test_the_model_writes_down_what_it_hears(listener, some) -> None:
    audio = [load_audio(row["audio"]) for row in some]
    prompts = listener.audio_prompts(audio, ["Repeat what the speaker says."] * len(some))
    tokens = listener.model.generate(**prompts.inputs, do_sample=False, max_new_tokens=40)
    said = listener.processor.batch_decode(tokens[:, prompts.length :], skip_special_tokens=True)
    assert jiwer.wer([row["transcript"] for row in some], said) < 0.1


def test_its_layers_bind_audio_to_words_and_an_untrained_models_do_not(listener, some) -> None:
    import torch
    from transformers import Qwen2AudioForConditionalGeneration

    torch.manual_seed(0)
    untrained = Qwen2AudioForConditionalGeneration(listener.model.config).eval()
    trained, untrained = (evidence(model, listener.processor, some[::2]) for model in (listener.model, untrained))
    assert trained.shape == untrained.shape == (7,)
    assert (trained > 0.5).all()
    assert (untrained < 0.4).all()


def evidence(model, processor, rows) -> np.ndarray:
    """Return alas_evidence of each layer over some utterances, with the exact word times."""
    from model_patches.probing import probe

    found, chance = 0, 0
    for row in rows:
        words = [WordTiming(word["word"], word["start"], word["end"]) for word in row["words"]]
        record = probe(model, processor, load_audio(row["audio"]), row["transcript"], words=words)
        columns = score_record(record).columns
        found, chance = found + columns["alas_seconds_raw"], chance + columns["alas_seconds_chance_raw"]
    return 1 - found / chance


@pytest.mark.parametrize("mode", ["align", "transcribe"])
def test_whisper_finds_the_words_times(mode, some) -> None:
    from model_patches.reference.whisper_reference import WhisperReference

    reference = WhisperReference(str(WHISPER), mode=mode, device="cpu")
    errors = []
    for row in some[::2]:
        found = reference.words(load_audio(row["audio"]), row["transcript"], split_units(row["transcript"]))
        for word, gold in zip(found, row["words"], strict=True):
            errors += [abs(word.start - gold["start"]), abs(word.end - gold["end"])]
    assert np.median(errors) < 0.06
    assert np.mean(errors) < 0.12
