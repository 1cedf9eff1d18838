"""Hidden states of a frozen language model for words that it reads and for the same words heard through connectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from connectors import CONNECTORS, Connectors, Linear, fit_connectors
from convert import language_model
from parts import write_once
from synthesis import Utterance
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from alas_metric.document.units import split_units
from model_patches.adapters.adapter import tokens_of_units

OPENINGS = {"smollm2": "<|im_start|>user\n", "qwen2.5-coder": "<|im_start|>user\n", "gemma3": ""}
"""What stands before the audio or the transcript. What stands behind cannot change their hidden states."""


@dataclass(frozen=True)
class States:
    """Hidden states of one utterance.

    Args:
        words: of the words in the text prompt, the mean of their tokens, shape (L + 1, N, D).
        frames: of the audio positions by connector, each (L + 1, T, D).
    """

    words: np.ndarray
    frames: dict[str, np.ndarray]


class Reader:
    """A language model that reads words and hears vectors at the same place of its prompt.

    Args:
        model: without its head.
        tokenizer: its tokenizer.
        opening: what stands before the transcript.
        before_audio: what stands before the audio, if more than the opening.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, opening: str, before_audio: str = ""
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.opening, self.before_audio = opening, before_audio or opening
        self.embed = model.get_input_embeddings()

    @torch.inference_mode()
    def words(self, text: str) -> np.ndarray:
        """Return the words' states, (L + 1, N, D): what `split_units` counts as words, the mean of their tokens."""
        lead = f"{self.opening}Audio Transcription: "
        encoded = self.tokenizer(lead + text, return_offsets_mapping=True, return_tensors="pt")
        spans, mask = encoded.offset_mapping[0].tolist(), encoded.attention_mask[0].tolist()
        states = self._states(self.embed(encoded.input_ids))[:, 0]
        tokens = tokens_of_units(spans, mask, split_units(text), len(lead))
        return np.stack([states[:, indices].mean(1) for indices in tokens], axis=1)

    @torch.inference_mode()
    def frames(self, heard: Sequence[np.ndarray]) -> np.ndarray:
        """Return the states at the audio positions for vectors of several connectors, (connectors, L + 1, T, D)."""
        before = self.embed(self.tokenizer(self.before_audio, return_tensors="pt").input_ids.long())
        audio = torch.from_numpy(np.stack(heard))
        inputs = torch.cat([before.expand(len(heard), -1, -1), audio], dim=1)
        return np.moveaxis(self._states(inputs)[:, :, before.shape[1] :], 1, 0)

    def _states(self, inputs: torch.Tensor) -> np.ndarray:
        outputs: Any = self.model(inputs_embeds=inputs, output_hidden_states=True, use_cache=False)
        return torch.stack(outputs.hidden_states).numpy()


class Listener(Reader):
    """A frozen language model with its connectors.

    Args:
        name: a key of ``OPENINGS``.
        work: the work folder.
    """

    def __init__(self, name: str, work: Path) -> None:
        folder = language_model(name, work)
        self.name, self.work = name, work
        whole = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        model: PreTrainedModel = whole.model.eval().requires_grad_(requires_grad=False)
        super().__init__(model, AutoTokenizer.from_pretrained(folder), OPENINGS[name])

    def embeddings(self) -> np.ndarray:
        """Return what enters the first layer for each token, shape (vocabulary, D)."""
        result: np.ndarray = self.embed(torch.arange(self.embed.num_embeddings)).numpy()
        return result

    def connectors(self, pairs: Iterable[tuple[Utterance, np.ndarray]], label: str) -> Connectors:
        """Return the model's connectors, fitted once to utterances with their features and kept under a label."""
        file = self.work / "models" / f"connectors-{self.name}-{label}.npz"
        names = ("ridge", "rotated", "random", "mel")
        if not file.exists():
            fitted = fit_connectors(list(pairs), self.tokenizer, self.embeddings())
            maps = {name: getattr(fitted, name) for name in names}
            write_once(
                file, **{f"{n}.{part}": getattr(m, part) for n, m in maps.items() for part in ("weight", "bias")}
            )
        with np.load(file) as data:
            return Connectors(**{name: Linear(data[f"{name}.weight"], data[f"{name}.bias"]) for name in names})

    def states(self, utterance: Utterance, features: np.ndarray, connectors: Connectors, label: str) -> States:
        """Return the hidden states of an utterance, computed once and kept in half precision."""
        file = self.work / "states" / self.name / label / f"{utterance.uid}.npz"
        if not file.exists():
            heard = connectors(utterance, features)
            arrays = {"words": self.words(utterance.text)}
            arrays |= dict(zip(CONNECTORS, self.frames([heard[name] for name in CONNECTORS]), strict=True))
            write_once(file, **{name: _halved(array) for name, array in arrays.items()})
        with np.load(file) as data:
            return States(data["words"].astype(np.float32), {n: data[n].astype(np.float32) for n in CONNECTORS})


def _halved(states: np.ndarray) -> np.ndarray:
    """Return states in float16, each layer divided by its largest magnitude: no similarity sees the scale."""
    return (states / np.abs(states).max(axis=(-2, -1), keepdims=True)).astype(np.float16)
