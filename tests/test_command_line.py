"""The command line as a user calls it: one process and two, on the demo's model and Whisper.

The demo's tasks give documents that are kept and scores that are known to be good; the paper's two tasks, from local
copies of a few documents, give skipped ones and Sentence-BERT.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from alas_metric.corpus.metrics import METRICS
from alas_metric.document.record import AlignmentRecord
from alas_metric.results.dumps import Dump, find_dumps, read_dump
from alas_tasks.demo.files import QWEN2_AUDIO, WHISPER

TASKS = "alas,alas_demo"
HEADLINE = (
    "alas",
    "alas_skill",
    "alas_evidence",
    "alas_skill_all",
    "frame_skill",
    "kept",
    "layers",
    "best_layer",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory, sentence_bert_folder):
    """Local copies of the data sets, the demo's checkpoints, and the environment that names them."""
    from worlds import local_data

    folder = tmp_path_factory.mktemp("world")
    environment = local_data(folder)
    model_args = f"pretrained={QWEN2_AUDIO},alas_reference=whisper:{WHISPER},alas_sbert={sentence_bert_folder}"
    return folder, environment, model_args


def command(world, *arguments: str, tasks: str = "alas_librisqa", extra_args: str = "", model: str = "qwen2_audio"):
    model_args = world[2] + (f",{extra_args}" if extra_args else "")
    start = ["--tasks", tasks, "--model", model]
    model_arguments = ["--model_args", model_args] if model == "qwen2_audio" else []
    return [*start, *model_arguments, "--device", "cpu", "--limit", "8", *arguments]


def lmms_eval(world, *arguments: str, processes: int = 1, **kwargs) -> subprocess.CompletedProcess:
    module = ["-m", "lmms_eval", *command(world, *arguments, **kwargs)]
    launch = [sys.executable]
    if processes > 1:
        # Standalone: a free port, so that two runs of these tests can stand side by side.
        launch += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    return subprocess.run([*launch, *module], env=world[1], cwd=world[0], capture_output=True, text=True, timeout=500)


def read_run(folder: Path) -> tuple[dict, dict[str, dict[str, str]]]:
    """Return results.json and, by task, the records by utterance."""
    (results,) = folder.rglob("*_results.json")
    records: dict[str, dict[str, str]] = {}
    for path in folder.rglob("*_samples_*.jsonl"):
        task = path.stem.partition("_samples_")[2]
        lines = [json.loads(line)["filtered_resps"] for line in path.read_text().splitlines()]
        records[task] = {AlignmentRecord.from_json(line).uid: line for line in lines}
    return json.loads(results.read_text()), records


@pytest.fixture(scope="module")
def one_process(world):
    """The paper's two tasks and the demo's, asked for by the names of their groups."""
    done = lmms_eval(world, "--output_path", "one", "--log_samples", tasks=TASKS, extra_args="alas_dump=2")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout, *read_run(world[0] / "one")


def test_the_table_shows_the_metrics(one_process) -> None:
    table = one_process[0]
    for name in HEADLINE:
        assert f"|{name} " in table, name
    assert "alas_librisqa" in table and "alas_iemocap" in table
    assert max(len(line) for line in table.splitlines() if line.startswith("|")) < 250, "layers prints short"


def test_results_hold_numbers_for_every_key(one_process) -> None:
    from alas_metric.corpus.metrics import METRICS

    scores = one_process[1]["results"]["alas_librisqa"]
    wanted = [key for key, metric in METRICS.items() if not metric.answers or "free" in metric.answers]
    missing = [key for key in wanted if f"{key},none" not in scores]
    assert missing == []
    assert isinstance(scores["alas,none"], float | None)
    assert isinstance(scores["alas_skill_all,none"], float)
    assert len(scores["layers,none"]["alas_all"]["values"]) == 7
    assert "uar_audio,none" in one_process[1]["results"]["alas_iemocap"]


def test_results_say_where_the_numbers_come_from(one_process) -> None:
    _, results, records = one_process
    settings = AlignmentRecord.from_json(next(iter(records["alas_librisqa"].values()))).settings
    assert results["alas"]["settings"] == settings
    assert {"model_weights", "prompts", "dtype", "whisper_checkpoint", "answer_similarity_weights"} <= settings.keys()
    assert "torch" in results["alas"]["packages"]


def test_the_trained_model_scores_as_one_that_listens(one_process) -> None:
    scores = one_process[1]["results"]["alas_demo_sqa"]
    assert scores["accuracy_audio,none"] >= 0.75 and scores["accuracy_text,none"] >= 0.75
    assert scores["kept,none"] >= 6 and scores["skipped,none"] == {}
    assert scores["alas_evidence,none"] > 0.5
    assert scores["alas,none"] < 0.5 * scores["alas_chance,none"]


def test_records_are_in_the_sample_log(one_process) -> None:
    records = one_process[2]["alas_librisqa"]
    assert len(records) == one_process[1]["n-samples"]["alas_librisqa"]["effective"]
    scored = [AlignmentRecord.from_json(line) for line in records.values()]
    assert sum(record.skipped is None for record in scored) >= 4
    whole = next(record for record in scored if record.skipped is None)
    assert whole.num_layers == 7 and whole.audio_answer is not None and whole.similarities["responses"] is not None
    assert whole.reference.startswith("whisper:")


def same_results(first: dict, second: dict) -> None:
    for task, scores in first["results"].items():
        for key, value in scores.items():
            # The harness's own standard errors are sums in the order in which the processes' items are gathered.
            summed = "_stderr_" in key and isinstance(value, float)
            expected = pytest.approx(value, rel=1e-12) if summed else value
            assert second["results"][task][key] == expected, (task, key)


def test_two_processes_give_the_same_records_and_numbers(world, one_process) -> None:
    arguments = ("--output_path", "two", "--log_samples")
    done = lmms_eval(world, *arguments, processes=2, tasks=TASKS, extra_args="alas_dump=2")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    results, records = read_run(world[0] / "two")
    assert records == one_process[2]
    same_results(one_process[1], results)
    one, two = dumps(world[0] / "one"), dumps(world[0] / "two")
    assert one.keys() == two.keys()
    for key, dump in one.items():
        assert two[key].record.to_json() == dump.record.to_json(), key
        assert np.array_equal(two[key].envelope, dump.envelope), key
        # On some processors the last bit of a matrix product differs between the processes; records do not.
        assert np.abs(two[key].similarity.astype(np.float64) - dump.similarity).max() < 2e-6, key


def dumps(folder: Path) -> dict[tuple[str, str], Dump]:
    """Return the kept similarities by task and file name."""
    return {(file.task, file.path.name): read_dump(file.path) for file in find_dumps(folder)}


def test_the_first_documents_can_be_drawn(world, one_process, tmp_path) -> None:
    from alas_metric.commands.main import main

    found = dumps(world[0] / "one")
    for task, records in one_process[2].items():
        scored = sum(AlignmentRecord.from_json(line).skipped is None for line in records.values())
        assert sum(name[0] == task for name in found) == min(2, scored)
    assert main(["picture", str(world[0] / "one"), "--task", "alas_librisqa", "--output", str(tmp_path)]) == 0
    assert len(list(tmp_path.rglob("*.png"))) == 2


def test_rescoring_gives_the_runs_own_numbers(world, one_process) -> None:
    from alas_metric.commands.main import main

    out = world[0] / "scores.json"
    assert main(["score", str(world[0] / "one"), "--json", str(out)]) == 0
    text = json.dumps(json.loads(out.read_text()))
    for task in ("alas_librisqa", "alas_iemocap", "alas_demo_sqa", "alas_demo_emotion"):
        for key, value in one_process[1]["results"][task].items():
            name = key.partition(",")[0]
            if "stderr" in name or name == "alias" or (value is None and METRICS[name].option):
                continue
            assert json.dumps({name: value})[1:-1] in text, (task, name)


@pytest.mark.slow
def test_gold_times_and_two_aligners_side_by_side(world, tmp_path) -> None:
    """MFA's times of LibriSpeech and IEMOCAP's own ones as reference, Whisper and Qwen3's aligner beside them."""
    from tiny_models import make_qwen3_aligner
    from worlds import add_wdseg, librispeech_words

    from alas_metric.commands.main import main

    folder, environment, model_args = world
    (tmp_path / "mfa").mkdir()
    (tmp_path / "mfa" / "test_clean.parquet").write_bytes(librispeech_words())
    add_wdseg(folder / "IEMOCAP")
    reference = f"words;whisper:{WHISPER};qwen3_aligner:{make_qwen3_aligner(tmp_path / 'aligner')}"
    asked = model_args.replace(f"alas_reference=whisper:{WHISPER}", f"alas_reference={reference}")
    gold = (folder, {**environment, "ALAS_LIBRISPEECH_WORDS_DIR": str(tmp_path / "mfa")}, asked)
    done = lmms_eval(gold, "--output_path", str(tmp_path / "runs"), "--log_samples", tasks="alas")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    results, records = read_run(tmp_path / "runs")
    names = {"words", "whisper:demo:align", "qwen3_aligner:aligner"}
    for task in ("alas_librisqa", "alas_iemocap"):
        made = [AlignmentRecord.from_json(line) for line in records[task].values()]
        scored = [record for record in made if record.skipped is None]
        assert len(scored) >= 3 and all(record.reference == "words" for record in scored)
        assert all(set(record.references) == names for record in scored)
        assert results["results"][task]["reference_confidence,none"] is None
        assert results["results"][task]["reference_disagreement,none"] > 0
    assert main(["report", str(tmp_path / "runs"), "--threshold", "-1", "--output", str(tmp_path / "report")]) == 0
    (text,) = [path.read_text(encoding="utf-8") for path in (tmp_path / "report").rglob("alas_librisqa/report.md")]
    assert "## Word times" in text and "| metric | words | qwen3" in text


@pytest.mark.slow
def test_killed_half_way_the_journal_goes_on(world, one_process) -> None:
    journal = world[0] / "journal"
    arguments = command(
        world, "--output_path", "resumed", "--log_samples", tasks=TASKS, extra_args=f"alas_journal={journal}"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "lmms_eval", *arguments],
        env=world[1],
        cwd=world[0],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def finished() -> int:
        return sum(path.read_text().count("\t{") for path in journal.glob("*.tsv"))

    deadline = time.monotonic() + 300
    while finished() < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done_before = finished()
    total = sum(len(records) for records in one_process[2].values())
    assert 2 <= done_before < total
    done = subprocess.run(
        [sys.executable, "-m", "lmms_eval", *arguments],
        env=world[1],
        cwd=world[0],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results, records = read_run(world[0] / "resumed")
    assert records == one_process[2]
    same_results(one_process[1], results)
    scored = sum(
        AlignmentRecord.from_json(line).skipped is None for of_task in records.values() for line in of_task.values()
    )
    assert finished() == scored, "a document that was finished ran again"


def test_an_error_of_ours_stops_every_process_and_fails_visibly(world) -> None:
    done = lmms_eval(world, extra_args="alas_whisper_mode=guess", processes=2)
    assert done.returncode != 0
    assert "alas_whisper_mode must be 'align' or 'transcribe', got 'guess'" in done.stderr


@pytest.mark.slow
def test_a_model_without_hidden_states_is_refused(world) -> None:
    done = lmms_eval(world, model="dummy")
    assert done.returncode != 0
    assert "Model ids that work: qwen2_audio" in done.stderr
