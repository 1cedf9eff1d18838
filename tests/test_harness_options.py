"""The harness's own options on our tasks, through its evaluator in this process."""

from __future__ import annotations

import json

import pytest

from alas_metric.document.record import AlignmentRecord

STOCK_TASK = """
task: stock_sound
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
doc_to_visual: !function stock_sound.doc_to_visual
generation_kwargs: {{max_new_tokens: 4, until: ["zz"]}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 1.0}}
"""
STOCK_CODE = """
import numpy as np


def doc_to_visual(doc):
    return [{"array": np.sin(np.arange(16000) / doc["pitch"]).astype("float32"), "sampling_rate": 16000}]
"""


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory, qwen2_audio_folder, sentence_bert_folder):
    """Run tasks through ``simple_evaluate``; the index of tasks is built once."""
    import lmms_eval.models  # noqa: F401 - loads the entry points
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.tasks import TaskManager
    from worlds import make_librispeech, make_librisqa, make_manifest

    folder = tmp_path_factory.mktemp("options")
    rows = [{"question": f"what is {n}?", "answer": "x", "pitch": 10 + n} for n in range(3)]
    (folder / "stock.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "tasks").mkdir()
    (folder / "tasks" / "stock_sound.yaml").write_text(STOCK_TASK.format(data=folder / "stock.jsonl"))
    (folder / "tasks" / "stock_sound.py").write_text(STOCK_CODE)
    patch = pytest.MonkeyPatch()
    patch.setenv("ALAS_LIBRISPEECH_DIR", str(make_librispeech(folder / "speech")))
    patch.setenv("ALAS_LIBRISQA_DIR", str(make_librisqa(folder / "sqa")))
    patch.setenv("ALAS_CACHE_DIR", str(folder / "cache"))
    patch.setenv("HF_DATASETS_CACHE", str(folder / "datasets"))
    manager = TaskManager("ERROR", include_path=str(folder / "tasks"))

    def run(tasks: list[str], extra: str = "", **kwargs) -> dict:
        model_args = f"pretrained={qwen2_audio_folder},alas_sbert={sentence_bert_folder}{extra}"
        kwargs = {"gen_kwargs": "max_new_tokens=4", "log_samples": True, "device": "cpu", **kwargs}
        return simple_evaluate(model="qwen2_audio", model_args=model_args, tasks=tasks, task_manager=manager, **kwargs)

    run.manager = manager
    run.folder = folder
    run.manifest = make_manifest(folder / "own")
    yield run
    patch.undo()


@pytest.fixture(scope="module")
def own(evaluate) -> str:
    """A user's own task with gold words, so that no Whisper is needed."""
    from alas_metric.commands.main import main
    from model_patches.harness.task_files import register_task_file

    assert main(["new-task", "own_speech", "--data", str(evaluate.manifest), "--output", str(evaluate.folder)]) == 0
    return register_task_file(evaluate.manager, str(evaluate.folder / "own_speech.yaml"))


WORDS = ",alas_reference=words"


def records(result: dict, task: str) -> list[AlignmentRecord]:
    return [AlignmentRecord.from_json(sample["filtered_resps"][0]) for sample in result["samples"][task]]


def test_own_speech_end_to_end(evaluate, own) -> None:
    result = evaluate([own], WORDS)
    found = records(result, own)
    scored = [record for record in found if record.skipped is None]
    assert len(scored) >= 3 and {record.reference for record in scored} == {"words"}
    assert result["results"][own]["alas_all,none"] is not None


def test_limit_and_offset(evaluate, own) -> None:
    whole = records(evaluate([own], WORDS), own)
    part = evaluate([own], WORDS, limit=2, offset=1)
    assert [record.to_json() for record in records(part, own)] == [record.to_json() for record in whole[1:3]]


def test_repeats_of_a_sampled_answer_are_runs_of_their_own(evaluate, own) -> None:
    sampled = {"gen_kwargs": "max_new_tokens=8,temperature=5.0,do_sample=True", "repeats": 3, "limit": 1}
    result = evaluate([own], WORDS, **sampled)
    (sample,) = result["samples"][own]
    answers = [AlignmentRecord.from_json(text).audio_answer for text in sample["resps"][0]]
    assert len(answers) == 3 and len(set(answers)) > 1
    assert result["results"][own]["alas_all,none"] is not None
    evaluate.manager.task_index[own].pop("repeats", None)


def test_predict_only_keeps_the_records(evaluate, own) -> None:
    result = evaluate([own], WORDS, predict_only=True, limit=2)
    assert len(records(result, own)) == 2
    assert not any(key.startswith("alas") and "," in key for key in result["results"][own])


def test_without_answers(evaluate, own) -> None:
    scores = evaluate([own], WORDS + ",alas_responses=false")["results"][own]
    assert scores["answer_similarity,none"] is None
    assert scores["kept_share,none"] == 1.0
    assert scores["alas,none"] == scores["alas_all,none"] is not None


def test_the_harness_cache_gives_the_same_records(evaluate, own, tmp_path) -> None:
    first = evaluate([own], WORDS, use_cache=str(tmp_path))
    again = evaluate([own], WORDS, use_cache=str(tmp_path))
    assert [r.to_json() for r in records(first, own)] == [r.to_json() for r in records(again, own)]


def test_nothing_left_is_said_with_null_scores(evaluate, own) -> None:
    result = evaluate(["alas_librisqa"], WORDS, limit=3)
    scores = result["results"]["alas_librisqa"]
    assert scores["skipped,none"].get("no_word_timestamps") == 3
    assert scores["alas,none"] is scores["alas_skill_all,none"] is scores["best_layer,none"] is None
    assert scores["kept,none"] == 0 and scores["kept_share,none"] is None


def test_stock_and_alas_tasks_in_one_run(evaluate, own) -> None:
    alone = evaluate(["stock_sound"], gen_kwargs=None)
    both = evaluate(["stock_sound", own], WORDS, gen_kwargs=None, limit=2)
    answers = [sample["filtered_resps"] for sample in alone["samples"]["stock_sound"]]
    assert [sample["filtered_resps"] for sample in both["samples"]["stock_sound"]] == answers[:2]
    assert len(records(both, own)) == 2
    assert alone["results"]["stock_sound"]["exact_match,none"] == 0
