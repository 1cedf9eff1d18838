"""The plugin on the real speech LLM, as a user runs it: the model's folder, tasks of speech, and ``lmms-eval``.

    python tools/real_parts/pipeline.py OUTPUT [--adapter FILE] [--utterances 12] [--processes 2]

Without ``--adapter`` it is the trained one that lies beside this script, so that nobody has to train. Each command is
printed before it runs. ``OUTPUT`` gets the model's folder, the tasks and the harness's results.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from convert import whisper_checkpoint
from manifest import HUMAN
from parts import default_work, unpacked

HERE = Path(__file__).resolve().parent
ADAPTER = HERE / "adapter.safetensors"
"""LoRA and projector of the model on docs/real-parts.md."""
VOICES = ("joe", HUMAN)


def commands(
    work: Path, output: Path, adapter: Path, utterances: int, voices: Sequence[str], processes: int = 1
) -> list[list[str]]:
    """Return what is run, in this order; programs lie beside this Python."""
    programs = Path(sys.executable).parent
    (sbert,) = unpacked("minilm", work)
    model, tasks = output / "qwen2-audio-real", {voice: f"real_{voice}" for voice in voices}
    given = {
        "pretrained": model,
        "alas_reference": f"whisper:{whisper_checkpoint(work)}",
        "alas_sbert": next(sbert.rglob("modules.json")).parent,
    }
    python, make = sys.executable, []
    if not model.exists():
        make.append([python, HERE / "speech_llm.py", model, "--adapter", adapter, "--work", work])
    for voice, task in tasks.items():
        folder = output / voice
        make.append(
            [python, HERE / "manifest.py", folder, "--voice", voice, "--utterances", utterances, "--work", work]
        )
        make.append(
            [programs / "alas", "new-task", task, "--data", folder / "speech.jsonl", "--output", output, "--force"]
        )
    files = ",".join(str(output / f"{task}.yaml") for task in tasks.values())
    launch = [programs / "accelerate", "launch", "--cpu", "--num_processes", processes, "-m", "lmms_eval"]
    run = launch if processes > 1 else [programs / "lmms-eval"]
    run += ["--tasks", files, "--model", "qwen2_audio", "--batch_size", 1]
    run += ["--model_args", ",".join(f"{name}={value}" for name, value in given.items())]
    run += ["--output_path", output / "results", "--log_samples"]
    return [[str(part) for part in command] for command in [*make, run]]


def main() -> None:
    """Run the whole of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--adapter", type=Path, default=ADAPTER)
    parser.add_argument("--utterances", type=int, default=12, help="of each task")
    parser.add_argument("--processes", type=int, default=1, help="of the harness, by accelerate launch")
    parser.add_argument("--voices", nargs="+", default=VOICES, help="a task each")
    parser.add_argument("--work", type=Path, default=default_work())
    arguments = parser.parse_args()
    output, work = arguments.output.resolve(), arguments.work.resolve()
    output.mkdir(parents=True, exist_ok=True)
    adapter, chosen = arguments.adapter.resolve(), (arguments.utterances, arguments.voices, arguments.processes)
    for command in commands(work, output, adapter, *chosen):
        print("$", shlex.join(command), flush=True)
        begun = time.monotonic()
        subprocess.run(command, check=True)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"# {time.monotonic() - begun:.0f} s; so far {spent.ru_utime + spent.ru_stime:.0f} s of CPU, "
            f"at most {spent.ru_maxrss / 1e6:.1f} GB in one process"
        )


if __name__ == "__main__":
    main()
