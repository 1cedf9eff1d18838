"""Teach the real-size Qwen2-Audio to listen: LoRA on SmolLM2 and the projector, Whisper's encoder frozen.

    python tools/real_parts/train.py --start ridge --work FOLDER [--device cuda]
    python tools/real_parts/train.py --start FILE.safetensors ...    # go on from a checkpoint, on a new schedule

Stopped and started again, it goes on where it was: what a step learns from depends on the step's number alone, and
speech that is not there yet is made when a step asks for it. Checkpoints, some 10 MB each, are kept in
``training/<start>/`` of the work folder. What makes a step cheap: a batch holds utterances of similar length; prompts
are short; the frozen weights are bfloat16; the vocabulary's 49,155 logits are computed at the answer's tokens only;
attention is the plain one, whose backward pass costs a fifth of the fused one's.
"""

from __future__ import annotations

import argparse
import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch
from augmentation import augment
from features import encode_mels, log_mels
from lessons import TRANSCRIPT, Lesson, draw
from parts import default_work
from peft import PeftModel
from safetensors.torch import load_file
from speech_llm import (
    Heard,
    audio_prompt,
    hear,
    make_model,
    make_processor,
    place_tensors,
    ridge_start,
    save_adapter,
    set_projector,
    trained_tensors,
    user_prompt,
    with_lora,
)
from synthesis import load_utterances, speak_shard
from transformers import PreTrainedTokenizerBase

sys.path.append(str(Path(__file__).resolve().parent.parent / "demo_world"))
from training import Stage, train

PLAN = (
    ("joe", range(127)),
    ("joe-high", (*range(54, 60), *range(150, 160))),
    ("joe-low", range(160, 171)),
    ("heart", (*range(22, 28), *range(79, 99))),
    ("heart-low", range(28, 34)),
    ("heart-middle", (*range(34, 40), *range(99, 119))),
    ("heart-high", range(40, 46)),
    ("espeak-gb-m3", range(46, 54)),
    ("espeak-us-f2", range(60, 68)),
    ("espeak-us-m1", range(200, 208)),
    ("espeak-gb-f3", range(208, 216)),
)
"""The shards of training speech by voice."""
STEPS = 3000
BATCH = 32
POOL = 3
"""The shards that a batch is drawn from."""
TEXT_SHARE = 0.1
"""The share of steps that read transcripts, so that the text run learns the same answers."""
LEARNING_RATE = 5e-4
KEPT = (0, 0.025, 0.05, 0.1, 0.175, 0.25, 0.375, 0.5, 0.75, 1)
"""The shares of the updates after which a checkpoint is kept."""


class Trained(torch.nn.Module):
    """What is trained, alone, so that its state is 40 MB and not the whole model's."""

    def __init__(self, adapted: PeftModel) -> None:
        super().__init__()
        self.tensors = torch.nn.ParameterList(trained_tensors(adapted).values())


class Teacher:
    """Makes the loss of a step.

    Args:
        adapted: the model with LoRA.
        tokenizer: its tokenizer.
        work: the work folder.
    """

    def __init__(self, adapted: PeftModel, tokenizer: PreTrainedTokenizerBase, work: Path) -> None:
        self.adapted, self.model = adapted, adapted.get_base_model()
        self.language, self.head = self.model.model.language_model, self.model.lm_head
        self.tokenizer, self.work = tokenizer, work
        self.plan = [(voice, number) for voice, numbers in PLAN for number in numbers]
        self.shard = cache(self._shard)

    def _shard(self, voice: str, number: int) -> list[tuple[str, torch.Tensor]]:
        utterances = load_utterances(speak_shard(self.work, voice, "train", number))
        mels = log_mels([u.samples for u in utterances], str(self.model.device))
        return [(u.text, mel) for u, mel in zip(utterances, mels, strict=True)]

    def loss(self, rng: np.random.Generator) -> torch.Tensor:
        """Return the loss of a step's batch."""
        batch = self.draw_batch(rng)
        lessons = [draw(text, rng) for text, _ in batch]
        with torch.autocast(self.model.device.type, torch.bfloat16):
            if rng.random() < TEXT_SHARE:
                return self.answer_loss(
                    [self.row(lesson, 0, text) for lesson, (text, _) in zip(lessons, batch, strict=True)], []
                )
            mels = [augment(mel, rng) for _, mel in batch]
            features = encode_mels(self.model.model.audio_tower, mels, [mel.shape[-1] for mel in mels])
            rows = [self.row(lesson, len(heard)) for lesson, heard in zip(lessons, features, strict=True)]
            return self.answer_loss(rows, features)

    def draw_batch(self, rng: np.random.Generator) -> list[tuple[str, torch.Tensor]]:
        """Return utterances of similar length from a few shards: their sentences with their log-mel features."""
        chosen = rng.choice(len(self.plan), min(POOL, len(self.plan)), replace=False)
        pool = sorted((u for i in chosen for u in self.shard(*self.plan[i])), key=lambda u: u[1].shape[-1])
        first = int(rng.integers(max(1, len(pool) - BATCH + 1)))
        return pool[first : first + BATCH]

    def row(self, lesson: Lesson, positions: int, transcript: str = "") -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt and of its answer; without audio positions the transcript stands there."""
        prompt = audio_prompt(positions, lesson.instruction)
        if not positions:
            prompt = user_prompt(TRANSCRIPT.format(transcript=transcript, instruction=lesson.instruction))
        return self.tokenizer(prompt).input_ids, self.tokenizer(lesson.answer + "<|im_end|>").input_ids

    def answer_loss(self, rows: list[tuple[list[int], list[int]]], features: list[Heard]) -> torch.Tensor:
        """Return the mean cross-entropy of the answers' tokens.

        Args:
            rows: prompt and answer of each utterance.
            features: what the encoder hears of each, (positions, D), in the place of the audio tokens; may be empty.
        """
        width = max(len(prompt) + len(answer) for prompt, answer in rows)
        pad = self.tokenizer.eos_token_id
        where = self.model.device
        ids = torch.tensor([[*p, *a, *[pad] * (width - len(p) - len(a))] for p, a in rows], device=where)
        mask = torch.tensor([[1] * (len(p) + len(a)) + [0] * (width - len(p) - len(a)) for p, a in rows], device=where)
        embedded = hear(self.model, ids, features)
        states = self.language(inputs_embeds=embedded, attention_mask=mask, use_cache=False).last_hidden_state
        before = [(i, len(p) + j - 1) for i, (p, a) in enumerate(rows) for j in range(len(a))]
        logits = self.head(states[tuple(torch.tensor(before).T)])
        expected = torch.tensor([token for _, answer in rows for token in answer], device=where)
        return torch.nn.functional.cross_entropy(logits.float(), expected)


def build(work: Path, start: str) -> tuple[PeftModel, PreTrainedTokenizerBase]:
    """Return the model at the start of training.

    Args:
        work: the work folder.
        start: ``ridge``, ``random`` for an untrained projector, or the file of a checkpoint.
    """
    tokenizer = make_processor(work).tokenizer
    model = make_model(work, tokenizer)
    if start == "ridge":
        set_projector(model, ridge_start(work, tokenizer, model))
    for parameter in model.parameters():  # buffers stay: the rotation's frequencies must not be rounded
        parameter.data = parameter.data.to(torch.bfloat16)
    model.model.language_model.set_attn_implementation("eager")
    torch.manual_seed(1)
    adapted = with_lora(model)
    if start.endswith(".safetensors"):
        place_tensors(trained_tensors(adapted), load_file(start))
    return adapted, tokenizer


def main() -> None:
    """Train, or go on training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--start", default="ridge", help="ridge, random, or the file of a checkpoint")
    parser.add_argument("--work", type=Path, default=default_work())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rate", type=float, default=LEARNING_RATE, help="the learning rate at its peak")
    parser.add_argument("--name", help="of the folder of the checkpoints; default: the start's")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    adapted, tokenizer = build(arguments.work, arguments.start)
    teacher = Teacher(adapted.to(arguments.device), tokenizer, arguments.work)
    folder = arguments.work / "training" / (arguments.name or Path(arguments.start).stem)
    trained = Trained(adapted)

    kept = {round(share * arguments.steps) for share in KEPT}

    def keep(done: int) -> None:
        if done in kept:
            save_adapter(adapted, folder / f"step-{done:05d}.safetensors")

    stage = Stage("lora", arguments.steps, arguments.rate, teacher.loss, list(trained.parameters()))
    if not (folder / "lora.pt").exists():
        keep(0)
    train(trained, stage, folder, arguments.seed, keep)


if __name__ == "__main__":
    main()
