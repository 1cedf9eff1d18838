"""Faults from outside, each injected into a run: its records are those of the undisturbed run, or said to be missing.

docs/faults.md lists all faults and the tests that show them; those that need whole processes are in
tests/test_fault_processes.py.
"""

from __future__ import annotations

import errno
import gc
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import whisper
from speech_samples import requests_for, run, sample, speech

from alas_metric import AlignmentRecord, split_units
from alas_metric.errors import FatalError, SkipDocument
from alas_tasks.answer_similarity import SentenceSimilarity
from model_patches.harness.qwen2_audio import Qwen2Audio
from model_patches.reference.cache import AlignmentCache
from model_patches.reference.matching import spread
from model_patches.reference.whisper_reference import WhisperReference
from model_patches.run import comparison
from model_patches.run import session as session_module
from model_patches.run.dumping import Dumps
from model_patches.run.options import AlasOptions
from model_patches.run.session import Session, is_out_of_memory

TEXTS = ("the quick brown fox", "ask not what", "hello", "one two three four")
SAMPLES = [sample(f"d{n}", text, 1 + 0.3 * n, audio=speech(1 + 0.3 * n, seed=n)) for n, text in enumerate(TEXTS)]
UIDS = [document.uid for document in SAMPLES]


class Full:
    """A file on a disk with room for so many bytes more: of a write that is longer, the beginning is written."""

    def __init__(self, file, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self.file.write(data[: self.room])
        self.room -= written
        return written

    def __getattr__(self, name: str):
        return getattr(self.file, name)


@pytest.fixture(scope="module", autouse=True)
def _no_sentence_bert():
    compare = lambda pairs: [None if None in pair else float(pair[0] == pair[1]) for pair in pairs]  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "SentenceSimilarity", lambda name: SimpleNamespace(pairs=compare))
        yield


@pytest.fixture(scope="module")
def make(qwen2_audio):
    """Return a session; its ``ran`` lists what was really run, in order."""

    def build(batch_size: int = 1, keepers: Sequence[Dumps] = (), **options) -> Session:
        options = AlasOptions(**{"reference": "words", **options})
        session = Session(qwen2_audio, options, {"model": "tiny"}, batch_size=batch_size, keepers=keepers)
        session.ran = []
        finish = session._finish
        session._finish = lambda batch: finish(batch) or session.ran.extend(item.uid for item in batch)
        return session

    return build


@pytest.fixture(scope="module")
def undisturbed(make) -> list[str]:
    return texts(run(make(), SAMPLES))


def texts(records: list[AlignmentRecord]) -> list[str]:
    return [record.to_json() for record in records]


def journalled(folder: Path) -> list[str]:
    """Return the ids of the whole records in a journal, as often as they are there."""
    lines = [line for path in folder.glob("*.tsv") for line in path.read_text().splitlines(keepends=True)]
    records = [line.partition("\t")[2].rstrip("\n") for line in lines if line.endswith("}\n")]
    return sorted(AlignmentRecord.from_json(record).uid for record in records)


# ---- killed ----


def test_killed_at_any_moment_the_journal_goes_on(make, undisturbed, tmp_path) -> None:
    """A journal is only appended to: whenever a process is killed, what it leaves is a beginning of the whole."""
    first = make(journal=str(tmp_path / "whole"))
    assert texts(run(first, SAMPLES)) == undisturbed
    first.close()
    (path,) = (tmp_path / "whole").glob("*.tsv")
    whole = path.read_bytes()
    ends = [match.end() for match in re.finditer(rb"\n.+\n", whole)]
    moments = [0, *ends, *random.Random(0).sample(range(len(whole)), 8)]
    for moment in moments:
        folder = tmp_path / str(moment)
        folder.mkdir(exist_ok=True)
        (folder / "records-killed-1.tsv").write_bytes(whole[:moment])
        before = journalled(folder)
        session = make(journal=str(folder))
        assert texts(run(session, SAMPLES)) == undisturbed, moment
        session.close()
        assert sorted(before + session.ran) == UIDS, "each document ran once, before or after"
        assert journalled(folder) == UIDS


def test_one_of_two_processes_killed(make, undisturbed, tmp_path) -> None:
    class Killed(BaseException):
        pass

    other = make(journal=str(tmp_path))
    run(other, SAMPLES[::2])
    killed = make(journal=str(tmp_path))
    finish = killed._finish

    def killed_at_the_second(batch):
        if killed.ran:
            raise Killed
        return finish(batch)

    killed._finish = killed_at_the_second
    with pytest.raises(Killed):
        run(killed, SAMPLES[1::2])
    alone = make(journal=str(tmp_path))
    assert texts(run(alone, SAMPLES)) == undisturbed
    assert alone.ran == ["d3"]
    assert journalled(tmp_path) == UIDS


# ---- SIGINT ----


def interrupt_during(session: Session, uid: str, times: int) -> None:
    """Send SIGINT so often while the model answers a document."""
    finish, record = session._finish, session.runs._record

    def interrupted(batch):
        if batch[0].uid == uid:
            session.runs._record = lambda *arguments: press(times) or record(*arguments)
        try:
            return finish(batch)
        finally:
            session.runs._record = record

    session._finish = interrupted


def press(times: int) -> None:
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)


def test_interrupted_once_the_document_is_finished(make, undisturbed, tmp_path, log) -> None:
    session = make(journal=str(tmp_path))
    interrupt_during(session, "d1", 1)
    with pytest.raises(FatalError, match=rf"interrupted.*same command goes on from here.*alas_journal={tmp_path}"):
        run(session, SAMPLES)
    assert session.ran == ["d0", "d1"] == journalled(tmp_path)
    assert any("Once more stops it at once" in line for line in log)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = make(journal=str(tmp_path))
    assert texts(run(resumed, SAMPLES)) == undisturbed
    assert resumed.ran == ["d2", "d3"]


@pytest.mark.parametrize("uid", ["d0", "d3"])
def test_interrupted_at_the_first_or_last_document(make, tmp_path, uid) -> None:
    session = make(journal=str(tmp_path))
    interrupt_during(session, uid, 1)
    with pytest.raises(FatalError, match="interrupted"):
        run(session, SAMPLES)
    assert session.ran == UIDS[: UIDS.index(uid) + 1]


def test_interrupted_twice_it_stops_at_once(make, undisturbed, tmp_path) -> None:
    session = make(journal=str(tmp_path))
    interrupt_during(session, "d1", 2)
    with pytest.raises(KeyboardInterrupt):
        run(session, SAMPLES)
    assert session.ran == ["d0"] == journalled(tmp_path)
    resumed = make(journal=str(tmp_path))
    assert texts(run(resumed, SAMPLES)) == undisturbed
    assert resumed.ran == ["d1", "d2", "d3"]


def test_interrupted_without_a_journal_it_says_what_would_have_helped(make) -> None:
    session = make()
    prepare = session._read_and_place
    session._read_and_place = lambda item: prepare(item) or (item.uid == "d1" and os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(FatalError, match=r"records are lost.*alas_journal=FOLDER"):
        run(session, SAMPLES)
    assert session.ran == ["d0"], "the interruption came while words were placed"


def test_signals_of_others_are_left_alone(make, undisturbed) -> None:
    found = []
    with ThreadPoolExecutor(1) as pool:  # signals cannot be set outside of the main thread
        assert texts(pool.submit(run, make(), SAMPLES).result()) == undisturbed
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as below nohup
    try:
        session = make()
        finish = session._finish
        session._finish = lambda batch: found.append(signal.getsignal(signal.SIGINT)) or finish(batch)
        interrupt_during(session, "d1", 1)
        assert texts(run(session, SAMPLES)) == undisturbed
    finally:
        signal.signal(signal.SIGINT, previous)
    assert set(found) == {signal.SIG_IGN}


# ---- disks ----


def test_a_full_disk_costs_no_record_and_leaves_no_half_line(make, undisturbed, tmp_path, log) -> None:
    session = make(journal=str(tmp_path))
    session.journal._file = Full(session.journal._file, room=len(undisturbed[0]) + 300)
    assert texts(run(session, SAMPLES)) == undisturbed
    session.close()
    (path,) = tmp_path.glob("*.tsv")
    assert path.read_text().endswith(f"{undisturbed[0]}\n") and path.read_bytes().count(b"\t") == 1
    full = [line for line in log if "journal" in line]
    assert "cannot be written" in full[0] and "3 records are not in the journal" in full[1] and len(full) == 2
    resumed = make(journal=str(tmp_path))
    assert texts(run(resumed, SAMPLES)) == undisturbed
    assert resumed.ran == ["d1", "d2", "d3"]


def test_records_that_found_no_room_are_written_when_there_is_some(make, undisturbed, tmp_path) -> None:
    session = make(journal=str(tmp_path))
    session.journal._file = full = Full(session.journal._file, room=10)
    finish = session._finish

    def freed(batch):
        if batch[0].uid == "d2":
            full.room = 10**9
        return finish(batch)

    session._finish = freed
    assert texts(run(session, SAMPLES)) == undisturbed
    session.close()
    assert journalled(tmp_path) == UIDS
    resumed = make(journal=str(tmp_path))
    assert texts(run(resumed, SAMPLES)) == undisturbed and resumed.ran == []


def test_a_damaged_line_does_not_hide_a_whole_one(make, undisturbed, tmp_path) -> None:
    session = make(journal=str(tmp_path))
    run(session, SAMPLES)
    session.close()
    (path,) = tmp_path.glob("*.tsv")
    for name in ("records-a.tsv", "records-z.tsv"):  # read before and after the whole one
        cut = [line[: len(line) // 2] for line in path.read_text().splitlines()]
        (tmp_path / name).write_text("\n".join([*cut, ""]))
    resumed = make(journal=str(tmp_path))
    assert texts(run(resumed, SAMPLES)) == undisturbed and resumed.ran == []


NO_ROOM = [errno.ENOSPC, errno.EROFS]


@pytest.fixture
def no_writing(monkeypatch):
    """Let nothing be written any more that is written as a whole: cache entries, dumps, manifests."""

    def refuse(number: int) -> None:
        def mkstemp(**kwargs):
            raise OSError(number, os.strerror(number), kwargs["dir"])

        monkeypatch.setattr(tempfile, "mkstemp", mkstemp)

    return refuse


@pytest.mark.parametrize("number", NO_ROOM)
def test_no_room_for_similarities(make, undisturbed, tmp_path, log, no_writing, number) -> None:
    no_writing(number)
    assert texts(run(make(keepers=[Dumps(tmp_path, "date", 2)]), SAMPLES)) == undisturbed
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(f"similarities of d0 could not be kept in {tmp_path}" in line for line in log)


def test_a_disk_that_fills_up_while_similarities_are_written(make, undisturbed, tmp_path, monkeypatch) -> None:
    def full(descriptor, mode):
        os.close(descriptor)
        return open("/dev/full", mode)

    monkeypatch.setattr(os, "fdopen", full)
    assert texts(run(make(keepers=[Dumps(tmp_path, "date", 2)]), SAMPLES)) == undisturbed
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "nothing half written is left"


# ---- the cache of word timestamps ----


@pytest.fixture(scope="module")
def clips() -> list[tuple[np.ndarray, str]]:
    return [(np.asarray(document.audio["array"]), document.transcript) for document in SAMPLES]


@pytest.fixture
def times(monkeypatch, whisper_file, clips):
    """What comes out without any cache, from a quick stand-in for Whisper's alignment."""

    def evenly(_self, packed, pieces, _language):
        time.sleep(0.01)  # others may come to the same clip
        return spread(pieces, len(packed) / 16000), [None] * len(pieces)

    monkeypatch.setattr(WhisperReference, "_align", evenly)
    return place(WhisperReference(str(whisper_file), device="cpu"), clips)


def place(reference: WhisperReference, clips) -> list:
    return [reference.words(audio, text, split_units(text)) for audio, text in clips]


def cached(whisper_file: Path, folder: Path) -> WhisperReference:
    return WhisperReference(str(whisper_file), device="cpu", cache=AlignmentCache(folder))


@pytest.mark.parametrize("number", NO_ROOM)
def test_no_room_for_word_timestamps(whisper_file, clips, times, tmp_path, log, no_writing, number) -> None:
    assert place(cached(whisper_file, tmp_path), clips[:1]) == times[:1]
    entries = [path for path in tmp_path.rglob("*") if path.is_file()]
    log.clear()
    no_writing(number)
    reference = cached(whisper_file, tmp_path)
    assert place(reference, clips) == times
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == entries, "what is there stays and is read"
    assert sum("cannot write the alignment cache" in line for line in log) == 1


DAMAGE = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "garbage": lambda data: bytes(random.Random(0).randbytes(300)),
    "older schema": lambda data: data.replace(b'"schema": 1', b'"schema": 0'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_word_timestamps_are_placed_again(whisper_file, clips, times, tmp_path, log, damage) -> None:
    place(cached(whisper_file, tmp_path), clips)
    whole = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    for path, data in whole.items():
        path.write_bytes(DAMAGE[damage](data))
    assert place(cached(whisper_file, tmp_path), clips) == times
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == whole
    assert sum("damaged alignment cache entry" in line for line in log) == len(clips)


def test_eight_runs_share_a_cache_at_once(whisper_file, clips, times, tmp_path) -> None:
    start = threading.Barrier(8)

    def one_run(_number: int) -> list:
        reference = cached(whisper_file, tmp_path)
        start.wait(60)
        return place(reference, clips)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one_run, range(8))) == [times] * 8
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == len(clips)


# ---- memory ----


def cpu_out_of_memory() -> None:
    torch.empty(2**55, dtype=torch.uint8)


def raising(error: Exception):
    def fail() -> None:
        raise error

    return fail


MEMORY = {
    "CUDA": raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")),
    "CUDA's driver": raising(RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported late")),
    "cuBLAS": raising(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
    "CPU": cpu_out_of_memory,
    "Windows": raising(RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate")),
    "NumPy": lambda: np.empty(2**55, np.uint8),
}


@pytest.mark.parametrize("fault", MEMORY)
def test_every_way_of_running_out_of_memory_is_known(fault) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        MEMORY[fault]()
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(("fault", "batch_size"), [("CPU", 1), ("CPU", 4), ("cuBLAS", 1)])
def test_out_of_memory_costs_the_large_document_alone(make, undisturbed, monkeypatch, log, fault, batch_size) -> None:
    session = make(batch_size)
    adapter = session.runs.adapter
    prompts = adapter.audio_prompts

    def limited(audios, instructions):
        if sum(map(len, audios)) > 1.7 * 16000:  # the last document alone is longer, and any two together
            MEMORY[fault]()
        return prompts(audios, instructions)

    monkeypatch.setattr(adapter, "audio_prompts", limited)
    records = run(session, SAMPLES)
    assert texts(records)[:3] == undisturbed[:3]
    assert records[3].skipped["cause"] == "out_of_memory"
    assert any("leaves out d3: out_of_memory" in line for line in log)


def test_a_document_that_is_left_out_takes_no_memory(make, monkeypatch) -> None:
    session, alive = make(), []

    class Inputs:
        pass

    def refused(audios, instructions):
        inputs = Inputs()
        alive.append(weakref.ref(inputs))
        raise SkipDocument("error", f"{type(inputs).__name__} are held by this frame")

    monkeypatch.setattr(session.runs.adapter, "audio_prompts", refused)
    session.runs.proven = True
    items = session_module.read_requests(requests_for(SAMPLES), {"task": {"test": SAMPLES}})
    for item in items:
        session._prepare(item)
        session._run_batch([item])
    gc.collect()
    assert all(item.skipped for item in items)
    assert [inputs() for inputs in alive] == [None] * len(SAMPLES)


# ---- what a run needs and does not find ----


@pytest.fixture
def no_sentence_bert(monkeypatch) -> None:
    """The real class, and a hub out of reach; test_answer_similarity.py has the library's own error."""

    def unreachable(name: str, device: str) -> None:
        raise OSError("We couldn't connect to 'https://huggingface.co'")

    monkeypatch.setitem(sys.modules, "sentence_transformers", SimpleNamespace(SentenceTransformer=unreachable))
    monkeypatch.setattr(comparison, "SentenceSimilarity", SentenceSimilarity)


def test_sentence_bert_out_of_reach_shows_before_anything_is_done(make, no_sentence_bert) -> None:
    session = make(sbert="nobody/has-this")
    for step in ("_read_and_place", "_finish"):
        setattr(session, step, lambda *_: pytest.fail("a document was begun"))
    with pytest.raises(FatalError, match=r"nobody/has-this(?s:.*)alas_sbert=PATH"):
        run(session, SAMPLES)


def test_closed_answers_need_no_sentence_bert(make, monkeypatch) -> None:
    monkeypatch.setattr(comparison, "SentenceSimilarity", lambda name: pytest.fail("it was loaded"))
    closed = sample("a", target="yes", read_answer=lambda answer: "yes")
    assert run(make(), [closed])[0].skipped is None


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 half a file"])
def test_a_damaged_whisper_shows_before_the_model_has_run(make, tmp_path, content) -> None:
    (tmp_path / "broken.pt").write_bytes(content)
    session = make(reference=f"whisper:{tmp_path / 'broken.pt'}", cache=str(tmp_path / "cache"))
    session._finish = lambda batch: pytest.fail("the model ran")
    with pytest.raises(FatalError, match=r"cannot load the Whisper checkpoint .*broken\.pt"):
        run(session, SAMPLES)


def test_a_whisper_that_was_never_downloaded(make, tmp_path, monkeypatch) -> None:
    def unreachable(*_args, **_kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(whisper.urllib.request, "urlopen", unreachable)
    session = make(reference="whisper:tiny", cache=str(tmp_path / "cache"))
    session._finish = lambda batch: pytest.fail("the model ran")
    with pytest.raises(FatalError, match=r"cannot load Whisper tiny.*alas_reference=whisper:<path>"):
        run(session, SAMPLES)


def alas_request(name: str):
    """Return a request of an ALAS task, or of the harness's own."""
    (request,) = requests_for(SAMPLES[:1])
    request.metadata["alas"] = name == "alas"
    return request


@pytest.fixture
def wrapper(qwen2_audio_folder):
    model = Qwen2Audio(pretrained=str(qwen2_audio_folder), device="cpu", alas_reference="words", alas_sbert="no/where")
    model.task_dict = {"task": {"test": SAMPLES}}
    return model


def test_sentence_bert_out_of_reach_shows_before_other_tasks_are_run(wrapper, monkeypatch, no_sentence_bert) -> None:
    from lmms_eval.models.simple.qwen2_audio import Qwen2_Audio

    monkeypatch.setattr(Qwen2_Audio, "generate_until", lambda *_: pytest.fail("the other task was run"))
    with pytest.raises(FatalError, match="alas_sbert=PATH"):
        wrapper.generate_until([alas_request("stock"), alas_request("alas")])


def test_an_error_that_nobody_thought_of_ends_the_run_visibly(wrapper, monkeypatch) -> None:
    """The harness would print it and exit with 0, while other processes wait for this one."""

    def broken(*_args):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(session_module, "batches", broken)
    with pytest.raises(FatalError, match=r"unexpected error.*ZeroDivisionError: of all things.*alas_journal"):
        wrapper.generate_until([alas_request("alas")])


def test_weights_that_are_damaged(qwen2_audio_folder, tmp_path) -> None:
    folder = shutil.copytree(qwen2_audio_folder, tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(FatalError, match=rf"pretrained={folder} cannot be loaded on cpu"):
        Qwen2Audio(pretrained=str(folder), device="cpu")


def test_a_model_that_does_not_fit(monkeypatch) -> None:
    monkeypatch.setattr(Qwen2Audio.adapter_class, "load", lambda *_args, **_kwargs: cpu_out_of_memory())
    with pytest.raises(FatalError, match=r"pretrained=any cannot be loaded on cpu: RuntimeError: .*allocate memory"):
        Qwen2Audio(pretrained="any", device="cpu")


def test_a_model_from_the_hub_with_and_without_a_warm_cache(qwen2_audio_folder, tmp_path, monkeypatch) -> None:
    from worlds import make_hub_cache

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FatalError, match="pretrained=acme/tiny cannot be loaded"):
        Qwen2Audio(pretrained="acme/tiny", device="cpu")
    files = {path.name: path.read_bytes() for path in Path(qwen2_audio_folder).iterdir()}
    make_hub_cache(tmp_path, "acme/tiny", "main", files, kind="models")
    model = Qwen2Audio(pretrained="acme/tiny", device="cpu")
    assert model._identity["weights"].startswith("acme/tiny@0123456789")
