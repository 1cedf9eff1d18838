"""What a family of speech LLMs has to supply, and what all of them share.

A family is one small file: a subclass of `SpeechAdapter` and, for lmms-eval, a wrapper class (see `qwen2_audio.py`).
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch

from alas_metric.document.units import Unit
from alas_metric.errors import SkipDocument
from model_patches.adapters.capture import CaptureMismatch, Decoder, find_decoder
from model_patches.adapters.generation import one_answer

# A character of the private use area: no tokenizer or template gives it a meaning, and clean_text removes it.
_MARK = "\ue000"

_OF_TEXT = {"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "position_ids"}
"""What a processor returns of the prompt; anything else is the audio, under whatever name."""


@dataclass(frozen=True)
class Prompts:
    """A batch of prompts, ready for ``generate``.

    Args:
        inputs: keyword arguments of ``generate``, tensors of ``(batch, ...)``, left-padded.
        positions: per row, the positions of the audio (audio run) in the padded prompt.
        words: per row, per word, the positions of its tokens (text run).
    """

    inputs: Mapping[str, Any]
    positions: Sequence[torch.Tensor] = ()
    words: Sequence[Sequence[Sequence[int]]] = ()

    @property
    def batch_size(self) -> int:
        """Number of prompts."""
        return int(self.inputs["input_ids"].shape[0])

    @property
    def length(self) -> int:
        """Length of the padded prompts, in positions."""
        return int(self.inputs["input_ids"].shape[1])


class SpeechAdapter(ABC):
    """How one family of speech LLMs is prompted and read.

    Args:
        model: the transformers model, in evaluation mode.
        processor: its processor.
    """

    text_run: ClassVar[str] = "Audio Transcription: {transcript}\n\n{instruction}"
    """What the user says in the text run; the audio run says the instruction alone, after the audio."""

    min_positions: ClassVar[int] = 1
    """Audio with fewer positions cannot be run."""

    batches: ClassVar[bool] = True
    """Whether documents may be run in batches: only where tests show that it does not move the scores."""

    tolerance: float = 2
    """How many positions an audio may have more or fewer than its duration tells."""

    verify: ClassVar[bool] = False
    """Whether the first document also compares what the hooks read with the model's own ``output_hidden_states``."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        self.tokenizer = processor.tokenizer

    # What a family supplies.

    @classmethod
    @abstractmethod
    def load(cls, pretrained: str, *, dtype: str, device_map: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Load the checkpoint and return the model and its processor."""

    @property
    @abstractmethod
    def seconds_per_position(self) -> float:
        """The exact time that one audio position covers."""

    @property
    @abstractmethod
    def audio_token_id(self) -> int:
        """The placeholder that marks each audio position in the prompt's token ids."""

    @abstractmethod
    def render(self, instruction: str, num_segments: int) -> str:
        """Return the prompt, as text with ``num_segments`` audio placeholders before the instruction."""

    @abstractmethod
    def encode_audio(self, prompts: list[str], segments: list[list[np.ndarray]]) -> Mapping[str, Any]:
        """Return the model's inputs for prompts of the audio run; ``segments`` holds each prompt's pieces of audio."""

    @abstractmethod
    def split(self, audio: np.ndarray) -> list[np.ndarray]:
        """Cut 16 kHz audio into the pieces that the model takes one by one."""

    # What all families share.

    def ask(self, contents: list[str], segments: list[list[np.ndarray]]) -> Mapping[str, Any]:
        """Return the model's inputs for a batch of questions, left-padded.

        Args:
            contents: what the user says in each.
            segments: the pieces of audio before it; none in any of them: questions of text alone.
        """
        prompts = [self.render(content, len(pieces)) for content, pieces in zip(contents, segments, strict=True)]
        return self.encode_audio(prompts, segments) if any(segments) else self.encode_text(prompts)

    @property
    def decoder(self) -> Decoder:
        """The layers and the final norm of the language model."""
        return find_decoder(self.model)

    @property
    def device(self) -> torch.device:
        """Where the inputs go."""
        return self.model.get_input_embeddings().weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the language model; what hears may keep another."""
        return self.model.get_input_embeddings().weight.dtype

    @property
    def generation(self) -> Mapping[str, Any]:
        """What ``generate`` is given unless the task says otherwise."""
        return {}

    @property
    def generation_config(self) -> Any:
        """The checkpoint's own generation settings."""
        return getattr(self.model, "generation_config", None)

    def generate(self, inputs: Mapping[str, Any], **generation: Any) -> Any:
        """Call the model's ``generate``, with the inputs where the model wants them."""
        placed = {name: v.to(self.device) if isinstance(v, torch.Tensor) else v for name, v in inputs.items()}
        with torch.no_grad(), one_answer(self.generation_config):
            return self.model.generate(**placed, **{**self.generation, **generation})

    def answers(self, inputs: Mapping[str, Any], **generation: Any) -> list[str]:
        """Return the text that the model adds to each prompt of a batch."""
        new = self.generate(inputs, **generation)[:, inputs["input_ids"].shape[1] :]
        return list(self.tokenizer.batch_decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def token_text(self, token: int) -> str:
        """Return a token as text; the head may know more tokens than the tokenizer has texts for."""
        try:
            text = self.tokenizer.decode([token], clean_up_tokenization_spaces=False)
        except Exception:  # tokenizers raise what they like
            text = ""
        return text or f"<{token}>"

    def clean_text(self, text: str) -> str:
        """Return ``text`` without control characters and without the tokenizer's special tokens.

        A placeholder or end-of-turn token inside a transcript would be read as one, not as text.
        """
        added: dict[str, int] = getattr(self.tokenizer, "get_added_vocab", dict)()  # mistral_common's has none
        specials = {*self.tokenizer.all_special_tokens, *added}
        for token in sorted(filter(None, specials), key=len, reverse=True):
            text = text.replace(token, " ")
        kept = (" " if unicodedata.category(c) in {"Cc", "Cs", "Co", "Zl", "Zp"} else c for c in text)
        return "".join(kept).strip()

    def audio_prompts(self, audios: list[np.ndarray], instructions: list[str]) -> Prompts:
        """Return the batch of the audio run.

        Raises:
            SkipDocument: If a document's audio has fewer positions than the model takes.
        """
        segments = [self.split(audio) for audio in audios]
        # Feature extractors compute on the CPU and cannot take autocast, in which a training loop may probe.
        with torch.autocast("cpu", enabled=False):
            inputs = self.ask(instructions, segments)
        positions = [(row == self.audio_token_id).nonzero()[:, 0] for row in inputs["input_ids"]]
        for audio, found in zip(audios, positions, strict=True):
            if len(found) < self.min_positions:
                raise SkipDocument(
                    "too_short",
                    f"{len(audio)} samples at 16 kHz give {len(found)} positions, the model needs {self.min_positions}",
                )
        return Prompts(inputs, positions=positions)

    def text_prompts(self, transcripts: list[str], instructions: list[str], units: Sequence[Sequence[Unit]]) -> Prompts:
        """Return the batch of the text run, with the tokens of each word found by their characters.

        Raises:
            CaptureMismatch: If the transcript, or what a token is of it, cannot be told.
            SkipDocument: If a word has no token.
        """
        located = [
            locate(partial(self.render_text, instruction=instruction), transcript)
            for transcript, instruction in zip(transcripts, instructions, strict=True)
        ]
        texts = [text for text, _ in located]
        if getattr(self.tokenizer, "is_fast", False):
            inputs = self.encode_text(texts, return_offsets_mapping=True)
            offsets = inputs.pop("offset_mapping").tolist()
        else:
            contents = [self.text_content(*said) for said in zip(transcripts, instructions, strict=True)]
            inputs = dict(self.ask(contents, [[] for _ in contents]))
            rows = zip(inputs["input_ids"], inputs["attention_mask"], texts, strict=True)
            offsets = [spans_by_decoding(self.tokenizer.decode, *row) for row in rows]
        words = [
            tokens_of_units(offset, mask.tolist(), row_units, start)
            for offset, mask, row_units, (_, start) in zip(
                offsets, inputs["attention_mask"], units, located, strict=True
            )
        ]
        return Prompts(inputs, words=words)

    def encode_text(self, prompts: list[str], **options: Any) -> dict[str, Any]:
        """Return the model's inputs for prompts without audio, left-padded."""
        special = self.adds_special_tokens(prompts)
        encoded = self.tokenizer(
            prompts, padding=True, padding_side="left", return_tensors="pt", add_special_tokens=special, **options
        )
        return dict(encoded)

    def adds_special_tokens(self, prompts: Sequence[str]) -> bool:
        """Tell whether the tokenizer is to add its special tokens: not where a template has written the first one."""
        bos = self.tokenizer.bos_token
        return bos is None or not prompts[0].startswith(bos)

    def render_text(self, transcript: str, instruction: str) -> str:
        """Return the prompt of the text run, as text."""
        return self.render(self.text_content(transcript, instruction), 0)

    def text_content(self, transcript: str, instruction: str) -> str:
        """Return what the user says in the text run."""
        return self.text_run.format(transcript=transcript, instruction=instruction)

    def check_audio(self, prompts: Prompts, durations: Sequence[float]) -> None:
        """Check that audio went into the prompts, one position for each `seconds_per_position`.

        Raises:
            CaptureMismatch: saying what was expected and what came.
        """
        if not set(prompts.inputs) - _OF_TEXT:
            raise CaptureMismatch(
                f"the processor returned no audio features, only {sorted(prompts.inputs)}: the model would answer "
                "from the prompt alone. Does this version of transformers take the audio under another name?"
            )
        for positions, duration in zip(prompts.positions, durations, strict=True):
            expected = duration / self.seconds_per_position
            if abs(len(positions) - expected) > self.tolerance:
                raise CaptureMismatch(
                    f"{duration:.2f} s of audio should give about {expected:.0f} positions of "
                    f"{self.seconds_per_position} s each, the prompt holds {len(positions)}: was the audio cut?"
                )


def locate(template: Callable[[str], str], transcript: str) -> tuple[str, int]:
    """Fill ``template`` with a transcript and return the text and where the transcript starts in it.

    The place is found with a mark instead of the transcript, since the same words may stand in the instruction.

    Raises:
        CaptureMismatch: If the template changes the transcript.
    """
    before, _, after = template(_MARK).partition(_MARK)
    text = template(transcript)
    if text != before + transcript + after:
        raise CaptureMismatch("the chat template changes the transcript that it is given; positions of words are lost")
    return text, len(before)


def spans_by_decoding(
    decode: Callable[[list[int]], str], ids: torch.Tensor, mask: torch.Tensor, text: str
) -> list[tuple[int, int]]:
    """Return the character span of each of a prompt's tokens, where the tokenizer tells no offsets.

    The prompt is decoded with one token more each time; what it then has more of is the token's. Between tokens that
    share a character, as bytes of one, the text ends in replacement characters: the character belongs to all of them.

    Args:
        decode: from token ids to text, special tokens included.
        ids: the prompt's, shape ``(positions,)``.
        mask: its attention mask; what is padded has the span (0, 0).
        text: the prompt.

    Raises:
        CaptureMismatch: If the tokens do not decode to the text piece by piece.
    """
    spans, tokens, whole, decoded = [], [], 0, ""
    for token, real in zip(ids.tolist(), mask.tolist(), strict=True):
        if not real:
            spans.append((0, 0))
            continue
        tokens.append(token)
        decoded = decode(tokens)
        done = len(decoded.rstrip("\ufffd"))
        if done < whole or not text.startswith(decoded[:done]):
            break
        own = len(text[done:]) - len(text[done:].lstrip("\ufffd"))  # replacement characters of the text itself
        spans.append((whole, done + min(len(decoded) - done, own + 1)))
        whole = done
    if len(spans) < len(ids) or decoded != text:
        raise CaptureMismatch(
            f"the tokens of the prompt decode to {decoded[whole:][:40]!r} where {text[whole:][:40]!r} was asked for: "
            "which token is of which word cannot be told"
        )
    return spans


def tokens_of_units(
    offsets: Sequence[Sequence[int]], mask: Sequence[int], units: Sequence[Unit], start: int
) -> list[list[int]]:
    """Return, for each unit of a transcript, the positions of the tokens that overlap its characters.

    Args:
        offsets: character span of each token in the prompt, as a fast tokenizer's ``offset_mapping``.
        mask: attention mask of the prompt; padding has no characters.
        units: the words, spans counted from the transcript's start.
        start: where the transcript starts in the prompt, in characters.

    Raises:
        SkipDocument: If a unit has no token.
    """
    spans = [(i, a, b) for i, ((a, b), real) in enumerate(zip(offsets, mask, strict=True)) if real and b > a]
    # Tokens come in the order of their characters, so that those of a unit are a run of them.
    indices, begins, ends = np.array(spans, dtype=np.int64).reshape(-1, 3).T
    found = []
    for unit in units:
        first = np.searchsorted(ends, start + unit.start, side="right")
        behind = np.searchsorted(begins, start + unit.end, side="left")
        if first >= behind:
            raise SkipDocument("error", f"no token of the prompt covers the word {unit.text!r}")
        found.append(indices[first:behind].tolist())
    return found
