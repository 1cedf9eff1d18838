"""Folders of finished runs with made-up records, the size of the paper's test set, for the benchmarks of scoring.

A model is a jitter: in each layer its path leaves the true word boundaries by so many seconds, the more the further the
layer is from the model's best one. Paths are drawn, not searched, so that thousands of records take seconds.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np

from alas_metric import AlignmentRecord, WordTiming
from alas_metric.document.record import PATH_KINDS
from alas_metric.document.similarity import FORMS

FRAME_SECONDS = 0.04
WORDS_PER_SECOND = 2.7
NUM_SPEAKERS = 40
TASK = "alas_librisqa"
DATE = "20260101_120000"


def write_runs(folder: Path, runs: int, documents: int, layers: int) -> list[Path]:
    """Write runs of different models on the same documents, as the harness lays them out, and return their folders."""
    folders = [folder / f"model_{number}" for number in range(runs)]
    files = []
    for number, place in enumerate(folders):
        place.mkdir(parents=True)
        (place / f"{DATE}_results.json").write_text(json.dumps(_results(number, documents)), encoding="utf-8")
        files.append((place / f"{DATE}_samples_{TASK}.jsonl").open("w", encoding="utf-8"))
    for index in range(documents):
        words, num_frames = _utterance(index)
        for number, file in enumerate(files):
            text = record(index, words, num_frames, layers, seed=number, jitter=0.1 + 0.02 * number).to_json()
            file.write(json.dumps({"doc_id": index, "target": "it is", "resps": [[text]], "filtered_resps": [text]}))
            file.write("\n")
    for file in files:
        file.close()
    return folders


def record(
    index: int, words: list[WordTiming], num_frames: int, layers: int, seed: int = 0, jitter: float = 0.1
) -> AlignmentRecord:
    """Return a made-up record of one document.

    Args:
        index: number of the document.
        words: its word timestamps.
        num_frames: audio positions.
        layers: entries of the hidden states, L + 1.
        seed: of the model.
        jitter: of the model's best layer, in seconds.
    """
    generator = np.random.default_rng([seed, index])
    starts = np.array([word.start for word in words[1:]]) / FRAME_SECONDS
    errors = jitter * (1 + np.abs(np.arange(layers) - layers // 2) / 4) / FRAME_SECONDS
    spread = {"raw": 1.0, "centred": 0.8, "standardised": 0.6}
    paths = {}
    for kind in PATH_KINDS:
        noise = generator.normal(0, 1, (layers, len(starts))) * errors[:, None] * spread.get(kind, 20.0)
        paths[kind] = _paths(starts + noise, num_frames)
    hits = np.minimum(generator.uniform(0.2, 0.8, (len(FORMS), layers)) * num_frames, num_frames)
    agreement = float(generator.uniform(0.5, 1.0))
    text = " ".join(word.word for word in words)
    return AlignmentRecord(
        uid=f"{index:05d}",
        words=[word.word for word in words],
        transcript=text,
        frame_seconds=FRAME_SECONDS,
        num_frames=num_frames,
        references={"whisper:large-v3:align": words},
        reference="whisper:large-v3:align",
        paths=paths,
        reference_sums={"whisper:large-v3:align": {"frame_hits": dict(zip(FORMS, hits, strict=True))}},
        speaker=f"speaker {index % NUM_SPEAKERS}",
        instruction="What is said? Answer the  question as short as possible (in 10-15 words)",
        target="it is what it is",
        audio_answer="it is what the speaker said, more or less, in ten words",
        text_answer="it is what the transcript says, more or less, in ten words",
        similarities={"responses": agreement, "audio_target": agreement / 2, "text_target": agreement / 2},
        settings={"plugin": "0", "torch": "0", "transformers": "0", "answer_similarity": "paraphrase-MiniLM-L6-v2"},
    )


def utterance(seconds: float, num_words: int, index: int = 0) -> tuple[list[WordTiming], int]:
    """Return the word timestamps of an utterance, of random lengths with short pauses, and its audio positions."""
    generator = np.random.default_rng(index)
    edges = np.concatenate([[0.0], np.cumsum(generator.uniform(0.5, 1.5, num_words))])
    margin = min(0.2, seconds / 10)
    edges = margin + edges * (seconds - 2 * margin) / edges[-1]
    words = [
        WordTiming(f"word{i}", round(float(start), 3), round(float(start + 0.95 * (end - start)), 3))
        for i, (start, end) in enumerate(pairwise(edges))
    ]
    return words, round(seconds / FRAME_SECONDS)


def _utterance(index: int) -> tuple[list[WordTiming], int]:
    """Return one whose length is drawn as in LibriSpeech test-clean: 7.4 s in the mean, 1.3 to 35 s."""
    seconds = float(np.clip(np.random.default_rng([7, index]).lognormal(np.log(6.0), 0.65), 1.3, 35.0))
    return utterance(seconds, max(2, round(seconds * WORDS_PER_SECOND)), index)


def _paths(steps: np.ndarray, num_frames: int) -> np.ndarray:
    """Turn wished step positions (L + 1, N - 1) into paths (L + 1, T) that step once at N - 1 different positions."""
    count = steps.shape[1]
    order = np.arange(count)
    ordered = np.sort(np.clip(np.rint(steps), 1, num_frames - 1), axis=1).astype(np.int64)
    ascending = np.maximum.accumulate(ordered - order, axis=1) + order
    possible = np.minimum(ascending, num_frames - count + order)
    moves = np.zeros((len(steps), num_frames), dtype=np.int32)
    np.put_along_axis(moves, possible, 1, axis=1)
    return np.cumsum(moves, axis=1, dtype=np.int32)


def _results(number: int, documents: int) -> dict:
    from alas_metric.corpus.metrics import METRICS

    return {
        "results": {TASK: {f"{key},none": None for key in METRICS}},
        "configs": {TASK: {"dataset_path": "org/data", "metadata": {"version": 1.0, "data": "org/data@0123abc"}}},
        "versions": {TASK: 1.0},
        "n-samples": {TASK: {"original": documents, "effective": documents}},
        "config": {"model": "qwen2_audio", "model_args": f"pretrained=org/model_{number}", "batch_size": "1"},
        "lmms_eval_version": "0.7.3",
        "total_evaluation_time_seconds": 1000.0,
    }
