"""Audio as it comes, encoded or decoded, to 16 kHz mono."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from alas_metric.errors import SkipDocument

SAMPLE_RATE = 16_000
"""Samples per second of all audio that leaves `load_audio`."""

Audio = Mapping[str, Any] | np.ndarray | str | os.PathLike[str] | None
"""Encoded ``{"bytes", "path"}``, decoded ``{"array", "sampling_rate"}`` or an array, a path, or none."""

MAX_SAMPLES = 2**28
"""Of audio before and after resampling, mono: 1 GiB, or more than four hours at 16 kHz."""
RATES = range(1_000, 768_001)
"""Samples per second that audio may have; a header that claims others would let resampling fill the memory."""

_BLOCK = 2**20  # samples of all channels that are decoded at once
_UNKNOWN_FRAMES = 1 << 48  # libsndfile reports such counts where a stream's header leaves its length open


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
