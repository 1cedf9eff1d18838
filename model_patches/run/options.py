"""The model arguments with the prefix ``alas_``."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.metadata import version
from typing import Any

import torch

from alas_metric.errors import FatalError
from model_patches.reference.aligner import Aligner
from model_patches.reference.cache import AlignmentCache
from model_patches.reference.sources import ALIGNERS, DEFAULT, GOLD, read_sources
from model_patches.run.harness_run import HarnessRun, current_run
from model_patches.run.journal import Journal
from model_patches.run.provenance import software

PREFIX = "alas_"
MAX_STATES = 1000
"""Documents; more hidden states than that are a data set of their own: some 12 GB of a 7B model."""
MAX_LENS = 1000
"""Tokens that may count as read: of more, any stretch of audio would read as anything."""


@dataclass(frozen=True)
class AlasOptions:
    """How the paired runs are done and what they are compared with; ``--model_args alas_<name>=<value>``.

    Args:
        reference: ``whisper:<size or path>``, ``qwen3_aligner:<hub id or path>``, or ``words`` for the word timestamps
            of the data set; several with ``;`` between them, the first is the one that scores use. Default: what the
            task says, else Whisper large-v3.
        whisper_mode: ``align`` (the known transcript, by teacher forcing) or ``transcribe`` (recognise, then match).
        whisper_device: where Whisper runs; default: the model's device.
        whisper_heads: those that word times are read from, ``layer:head;layer:head``; default: those of the checkpoint
            that follow known speech best.
        aligner_device: where Qwen3's aligner runs; default: the model's device.
        aligner_dtype: its number format: ``auto`` (the checkpoint's), ``float32``, ``bfloat16`` or ``float16``.
        language: language of the speech, as Whisper's codes; default: what the task says.
        responses: False probes with two prefills: no answers, no filter.
        sbert: Sentence-BERT model that compares free answers; a hub id or a folder. Default: the authors' for English,
            a multilingual one for other languages.
        cache: folder of the word timestamps; default: the user's cache folder.
        journal: folder in which every finished record is written at once; a run started again takes them from there.
        dump: of how many documents of each task the similarities are kept beside the results, for pictures.
        states: of how many documents of each task the hidden states are kept beside the results, at most `MAX_STATES`.
        layer_map: whether every audio layer is compared with every text layer too.
        dump_audio: keep the speech of these documents too, to be heard in ``alas view``.
        lens: among how many of the largest tokens that final norm and output head give at the audio positions of every
            layer a word is looked for; 0: not at all.
    """

    reference: str | None = None
    whisper_mode: str = "align"
    whisper_device: str | None = None
    whisper_heads: str | None = None
    aligner_device: str | None = None
    aligner_dtype: str = "auto"
    language: str | None = None
    responses: bool = True
    sbert: str | None = None
    cache: str | None = None
    journal: str | None = None
    dump: int = 0
    layer_map: bool = False
    dump_audio: bool = False
    states: int = 0
    lens: int = 0

    def __post_init__(self) -> None:
        if self.reference is not None:
            read_sources(self.reference)
        if self.whisper_mode not in ("align", "transcribe"):
            raise FatalError(f"alas_whisper_mode must be 'align' or 'transcribe', got {self.whisper_mode!r}")
        for name in ("responses", "dump_audio", "layer_map"):
            if not isinstance(value := getattr(self, name), bool):
                raise FatalError(f"{PREFIX}{name} must be true or false, got {value!r}")
        if type(self.dump) is not int or self.dump < 0:
            raise FatalError(f"alas_dump must be a number of documents from 0 up, got {self.dump!r}")
        if type(self.states) is not int or not 0 <= self.states <= MAX_STATES:
            raise FatalError(f"alas_states must be a number of documents from 0 to {MAX_STATES}, got {self.states!r}")
        if type(self.lens) is not int or not 0 <= self.lens <= MAX_LENS:
            raise FatalError(
                f"alas_lens must be a number of tokens, such as 10, from 0 to {MAX_LENS}, got {self.lens!r}"
            )
        if self.dump_audio and not self.dump:
            raise FatalError("alas_dump_audio keeps the speech of the documents that alas_dump=N keeps: give both")

    @property
    def keeps(self) -> bool:
        """Whether files are written beside the results."""
        return bool(self.dump or self.states)

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


def resume_advice(options: AlasOptions) -> str:
    """Return how a run that ends early goes on."""
    if options.journal:
        return f"The same command goes on from here: the finished records are in alas_journal={options.journal}."
    return "Its records are lost, the word timestamps are kept. With alas_journal=FOLDER the same command would go on."


def check_options(options: AlasOptions, device: torch.device) -> None:
    """Try what the options name, without loading anything large.

    Raises:
        FatalError: If an aligner's arguments or the journal cannot be used, or there is no place for dumps.
    """
    if options.keeps:
        writing_run()
    Aligners(options, device).of(None)
    if options.journal:
        Journal(options.journal).close()


def writing_run() -> HarnessRun:
    """Return the harness's run, whose folder takes the dumps.

    Raises:
        FatalError: If nothing is written.
    """
    run = current_run()
    if run is None or not run.writes:
        raise FatalError(
            "alas_dump and alas_states keep files beside the results, and no results are written: add --output_path "
            "FOLDER (from Python, an evaluation_tracker with an output_path)"
        )
    return run


class Aligners:
    """The sources of word times that the options and the tasks name, each made once; nothing is loaded yet.

    Args:
        options: say which, and where they run.
        device: of the model, the default.
    """

    def __init__(self, options: AlasOptions, device: torch.device) -> None:
        self.options = options
        self.device = device
        self.made: dict[tuple[str, str], Aligner] = {}

    def of(self, task: str | None) -> list[Aligner | None]:
        """Return the sources for a document, the primary one first; None stands for the data set's own times.

        Args:
            task: what the document's task says, None if nothing. The option overrides it.

        Raises:
            FatalError: If it names no source, or a checkpoint or an argument cannot be used.
        """
        return [self._made(*source) for source in read_sources(self.options.reference or task or DEFAULT)]

    def _made(self, kind: str, checkpoint: str) -> Aligner | None:
        if kind == GOLD:
            return None
        if (kind, checkpoint) not in self.made:
            self.made[kind, checkpoint] = ALIGNERS[kind](checkpoint, **self._arguments(kind))
        return self.made[kind, checkpoint]

    def _arguments(self, kind: str) -> dict[str, Any]:
        options, shared = self.options, {"cache": AlignmentCache(self.options.cache)}
        if kind == "whisper":
            device = options.whisper_device or str(self.device)
            return {**shared, "mode": options.whisper_mode, "device": device, "heads": options.whisper_heads}
        return {**shared, "device": options.aligner_device or str(self.device), "dtype": options.aligner_dtype}

    def close(self) -> None:
        """Free the memory of those that are loaded."""
        for aligner in self.made.values():
            aligner.close()


def environment(options: AlasOptions) -> dict[str, Any]:
    """Return the versions and options that can change a record's numbers."""
    return {
        "versions": {**software(), "lmms-eval": version("lmms-eval")},
        "python": platform.python_version(),
        "responses": options.responses,
        "heads": options.whisper_heads,
        "language": options.language,
        "layer_map": options.layer_map,
        "lens": options.lens,
    }
