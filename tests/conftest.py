"""Shared fixtures: tiny checkpoints, made once a session, and an environment that cannot reach a hub."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from loguru import logger

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in the background so, and what it starts inherits it; tests of Ctrl-C send the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several workers with all threads each are slower than one
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "alas_tasks")]

REPO = Path(__file__).resolve().parent.parent
DATA = REPO / "tests" / "data"
# The full set of what tests/data holds in small; beside the repository, or where the variable says.
FULL_SALMONN = Path(os.environ.get("ALAS_SHARED", REPO.parent / "shared")) / "conformance" / "salmonn"


def pytest_configure() -> None:
    """Say what is wrong with the environment, rather than let hundreds of tests fail of it."""
    from alas_tasks.installation import complaints

    if problems := complaints():
        raise pytest.UsageError("\n".join(["the tests need other packages:", *problems]))


LONGEST_FIRST = (
    "test_command_line",
    "test_harness_options",
    "test_families",
    "test_run_report",
    "test_fuzz_folders",
    "test_whisper_reference",
    "test_session",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the files that take longest first, so that the workers end together."""
    order = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What is logged during the test, from warnings up."""
    lines: list[str] = []
    handle = logger.add(lines.append, level="WARNING", format="{message}")
    yield lines
    logger.remove(handle)


@pytest.fixture(scope="session")
def qwen2_audio_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Qwen2-Audio checkpoint."""
    from tiny_speech_llm import make_qwen2_audio

    return make_qwen2_audio(tmp_path_factory.mktemp("qwen2_audio"))


@pytest.fixture(scope="session")
def sentence_bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Sentence-BERT checkpoint."""
    from tiny_speech_llm import make_sentence_bert

    return make_sentence_bert(tmp_path_factory.mktemp("sentence_bert"))


@pytest.fixture(scope="session")
def whisper_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random openai-whisper checkpoint."""
    from tiny_models import make_whisper

    return make_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="session")
def jfk() -> np.ndarray:
    """Real speech: 11 s of a president, 16 kHz, mono."""
    samples, _ = soundfile.read(DATA / "jfk.flac", dtype="float32")
    return samples


@pytest.fixture(scope="session")
def qwen2_audio(qwen2_audio_folder: Path):
    """The adapter of the tiny Qwen2-Audio."""
    from model_patches.families.qwen2_audio import Qwen2AudioAdapter

    return Qwen2AudioAdapter(*Qwen2AudioAdapter.load(str(qwen2_audio_folder), dtype="auto", device_map="cpu"))


@pytest.fixture(scope="session")
def salmonn_folder() -> Path:
    """Tiny files in SALMONN's formats, with what the original code made of them."""
    return DATA / "salmonn"


@pytest.fixture(scope="session")
def full_salmonn_folder() -> Path:
    """The same with longer clips and a batch, where it is at hand."""
    if not FULL_SALMONN.exists():
        pytest.skip("SALMONN's longer clips and batch are not in the repository, see tests/data/README.md")
    return FULL_SALMONN


@pytest.fixture(scope="session")
def salmonn(salmonn_folder: Path):
    """The adapter of the tiny SALMONN, in float32."""
    from salmonn_conformance import load_tiny

    return load_tiny(salmonn_folder)


# What a run leaves out, said at its end. Workers of pytest-xdist deselect, and hand their counts to the main process.

LEFT_OUT = pytest.StashKey[Counter]()


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count the tests that are not run, by the marker that leaves them out."""
    for item in items:
        excluded = re.findall(r"not (\w+)", item.config.option.markexpr)
        marks = [name for name in excluded if item.get_closest_marker(name)]
        reason = f"run them with -m {marks[0]}" if marks else "not chosen"
        item.config.stash.setdefault(LEFT_OUT, Counter())[reason] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's counts to the main process."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(session.config.stash.get(LEFT_OUT, {}))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error: object) -> None:
    """Take a worker's counts; every worker has the same."""
    node.config.stash[LEFT_OUT] = Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how many tests were left out, and why."""
    left_out = Counter(config.stash.get(LEFT_OUT, {}))
    for report in terminalreporter.stats.get("skipped", []):
        left_out[report.longrepr[2].removeprefix("Skipped: ")] += 1
    if left_out:
        terminalreporter.section("left out")
    for reason, number in left_out.most_common():
        terminalreporter.write_line(f"{number:5} {reason}")
