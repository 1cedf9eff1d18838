"""A training loop that can be stopped and started again: seeded by step, saved as it goes, progress shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

SAVE_EVERY = 100


@dataclass(frozen=True)
class Stage:
    """A part of the training.

    Args:
        name: names the stage's file and seeds its data.
        steps: how many updates.
        learning_rate: at its peak; it rises for a twentieth of the stage and falls as a cosine.
        loss: from the generator of a step's random choices to the loss of a fresh batch.
        parameters: what is trained.
    """

    name: str
    steps: int
    learning_rate: float
    loss: Callable[[np.random.Generator], torch.Tensor]
    parameters: list[torch.nn.Parameter]


def train(
    model: torch.nn.Module,
    stage: Stage,
    folder: Path,
    seed: int,
    on_step: Callable[[int], None] | None = None,
    save_every: int = SAVE_EVERY,
) -> None:
    """Train one stage, or what is left of it.

    Args:
        model: is trained in place.
        stage: what to do.
        folder: where the state is kept, as ``<stage>.pt``.
        seed: with the stage's name and a step's number it gives that step's data, whatever went before.
        on_step: called after each update with the number of updates done.
        save_every: updates between two savings of the state.
    """
    file = folder / f"{stage.name}.pt"
    optimizer = torch.optim.AdamW(stage.parameters, lr=stage.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    done = _restore(file, model, optimizer)
    progress = tqdm(range(done, stage.steps), stage.name, stage.steps, initial=done, mininterval=5)
    name = int.from_bytes(stage.name.encode(), "big")
    average = None
    for step in progress:
        rng = np.random.default_rng([seed, name, step])
        torch.manual_seed(int(rng.integers(2**31)))
        for group in optimizer.param_groups:
            group["lr"] = stage.learning_rate * _rate(step, stage.steps)
        loss = stage.loss(rng)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(stage.parameters, 1.0)
        optimizer.step()
        average = loss.item() if average is None else 0.95 * average + 0.05 * loss.item()
        progress.set_postfix(loss=f"{average:.3f}", refresh=False)
        if (step + 1) % save_every == 0 or step + 1 == stage.steps:
            _save(file, model, optimizer, step + 1)
        if on_step:
            on_step(step + 1)


def _rate(step: int, steps: int) -> float:
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _save(file: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer, done: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    half_written = file.with_suffix(".new")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "done": done}, half_written)
    half_written.replace(file)


def _restore(file: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
    if not file.exists():
        return 0
    state = torch.load(file, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["done"])
