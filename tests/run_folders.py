"""A record, and folders of finished runs, written as the harness writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alas_metric import AlignmentRecord, WordTiming, score_pair
from alas_metric.corpus.metrics import METRICS

DATE = "20260101_120000"


def short_record(uid: str, similarity: np.ndarray) -> AlignmentRecord:
    """Return the record of two words over four positions, from similarities of shape ``(layers, 2, 2, 4)``."""
    return score_pair(
        similarity,
        uid=uid,
        transcript="a b",
        words=["a", "b"],
        frame_seconds=0.04,
        references={"w": [WordTiming("a", 0.0, 0.1), WordTiming("b", 0.1, 0.16)]},
        reference="w",
    )


def record_of_two_sources(
    uid: str, similarity: np.ndarray, words: Sequence[WordTiming], aligned: Sequence[WordTiming]
) -> AlignmentRecord:
    """Return the record of a document with gold word times and an aligner's, which are its primary ones."""
    return score_pair(
        similarity,
        uid=uid,
        transcript=" ".join(word.word for word in words),
        words=[word.word for word in words],
        frame_seconds=0.04,
        references={"words": list(words), "whisper:x:align": list(aligned)},
        reference="whisper:x:align",
    )


def write_run(
    folder: Path,
    records: Sequence[AlignmentRecord],
    task: str = "alas_demo_sqa",
    date: str = DATE,
    data: str = "org/data@0123abc",
    model_args: str = "pretrained=org/model,token=hf_secret,max_new_tokens=8",
    seconds: Any = 12.5,
    commits: dict[str, str] | None = None,
) -> Path:
    """Write samples and results of one task, without values, and return the folder.

    Args:
        folder: of the model.
        records: responses of the documents.
        task: name of the task.
        date: the run's id.
        data: what the task says of its data.
        model_args: as on the command line.
        seconds: that the run took.
        commits: of the data, as newer results hold them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"doc_id": i, "filtered_resps": made.to_json()}) for i, made in enumerate(records)]
    (folder / f"{date}_samples_{task}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    results = {
        "results": {task: {f"{key},none": None for key in METRICS}},
        "configs": {task: {"dataset_path": "org/data", "metadata": {"version": 1.0, "data": data}}},
        "versions": {task: 1.0},
        "n-samples": {task: {"original": len(records), "effective": len(records)}},
        "config": {"model": "qwen2_audio", "model_args": model_args, "batch_size": "8", "limit": None},
        "git_hash": "abc1234",
        "lmms_eval_version": "0.7.3",
        "total_evaluation_time_seconds": seconds,
    } | ({} if commits is None else {"alas": {"data": commits}})
    (folder / f"{date}_results.json").write_text(json.dumps(results), encoding="utf-8")
    return folder
