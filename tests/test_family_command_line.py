"""The command line with the families' ids, on tiny checkpoints; slow, since each starts the harness."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tiny_families import MAKERS

from alas_metric.record import AlignmentRecord


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "maker", "positions_per_second"),
    [
        ("audio_flamingo_3", "audio_flamingo_3", 25),
        ("qwen2_5_omni", "qwen2_5_omni", 25),
        ("qwen3_omni", "qwen3_omni", 13),
        ("alas_hf", "glmasr", 12.5),
    ],
)
def test_both_tasks(model, maker, positions_per_second, sentence_bert_folder, whisper_file, tmp_path) -> None:
    from worlds import local_data

    environment = local_data(tmp_path)
    (tmp_path / "checkpoint").mkdir()
    folder = MAKERS[maker](tmp_path / "checkpoint")
    given = f"pretrained={folder},alas_reference=whisper:{whisper_file},alas_sbert={sentence_bert_folder}"
    command = [sys.executable, "-m", "lmms_eval", "--tasks", "alas", "--model", model, "--model_args", given]
    command += ["--device", "cpu", "--gen_kwargs", "max_new_tokens=4", "--output_path", "out", "--log_samples"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "alas_skill_all" in done.stdout
    for task, question in {"librisqa": "Answer the  question as short", "iemocap": "in only one word"}.items():
        # The harness also exits with 0 when a run failed.
        (log,) = (tmp_path / "out").rglob(f"*_samples_alas_{task}.jsonl")
        records = [AlignmentRecord.from_json(json.loads(line)["filtered_resps"]) for line in log.open()]
        scored = [record for record in records if record.skipped is None]
        assert scored and all(question in record.instruction for record in scored)
        assert all(record.num_layers == 4 for record in scored)
        assert all(record.frame_seconds == pytest.approx(1 / positions_per_second) for record in scored)
