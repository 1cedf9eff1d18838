"""Write the demo's test split, 64 utterances: Parquet with FLAC inside, as Hugging Face's datasets library reads it.

From the same seed and the same espeak-ng come the same samples::

    python tools/demo_world/make_test_split.py --work FOLDER [--output FILE.parquet]
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import soundfile
from speech import HELD_OUT_VOICES, QUESTIONS, SAMPLE_RATE, VOICES, Utterance, WordBank, test_split

OUTPUT = Path(__file__).resolve().parents[2] / "alas_tasks" / "demo" / "data" / "test.parquet"
FEATURES = {
    "uid": {"dtype": "string", "_type": "Value"},
    "audio": {"sampling_rate": SAMPLE_RATE, "_type": "Audio"},
    "transcript": {"dtype": "string", "_type": "Value"},
    "words": [
        {
            "word": {"dtype": "string", "_type": "Value"},
            "start": {"dtype": "float64", "_type": "Value"},
            "end": {"dtype": "float64", "_type": "Value"},
        }
    ],
    "question": {"dtype": "string", "_type": "Value"},
    "answer": {"dtype": "string", "_type": "Value"},
    "emotion": {"dtype": "string", "_type": "Value"},
    "speaker": {"dtype": "string", "_type": "Value"},
    "seen_speaker": {"dtype": "bool", "_type": "Value"},
}
"""The columns as the datasets library writes them into a Parquet file, so that it decodes the audio."""


def row(utterance: Utterance, number: int) -> dict[str, Any]:
    """Return a row; the questions take turns over the slots that the sentence has."""
    slots = [slot for slot in QUESTIONS if slot in utterance.sentence.slots]
    slot = slots[number % len(slots)]
    uid = f"{utterance.speaker}-{utterance.style}-{number:02d}"
    return {
        "uid": uid,
        "audio": {"bytes": flac(utterance.samples), "path": f"{uid}.flac"},
        "transcript": utterance.sentence.text,
        "words": [{"word": word, "start": start, "end": end} for word, start, end in utterance.words],
        "question": QUESTIONS[slot],
        "answer": utterance.sentence.slots[slot],
        "emotion": utterance.style,
        "speaker": utterance.speaker,
        "seen_speaker": utterance.speaker not in HELD_OUT_VOICES,
    }


def flac(samples: np.ndarray) -> bytes:
    """Return FLAC of 12 significant bits, which halves the file; the noise in it is far above that."""
    file = io.BytesIO()
    twelve_bits = np.round(samples * 2047).astype(np.int16) * 16
    soundfile.write(file, twelve_bits, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def main() -> None:
    """Speak and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the spoken words")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    bank = WordBank(arguments.work / "words.npz", VOICES)
    bank.add(WordBank(arguments.work / "words-held-out.npz", HELD_OUT_VOICES))
    utterances = test_split(bank, np.random.default_rng([arguments.seed, 9]))
    table = pa.Table.from_pylist([row(utterance, number) for number, utterance in enumerate(utterances)])
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, arguments.output, compression="zstd")
    seconds = sum(len(utterance.samples) for utterance in utterances) / SAMPLE_RATE
    size = arguments.output.stat().st_size / 1e6
    print(f"{arguments.output}: {len(utterances)} utterances, {seconds:.0f} s, {size:.1f} MB")


if __name__ == "__main__":
    main()
