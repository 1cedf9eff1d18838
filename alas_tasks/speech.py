"""What a document hands to a model: one utterance with its transcript, and how its audio becomes samples.

The functions ``doc_to_*`` are shared by every task's YAML. They read the standard columns
(`alas_tasks.documents`) and the settings of ``lmms_eval_specific_kwargs``:

- ``pre_prompt``, ``post_prompt``: put around the document's instruction, as in the harness's own tasks;
- ``instruction``: the instruction itself, for tasks that ask every document the same;
- ``answers``: ``free`` (default), ``option`` (a letter A to D), ``emotion``, or a list of labels;
- ``language``: the language spoken, ``en`` by default.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from alas_metric.alignment import WordTiming
from alas_metric.errors import FatalError, SkipDocument
from alas_tasks.answers import label_reader, read_emotion, read_option

SAMPLE_RATE = 16_000
"""Samples per second of all audio that leaves `load_audio`."""

Audio = Mapping[str, Any] | np.ndarray | str | os.PathLike | None
"""Encoded ``{"bytes", "path"}``, decoded ``{"array", "sampling_rate"}`` or an array, a path, or none."""

MAX_SAMPLES = 2**28
"""Of audio before and after resampling, mono: 1 GiB, or more than four hours at 16 kHz."""
RATES = range(1_000, 768_001)
"""Samples per second that audio may have; a header that claims others would let resampling fill the memory."""

_BLOCK = 2**20  # samples of all channels that are decoded at once
_UNKNOWN_FRAMES = 1 << 48  # libsndfile reports such counts where a stream's header leaves its length open


@dataclass(frozen=True, eq=False)
class SpeechSample:
    """One utterance as the adapters of `model_patches` read it.

    The stock wrappers of the harness cannot use it: what they would do with an audio dictionary (look up a
    key, take its length, iterate) ends the run with the model ids that work, instead of an answer to a prompt
    without audio.

    Args:
        uid: the utterance's name, unique within the task.
        audio: see `Audio`; nothing is decoded before `load_audio`.
        transcript: what is said, or None where a recogniser has to tell.
        target: the gold answer; the label itself for closed answers.
        words: gold word timestamps, where the data set has them.
        speaker: who speaks, where known.
        read_answer: reads an answer as one of the labels, or None; not set where answers are free.
        language: the language spoken, as an ISO 639-1 code.
        answers: the task's setting that ``read_answer`` was made from: what tells one way of reading from another.
    """

    uid: str
    audio: Audio
    transcript: str | None = None
    target: str | None = None
    words: Sequence[WordTiming] | None = None
    speaker: str | None = None
    read_answer: Callable[[str], str | None] | None = None
    language: str = "en"
    answers: Any = None

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: object) -> NoReturn:
        self._refuse()

    def __len__(self) -> int:
        self._refuse()

    def __iter__(self) -> Iterator[Any]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise FatalError(
            f"document {self.uid!r} of an ALAS task was given to a model wrapper that does not know ALAS. "
            f"Model ids that work: {_model_ids()}."
        )


def _model_ids() -> str:
    try:
        from model_patches.registry import MODEL_IDS
    except ImportError:
        return "those that the package model_patches of lmms-eval-alas registers"
    return ", ".join(MODEL_IDS)


def load_audio(audio: Audio, sampling_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Return audio of any rate and channel count as 16 kHz mono.

    Args:
        audio: see `Audio`.
        sampling_rate: samples per second of a bare array; ignored for everything else.

    Returns:
        float32 array of shape ``(num_samples,)`` at `SAMPLE_RATE`.

    Raises:
        SkipDocument: ``missing_audio``, ``unreadable_audio``, ``non_finite_audio``, ``too_short`` (no sample) or
            ``too_long`` (`MAX_SAMPLES`).
    """
    if isinstance(audio, np.ndarray):
        samples, rate = audio, sampling_rate
    elif isinstance(audio, Mapping) and audio.get("array") is not None:
        samples, rate = np.asarray(audio["array"]), int(audio.get("sampling_rate") or sampling_rate)
    else:
        samples, rate = _decode(*_encoded(audio))
    return to_mono(samples, rate)


def to_mono(samples: np.ndarray, rate: int) -> np.ndarray:
    """Mix channels, resample to `SAMPLE_RATE` and check the values.

    Args:
        samples: shape ``(num_samples,)``, ``(num_samples, channels)`` or the other way round; floats in about
            [-1, 1] or signed integers.
        rate: samples per second.

    Raises:
        SkipDocument: as `load_audio`.
    """
    if samples.ndim not in (1, 2):
        raise SkipDocument("unreadable_audio", f"audio of shape {samples.shape}: expected (samples[, channels])")
    if np.issubdtype(samples.dtype, np.integer):
        samples = samples.astype(np.float32) / float(1 << (8 * samples.dtype.itemsize - 1))
    with np.errstate(over="ignore"):  # 64-bit values beyond float32 become infinite and are reported just below
        samples = samples.astype(np.float32)
    if not np.isfinite(samples).all():
        raise SkipDocument("non_finite_audio", f"{int((~np.isfinite(samples)).sum())} samples are NaN or infinite")
    if not samples.size:
        raise SkipDocument("too_short", "the audio holds no sample")
    if samples.ndim == 2:  # some libraries put channels first; there are always fewer of them than samples
        samples = samples.mean(axis=int(samples.shape[0] >= samples.shape[1]))
    _check_size(len(samples), rate)
    if rate != SAMPLE_RATE:
        import librosa

        samples = librosa.resample(samples, orig_sr=rate, target_sr=SAMPLE_RATE)
    if not samples.size:
        raise SkipDocument("too_short", "nothing is left of the audio at 16 kHz")
    return np.ascontiguousarray(samples, dtype=np.float32)


def _check_size(num_samples: int, rate: int) -> None:
    """Refuse audio that would not fit; a few kilobytes of FLAC may be many hours of silence."""
    if rate not in RATES:
        raise SkipDocument("unreadable_audio", f"audio at {rate} Hz: expected {RATES[0]} to {RATES[-1]} Hz")
    if num_samples * max(1.0, SAMPLE_RATE / rate) > MAX_SAMPLES:
        raise SkipDocument("too_long", f"{num_samples} samples at {rate} Hz: at most {MAX_SAMPLES} are read")


def _encoded(audio: Audio) -> tuple[BinaryIO, str]:
    """Open encoded audio for reading; return the file with a name for messages."""
    if isinstance(audio, Mapping):
        name = str(audio.get("path") or "the audio of the row")
        if audio.get("bytes") is not None:
            return io.BytesIO(audio["bytes"]), name
        audio = audio.get("path")
    if not audio:
        raise SkipDocument("missing_audio", "the row has no audio")
    path = Path(audio)  # type: ignore[arg-type]  # a Mapping or an array was dealt with before
    if not os.path.isfile(path):  # unlike Path.is_file false, not an error, for names that no file can have
        raise SkipDocument("missing_audio", f"{path} does not exist")
    try:
        return path.open("rb"), str(path)
    except OSError as error:
        raise SkipDocument("missing_audio", f"{path}: {error}") from error


def _decode(file: BinaryIO, name: str) -> tuple[np.ndarray, int]:
    """Return ``(mono samples, rate)``; a file shorter than its header says is refused."""
    import soundfile

    with file:
        try:
            _check_wav_is_whole(file)
            with soundfile.SoundFile(file) as sound:
                promised, rate = sound.frames, sound.samplerate
                samples = _read_mono(sound)
        # libsndfile's errors are RuntimeErrors; a broken header may also lead to impossible sizes.
        except (RuntimeError, OSError, ValueError, TypeError, struct.error, MemoryError) as error:
            raise SkipDocument("unreadable_audio", f"{name}: {error}") from error
    if promised < _UNKNOWN_FRAMES and len(samples) < promised:
        raise SkipDocument(
            "unreadable_audio",
            f"{name}: {len(samples)} of {promised} samples are there: is the file cut off?",
        )
    return samples, rate


def _read_mono(sound: Any) -> np.ndarray:
    """Return the mean of the channels of an opened file.

    Read block by block: what is there counts, not what the header promises, for which memory would be taken first.
    """
    blocks, length = [np.zeros(0, np.float32)], 0
    while len(block := sound.read(max(1, _BLOCK // sound.channels), dtype="float32", always_2d=True)):
        with np.errstate(over="ignore", invalid="ignore"):  # infinite values are reported by `to_mono`
            blocks.append(block.mean(axis=1))
        length += len(block)
        _check_size(length, sound.samplerate)
    return np.concatenate(blocks)


def _check_wav_is_whole(file: BinaryIO) -> None:
    """Raise ValueError for a WAV file that ends before its data does; libsndfile accepts it silently."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(12)
    position = 12
    while head[:4] == b"RIFF" and head[8:] == b"WAVE" and position + 8 <= size:
        file.seek(position)
        kind, length = struct.unpack("<4sI", file.read(8))
        # Writers that stream do not know the length; they leave 0 or about the largest number there.
        if kind == b"data" and 0 < length < 0x7FFFF000 and position + 8 + length > size:
            raise ValueError(f"{size - position - 8} of {length} bytes of sound are there: is the file cut off?")
        position += 8 + length + length % 2
    file.seek(0)


def doc_to_text(doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:
    """Return the instruction, without any transcript: the runs of the model side add what they need."""
    settings = lmms_eval_specific_kwargs or {}
    instruction = settings.get("instruction") or doc.get("instruction") or ""
    return f"{settings.get('pre_prompt') or ''}{instruction}{settings.get('post_prompt') or ''}"


def doc_to_visual(
    doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None
) -> list[SpeechSample]:
    """Return the document's utterance, its audio not yet decoded."""
    settings = lmms_eval_specific_kwargs or {}
    read_answer = answer_reader(settings.get("answers"))
    target = doc.get("target")
    if read_answer and target:
        target = read_answer(target) or target
    words = doc.get("words")
    return [
        SpeechSample(
            uid=doc["uid"],
            audio=doc.get("audio"),
            transcript=doc.get("transcript"),
            target=target,
            words=[WordTiming(w["word"], w["start"], w["end"]) for w in words] if words is not None else None,
            speaker=doc.get("speaker"),
            read_answer=read_answer,
            language=settings.get("language") or "en",
            answers=settings.get("answers"),
        )
    ]


def doc_to_messages(
    doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the same for the harness's chat requests."""
    (sample,) = doc_to_visual(doc, lmms_eval_specific_kwargs)
    text = doc_to_text(doc, lmms_eval_specific_kwargs)
    content = [{"type": "speech_sample", "url": sample}, {"type": "text", "text": text}]
    return [{"role": "user", "content": content}]


def doc_to_target(doc: Mapping[str, Any]) -> str:
    """Return the gold answer; empty where there is none, as the harness wants a string."""
    return doc.get("target") or ""


def answer_reader(answers: str | Sequence[str] | None) -> Callable[[str], str | None] | None:
    """Return the function that reads a closed answer, or None for free answers.

    Args:
        answers: the setting ``answers``; see the module's description.

    Raises:
        FatalError: For an unknown setting.
    """
    if answers is None or answers == "free":
        return None
    if answers == "option":
        return read_option
    if answers == "emotion":
        return read_emotion
    if isinstance(answers, str) or not answers:
        raise FatalError(f"answers must be free, option, emotion or a list of labels, got {answers!r}")
    return label_reader([str(label) for label in answers])
