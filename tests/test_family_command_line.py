"""The command line with the families' ids, on tiny checkpoints; slow, since each starts the harness."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tiny_families import MAKERS, NEEDS
from transformers import AutoConfig

from alas_metric.document.record import AlignmentRecord
from model_patches.registry import FAMILIES

OWN_ID = ("audio_flamingo_3", "qwen2_5_omni", "qwen3_omni", "gemma4")
RATES = {c.model_type: c.rate for family in FAMILIES for c in family.checkpoints}


@pytest.mark.slow
@pytest.mark.parametrize("maker", MAKERS)
def test_both_tasks(maker, sentence_bert_folder, whisper_file, tmp_path) -> None:
    from worlds import local_data

    if maker in NEEDS:
        pytest.importorskip(NEEDS[maker], reason=f"it needs {NEEDS[maker]}")
    model = maker if maker in OWN_ID else "alas_hf"
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
        config = AutoConfig.from_pretrained(folder)
        layers = getattr(config, "thinker_config", config).get_text_config().num_hidden_layers
        assert all(record.num_layers == layers + 1 for record in scored)
        rate = RATES[config.model_type]
        assert all(record.frame_seconds == pytest.approx(1 / rate) for record in scored)
