"""One utterance, or one step of a training loop, without the harness."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from alas_metric.document.paths import WordTiming
from alas_metric.document.record import AlignmentRecord
from alas_tasks.answer_similarity import SentenceSimilarity
from alas_tasks.audio import SAMPLE_RATE, load_audio
from alas_tasks.speech import SpeechSample
from model_patches.adapters.adapter import SpeechAdapter
from model_patches.adapters.generation import generation_arguments
from model_patches.adapters.lens import Lens
from model_patches.reference.aligner import Aligner
from model_patches.registry import adapter_for
from model_patches.run.options import AlasOptions, Aligners, describe
from model_patches.run.paired import PairedRuns
from model_patches.run.preparation import Preparation


def probe(
    model: Any,
    processor: Any,
    audio: np.ndarray | str,
    transcript: str | None = None,
    *,
    sampling_rate: int = SAMPLE_RATE,
    instruction: str = "",
    words: Sequence[WordTiming] | None = None,
    reference: Any = "whisper:large-v3",
    responses: bool = False,
    sbert: str = AlasOptions.sbert,
    generation: Mapping[str, Any] | None = None,
    language: str = "en",
    uid: str | None = None,
    layer_map: bool = False,
    lens: int = 0,
) -> AlignmentRecord:
    """Run one utterance on its audio and on its transcript and return the alignment record.

    Model and processor are left as they were found: the same mode, no hooks, no gradients.

    Args:
        model: a transformers model of a known family, on any device.
        processor: its processor.
        audio: samples, shape ``(num_samples,)`` or ``(num_samples, channels)``, or the path of an audio file.
        transcript: what is said; None lets Whisper recognise it.
        sampling_rate: of ``audio`` given as samples, in Hz.
        instruction: what the model is asked in both runs.
        words: word timestamps, one per word of the transcript; they are the reference where they are given.
        reference: as the model argument ``alas_reference``, or an aligner that is already loaded, such as a
            `WhisperReference`, for use in a loop.
        responses: whether the answers are generated too; otherwise two prefills are all that is run.
        sbert: Sentence-BERT model that compares the answers.
        generation: keyword arguments as in a task's ``generation_kwargs``.
        language: of the speech.
        uid: names the utterance; default: a hash of its samples. It seeds the control of `alas_chance`.
        layer_map: compare every audio layer with every text layer too.
        lens: among how many of the largest tokens at the audio positions of every layer a word is looked for; what each
            stretch of audio reads as is then ``record.lens``. 0: not at all.

    Returns:
        The record, as the harness's tasks make it; `alas_metric.score_record` scores it.

    Raises:
        SkipDocument: If this utterance cannot be scored, with the cause.
        FatalError: If the audio does not reach the model, or ``lens`` cannot be had of it.
        ValueError: If no adapter knows the model.

    Example:
        >>> record = probe(model, processor, "speech.wav", "the quick brown fox")  # doctest: +SKIP
        >>> alas_metric.score_record(record).columns["alas_raw"]  # one value per layer  # doctest: +SKIP
    """
    source = (
        {"path": audio, "bytes": None} if isinstance(audio, str) else {"array": audio, "sampling_rate": sampling_rate}
    )
    samples = load_audio(source)
    name = uid or hashlib.sha256(samples.tobytes()).hexdigest()[:16]
    sample = SpeechSample(
        uid=name,
        audio=source,
        transcript=transcript,
        words=list(words) if words is not None else None,
        language=language,
    )
    adapter: SpeechAdapter = adapter_for(model.config.model_type)(model, processor)
    sources = [None] if words is not None else as_sources(reference, adapter)
    document = Preparation(adapter, lambda _: sources)(sample, instruction, samples)
    arguments = generation_arguments(generation or {}, responses)
    similarity = SentenceSimilarity(sbert).pairs if responses else None
    settings = describe(AlasOptions(responses=responses, sbert=sbert))
    reader = Lens.of(adapter, lens) if lens else None
    runs = PairedRuns(adapter, responses, similarity, settings, layer_map=layer_map, lens=reader)
    with evaluation_mode(model):
        return runs([document], [samples], arguments)[0]


def as_sources(reference: Any, adapter: SpeechAdapter) -> Sequence[Aligner | None]:
    """Return the sources of word times that a text names; an aligner that is given is the only one."""
    if isinstance(reference, str):
        return Aligners(AlasOptions(reference=reference), adapter.device).of(None)
    return [reference]


@contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """Switch dropout off and put the model's mode back afterwards."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode
