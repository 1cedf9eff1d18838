"""The entry point: light to import, our ids and tasks registered, models without hidden states refused."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from loguru import logger

from alas_metric.errors import FatalError
from model_patches.harness import entry


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_entry_point_pulls_in_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "lmms_eval", "numpy", "scipy")
    code = f"import sys, model_patches.harness.entry; print([m for m in {heavy} if m in sys.modules])"
    assert run_python(code).strip() == "[]"


def test_the_manifests_leave_the_tasks_module_unimported() -> None:
    code = (
        "import sys, model_patches.harness.entry as e; found = e.manifests();"
        "print(found[0].model_id, 'lmms_eval.tasks' in sys.modules)"
    )
    assert run_python(code).split()[-2:] == ["qwen2_audio", "False"]


@pytest.mark.slow
def test_tasks_are_registered_also_where_they_were_imported_first() -> None:
    code = (
        "import lmms_eval.tasks, lmms_eval.models;"
        "print(hasattr(lmms_eval.tasks.TaskManager.initialize_tasks, '__wrapped__'),"
        "lmms_eval.models.get_model_manifest('qwen2_audio').simple_class_path)"
    )
    assert run_python(code).split()[-2:] == ["True", "model_patches.harness.qwen2_audio.Qwen2Audio"]


@pytest.fixture(scope="module")
def index():
    import lmms_eval.models  # noqa: F401 - loads the entry points
    from lmms_eval.tasks import TaskManager

    return TaskManager("ERROR")


@pytest.fixture
def manager(index, monkeypatch):
    def for_model(model):
        monkeypatch.setattr(index, "model_name", model)
        return index

    return for_model


def test_the_harness_lists_the_tasks(index) -> None:
    ours = [task for task in index.all_tasks if task.startswith("alas")]
    assert ours == [
        "alas",
        "alas_demo",
        "alas_demo_emotion",
        "alas_demo_sqa",
        "alas_iemocap",
        "alas_librisqa",
        "alas_librisqa_mc",
        "alas_mmau_speech",
    ]


@pytest.mark.parametrize("task", ["alas_librisqa", "alas", {"task": "mine", "metadata": {"alas": True}}])
def test_a_model_without_hidden_states_is_refused_before_anything_is_loaded(manager, task) -> None:
    load = manager("openai").load_config if isinstance(task, dict) else manager("openai").load_task_or_group
    with pytest.raises(FatalError, match="Model ids that work: qwen2_audio"):
        load(task)


def test_a_model_object_is_judged_by_its_class() -> None:
    with pytest.raises(FatalError, match="SimpleNamespace"):
        entry.require_hidden_states(SimpleNamespace(), ["alas_librisqa"])
    entry.require_hidden_states(None, ["alas_librisqa"])
    entry.require_hidden_states("qwen2_audio", ["alas_librisqa"])
    entry.require_hidden_states("no_such_model", ["alas_librisqa"])


def test_other_tasks_are_no_business_of_ours(manager) -> None:
    index = manager("openai")
    assert entry._alas_tasks(index, ["mmmu_val", {"task": "x", "metadata": [1]}, {"task": "y"}]) == []


@pytest.fixture
def messages():
    found: list[str] = []
    handle = logger.add(found.append, level="ERROR", format="{message}")
    yield found
    logger.remove(handle)


def test_an_unexpected_harness_is_named_with_its_version(messages, monkeypatch) -> None:
    class TaskManager:
        def initialize_tasks(self, folders): ...

    entry.register_tasks(SimpleNamespace(TaskManager=TaskManager))
    assert "needs lmms-eval >=0.7.3,<0.8, installed is 0.7" in messages[0]
    monkeypatch.setattr(entry, "import_module", lambda name: SimpleNamespace())
    assert entry.manifests() == []
    assert "model registry" in messages[1]


def test_include_path_of_the_user_is_kept() -> None:
    seen = {}

    class TaskManager:
        def initialize_tasks(self, include_path=None, include_defaults=True):
            seen["paths"] = include_path

    module = SimpleNamespace(TaskManager=TaskManager, __name__="fake")
    entry.register_tasks(module)
    for given, expected in [
        (None, [str(entry.TASK_FOLDER)]),
        ("mine", ["mine", str(entry.TASK_FOLDER)]),
        (["a", str(entry.TASK_FOLDER)], ["a", str(entry.TASK_FOLDER)]),
    ]:
        module.TaskManager().initialize_tasks(include_path=given)
        assert seen["paths"] == expected
    module.TaskManager().initialize_tasks("only", False)
    assert seen["paths"] == "only"


def test_results_say_what_the_models_told_of_the_run() -> None:
    from model_patches.run.harness_run import current_run

    def evaluate(evaluation_tracker=None, datetime_str=None, tell=True, rank=0):
        if tell:
            current_run().facts.update(settings={"dtype": "float32"})
        return {"results": {}, "configs": {"alas_x": {"metadata": {"data": "me/unread@main"}}}} if rank == 0 else None

    results = entry._remembered(evaluate, None, (), {})
    assert results["alas"] == {"settings": {"dtype": "float32"}, "data": {}} and "results" in results
    assert "alas" not in entry._remembered(evaluate, None, (), {"tell": False}), "a run without ALAS tasks"
    assert entry._remembered(evaluate, None, (), {"rank": 1}) is None
