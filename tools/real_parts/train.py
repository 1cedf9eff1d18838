"""Teach the real-size Qwen2-Audio to listen: LoRA on SmolLM2 and the projector, Whisper's encoder frozen.

    python tools/real_parts/train.py --start ridge --work FOLDER [--threads 2]

Stopped and started again, it goes on where it was: what a step learns from depends on the step's number alone, and
speech that is not there yet is made when a step asks for it. Checkpoints, some 10 MB each, are kept in
``training/<start>/`` of the work folder. What makes a step cheap: the encoder's output is kept on disk; a batch holds
utterances of similar length; prompts are short; the frozen weights are bfloat16; the vocabulary's 49,155 logits are
computed at the answer's tokens only; attention is the plain one, whose backward pass costs a fifth of the fused one's.
"""

from __future__ import annotations

import argparse
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from features import load_shard
from lessons import TRANSCRIPT, Lesson, draw
from parts import default_work
from peft import PeftModel
from speech_llm import (
    audio_prompt,
    hear,
    make_model,
    make_processor,
    ridge_start,
    save_adapter,
    set_projector,
    trained_tensors,
    user_prompt,
    with_lora,
)
from transformers import PreTrainedTokenizerBase

sys.path.append(str(Path(__file__).resolve().parent.parent / "demo_world"))
from training import Stage, train

PLAN = {
    "joe": range(22),
    "heart": range(22, 28),
    "heart-low": range(28, 34),
    "heart-middle": range(34, 40),
    "heart-high": range(40, 46),
    "espeak-gb-m3": range(46, 54),
    "joe-high": range(54, 60),
    "espeak-us-f2": range(60, 68),
}
"""The shards of training speech by voice: some 6,000 sentences, each said once."""
STEPS = 1200
BATCH = 4
TEXT_SHARE = 0.1
"""The share of steps that read transcripts, so that the text run learns the same answers."""
LEARNING_RATE = 5e-4
KEPT = (0, 50, 100, 150, 200, 300, 400, 500, 600, 800, 1000, 1200)
"""Updates after which a checkpoint is kept."""
SAVE_EVERY = 25


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
        self.plan = [(voice, number) for voice, numbers in PLAN.items() for number in numbers]
        self.shard = lru_cache(maxsize=8)(self._shard)

    def _shard(self, voice: str, number: int) -> list[tuple[str, np.ndarray]]:
        return [(u.text, f) for u, f in load_shard(self.work, voice, "train", number)]

    def loss(self, rng: np.random.Generator) -> torch.Tensor:
        """Return the loss of a step's batch."""
        batch = self.draw_batch(rng)
        lessons = [draw(text, rng) for text, _ in batch]
        heard = rng.random() >= TEXT_SHARE
        rows = [
            self.row(lesson, len(features) if heard else 0, text)
            for lesson, (text, features) in zip(lessons, batch, strict=True)
        ]
        with torch.autocast("cpu", torch.bfloat16):
            return self.answer_loss(rows, [f for _, f in batch] if heard else [])

    def draw_batch(self, rng: np.random.Generator) -> list[tuple[str, np.ndarray]]:
        """Return utterances of similar length from two shards: their sentences with what the encoder hears."""
        pool = [u for i in rng.choice(len(self.plan), 2, replace=False) for u in self.shard(*self.plan[i])]
        pool.sort(key=lambda utterance: len(utterance[1]))
        first = int(rng.integers(max(1, len(pool) - BATCH + 1)))
        return pool[first : first + BATCH]

    def row(self, lesson: Lesson, positions: int, transcript: str) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt and of its answer; without audio positions the transcript stands there."""
        prompt = audio_prompt(positions, lesson.instruction)
        if not positions:
            prompt = user_prompt(TRANSCRIPT.format(transcript=transcript, instruction=lesson.instruction))
        return self.tokenizer(prompt).input_ids, self.tokenizer(lesson.answer + "<|im_end|>").input_ids

    def answer_loss(self, rows: list[tuple[list[int], list[int]]], features: list[np.ndarray]) -> torch.Tensor:
        """Return the mean cross-entropy of the answers' tokens.

        Args:
            rows: prompt and answer of each utterance.
            features: what the encoder hears of each, (positions, D), in the place of the audio tokens; may be empty.
        """
        width = max(len(prompt) + len(answer) for prompt, answer in rows)
        pad = self.tokenizer.eos_token_id
        ids = torch.tensor([[*p, *a, *[pad] * (width - len(p) - len(a))] for p, a in rows])
        mask = torch.tensor([[1] * (len(p) + len(a)) + [0] * (width - len(p) - len(a)) for p, a in rows])
        embedded = hear(self.model, ids, features)
        states = self.language(inputs_embeds=embedded, attention_mask=mask, use_cache=False).last_hidden_state
        before = [(i, len(p) + j - 1) for i, (p, a) in enumerate(rows) for j in range(len(a))]
        logits = self.head(states[tuple(torch.tensor(before).T)])
        return torch.nn.functional.cross_entropy(logits.float(), torch.tensor([t for _, a in rows for t in a]))


def build(work: Path, start: str) -> tuple[PeftModel, PreTrainedTokenizerBase]:
    """Return the model at the start of training.

    Args:
        work: the work folder.
        start: ``ridge``, or ``random`` for an untrained projector.
    """
    tokenizer = make_processor(work).tokenizer
    model = make_model(work, tokenizer)
    if start == "ridge":
        set_projector(model, ridge_start(work, tokenizer, model))
    for parameter in model.parameters():  # buffers stay: the rotation's frequencies must not be rounded
        parameter.data = parameter.data.to(torch.bfloat16)
    model.model.language_model.set_attn_implementation("eager")
    torch.manual_seed(1)
    return with_lora(model), tokenizer


def main() -> None:
    """Train, or go on training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--start", choices=("ridge", "random"), default="ridge")
    parser.add_argument("--work", type=Path, default=default_work())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    adapted, tokenizer = build(arguments.work, arguments.start)
    teacher = Teacher(adapted, tokenizer, arguments.work)
    folder = arguments.work / "training" / arguments.start
    trained = Trained(adapted)

    def keep(done: int) -> None:
        if done in KEPT:
            save_adapter(adapted, folder / f"step-{done:05d}.safetensors")

    stage = Stage("lora", arguments.steps, LEARNING_RATE, teacher.loss, list(trained.parameters()))
    if not (folder / "lora.pt").exists():
        keep(0)
    train(trained, stage, folder, arguments.seed, keep, SAVE_EVERY)


if __name__ == "__main__":
    main()
