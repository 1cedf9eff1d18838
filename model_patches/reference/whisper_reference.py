"""Word timestamps from Whisper, the reference that a model's alignment is compared with.

Mode ``align`` (default) takes the known transcript and reads the times off Whisper's cross-attention by
teacher forcing (`model_patches.reference.attention`). Mode ``transcribe`` lets Whisper recognise the words first
and matches them with the transcript by edit distance, as the authors of ALAS did in spirit; it depends on
recognition errors.

Either tiles the audio without gaps and starts its first word at 0.0, so silence is cut out before and put back after.
Words are found in Whisper's tokens by character offsets, in any script: what it gives to a comma is the pause, which
belongs to no word.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import filelock
import numpy as np
import torch
import whisper
import whisper.tokenizer
from loguru import logger

from alas_metric.document.paths import WordTiming, word_boundaries
from alas_metric.document.units import Unit, is_spaceless, split_units
from alas_metric.errors import FatalError, SkipDocument, UnobtainableError
from model_patches.reference import attention
from model_patches.reference.aligner import Aligner, check_device, checked_audio, sound_regions
from model_patches.reference.attention import Head
from model_patches.reference.cache import AlignmentCache
from model_patches.reference.calibration import KnownSpeech, in_one, known_speech
from model_patches.reference.matching import (
    HOP,
    SAMPLE_RATE,
    Piece,
    Span,
    alignment_pieces,
    fill_gaps,
    join_pieces,
    ordered,
    place_pieces,
    span_confidences,
    span_times,
    spread,
)
from model_patches.reference.silence import give_sound_to_words, pack, unpack_spans
from model_patches.reference.windows import windows
from model_patches.reference.written import spans_of_written

_Placed = tuple[list[Span], list[float | None]]
"""When words are spoken, and how sure that is."""
MODES = ("align", "transcribe")
MAX_SAMPLES = whisper.audio.N_SAMPLES  # 30 s, Whisper's window
_NUM_ALONE = 8
_WORST_ERROR = 0.15
"""Seconds, the median on the speech with exact times, from which on a checkpoint's heads are called into question."""


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Keep torch's number of threads, which numba, at Whisper's first path search on a CPU, sets to all cores.

    Processes that share a machine would then have more threads than cores, and these wait for each other: with two
    processes on two cores everything after that took several times as long.
    """
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


class WhisperReference(Aligner):
    """Word timestamps by openai-whisper, on arrays, cached on disk.

    Cheap to make: the checkpoint is loaded at the first utterance that is not in the cache.

    Args:
        checkpoint: an official name (``large-v3``) or the path of a checkpoint file in openai-whisper's
            format.
        mode: ``align`` for the known transcript by teacher forcing, ``transcribe`` for recognition first.
        device: ``cuda``, ``cuda:1``, ``cpu``; None takes CUDA where there is one. Whisper's timing needs
            float64 and does not run on MPS, for which the CPU is taken.
        heads: the cross-attention heads that follow the audio, as ``layer:head;layer:head``; by default those that
            follow speech with exact times best, whatever the checkpoint is called.
        cache: where results are kept; None keeps nothing.

    Raises:
        FatalError: If an argument cannot be used. Raised by the methods too, when the checkpoint cannot be
            downloaded or read: no document can be scored then.
    """

    kind = "whisper"

    def __init__(
        self,
        checkpoint: str = "large-v3",
        *,
        mode: Literal["align", "transcribe"] = "align",
        device: str | None = None,
        heads: str | None = None,
        cache: AlignmentCache | None = None,
    ) -> None:
        super().__init__(cache)
        if mode not in MODES:
            raise FatalError(f"alas_whisper_mode must be one of {', '.join(MODES)}, got {mode!r}")
        check_device("alas_whisper_device", device)
        self.mode = mode
        self.heads = None if heads is None else _format_heads(_parse_heads(heads))
        self._official = checkpoint if checkpoint in whisper.available_models() else None
        self._checkpoint = checkpoint if self._official else str(_checkpoint_file(checkpoint))
        self._device = device
        self._fingerprint: str | None = None
        self._model: whisper.Whisper | None = None
        self._chosen: list[Head] = []

    @property
    def name(self) -> str:
        """Name of this reference in records, such as ``whisper:large-v3:align``."""
        return f"whisper:{self._official or Path(self._checkpoint).stem}:{self.mode}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the checkpoint file; the one that is published where the checkpoint is given by name."""
        if self._fingerprint is None:
            official = _official_hashes()
            self._fingerprint = official[self._official] if self._official else _hash_file(self._checkpoint)
        return self._fingerprint

    def place(self, audio: np.ndarray, transcript: str, units: Sequence[Unit], language: str) -> list[WordTiming]:
        """Return when each unit is spoken, from the sound alone: silence is cut out before and put back after."""
        regions = sound_regions(audio)
        packed = pack(audio, regions)
        pieces = alignment_pieces(transcript, units)
        find = self._align if self.mode == "align" else self._place_by_recognition
        found, confidences = find(packed, pieces, language)
        placed = unpack_spans(ordered(found, len(packed) / SAMPLE_RATE), regions)
        if self.mode == "align":  # what is recognised may hold words that the transcript has not
            placed = give_sound_to_words(placed, audio)
        spans = ordered(placed, len(audio) / SAMPLE_RATE)
        return [
            WordTiming(unit.text, *span, confidence)
            for unit, span, confidence in zip(units, spans, confidences, strict=True)
        ]

    def transcribe(self, audio: np.ndarray, *, language: str = "en") -> str:
        """Return what Whisper hears, for documents that come without a transcript.

        Args:
            audio: as in `words`.
            language: as in `words`.

        Returns:
            The recognised text; it holds at least one unit.

        Raises:
            SkipDocument: As in `words`.
            FatalError: As in `words`.
        """
        audio = checked_audio(audio)
        key = self._key(audio, "", "text", language)
        stored = (self._read(key) or {}).get("text")
        if isinstance(stored, str) and split_units(stored):
            return stored
        sound_regions(audio)  # Whisper makes words up where there is no sound
        text = str(self._decode(audio, language)["text"]).strip()
        if not split_units(text):
            raise SkipDocument("no_word_timestamps", f"Whisper recognised no word, only {text!r}")
        self._write(key, {"text": text})
        return text

    def close(self) -> None:
        """Free the model's memory; it is loaded again when needed."""
        on_cuda = self._model is not None and self._model.device.type == "cuda"
        self._model = None
        if on_cuda:
            torch.cuda.empty_cache()

    # ---- placing words in packed audio; each returns (start, end) and confidence per piece ----

    def _align(self, packed: np.ndarray, pieces: Sequence[str], language: str) -> _Placed:
        tokenizer = self._tokenizer(language)
        placed = self._align_window(packed, pieces, tokenizer)
        return placed if placed is not None else self._align_long(packed, pieces, language)

    def _align_window(
        self, audio: np.ndarray, pieces: Sequence[str], tokenizer: whisper.tokenizer.Tokenizer
    ) -> _Placed | None:
        """Align what fits into one pass of Whisper; None if it does not or there is no audio."""
        leading = "" if is_spaceless(pieces[0]) else " "
        text, cores = join_pieces(pieces, leading)
        tokens = _encode(tokenizer, text)
        num_frames = len(audio) // (2 * HOP)
        if len(tokens) > self._max_tokens(tokenizer) or len(audio) > MAX_SAMPLES or num_frames < 1:
            return None
        model = self._load()
        heads = self._choose_heads()
        reading = attention.read(model, tokenizer, tokens, _mel(model, audio), num_frames, _places(heads))
        starts = attention.token_starts(reading, [head.lag for head in heads])
        found = _timed_pieces(tokenizer, text, tokens, starts, reading.probabilities)
        if not found:
            raise SkipDocument("no_word_timestamps", f"Whisper aligned no word of {text!r}")
        return span_times(cores, found), span_confidences(cores, found)

    def _align_long(self, packed: np.ndarray, pieces: Sequence[str], language: str) -> _Placed:
        """Place the words roughly, then align window by window."""
        tokenizer = self._tokenizer(language)
        duration = len(packed) / SAMPLE_RATE
        rough = ordered(self._anchors(packed, pieces, language), duration)
        sizes = [len(_encode(tokenizer, piece)) for piece in pieces]
        # The text around a word can change its tokens a little, and the leading space may be one more.
        limit = self._max_tokens(tokenizer) - 16
        spans: list[Span] = []
        confidences: list[float | None] = []
        for window in windows(rough, sizes, duration, max_size=limit):
            first, last = window.first, window.last
            part = packed[round(window.start * SAMPLE_RATE) : round(window.end * SAMPLE_RATE)]
            aligned = self._align_window(part, pieces[first:last], tokenizer)
            if aligned is None:
                spans.extend(rough[first:last])
                confidences.extend([None] * (last - first))
            else:
                spans.extend((window.start + start, window.start + end) for start, end in aligned[0])
                confidences.extend(aligned[1])
        return spans, confidences

    def _anchors(self, packed: np.ndarray, pieces: Sequence[str], language: str) -> list[Span]:
        spans, num_equal = self._recognise(packed, pieces, language)
        if num_equal == 0:
            logger.debug("Whisper recognises no word of a long transcript: its words are spread evenly first")
            return spread(pieces, len(packed) / SAMPLE_RATE)
        return spans

    def _place_by_recognition(self, packed: np.ndarray, pieces: Sequence[str], language: str) -> _Placed:
        spans, _ = self._recognise(packed, pieces, language)
        if not spans:
            raise SkipDocument("no_word_timestamps", "Whisper recognised no word")
        return spans, [None] * len(spans)

    def _recognise(self, packed: np.ndarray, pieces: Sequence[str], language: str) -> tuple[list[Span], int]:
        """Return times of the pieces by recognition (none if no word is heard) and how many were equal."""
        duration = len(packed) / SAMPLE_RATE
        heard, spans = _recognised_words(self._decode(packed, language, word_timestamps=True))
        if not heard:
            return [], 0
        found, num_equal = spans_of_written(pieces, heard, ordered(spans, duration))
        return fill_gaps(found, duration), num_equal

    # ---- Whisper itself ----

    def _decode(self, audio: np.ndarray, language: str, word_timestamps: bool = False) -> dict[str, Any]:
        model = self._load()
        with _threads_kept():
            heard: dict[str, Any] = model.transcribe(
                audio,
                language=self._tokenizer(language).language or "en",
                word_timestamps=word_timestamps,
                # Greedy and without memory: equal audio gives equal words, and no error is carried on.
                temperature=0.0,
                condition_on_previous_text=False,
                fp16=model.device.type == "cuda",
            )
        return heard

    def _tokenizer(self, language: str) -> whisper.tokenizer.Tokenizer:
        model = self._load()
        if not model.is_multilingual and whisper.tokenizer.TO_LANGUAGE_CODE.get(language.lower(), language) != "en":
            raise FatalError(
                f"{self.name} knows English only, and the language of the speech is said to be {language!r}: take a "
                "multilingual checkpoint, such as alas_reference=whisper:large-v3, or say what it is by alas_language"
            )
        try:
            return whisper.tokenizer.get_tokenizer(
                model.is_multilingual,
                num_languages=model.num_languages,
                language=language,
                task="transcribe",
            )
        except ValueError:
            known = list(whisper.tokenizer.LANGUAGES)[: model.num_languages]
            raise FatalError(
                f"{self.name} does not know the language {language!r}; expected one of {', '.join(known)}"
            ) from None

    def _max_tokens(self, tokenizer: whisper.tokenizer.Tokenizer) -> int:
        """Return how many text tokens fit between the start sequence, "no timestamps" and the end token."""
        return int(self._load().dims.n_text_ctx) - len(tokenizer.sot_sequence) - 2

    def _load(self) -> whisper.Whisper:
        if self._model is None:
            load = _load_official if self._official else _load_file
            model = load(self._checkpoint, self._device)
            self._set_heads(model)
            self._model = model
        return self._model

    def _set_heads(self, model: whisper.Whisper) -> None:
        """Set the heads of Whisper's own word timestamps: the argument, else the official ones, else its default."""
        known = {digest: name for name, digest in _official_hashes().items()}
        if self.heads is not None:
            _set_head_mask(model, _parse_heads(self.heads))
        elif self._official is None and self.fingerprint in known:
            model.set_alignment_heads(whisper._ALIGNMENT_HEADS[known[self.fingerprint]])

    def _choose_heads(self) -> list[Head]:
        """Return the heads that follow the speech, measured once on speech with exact times."""
        if not self._chosen:
            speech = known_speech()
            audio = np.concatenate([known.audio for known in speech])
            key = self._key(audio, "\n".join(known.transcript for known in speech), "heads", "en")
            chosen = _stored_heads(self._read(key)) or self._measure_heads(speech)
            self._write(key, {"heads": [[h.layer, h.head, h.lag] for h in chosen]})
            self._chosen = chosen
        return self._chosen

    def _measure_heads(self, speech: Sequence[KnownSpeech]) -> list[Head]:
        wanted = _parse_heads(self.heads) if self.heads else attention.all_heads(self._load())
        number = len(wanted) if self.heads else attention.NUM_HEADS
        # Sentences in a row tell most; a small checkpoint may have learned from single utterances only.
        for passes in ([in_one(speech)], speech[:_NUM_ALONE]):
            found = np.concatenate([self._borders(known, wanted) for known in passes], axis=-1)
            truth = np.concatenate([word_boundaries(known.words) for known in passes])
            chosen, error = attention.choose_heads(found, truth, wanted, number)
            if error <= _WORST_ERROR:
                break
        places = _format_heads(_places(chosen))
        logger.info(
            f"{self.name}: heads {places} follow speech with exact times to within {error * 1000:.0f} ms (median)"
        )
        if error > _WORST_ERROR:
            logger.warning(
                f"{self.name}: by these heads the borders of words in known English speech are {error * 1000:.0f} ms "
                "off (median), which is much; alas_whisper_heads=layer:head;layer:head names others"
            )
        return chosen

    def _borders(self, speech: KnownSpeech, heads: Sequence[tuple[int, int]]) -> np.ndarray:
        """Return where the words meet by each head and both readings, in seconds, shape ``(num_heads, 2, ...)``."""
        model, tokenizer = self._load(), self._tokenizer("en")
        text, cores = join_pieces(alignment_pieces(speech.transcript, split_units(speech.transcript)), " ")
        tokens = _encode(tokenizer, text)
        num_frames = len(speech.audio) // (2 * HOP)
        reading = attention.read(model, tokenizer, tokens, _mel(model, speech.audio), num_frames, heads)

        def borders(starts: np.ndarray) -> np.ndarray:
            seconds = starts * attention.FRAME_SECONDS
            spans = span_times(cores, _timed_pieces(tokenizer, text, tokens, seconds, reading.probabilities))
            return word_boundaries([WordTiming("", *span) for span in spans])

        return np.apply_along_axis(borders, -1, reading.starts)


# ---- arguments ---------------------------------------------------------------------------------------------


def _checkpoint_file(checkpoint: str) -> Path:
    path = Path(checkpoint).expanduser()
    if not path.is_file():
        raise UnobtainableError(
            "alas_reference=whisper:<size or path> must name an official Whisper checkpoint "
            f"({', '.join(whisper.available_models())}) or an existing checkpoint file, got {checkpoint!r}"
        )
    return path


def _parse_heads(heads: str) -> list[tuple[int, int]]:
    """Read ``layer:head;layer:head``; counted from 0, in ascending order, without repetition."""
    if not re.fullmatch(r"\s*\d+\s*:\s*\d+\s*(;\s*\d+\s*:\s*\d+\s*)*;?\s*", heads, flags=re.ASCII):
        raise FatalError(f"alas_whisper_heads must be layer:head;layer:head, such as 3:1;4:2, got {heads!r}")
    numbers = [int(number) for number in re.findall(r"\d+", heads, flags=re.ASCII)]
    return sorted(set(zip(numbers[::2], numbers[1::2], strict=True)))


def _format_heads(pairs: Sequence[tuple[int, int]]) -> str:
    return ";".join(f"{layer}:{head}" for layer, head in pairs)


def _set_head_mask(model: whisper.Whisper, pairs: Sequence[tuple[int, int]]) -> None:
    num_layers, num_heads = model.dims.n_text_layer, model.dims.n_text_head
    mask = torch.zeros(num_layers, num_heads, dtype=torch.bool)
    for layer, head in pairs:
        if layer >= num_layers or head >= num_heads:
            raise FatalError(
                f"alas_whisper_heads: there is no head {layer}:{head}, this checkpoint has layers 0 to "
                f"{num_layers - 1} with heads 0 to {num_heads - 1}"
            )
        mask[layer, head] = True
    model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)


def _places(heads: Sequence[Head]) -> list[tuple[int, int]]:
    return [(head.layer, head.head) for head in heads]


def _stored_heads(payload: dict[str, Any] | None) -> list[Head] | None:
    """Read cached heads; None where they are none."""
    try:
        return [Head(int(layer), int(head), float(lag)) for layer, head, lag in (payload or {})["heads"]]
    except (KeyError, TypeError, ValueError):
        return None


# ---- checkpoints -------------------------------------------------------------------------------------------


def _official_hashes() -> dict[str, str]:
    """Return the SHA-256 of every official checkpoint, which Whisper keeps in the addresses."""
    return {name: url.split("/")[-2] for name, url in whisper._MODELS.items()}


def _hash_file(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise FatalError(f"cannot read the Whisper checkpoint {path}: {error}") from error
    return digest.hexdigest()


def _device(device: str | None) -> str:
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return "cpu" if device.startswith("mps") else device


def official_file(name: str) -> Path:
    """Return where openai-whisper keeps an official checkpoint once it is downloaded."""
    folder = Path(os.getenv("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"
    return Path(folder, os.path.basename(whisper._MODELS[name]))


def _load_official(name: str, device: str | None) -> whisper.Whisper:
    """Load a checkpoint by name, downloading it at the first time, one process at a time.

    Whisper writes the download straight to its final place, so that several ranks which start together would
    overwrite each other's. Those that find the lock free and the file there load side by side.
    """
    file = official_file(name)
    lock = _lock(file)
    try:
        with lock:
            if not file.exists():
                logger.info(f"downloading Whisper {name} to {file.parent}")
            # Also where the file is there: if a killed download left a part of it, one process loads it anew.
            whisper._download(whisper._MODELS[name], str(file.parent), False)
        return whisper.load_model(name, device=_device(device))
    except Exception as error:
        raise UnobtainableError(
            f"cannot load Whisper {name}: {_reason(error)}. At the first use it is downloaded to {file}: "
            "check the connection and the free space, delete the file if it is damaged, or put it there "
            "yourself; alas_reference=whisper:<path> takes a checkpoint from anywhere, and "
            "alas_whisper_device=cpu no memory of the GPU"
        ) from error


def _lock(file: Path) -> Any:
    """Return a lock next to a file; none where the folder cannot be written, hence not downloaded to."""
    lock = filelock.FileLock(f"{file}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with lock:
            return lock
    except (OSError, NotImplementedError):
        return nullcontext()


def _reason(error: Exception) -> str:
    # torch's own advice at a damaged file is to load it unsafely: leave that out.
    detail = "not a checkpoint of weights" if isinstance(error, UnpicklingError) else error
    return f"{type(error).__name__}: {detail}"


def _load_file(path: str, device: str | None) -> whisper.Whisper:
    try:
        return whisper.load_model(path, device=_device(device))
    except Exception as error:
        raise UnobtainableError(
            f"cannot load the Whisper checkpoint {path} on {_device(device)}: {_reason(error)}. Expected a "
            "complete file in openai-whisper's format ('dims' and 'model_state_dict'; no Hugging Face "
            "folder) and room for it on the device; alas_whisper_device=cpu takes no memory of the GPU"
        ) from error


# ---- input and output --------------------------------------------------------------------------------------


def _mel(model: whisper.Whisper, audio: np.ndarray) -> torch.Tensor:
    return whisper.log_mel_spectrogram(whisper.pad_or_trim(audio), model.dims.n_mels, device=model.device)


def _encode(tokenizer: whisper.tokenizer.Tokenizer, text: str) -> list[int]:
    # Whatever looks like a special token in a transcript is text.
    return list(tokenizer.encode(text, disallowed_special=()))


def _timed_pieces(
    tokenizer: whisper.tokenizer.Tokenizer,
    text: str,
    tokens: Sequence[int],
    starts: np.ndarray,
    probabilities: np.ndarray,
) -> list[Piece]:
    """Lay tokens over the text, those of one character together: a token may be a part of one."""
    _, groups = tokenizer.split_tokens_on_unicode(list(tokens))
    ends = np.cumsum([len(group) for group in groups])
    firsts = ends - [len(group) for group in groups]
    sizes = [sum(len(tokenizer.encoding.decode_single_token_bytes(token)) for token in group) for group in groups]
    edges = zip(sizes, starts[firsts], starts[ends], strict=True)
    sure = [float(probabilities[first:end].mean()) for first, end in zip(firsts, ends, strict=True)]
    return place_pieces(text, [(size, float(start), float(end)) for size, start, end in edges], sure)


def _recognised_words(result: dict[str, Any]) -> tuple[list[str], list[Span]]:
    """Split a recognised text into the same kind of units as a transcript, with their times."""
    words = [word for segment in result["segments"] for word in segment.get("words") or []]
    text = "".join(word["word"] for word in words)
    timed = [(len(word["word"].encode("utf-8")), word["start"], word["end"]) for word in words]
    units, pieces = split_units(text), place_pieces(text, timed)
    if not units or not pieces:
        return [], []
    return [unit.text for unit in units], span_times([(unit.start, unit.end) for unit in units], pieces)
