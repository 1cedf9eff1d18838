"""Measure the demo's models on its test split and write the figures of the model card as JSON.

The speech LLM: word error rate of "Repeat what the speaker says." and the share of right answers to every question and
to the emotion, from audio and from the transcript, speakers heard in training apart from those never heard. Whisper:
word error rate, and the error of word starts and ends against the exact times, through the plugin's own reference::

    python tools/demo_world/measure.py [--model FOLDER] [--whisper FILE.pt] [--output FILE.json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pyarrow.parquet
import torch
from speech import ANIMALS, COLOURS, PLACES, QUESTIONS, TIMES, VERBS
from train_qwen2_audio import EMOTION, QUESTION_END, REPEAT

from alas_metric.document.units import split_units
from alas_tasks.audio import load_audio
from alas_tasks.demo.files import QWEN2_AUDIO, TEST_SPLIT, WHISPER
from model_patches.families.qwen2_audio import Qwen2AudioAdapter
from model_patches.reference.whisper_reference import WhisperReference

BATCH = 16


def answers(adapter: Qwen2AudioAdapter, prompts: Any) -> list[str]:
    """Return the greedy answers to a batch of prompts."""
    with torch.no_grad():
        tokens = adapter.model.generate(**prompts.inputs, do_sample=False, max_new_tokens=40)
    return adapter.processor.batch_decode(tokens[:, prompts.length :], skip_special_tokens=True)


def from_audio(adapter: Qwen2AudioAdapter, rows: Sequence[dict], instructions: Sequence[str]) -> list[str]:
    """Return the answers to each row's audio."""
    said = []
    for at in range(0, len(rows), BATCH):
        audio = [row["samples"] for row in rows[at : at + BATCH]]
        said += answers(adapter, adapter.audio_prompts(audio, list(instructions[at : at + BATCH])))
    return said


def from_text(adapter: Qwen2AudioAdapter, rows: Sequence[dict], instructions: Sequence[str]) -> list[str]:
    """Return the answers to each row's transcript."""
    said = []
    for at in range(0, len(rows), BATCH):
        texts = [row["transcript"] for row in rows[at : at + BATCH]]
        units = [split_units(text) for text in texts]
        said += answers(adapter, adapter.text_prompts(texts, list(instructions[at : at + BATCH]), units))
    return said


def questions(rows: Sequence[dict]) -> list[tuple[dict, str, str]]:
    """Return every question that can be asked of each row, with its answer."""
    asked = []
    for row in rows:
        slots = slots_of(row["transcript"])
        asked += [(row, QUESTIONS[slot] + QUESTION_END, slots[slot]) for slot in slots]
    return asked


def slots_of(transcript: str) -> dict[str, str]:
    """Return the words of a transcript that answer questions."""
    kinds = {"colour": COLOURS, "animal": ANIMALS, "verb": VERBS, "place": PLACES, "time": TIMES}
    return {slot: word for slot, words in kinds.items() for word in transcript.split() if word in words}


def share(right: Iterable[bool]) -> float:
    """Return the share that is true, in per cent."""
    return round(100 * float(np.mean(list(right))), 1)


def measure_model(folder: Path, rows: Sequence[dict]) -> dict[str, Any]:
    """Return the figures of the speech LLM."""
    model, processor = Qwen2AudioAdapter.load(str(folder), dtype="auto", device_map=None)
    adapter = Qwen2AudioAdapter(model, processor)
    said = from_audio(adapter, rows, [REPEAT] * len(rows))
    asked = questions(rows)
    docs, prompts, gold = zip(*asked, strict=True)
    heard, read = from_audio(adapter, docs, prompts), from_text(adapter, docs, prompts)
    felt = from_audio(adapter, rows, [EMOTION] * len(rows))
    guessed = from_text(adapter, rows, [EMOTION] * len(rows))
    figures: dict[str, Any] = {"parameters": model.num_parameters(), "questions": len(asked)}
    for name, chosen in (
        ("all", {True, False}),
        ("speakers heard in training", {True}),
        ("speakers never heard", {False}),
    ):
        of = [index for index, row in enumerate(rows) if row["seen_speaker"] in chosen]
        asked_of = [index for index, row in enumerate(docs) if row["seen_speaker"] in chosen]
        figures[name] = {
            "word error rate, %": error_rate([rows[i]["transcript"] for i in of], [said[i] for i in of]),
            "questions from audio, %": share(heard[i].strip() == gold[i] for i in asked_of),
            "questions from text, %": share(read[i].strip() == gold[i] for i in asked_of),
            "emotion from audio, %": share(felt[i].strip() == rows[i]["emotion"] for i in of),
            "emotion from text, %": share(guessed[i].strip() == rows[i]["emotion"] for i in of),
        }
    return figures


def error_rate(references: list[str], hypotheses: list[str]) -> float:
    """Return the word error rate in per cent."""
    return round(100 * jiwer.wer(references, hypotheses), 1)


def measure_whisper(file: Path, rows: Sequence[dict]) -> dict[str, Any]:
    """Return the figures of the reference."""
    figures: dict[str, Any] = {}
    for mode in ("align", "transcribe"):
        reference = WhisperReference(str(file), mode=mode, device="cpu")
        errors = []
        for row in rows:
            found = reference.words(row["samples"], row["transcript"], split_units(row["transcript"]))
            for word, gold in zip(found, row["words"], strict=True):
                errors += [abs(word.start - gold["start"]), abs(word.end - gold["end"])]
        milliseconds = 1000 * np.array(errors)
        figures[mode] = {
            "median, ms": round(float(np.median(milliseconds)), 1),
            "mean, ms": round(float(milliseconds.mean()), 1),
            "95th percentile, ms": round(float(np.percentile(milliseconds, 95)), 1),
        }
    said = [reference.transcribe(row["samples"]).strip() for row in rows]
    return {"word error rate, %": error_rate([row["transcript"] for row in rows], said), **figures}


def test_rows() -> list[dict[str, Any]]:
    """Return the test split with decoded audio."""
    rows = pyarrow.parquet.read_table(TEST_SPLIT).to_pylist()
    return [{**row, "samples": load_audio(row["audio"])} for row in rows]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=QWEN2_AUDIO)
    parser.add_argument("--whisper", type=Path, default=WHISPER)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", choices=("model", "whisper"))
    arguments = parser.parse_args()
    rows = test_rows()
    figures: dict[str, Any] = {}
    if arguments.only != "whisper":
        figures["qwen2_audio"] = measure_model(arguments.model, rows)
    if arguments.only != "model":
        figures["whisper"] = measure_whisper(arguments.whisper, rows)
    text = json.dumps(figures, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
