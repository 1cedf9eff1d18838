"""What the package exports and what it leaves unloaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import alas_metric
from alas_metric import AlignmentRecord

HEAVY = ("torch", "transformers", "lmms_eval", "datasets", "sentence_transformers")
NOT_AT_IMPORT = (*HEAVY, "scipy.stats", "pandas", "matplotlib", "pyarrow", "huggingface_hub", "sklearn", "IPython")
SCORE = """
import sys
import alas_metric
from alas_metric.commands.main import make_parser
from alas_metric.results import runs
record = alas_metric.AlignmentRecord.from_json(open(sys.argv[1]).read())
assert alas_metric.summarise([alas_metric.score_record(record)])["kept"] == 1
make_parser()  # of all commands, those of the other packages too
print([name for name in sys.argv[2:] if name in sys.modules])
"""


def test_scoring_loads_nothing_heavy(tmp_path: Path, record: Callable[..., AlignmentRecord]) -> None:
    path = tmp_path / "record.json"
    path.write_text(record().to_json())
    root = Path(alas_metric.__file__).parents[1]
    command = [sys.executable, "-c", SCORE, str(path), *HEAVY]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_it_loads_little() -> None:
    """What data frames, figures and files of shared runs need comes with their first use."""
    code = "import sys, alas_metric; print([name for name in sys.argv[1:] if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, *NOT_AT_IMPORT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_exports() -> None:
    assert set(alas_metric.__all__) >= {"score_pair", "score_record", "summarise", "split_units", "similarities"}
    assert all(hasattr(alas_metric, name) for name in alas_metric.__all__)
    assert alas_metric.__version__ == "0.1.0"
