"""How audio as people have it becomes 16 kHz mono: one reader, whose length is what decodes.

What a header says of the length is a promise at best and often an estimate: a file that holds more than its header
says is read to its end, and one that holds less is refused as cut off only where its header counts and does not guess.
Files of plain samples and FLAC are read by libsndfile, bit for bit; everything else by FFmpeg's libraries inside PyAV.
"""

from __future__ import annotations

import io
import os
import re
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from loguru import logger

from alas_metric.errors import SkipDocument

SAMPLE_RATE = 16_000
"""Samples per second of all audio that leaves `load_audio`."""

Audio = Mapping[str, Any] | np.ndarray | str | os.PathLike[str] | None
"""Encoded ``{"bytes", "path"}``, decoded ``{"array", "sampling_rate"}`` or an array, a path, or none.

A mapping may hold ``part`` too: fields of `Part`."""

MAX_SAMPLES = 2**28
"""Of audio before and after resampling, mono: 1 GiB, or more than four hours at 16 kHz."""
RATES = range(1_000, 768_001)
"""Samples per second that audio may have; a header that claims others would let resampling fill the memory."""

SILENCE = 1e-8
"""Power below which there is no sound: -80 dB of full scale, the rounding noise of 16-bit samples."""
CANCELLED = 0.25
"""A mix with less than this share of the power that unrelated channels leave has lost sound to opposite phases."""
BEYOND = 0.5
"""Seconds by which a part of a recording may end after the recording does: manifests round."""

_BLOCK = 2**20  # samples of all channels that are decoded at once
_UNKNOWN_FRAMES = 1 << 48  # libsndfile reports such counts where a stream's header leaves its length open
_ENDLESS = 0x7FFFF000  # from here on a WAV header's length says that its writer did not know it
_SNDFILE = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b".snd", b"caff", b"riff", b"NIST")
_WIDTHS = {
    "PCM_S8": 1,
    "PCM_U8": 1,
    "ULAW": 1,
    "ALAW": 1,
    "PCM_16": 2,
    "PCM_24": 3,
    "PCM_32": 4,
    "FLOAT": 4,
    "DOUBLE": 8,
}
# Only what holds sound itself: a playlist or a list of files would have FFmpeg open what it names.
_CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,caf,eac3,flac,flv,avi,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,wav,wv"
)
_COUNTING = ("mov", "matroska")  # these containers know their length; others guess it from the rate of bits
_SLACK = 0.1  # seconds: the padding of a codec's last frame


@dataclass(frozen=True)
class Part:
    """The part of a recording that a row is about.

    Args:
        begin: where it begins.
        end: where it ends; None: where the recording does.
        unit: of both, ``seconds`` or ``samples`` at the recording's own rate.
        channel: the channel to read, from 0; None: the mix of all.
    """

    begin: float = 0.0
    end: float | None = None
    unit: str = "seconds"
    channel: int | None = None

    def samples(self, rate: int) -> tuple[int, int | None]:
        """Return first sample and the one after the last, None for the recording's end."""
        scale = 1 if self.unit == "samples" else rate
        return max(0, round(self.begin * scale)), None if self.end is None else round(self.end * scale)

    def check(self, length: int, rate: int) -> None:
        """Refuse audio that does not hold the part.

        Args:
            length: how many of the recording's samples there are, at least up to the part's end.
            rate: its samples per second.

        Raises:
            SkipDocument: ``outside_audio``.
        """
        first, last = self.samples(rate)
        if (first == 0 or first < length) and (last is None or first < last <= length + BEYOND * rate):
            return
        end = "the end" if last is None else f"{last / rate:.2f} s"
        raise SkipDocument(
            "outside_audio",
            f"the row is about {first / rate:.2f} s to {end} of {length / rate:.2f} s of audio: are its times in "
            "milliseconds or samples (alas new-task --times-in)?",
        )


WHOLE = Part()


def load_audio(audio: Audio, sampling_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Return audio of any rate and channel count as 16 kHz mono.

    Args:
        audio: see `Audio`.
        sampling_rate: samples per second of a bare array; ignored for everything else.

    Returns:
        float32 array of shape ``(num_samples,)`` at `SAMPLE_RATE`.

    Raises:
        SkipDocument: ``missing_audio``, ``unreadable_audio``, ``outside_audio`` (a part that the recording does not
            hold), ``non_finite_audio``, ``too_short`` (no sample) or ``too_long`` (`MAX_SAMPLES`).
    """
    part, samples = WHOLE, audio
    if isinstance(audio, Mapping):
        part = _part(audio.get("part"))
        if audio.get("array") is not None:
            samples, sampling_rate = np.asarray(audio["array"]), int(audio.get("sampling_rate") or sampling_rate)
    if isinstance(samples, np.ndarray):
        return to_mono(_of_array(samples, sampling_rate, part), sampling_rate)
    return to_mono(*_decode(audio, part))


def duration(audio: Audio) -> float:
    """Return how long encoded audio or its part is, in seconds, without decoding where the length is sure.

    Raises:
        SkipDocument: As `load_audio`, where it shows already.
    """
    part = _part(audio.get("part")) if isinstance(audio, Mapping) else WHOLE
    if part.end is not None and part.unit == "seconds":
        return part.end - part.begin
    opened, name = _encoded(audio)
    with opened as file:
        length, rate = _length(file, name)
    first, last = part.samples(rate)
    return max(0, min(length, length if last is None else last) - first) / rate


def _part(given: Any) -> Part:
    return Part(**{name: value for name, value in given.items() if value is not None}) if given else WHOLE


def to_mono(samples: np.ndarray, rate: int) -> np.ndarray:
    """Mix channels, resample to `SAMPLE_RATE` and check the values.

    Args:
        samples: shape ``(num_samples,)``, ``(num_samples, channels)`` or the other way round; floats in about
            [-1, 1] or signed integers.
        rate: samples per second.

    Raises:
        SkipDocument: as `load_audio`.
    """
    samples = _of_array(samples, rate, WHOLE)
    if not np.isfinite(samples).all():
        raise SkipDocument("non_finite_audio", f"{int((~np.isfinite(samples)).sum())} samples are NaN or infinite")
    if not samples.size:
        raise SkipDocument("too_short", "the audio holds no sample")
    _check_size(len(samples), rate)
    if rate != SAMPLE_RATE:
        import librosa

        samples = librosa.resample(samples, orig_sr=rate, target_sr=SAMPLE_RATE)
    if not samples.size:
        raise SkipDocument("too_short", "nothing is left of the audio at 16 kHz")
    return np.ascontiguousarray(samples, dtype=np.float32)


def _of_array(samples: np.ndarray, rate: int, part: Part) -> np.ndarray:
    """Return a part of an array of samples as mono float32."""
    if samples.ndim not in (1, 2):
        raise SkipDocument("unreadable_audio", f"audio of shape {samples.shape}: expected (samples[, channels])")
    samples = _as_float(samples)
    if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
        samples = samples.T  # some libraries put channels first; there are always fewer of them than samples
    if part is not WHOLE:
        part.check(len(samples), rate)
        samples = samples[slice(*part.samples(rate))]
    return samples if samples.ndim == 1 else _mono(lambda: iter([samples]), part.channel, "an array")


def _as_float(samples: np.ndarray) -> np.ndarray:
    """Return samples as float32, integers scaled to [-1, 1)."""
    if np.issubdtype(samples.dtype, np.integer):
        scale = float(1 << (8 * samples.dtype.itemsize - 1))
        return np.asarray(samples.astype(np.float32) / np.float32(scale) - (samples.dtype == np.uint8))
    with np.errstate(over="ignore"):  # 64-bit values beyond float32 become infinite and are reported by `to_mono`
        return samples.astype(np.float32)


def _check_size(num_samples: int, rate: int) -> None:
    """Refuse audio that would not fit; a few kilobytes of FLAC may be many hours of silence."""
    if rate not in RATES:
        raise SkipDocument("unreadable_audio", f"audio at {rate} Hz: expected {RATES[0]} to {RATES[-1]} Hz")
    if num_samples * max(1.0, SAMPLE_RATE / rate) > MAX_SAMPLES:
        raise SkipDocument("too_long", f"{num_samples} samples at {rate} Hz: at most {MAX_SAMPLES} are read")


# ---- channels ----------------------------------------------------------------------------------------------


def _mono(blocks: Callable[[], Iterator[np.ndarray]], channel: int | None, name: str) -> np.ndarray:
    """Return one channel, or the mean of all unless they cancel each other: then the loudest.

    Read block by block: what is there counts, not what a header promises, for which memory would be taken first.

    Args:
        blocks: starts reading, from the beginning each time; blocks of shape ``(num_samples, channels)``.
        channel: which one; None: the mean.
        name: of the audio, for messages.
    """
    kept, powers = [np.zeros(0, np.float32)], _Powers()
    for block in blocks():
        if channel is not None:
            if channel >= block.shape[1]:
                raise SkipDocument(
                    "unreadable_audio", f"{name}: no channel {channel}, there are {block.shape[1]}, from 0"
                )
            kept.append(np.array(block[:, channel]))
            continue
        with np.errstate(over="ignore", invalid="ignore"):  # infinite values are reported by `to_mono`
            kept.append(block.mean(axis=1) if block.shape[1] > 1 else np.array(block[:, 0]))
            powers.add(block, kept[-1])
    if channel is None and (loudest := powers.loudest_of_cancelling(name)) is not None:
        return _mono(blocks, loudest, name)
    return np.concatenate(kept)


class _Powers:
    """The variance of each channel and of their mean, gathered block by block."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: defaultdict[int, float] = defaultdict(float)
        self.squares: defaultdict[int, float] = defaultdict(float)

    def add(self, block: np.ndarray, mix: np.ndarray) -> None:
        """Add a block of shape ``(num_samples, channels)`` and its mean."""
        self.count += len(block)
        for place, samples in enumerate((*block.T, mix)):
            # Summed in double precision without a copy in it.
            self.sums[place] += samples.sum(dtype=np.float64)
            self.squares[place] += np.einsum("n,n->", samples, samples, dtype=np.float64)

    def loudest_of_cancelling(self, name: str) -> int | None:
        """Return the loudest channel where the mix has lost the sound of the channels; warn of silence."""
        if not self.count:
            return None
        with np.errstate(invalid="ignore"):
            *channels, mix = (self.squares[i] / self.count - (self.sums[i] / self.count) ** 2 for i in self.sums)
        if len(channels) > 1 and mix * len(channels) < CANCELLED * np.mean(channels) and max(channels) > SILENCE:
            loudest = int(np.argmax(channels))
            _warn(f"{name}: the channels cancel each other when mixed; channel {loudest} alone is read")
            return loudest
        if mix < SILENCE:
            _warn(f"{name}: there is no sound in it")
        elif len(channels) > 1 and (silent := [i for i, power in enumerate(channels) if power < SILENCE]):
            listed = ", ".join(map(str, silent))
            _warn(
                f"{name}: nothing is heard in channel {listed} of {len(channels)}; the mix is quieter for it "
                "(alas new-task --channel)"
            )
        return None


@cache
def _warn(message: str) -> None:
    """Warn once: every document is read more than once."""
    logger.warning(message)


# ---- encoded audio -----------------------------------------------------------------------------------------


def _encoded(audio: Any) -> tuple[BinaryIO, str]:
    """Open encoded audio for reading; return the file with a name for messages."""
    if isinstance(audio, Mapping):
        name = str(audio.get("path") or "the audio of the row")
        if audio.get("bytes") is not None:
            return io.BytesIO(audio["bytes"]), name
        audio = audio.get("path")
    if not audio:
        raise SkipDocument("missing_audio", "the row has no audio")
    path = Path(audio)
    if not os.path.isfile(path):  # unlike Path.is_file false, not an error, for names that no file can have
        raise SkipDocument("missing_audio", f"{path} does not exist")
    try:
        return path.open("rb"), str(path)
    except OSError as error:
        raise SkipDocument("missing_audio", f"{path}: {error}") from error


def _decode(audio: Any, part: Part) -> tuple[np.ndarray, int]:
    """Return ``(mono samples, rate)`` of a part of encoded audio."""
    opened, name = _encoded(audio)
    with opened as file:
        try:
            reader = _reader(file)
            return _mono(lambda: reader.blocks(part), part.channel, name), reader.rate
        # libsndfile's errors are RuntimeErrors; a broken header may also lead to impossible sizes.
        except (RuntimeError, OSError, ValueError, TypeError, struct.error, MemoryError) as error:
            raise SkipDocument("unreadable_audio", f"{name}: {error}") from error


def _length(file: BinaryIO, name: str) -> tuple[int, int]:
    """Return how many samples a file holds, decoding it only where its header does not count them; and its rate."""
    try:
        reader = _reader(file)
        if isinstance(reader, _Sndfile) and reader.promised < _UNKNOWN_FRAMES:
            return reader.promised, reader.rate
        return sum(len(block) for block in reader.blocks(WHOLE)), reader.rate
    except (RuntimeError, OSError, ValueError, TypeError, struct.error, MemoryError) as error:
        raise SkipDocument("unreadable_audio", f"{name}: {error}") from error


def _reader(file: BinaryIO) -> _Sndfile | _Av:
    """Return what reads a file, chosen by its first bytes."""
    magic = file.read(4)
    file.seek(0)
    if magic not in _SNDFILE:
        try:
            return _Av(file)
        except ValueError as error:  # of a format that FFmpeg does not know, or that is not let through
            problem = error
        try:
            return _Sndfile(file)
        except RuntimeError:
            raise problem from None
    if magic == b"fLaC" and _has_twice(file, magic):
        return _Av(file)  # one recording after the other, of which libsndfile reads the first
    if magic == b"RIFF" and not _length_is_right(file):
        return _Av(file, ignore_length="1")
    return _Sndfile(file)


class _Sndfile:
    """A file that libsndfile reads, by itself and bit for bit."""

    def __init__(self, file: BinaryIO) -> None:
        import soundfile

        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        self._sound = soundfile.SoundFile(file)
        self.rate, self.promised = self._sound.samplerate, self._sound.frames
        width = _WIDTHS.get(self._sound.subtype, 0)
        self._check_header(size - self.promised * self._sound.channels * width if width else 0, size)

    def _check_header(self, rest: int, size: int) -> None:
        # Chunks of other things than sound are small; of WAV files they were gone through before.
        if self._sound.format != "WAV" and rest > max(20_000, size // 10):
            raise ValueError(
                f"its header counts {self.promised} samples, and {rest} bytes are left over: are these several files?"
            )

    def blocks(self, part: Part) -> Iterator[np.ndarray]:
        """Yield the part's samples, ``(num_samples, channels)``.

        Raises:
            SkipDocument: If they are not all there.
        """
        sound, rate = self._sound, self.rate
        first, last = part.samples(rate)
        known = self.promised < _UNKNOWN_FRAMES
        if known:
            part.check(self.promised, rate)
            last = self.promised if last is None else min(last, self.promised)
        sound.seek(first)
        position, size = first, max(1, _BLOCK // sound.channels)
        while last is None or position < last:
            block = sound.read(size if last is None else min(size, last - position), dtype="float32", always_2d=True)
            if not len(block):
                break
            position += len(block)
            _check_size(position - first, rate)
            yield block
        if not known:
            part.check(position, rate)
        elif last is not None and position < last:
            raise ValueError(f"{position} of {self.promised} samples are there: is the file cut off?")


class _Av:
    """A file that FFmpeg's libraries read: compressed audio, the sound of a video."""

    def __init__(self, file: BinaryIO, **options: str) -> None:
        import av

        self._file, self._options = file, {"format_whitelist": _CONTAINERS, "protocol_whitelist": "", **options}
        _check_one_film(file)
        self._missing_bytes = _missing_bytes(file)
        with self._open() as container:
            if not container.streams.audio:
                raise ValueError("there is no audio in it")
            stream = container.streams.audio[0]
            promised = stream.duration and float(stream.duration * stream.time_base)
            promised = promised or (container.duration and container.duration / av.time_base)
            counts = container.format.name.startswith(_COUNTING)
            self._promised = float(promised or 0) if counts else 0.0
            # The first frame's, not the header's: of some AAC the header says half of it.
            self.rate = next((frame.sample_rate for frame in container.decode(stream)), 0)
        _check_size(0, self.rate)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import av

        self._file.seek(0)
        try:
            with av.open(self._file, options=self._options) as container:
                yield container
        except av.FFmpegError as error:  # not all of them are built-in errors too
            raise ValueError(f"FFmpeg's libraries cannot read it: {error.strerror}") from error

    def blocks(self, part: Part) -> Iterator[np.ndarray]:
        """Yield the part's samples, ``(num_samples, channels)``; everything before it is decoded too.

        Raises:
            ValueError: If the file is cut off or damaged.
            SkipDocument: If the recording does not hold the part.
        """
        first, last = part.samples(self.rate)
        position = 0
        for block in self._frames():
            begin, end = max(0, first - position), len(block) if last is None else min(len(block), last - position)
            position += len(block)
            if begin < end:
                _check_size(position - first, self.rate)
                yield block[begin:end]
            if last is not None and position >= last:
                break
        part.check(position, self.rate)

    def _frames(self) -> Iterator[np.ndarray]:
        """Yield all samples, frame by frame.

        Where two files were joined, what lies between them is no packet; such a one is passed over.
        """
        import av

        decoded, shape, packets, bad = 0, None, 0, 0
        with self._open() as container:
            stream = container.streams.audio[0]
            for packet in container.demux(stream):
                packets += 1
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    bad += 1
                    continue
                for frame in frames:
                    found = (frame.sample_rate, len(frame.layout.channels))
                    shape = shape or found
                    if found != shape:
                        raise ValueError("rate or channels change within the file")
                    decoded += frame.samples
                    yield _samples(frame, shape[1])
        if bad > 1 + packets // 50:
            raise ValueError(f"{bad} of {packets} packets cannot be decoded: is the file damaged?")
        if self._missing_bytes:
            raise ValueError(f"{self._missing_bytes} bytes that its header counts are not there: is the file cut off?")
        if decoded < (self._promised - _SLACK) * self.rate:
            raise ValueError(f"{decoded / self.rate:.2f} of {self._promised:.2f} s are there: is the file cut off?")


def _samples(frame: Any, channels: int) -> np.ndarray:
    """Return a decoded frame as float32 of shape ``(num_samples, channels)``."""
    values = frame.to_ndarray()
    return _as_float(values.T if frame.format.is_planar else values.reshape(-1, channels))


# ---- what headers say ----------------------------------------------------------------------------------------


def _has_twice(file: BinaryIO, magic: bytes) -> bool:
    content = file.read()
    file.seek(0)
    return content.find(magic, len(magic)) >= 0


def _length_is_right(file: BinaryIO) -> bool:
    """Go through the chunks of a WAV file and tell whether the length of its sound can be believed.

    It cannot where what follows the sound is no chunk but more sound: a writer that streams leaves 0 or what it had
    written so far. (About the largest number, which others leave there, is understood by libsndfile.)

    Raises:
        ValueError: If the file ends before its sound does, which libsndfile accepts silently, or another one follows.
    """
    size = file.seek(0, io.SEEK_END)
    position, sound_ends = 12, 0
    file.seek(8)
    is_wave = file.read(4) == b"WAVE"
    while is_wave and position + 8 <= size:
        file.seek(position)
        kind, length = struct.unpack("<4sI", file.read(8))
        if sound_ends and kind in (b"RIFF", b"fmt "):
            raise ValueError(
                "one WAV file follows another in it: join the recordings by their samples, not their files"
            )
        if sound_ends and (not re.fullmatch(rb"[ -~]{4}", kind) or position + 8 + length > size):
            break
        if kind == b"data":
            if 0 < length < _ENDLESS and position + 8 + length > size:
                raise ValueError(f"{size - position - 8} of {length} bytes of sound are there: is the file cut off?")
            sound_ends = position + 8 + length
        position += 8 + length + length % 2
    file.seek(0)
    return not sound_ends or size - position < 1_000


def _check_one_film(file: BinaryIO) -> None:
    """Raise ValueError for two MP4 files in one, of which every player reads the first.

    Source: boxes of a size and a type, one after the other (ISO 14496-12).
    """
    size, position, films = file.seek(0, io.SEEK_END), 0, 0
    while position + 16 <= size:
        file.seek(position)
        length, kind, long = struct.unpack(">I4sQ", file.read(16))
        if position == 0 and kind != b"ftyp":
            break
        films += kind == b"ftyp"
        if films > 1:
            raise ValueError("one MP4 file follows another in it, and only the first can be read")
        length = long if length == 1 else length
        if length < 8:  # 0: to the end of the file
            break
        position += length
    file.seek(0)


def _missing_bytes(file: BinaryIO) -> int:
    """Return how many bytes of an MP3 file are missing by the count in its first frame, 0 where nothing is counted.

    Source: the fields of Xing's and LAME's header (flags, frames, bytes) and of Fraunhofer's VBRI.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    start, head = 0, file.read(10)
    if head[:3] == b"ID3" and len(head) == 10:
        start = 10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    file.seek(start)
    frame = file.read(200)
    file.seek(0)
    counted = 0
    if frame[:1] == b"\xff" and (found := re.search(rb"(?:Xing|Info)(.{12})", frame, re.DOTALL)):
        flags, *fields = struct.unpack(">3I", found.group(1))
        counted = fields[flags & 1] if flags & 2 else 0
    elif frame[:1] == b"\xff" and frame[36:40] == b"VBRI":
        (counted,) = struct.unpack(">I", frame[46:50])
    return max(0, start + counted - size)
