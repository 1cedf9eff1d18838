"""The model arguments with the prefix ``alas_``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from alas_metric.errors import FatalError

PREFIX = "alas_"


@dataclass(frozen=True)
class AlasOptions:
    """How the paired runs are done and what they are compared with; ``--model_args alas_<name>=<value>``.

    Args:
        reference: ``whisper:<size or path>``, or ``words`` for the word timestamps of the data set.
        whisper_mode: ``align`` (the known transcript, by teacher forcing) or ``transcribe`` (recognise, then match).
        whisper_device: where Whisper runs; default: the model's device.
        whisper_heads: alignment heads of a Whisper checkpoint given by path, ``layer:head;layer:head``.
        language: language of the speech, as Whisper's codes; default: what the task says.
        responses: False probes with two prefills: no answers, no filter.
        sbert: Sentence-BERT model that compares free answers; a hub id or a folder.
        cache: folder of the word timestamps; default: the user's cache folder.
        journal: folder in which every finished record is written at once; a run started again takes them from there.
        dump: of how many documents of each task the similarities are kept beside the results, for pictures.
    """

    reference: str = "whisper:large-v3"
    whisper_mode: str = "align"
    whisper_device: str | None = None
    whisper_heads: str | None = None
    language: str | None = None
    responses: bool = True
    sbert: str = "sentence-transformers/paraphrase-MiniLM-L6-v2"
    cache: str | None = None
    journal: str | None = None
    dump: int = 0

    def __post_init__(self) -> None:
        kind, _, checkpoint = self.reference.partition(":")
        if self.reference != "words" and not (kind == "whisper" and checkpoint):
            raise FatalError(f"alas_reference must be 'words' or 'whisper:<size or path>', got {self.reference!r}")
        if self.whisper_mode not in ("align", "transcribe"):
            raise FatalError(f"alas_whisper_mode must be 'align' or 'transcribe', got {self.whisper_mode!r}")
        if not isinstance(self.responses, bool):
            raise FatalError(f"alas_responses must be true or false, got {self.responses!r}")
        if type(self.dump) is not int or self.dump < 0:
            raise FatalError(f"alas_dump must be a number of documents from 0 up, got {self.dump!r}")

    @property
    def whisper(self) -> str | None:
        """The Whisper checkpoint of the reference, or None for the data set's own timestamps."""
        return None if self.reference == "words" else self.reference.partition(":")[2]

    @classmethod
    def from_model_args(cls, arguments: Mapping[str, Any]) -> AlasOptions:
        """Read the options from the model arguments that the wrapper itself does not know.

        Raises:
            FatalError: naming the argument that is not known, and those that are.
        """
        known = {PREFIX + field.name: field.name for field in fields(cls)}
        unknown = sorted(set(arguments) - set(known))
        if unknown:
            raise FatalError(
                f"unknown model argument{'s' * (len(unknown) > 1)} {', '.join(unknown)}. "
                f"Those of ALAS are: {', '.join(known)}."
            )
        return cls(**{known[name]: value for name, value in arguments.items()})


@dataclass(frozen=True)
class LoadOptions:
    """How a checkpoint of transformers is loaded; model arguments without a prefix.

    Args:
        dtype: ``auto`` (the checkpoint's), ``float32``, ``bfloat16`` or ``float16``.
        attn_implementation: ``eager``, ``sdpa``, ``flash_attention_2``; default: transformers' choice.
        revision: the hub revision of the checkpoint.
        peft: folder or hub id of an adapter on top (LoRA and its kin), as peft saves it.
        load_in_4bit: quantise the weights with bitsandbytes (NF4) while loading.
        load_in_8bit: the same with 8 bits.

    Raises:
        FatalError: If both are asked for.
    """

    dtype: str = "auto"
    attn_implementation: str | None = None
    revision: str | None = None
    peft: str | None = None
    load_in_4bit: bool = False
    load_in_8bit: bool = False

    def __post_init__(self) -> None:
        if self.load_in_4bit and self.load_in_8bit:
            raise FatalError("load_in_4bit and load_in_8bit cannot both be true")

    @classmethod
    def take(cls, arguments: Mapping[str, Any]) -> tuple[LoadOptions, dict[str, Any]]:
        """Return these options, and the arguments that are none of them."""
        names = {field.name for field in fields(cls)}
        mine = {name: value for name, value in arguments.items() if name in names}
        return cls(**mine), {name: value for name, value in arguments.items() if name not in names}

    def chosen(self) -> dict[str, Any]:
        """Return those that are set."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}
