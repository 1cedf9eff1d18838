"""Write speech of the parts as a manifest that ``alas new-task`` reads: WAV files and ``speech.jsonl``.

python tools/real_parts/manifest.py FOLDER --voice joe          # unseen sentences with their exact word times
python tools/real_parts/manifest.py FOLDER --voice human        # recorded prompts with their transcripts
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from lessons import REPEAT
from parts import default_work
from prompts import prompt_audio, prompts
from synthesis import RATE, VOICES, load_utterances, speak_shard

HUMAN = "human"


def rows(work: Path, voice: str, number: int) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
    """Yield name, samples and columns of a voice's first unseen sentences, or of prompts spread over all."""
    if voice == HUMAN:
        texts = prompts(work)
        for name in list(texts)[:: max(1, len(texts) // number)][:number]:
            yield name.replace("/", "-"), prompt_audio(work, name), {"transcript": texts[name]}
    else:
        for utterance in load_utterances(speak_shard(work, voice, "test", 0))[:number]:
            yield utterance.uid, utterance.samples, {"transcript": utterance.text, "words": utterance.words}


def main() -> None:
    """Write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--voice", choices=(*VOICES, HUMAN), default="joe")
    parser.add_argument("--utterances", type=int, default=12)
    parser.add_argument("--work", type=Path, default=default_work())
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, samples, columns in rows(arguments.work, arguments.voice, arguments.utterances):
        soundfile.write(arguments.output / f"{name}.wav", samples, RATE)
        asked = {"instruction": REPEAT, "answer": columns["transcript"]}
        lines.append(json.dumps({"id": name, "audio": f"{name}.wav", **columns, **asked}))
    (arguments.output / "speech.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
