"""Hidden states on disk: what comes back, that nothing else is read, and what the example makes of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from alas_metric import AlignmentRecord, Measurement, WordTiming
from alas_metric.results.states import bytes_per_word, read_states, states_folder, write_states

ROOT = Path(__file__).resolve().parents[3]
LAYERS, WORDS, SIZE, STRETCH = 3, 6, 8, 4


def measured(uid: str, words: np.ndarray, heard: np.ndarray, speaker: str | None = None):
    """Return a document's record and states; each word is heard for `STRETCH` positions whose mean is its vector."""
    count = words.shape[1]
    timing = [WordTiming(f"w{i}", i * STRETCH * 0.04, (i + 1) * STRETCH * 0.04) for i in range(count)]
    measurement = Measurement(
        uid, [word.word for word in timing], count * STRETCH, 0.04, {"gold": timing}, "gold", keep_states=True
    )
    frames = np.repeat(heard, STRETCH, axis=1) + np.tile([1.0, -1.0], count * STRETCH // 2)[:, None]
    for layer in range(len(words)):
        measurement(layer, words[layer].astype(np.float32), frames[layer].astype(np.float32))
    return measurement.record("x", speaker=speaker), measurement.states


@pytest.fixture
def vectors() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    scales = np.array([1e-6, 1.0, 1e7])[:, None, None]  # beyond what float16 holds on both sides
    return scales * rng.normal(size=(LAYERS, WORDS, SIZE)), scales * rng.normal(size=(LAYERS, WORDS, SIZE))


def test_what_is_written_comes_back(tmp_path: Path, vectors: tuple[np.ndarray, np.ndarray]) -> None:
    record, (words, audio) = measured("a/b", *vectors)
    assert words.shape == audio.shape == (LAYERS, WORDS, SIZE)
    size = write_states(tmp_path / "s.npz", record, words, audio)
    assert size == (tmp_path / "s.npz").stat().st_size
    assert size - len(record.to_json()) - WORDS * bytes_per_word(LAYERS, SIZE) < 2500, "what is said beforehand"
    found = read_states(tmp_path / "s.npz")
    assert found.record.to_json() == record.to_json()
    for states, given in zip((found.words, found.audio), (words, audio), strict=True):
        for layer, there in zip(states, given, strict=True):
            np.testing.assert_allclose(layer, there, atol=1e-3 * np.abs(there).max())
    np.testing.assert_allclose(audio[1], vectors[1][1], atol=1e-5, err_msg="the mean over a word's positions")


def changed(path: Path, **arrays: np.ndarray | None) -> Path:
    with np.load(path) as stored:
        kept = {name: stored[name] for name in stored.files} | arrays
    np.savez(path, **{name: array for name, array in kept.items() if array is not None})
    return path


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"words": None}, "holds no words"),
        ({"audio_scale": None}, "holds no audio_scale"),
        ({"audio": np.zeros((LAYERS, WORDS + 1, SIZE), np.float16)}, "audio of shape"),
        ({"audio": np.zeros((LAYERS, WORDS, 0), np.float16)}, "audio of shape"),
        ({"words": np.zeros((LAYERS, WORDS, SIZE), np.float32)}, "float32"),
        ({"words": np.full((LAYERS, WORDS, SIZE), np.nan, np.float16)}, "NaN"),
        ({"words": np.array([{"a": 1}], dtype=object)}, "object"),
        ({"record": np.frombuffer(b'{"schema": 99}', np.uint8)}, "schema"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, vectors, arrays, message: str) -> None:
    record, states = measured("u", *vectors)
    write_states(tmp_path / "s.npz", record, *states)
    with pytest.raises(ValueError, match=message):
        read_states(changed(tmp_path / "s.npz", **arrays))
    with pytest.raises(ValueError, match=r"s\.npz is no file of hidden states, or damaged"):
        read_states(tmp_path / "s.npz")


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ridge_map", ROOT / "examples" / "ridge_map.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_world(folder: Path) -> list[AlignmentRecord]:
    """Write twenty documents: layer 0 holds nothing, layer 1 the words as they are, layer 2 turned round."""
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))[0]
    vocabulary = rng.normal(size=(30, SIZE))
    records = []
    for number in range(20):
        words = vocabulary[rng.choice(30, WORDS, replace=False)]
        heard = np.stack([rng.normal(size=words.shape), words, words @ turn])
        heard += 0.1 * rng.normal(size=heard.shape)
        record, states = measured(f"d{number}", np.stack([words] * 3), heard, f"s{number % 4}")
        write_states(folder / f"{number:08d}.npz", record, *states)
        records.append(record)
    return records


def test_the_ridge_map_finds_words_in_directions_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = states_folder(tmp_path, "20260101_000000", "task")
    folder.mkdir()
    write_world(folder)
    example().main(folder)
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert head == "20 documents, 120 words"
    nothing, same, turned = ([float(value) for value in row.split()[1:]] for row in rows)
    assert abs(nothing[0]) < 0.2 and abs(nothing[1]) < 0.2
    assert same[0] > 0.9 and same[1] > 0.9
    assert turned[0] < 0.3 and turned[1] > 0.9
    with pytest.raises(SystemExit, match="expected the states of two documents"):
        example().main(tmp_path)
