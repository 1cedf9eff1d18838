"""Fine-tune the demo's model and watch how its alignment comes about: the picture of docs/training.md.

The connector between encoder and decoder starts anew, so that the decoder finds no words in what it hears; then the
model learns, on 56 utterances of the demo, to repeat what is said, and 8 others, of a voice of their own, are probed::

    python tools/demo_world/watch_training.py --output FOLDER [--steps 200] [--report-to tensorboard]
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import soundfile
import torch
from transformers import Trainer, TrainingArguments, set_seed

from alas_metric import WordTiming
from alas_metric.figures.style import save
from alas_metric.figures.training import training_curves
from alas_tasks.demo.files import QWEN2_AUDIO, TEST_SPLIT
from model_patches import AlasCallback, Utterance
from model_patches.adapters.loading import load_pretrained

QUESTION = "Repeat what the speaker says."
END = "<|im_end|>"
PROBED = 8


def main() -> None:
    """Train, probe, draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument(
        "--report-to", nargs="*", default=[], help="loggers of the Trainer: tensorboard, wandb, trackio"
    )
    options = parser.parse_args()
    set_seed(0)
    model, processor = load_pretrained(str(QWEN2_AUDIO), dtype="float32")
    forget(model)
    *taught, held_out = by_speaker(rows())
    arguments = TrainingArguments(
        output_dir=str(options.output),
        max_steps=options.steps,
        per_device_train_batch_size=8,
        learning_rate=1e-3,
        warmup_steps=options.steps // 10,
        logging_steps=options.every,
        report_to=options.report_to,
        save_strategy="no",
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Trainer(
        model,
        arguments,
        data_collator=Repeat(processor),
        train_dataset=[row for speaker in taught for row in speaker],
        processing_class=processor,
    )
    callback = AlasCallback(trainer, map(utterance, held_out[:PROBED]), every=options.every)
    trainer.add_callback(callback)
    trainer.train()
    for key in ("alas_skill", "frame_skill", "retrieval_skill"):
        print(*save(training_curves(callback.history.entries, key), options.output / f"training-{key}"), sep="\n")


def forget(model: Any) -> None:
    """Draw the weights of the connector anew."""
    linear = model.model.multi_modal_projector.linear
    torch.nn.init.normal_(linear.weight, std=0.02)
    torch.nn.init.zeros_(linear.bias)


def rows() -> list[dict[str, Any]]:
    """Return the utterances of the demo with their samples."""
    found = pq.read_table(TEST_SPLIT).to_pylist()
    return [{**row, "samples": soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")[0]} for row in found]


def by_speaker(found: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the utterances of each speaker."""
    return [[row for row in found if row["speaker"] == name] for name in sorted({row["speaker"] for row in found})]


def utterance(row: dict[str, Any]) -> Utterance:
    """Return a row with its exact word times."""
    words = [WordTiming(word["word"], word["start"], word["end"]) for word in row["words"]]
    return Utterance(row["samples"], row["transcript"], words, uid=row["uid"], speaker=row["speaker"])


class Repeat:
    """Batches of a lesson, to repeat what the speaker says; the loss is that of the answer.

    Args:
        processor: of the model.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        turn = [{"type": "audio", "audio_url": "speech.wav"}, {"type": "text", "text": QUESTION}]
        messages = [{"role": "user", "content": turn}]
        self.prompt = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)

    def __call__(self, batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return what the model takes, with labels."""
        answers = [row["transcript"] + END for row in batch]
        made = self.processor(
            text=[self.prompt + answer for answer in answers],
            audio=[row["samples"] for row in batch],
            sampling_rate=16_000,
            padding=True,
            return_tensors="pt",
        )
        labels = torch.full_like(made["input_ids"], -100)
        for row, answer in enumerate(answers):
            places = made["attention_mask"][row].nonzero()[:, 0][-len(self.processor.tokenizer(answer).input_ids) :]
            labels[row, places] = made["input_ids"][row, places]
        return {**made, "labels": labels}


if __name__ == "__main__":
    main()
