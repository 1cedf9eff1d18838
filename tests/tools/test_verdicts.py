"""tools/real_parts/verdicts.py on the bench that docs/real-parts.md shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "docs" / "real-parts" / "smollm2.json"


def test_connectors_get_the_verdicts_of_their_truth(tmp_path: Path) -> None:
    [bench] = [each for each in json.loads(BENCH.read_text(encoding="utf-8")) if each["model"] == "smollm2"]
    (tmp_path / "bench.json").write_text(json.dumps([bench]), encoding="utf-8")
    script = ROOT / "tools" / "real_parts" / "verdicts.py"
    done = subprocess.run([sys.executable, script, tmp_path / "bench.json"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"smollm2, {bench['utterances']} utterances")
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    assert {connector: whole for connector, whole, _ in rows} == {
        "ridge": "aligned",
        "rotated": "in its own directions",
        "random": "nothing found",
        "mel": "nothing found",
        "late": "out of time",
    }
    assert rows[0][2].startswith("aligned in 0 to ")
