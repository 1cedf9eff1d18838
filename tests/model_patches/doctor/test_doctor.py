"""``alas doctor`` on made-up caches: all there, nothing there, half there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from alas_metric.commands.main import main
from alas_tasks import sources
from alas_tasks.findings import Finding, State
from alas_tasks.needs import free_answers, of_source, reads
from model_patches.doctor import command, machine, weights
from model_patches.registry import FAMILIES, load_object

COMMIT = "0" * 40
QWEN = "Qwen/Qwen2-Audio-7B-Instruct"
SBERT = "sentence-transformers/paraphrase-MiniLM-L6-v2"
LARGE_V3 = 3_087_371_615


def cached(cache: Path, kind: str, name: str, files: list[str], revision: str = "main") -> Path:
    """Make a snapshot as the hub's library keeps it; return its folder."""
    folder = cache / f"{kind}--{name.replace('/', '--')}"
    snapshot = folder / "snapshots" / (revision if len(revision) == 40 else COMMIT)
    reference = folder / "refs" / revision
    reference.parent.mkdir(parents=True, exist_ok=True)
    reference.write_text(snapshot.name)
    for file in files:
        (snapshot / file).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / file).write_bytes(b"x" * 1000)
    snapshot.mkdir(parents=True, exist_ok=True)
    return snapshot


def whisper_file(home: Path, count: int) -> None:
    """Make the file of Whisper large-v3 of some size; it takes no room."""
    file = home / "whisper" / "large-v3.pt"
    file.parent.mkdir(parents=True)
    with file.open("wb") as opened:
        opened.truncate(count)


@pytest.fixture
def world(tmp_path, monkeypatch) -> Path:
    """Empty caches and no connection."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(machine, "reachable", lambda address: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "harness", lambda: Finding("harness", State.THERE, "as another test has it"))
    for source in (sources.LIBRISQA, sources.LIBRISPEECH):
        monkeypatch.delenv(source.folder_variable, raising=False)
        monkeypatch.delenv(source.revision_variable, raising=False)
    return tmp_path


def fill(world: Path, qwen2_audio: Path) -> None:
    """Put all that a run needs into the caches."""
    hub = world / "hub"
    cached(
        hub, "datasets", "ZihanZhao/LibriSQA", ["LibriSQA-PartI/LibriSQA-PartI-test.json"], sources.LIBRISQA.revision
    )
    cached(hub, "datasets", "openslr/librispeech_asr", ["clean/test/0000.parquet"], sources.LIBRISPEECH.revision)
    cached(hub, "models", SBERT, ["config.json", "model.safetensors"])
    shutil.copytree(qwen2_audio, cached(hub, "models", QWEN, []), dirs_exist_ok=True)
    whisper_file(world, LARGE_V3)


def states(world: Path) -> dict[str, State]:
    """Return the state of each thing that the doctor looks at, the worst where there are several of a name."""
    found = command.examine(["alas_librisqa"], "qwen2_audio", {}, "cpu")
    order = [State.THERE, State.REACHABLE, State.NOTE, State.MISSING]
    return {each.subject: each.state for each in sorted(found, key=lambda each: order.index(each.state))}


def doctor() -> int:
    return main(["doctor", "--tasks", "alas_librisqa", "--model", "qwen2_audio", "--device", "cpu"])


NEEDED = ("ZihanZhao/LibriSQA", "openslr/librispeech_asr", "pretrained=", "Whisper", "Sentence-BERT")


def test_all_there(world, qwen2_audio_folder, capsys) -> None:
    fill(world, qwen2_audio_folder)
    assert {name for name, state in states(world).items() if state is State.MISSING} == set()
    assert doctor() == 0
    assert "Nothing is missing." in capsys.readouterr().out


def test_nothing_there(world, capsys) -> None:
    found = states(world)
    assert all(found[name] is State.MISSING for name in NEEDED)
    assert doctor() == 1
    said = capsys.readouterr().out
    assert all(name in said.splitlines()[-1] for name in NEEDED)


def test_half_there(world, qwen2_audio_folder, capsys) -> None:
    fill(world, qwen2_audio_folder)
    shutil.rmtree(world / "hub" / "datasets--openslr--librispeech_asr")
    whole = next((world / "hub").glob("models--Qwen*/snapshots/*"))
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (whole / "model.safetensors").rename(whole / "model-00001-of-00002.safetensors")
    (whole / "model.safetensors.index.json").write_text(json.dumps(index))
    os.truncate(world / "whisper" / "large-v3.pt", LARGE_V3 // 2)
    found = states(world)
    missing = {name for name in NEEDED if found[name] is State.MISSING}
    assert missing == {"openslr/librispeech_asr", "pretrained=", "Whisper"}
    assert doctor() == 1
    said = capsys.readouterr().out
    assert "00002-of-00002" in said.replace("\n", "") and "cut short" in said


def test_what_can_be_had_is_not_missing(world, monkeypatch) -> None:
    offered = {"model-00001.safetensors": 10_000, "model-00002.safetensors": 5_000, "README.md": 7}
    found = weights.of_model("pretrained=", QWEN, ask=lambda name, revision: offered).finding
    assert found.state is State.REACHABLE and found.download == 15_000
    found = weights.of_whisper("tiny", lambda address: 75_000_000).finding
    assert found.state is State.REACHABLE and "75 MB" in found.advice
    found = of_source(sources.LIBRISQA, lambda source: ("on the hub", 4_000_000))
    assert found.state is State.REACHABLE and "4 MB" in found.advice


def test_memory_comes_from_the_configuration(qwen2_audio_folder) -> None:
    from transformers import Qwen2AudioForConditionalGeneration

    model = Qwen2AudioForConditionalGeneration.from_pretrained(qwen2_audio_folder)
    count = sum(parameter.numel() for parameter in model.parameters())
    name = str(qwen2_audio_folder)
    assert weights.in_memory(name, {"dtype": "float32"}) == 4 * count
    assert weights.in_memory(name, {"dtype": "bfloat16"}) == 2 * count
    assert weights.in_memory(name, {"load_in_4bit": "True"}) == count / 2
    assert weights.in_memory("/nowhere", {}) == 0


def test_too_little_memory_or_disk_is_missing(tmp_path) -> None:
    assert machine.memory(10e9, {"model": 5e9, "Whisper": 4e9}, []).state is State.THERE
    assert machine.memory(8e9, {"model": 5e9, "Whisper": 4e9}, []).state is State.MISSING
    assert [each.state for each in machine.disk({tmp_path / "not" / "yet": 10**18})] == [State.MISSING]
    assert [each.state for each in machine.disk({tmp_path: 0})] == [State.THERE]


def test_a_package_that_breaks_is_named(monkeypatch) -> None:
    text = 'filelock 4.3.1 does not fit (lmms-eval 0.7.3 imports filelock._api): pip install "filelock<4.3"'
    monkeypatch.setattr(machine, "complaints", lambda: [text])
    wrong = [each for each in machine.versions() if each.state is State.MISSING]
    assert [(each.found, each.advice) for each in wrong] == [tuple(text.rsplit(": ", 1))]


def test_versions_other_than_tried_are_noted(monkeypatch) -> None:
    numpy = machine.installed("numpy")
    monkeypatch.setattr(machine, "tried", lambda: {"numpy": "1.0", "torch": machine.installed("torch")})
    said = {each.state: each.found for each in machine.versions()}
    assert said[State.NOTE] == f"numpy {numpy} (tried: 1.0)"
    assert "1 of" in said[State.THERE]


def test_unknown_models_tasks_and_devices(world, monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    found = command.examine(["alas_nothing"], "vllm", {"alas_reference": "words"}, "cuda")
    wrong = {each.subject: each.found for each in found if each.state is State.MISSING}
    assert set(wrong) == {"alas_nothing", "model", "device"}


def test_salmonns_other_files_are_named(world) -> None:
    family = next(family for family in FAMILIES if family.model_id == "salmonn")
    found = {each.finding.subject: each.finding for each in command.of_family(family, {})}
    assert set(found) == {"pretrained=", "beats=", "llama=", "whisper="}
    assert "not named" in found["beats="].found


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.other_weights], ids=lambda f: f.model_id)
def test_the_registry_knows_the_wrappers_defaults(family) -> None:
    import inspect

    parameters = inspect.signature(load_object(family.simple_class)).parameters
    assert {name: parameters[name].default for name, _ in family.other_weights} == dict(family.other_weights)


def test_which_tasks_compare_free_answers() -> None:
    folder = Path(sources.__file__).parent
    files = {task: next(folder.glob(f"*/{task}.yaml")) for task in reads()}
    free = {task for task, file in files.items() if "answers: free" in file.read_text()}
    assert free and {task for task in files if free_answers([task])} == free
    assert free_answers(["alas"]) and not free_answers(["alas_iemocap", "/nowhere.yaml"])


def test_the_aligners_that_argument_or_task_name(world, tmp_path, monkeypatch) -> None:
    def subjects(tasks: list[str], **arguments: str) -> list[str]:
        return [each.finding.subject for each in command.of_answers_and_times(tasks, arguments)]

    aligner = "qwen3_aligner:Qwen/Qwen3-ForcedAligner-0.6B-hf"
    assert subjects(["alas_iemocap"]) == ["Whisper"]
    assert subjects(["alas_iemocap"], alas_reference="words") == []
    assert subjects(["alas_iemocap"], alas_reference=f"words;{aligner};whisper:tiny") == ["Qwen3 aligner", "Whisper"]
    (found,) = command.of_answers_and_times(["alas_iemocap"], {"alas_reference": aligner})
    assert found.finding.state is State.MISSING and "hf download Qwen/Qwen3-ForcedAligner" in found.finding.advice
    task = tmp_path / "mine.yaml"
    task.write_text("lmms_eval_specific_kwargs: {default: {reference: words}}\n")
    monkeypatch.setattr(command, "free_answers", lambda tasks: False)
    assert subjects([str(task)]) == []
    assert subjects([str(task), "alas_iemocap"]) == ["Whisper"]
