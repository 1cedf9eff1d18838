"""Reading hidden states with the model's own final norm and output head, layer by layer (the logit lens).

The general way: the head is what ``get_output_embeddings`` of transformers names, the norm the one that `find_decoder`
found. On the first document both are held against what the model itself does (`verify_lens`): the norm of the last
layer's output must be the last hidden state, and the head of that one must rank the largest tokens as the model's
logits do. Scaling and soft capping of logits keep the order and pass; a family that does anything else on the way is
refused with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from alas_metric.document.lens_table import MAX_TOKEN_CHARACTERS, LensTable
from alas_metric.document.measures.lens import words_read
from alas_metric.document.timeline import Timeline
from alas_metric.errors import FatalError
from model_patches.adapters.adapter import SpeechAdapter
from model_patches.adapters.capture import Decoder, capture_prefill, states_in

_CELLS = 2**24
"""Logits held at once: 64 MB in float32, whatever the vocabulary."""
_ROUNDING = 8
"""By how many units in the last place of the largest logit two ways to compute it may differ."""


@dataclass(frozen=True)
class Lens:
    """The final norm and the output head of a model.

    Args:
        decoder: its layers and final norm.
        head: from normed hidden states to logits.
        largest: how many of the largest tokens are looked at.
    """

    decoder: Decoder
    head: nn.Module
    largest: int

    @classmethod
    def of(cls, adapter: SpeechAdapter, largest: int) -> Lens:
        """Return the lens of a model.

        Raises:
            FatalError: If it has no output head.
        """
        return cls(adapter.decoder, find_head(adapter.model, adapter.decoder), largest)

    def __call__(self, entry: int, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what hidden states read as.

        Args:
            entry: their layer, 0..L; those of layer L come after the final norm already.
            states: shape ``(positions, hidden size)``, in the model's own number format.

        Returns:
            The largest tokens, best first, ``(positions, largest)``, and the probability of the best, ``(positions,)``.
        """
        tokens, probabilities = [], []
        normed = entry == len(self.decoder.layers)
        for some in states.split(max(1, _CELLS // self._vocabulary)):
            # Not through the module: the hooks that read hidden states hang on it.
            logits = self.head(some if normed else self.decoder.norm.forward(some))
            best = logits.topk(min(self.largest, logits.shape[-1]), dim=-1)
            tokens.append(best.indices)
            probabilities.append((best.values[:, 0].float() - logits.float().logsumexp(dim=-1)).exp())
        return torch.cat(tokens), torch.cat(probabilities)

    @property
    def _vocabulary(self) -> int:
        return int(getattr(self.head, "out_features", 2**18))


def find_head(model: nn.Module, decoder: Decoder) -> nn.Module:
    """Return the output head of the language model.

    Raises:
        FatalError: If there is none.
    """
    for module in model.modules():
        head = getattr(module, "get_output_embeddings", lambda: None)()
        if isinstance(head, nn.Module) and any(part is decoder.norm for part in module.modules()):
            return head
    raise FatalError(f"alas_lens: {type(model).__name__} names no output head (get_output_embeddings): leave it out")


def verify_lens(lens: Lens, generate: Callable[..., Any]) -> None:
    """Hold norm and head against what the model itself computes in one prefill.

    Args:
        lens: what is to be used.
        generate: the model's ``generate``, with the inputs of one prompt.

    Raises:
        FatalError: saying what differs.
    """
    decoder = lens.decoder
    raw: list[Any] = []
    seen: dict[bool, torch.Tensor] = {}
    hook = decoder.layers[-1].register_forward_hook(lambda _module, _args, output: raw.append(output))
    try:
        with capture_prefill(decoder, lambda entry, states: seen.update({entry == len(decoder.layers): states})):
            output = generate(
                max_new_tokens=1, do_sample=False, num_beams=1, output_logits=True, return_dict_in_generate=True
            )
        with torch.no_grad():
            normed = decoder.norm.forward(decoder.select(states_in(raw[0])))
            last = seen[True]
            logits = lens.head(last[:, -1])
    except Exception as error:  # models are programs; what they raise is anything
        raise FatalError(f"alas_lens cannot be had of this model: {type(error).__name__}: {error}") from error
    finally:
        hook.remove()
    if normed.shape != last.shape or not torch.allclose(normed, last, rtol=1e-2, atol=1e-3):
        raise FatalError(
            "alas_lens cannot be had of this model: it does more than its final norm between the last layer and the "
            "output head, so that what an inner layer reads as is not defined. Leave alas_lens out."
        )
    if not _same_order(output.logits[0], logits, lens.largest):
        raise FatalError(
            "alas_lens cannot be had of this model: its output head on the last hidden states does not rank the "
            "largest tokens as the model's own logits do. Leave alas_lens out."
        )


def _same_order(own: torch.Tensor, ours: torch.Tensor, largest: int) -> bool:
    """Tell whether the largest of the model's own logits are the largest of ours too, up to rounding."""
    if own.shape != ours.shape:
        return False
    count = min(largest, own.shape[-1])
    ours = ours.to(own.device)
    slack = _ROUNDING * torch.finfo(ours.dtype).eps * ours.abs().amax(dim=-1, keepdim=True)
    chosen = ours.gather(-1, own.topk(count, dim=-1).indices)
    expected = ours.topk(count, dim=-1).values
    return bool(((chosen - expected).abs() <= slack).all())


@dataclass
class DocumentLens:
    """What the audio positions of one document read as, layer by layer.

    Args:
        lens: the model's.
        first_tokens: id of the first token of each of the N words, ``(N,)``.
        timeline: when the words are spoken.
    """

    lens: Lens
    first_tokens: torch.Tensor
    timeline: Timeline
    _tops: list[list[int]] = field(default_factory=list, repr=False)
    _found: list[np.ndarray] = field(default_factory=list, repr=False)

    def __call__(self, entry: int, states: torch.Tensor) -> np.ndarray:
        """Read one layer.

        Args:
            entry: its number, 0..L, in order.
            states: at the audio positions, ``(T, hidden size)``.

        Returns:
            Whether the first token of each word is among the largest at each position, bool ``(N, T)``.
        """
        tokens, probabilities = (values.cpu() for values in self.lens(entry, states))
        readable = torch.zeros(len(self.first_tokens), len(tokens), dtype=torch.bool)
        for column in tokens.T:
            readable |= column[None, :] == self.first_tokens[:, None]
        found = np.asarray(readable)
        surest = [begin + int(probabilities[begin:end].argmax()) for begin, end in self.timeline.stretches.tolist()]
        self._tops.append(tokens[surest, 0].tolist())
        self._found.append(words_read(found, self.timeline))
        return found

    def table(self, text_of: Callable[[int], str]) -> LensTable:
        """Return what was read, as text.

        Args:
            text_of: the text of a token.
        """
        shown = cache(lambda token: text_of(token)[:MAX_TOKEN_CHARACTERS])
        first = [shown(token) for token in self.first_tokens.tolist()]
        tops = [[shown(token) for token in row] for row in self._tops]
        return LensTable(self.lens.largest, first, tops, np.array(self._found))
