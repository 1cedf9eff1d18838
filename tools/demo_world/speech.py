"""The demo's speech: sentences of a small grammar, spoken by espeak-ng word by word, so that all times are exact.

Every word is synthesised alone, cut to where it sounds, and the words are laid one after another with gaps: a word's
start and end are those of its clip. A style of speaking (an emotion) sets the rate, pitch, loudness and gaps. All
choices come from seeded generators, and espeak-ng gives the same samples for the same words.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import soundfile
from tqdm import tqdm

SAMPLE_RATE = 16000
MAX_SECONDS = 4.9

COLOURS = ("red", "green", "blue", "yellow", "black", "white", "brown", "purple")
ANIMALS = ("dog", "cat", "horse", "rabbit", "monkey", "elephant", "tiger", "chicken")
VERBS = ("runs", "sleeps", "eats", "sings", "waits", "jumps", "dances", "hides")
PLACES = {
    **{"garden": "in", "kitchen": "in", "forest": "in", "village": "in"},
    **{"river": "near", "mountain": "near", "station": "behind", "market": "behind"},
}
TIMES = {
    **{"noon": "at", "midnight": "at", "three": "at", "seven": "at", "nine": "at"},
    **{"winter": "in", "summer": "in", "monday": "on", "friday": "on"},
}
WORDS = tuple(
    sorted({*COLOURS, *ANIMALS, *VERBS, *PLACES, *PLACES.values(), *TIMES, *TIMES.values(), "the", "a"}),
)

QUESTIONS = {
    "colour": "What colour is the animal",
    "animal": "Which animal is it",
    "verb": "What does the animal do",
    "place": "Where is the animal",
    "time": "When does it happen",
}
"""A question for each slot of a sentence; its answer is the word in that slot."""


@dataclass(frozen=True)
class Voice:
    """A speaker: a voice of espeak-ng and its pitch, 0 to 99."""

    name: str
    pitch: int


VOICES = {
    "us-man": Voice("en-us+m1", 45),
    "us-woman": Voice("en-us+f2", 50),
    "gb-man": Voice("en-gb+m3", 40),
    "gb-woman": Voice("en-gb-x-rp+f4", 50),
    "scot-man": Voice("en-gb-scotland+m7", 50),
    "scot-woman": Voice("en-gb-scotland+f1", 45),
    "nyc-man": Voice("en-us-nyc+m2", 50),
    "carib-woman": Voice("en-029+f3", 45),
}
HELD_OUT_VOICES = {"north-man": Voice("en-gb-x-gbclan+m4", 45), "nyc-woman": Voice("en-us-nyc+f5", 50)}
"""Speakers that are heard in the test split only."""
TEST_SPEAKERS = ("us-man", "us-woman", "gb-man", "gb-woman", "scot-man", "carib-woman", *HELD_OUT_VOICES)


@dataclass(frozen=True)
class Style:
    """How an emotion is spoken.

    Args:
        rate: words a minute, for espeak-ng.
        pitch: added to the voice's pitch.
        amplitude: 0 to 200, for espeak-ng.
        gaps: shortest and longest pause between two words, in seconds.
    """

    rate: int
    pitch: int
    amplitude: int
    gaps: tuple[float, float]


STYLES = {
    "neutral": Style(200, 0, 100, (0.02, 0.08)),
    "happiness": Style(240, 32, 130, (0.02, 0.06)),
    "sadness": Style(165, -25, 60, (0.04, 0.12)),
    "anger": Style(275, -8, 190, (0.01, 0.03)),
}
PAUSES, PAUSE = 0.1, (0.12, 0.35)
"""How often the speaker hesitates between two words, and how long, in seconds."""

TAKES = 4
"""How often each word is spoken by each voice in each style, a little different each time."""


@dataclass(frozen=True)
class Sentence:
    """Words, and which of them answers which question."""

    words: tuple[str, ...]
    slots: dict[str, str]

    @property
    def text(self) -> str:
        """The transcript."""
        return " ".join(self.words)

    @property
    def held_out(self) -> bool:
        """Whether the sentence is kept for the test split: one in eight, by a hash of its text."""
        return hashlib.sha256(self.text.encode()).digest()[0] % 8 == 0


@dataclass(frozen=True)
class Utterance:
    """A spoken sentence: float32 samples at 16 kHz and ``(word, start, end)`` in seconds."""

    sentence: Sentence
    speaker: str
    style: str
    samples: np.ndarray
    words: tuple[tuple[str, float, float], ...]


def make_sentence(rng: np.random.Generator) -> Sentence:
    """Return a sentence of the grammar: who does what, mostly where and when, in one of three orders."""
    pick = {
        "colour": str(rng.choice(COLOURS)),
        "animal": str(rng.choice(ANIMALS)),
        "verb": str(rng.choice(VERBS)),
        "place": str(rng.choice(list(PLACES))),
        "time": str(rng.choice(list(TIMES))),
    }
    parts = {
        "who": [str(rng.choice(["the", "a"])), pick["colour"], pick["animal"], pick["verb"]],
        "place": [PLACES[pick["place"]], "the", pick["place"]],
        "time": [TIMES[pick["time"]], pick["time"]],
    }
    absent = str(rng.choice(["nothing", "nothing", "place", "time"]))
    order = ("who place time", "time who place", "place who time")[rng.integers(3)].split()
    words = tuple(word for part in order if part != absent for word in parts[part])
    return Sentence(words, {slot: word for slot, word in pick.items() if slot != absent})


def make_sentences(rng: np.random.Generator, number: int, *, held_out: bool) -> list[Sentence]:
    """Return sentences of the training part, or of the part that training never sees."""
    sentences: list[Sentence] = []
    while len(sentences) < number:
        sentence = make_sentence(rng)
        if sentence.held_out == held_out:
            sentences.append(sentence)
    return sentences


def random_words(rng: np.random.Generator, longest: int) -> Sentence:
    """Return one to so many random words that make no sentence."""
    return Sentence(tuple(map(str, rng.choice(WORDS, rng.integers(1, longest + 1)))), {})


def training_sentence(rng: np.random.Generator) -> Sentence:
    """Return a sentence of the training part."""
    (sentence,) = make_sentences(rng, 1, held_out=False)
    return sentence


class WordBank:
    """Every word in every voice and style, several takes each, as int16 clips at 16 kHz.

    Args:
        file: where the clips are kept; they are spoken by espeak-ng where the file is missing.
        voices: the speakers.
    """

    def __init__(self, file: Path, voices: dict[str, Voice]) -> None:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, **_speak_all(voices))
        self.clips: dict[str, np.ndarray] = dict(np.load(file))
        self.speakers = tuple(voices)

    def add(self, other: WordBank) -> None:
        """Take in the clips of other voices."""
        self.clips |= other.clips
        self.speakers += other.speakers

    def clip(self, word: str, speaker: str, style: str, take: int) -> np.ndarray:
        """Return a word's samples, float32."""
        return self.clips[_key(word, speaker, style, take)].astype(np.float32) / 32768


def _key(word: str, speaker: str, style: str, take: int) -> str:
    return f"{speaker}/{style}/{word}/{take}"


def _speak_all(voices: dict[str, Voice]) -> dict[str, np.ndarray]:
    jobs = [
        (word, speaker, style, take)
        for speaker in voices
        for style in STYLES
        for word in WORDS
        for take in range(TAKES)
    ]
    with ThreadPoolExecutor(2) as pool:
        clips = pool.map(lambda job: _take(voices[job[1]], *job), jobs)
        return {_key(*job): clip for job, clip in tqdm(zip(jobs, clips, strict=True), "speaking", len(jobs))}


def _take(voice: Voice, word: str, speaker: str, style: str, take: int) -> np.ndarray:
    """Return one take of a word; rate and pitch vary a little from take to take."""
    seed = int.from_bytes(hashlib.sha256(_key(word, speaker, style, take).encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    how = STYLES[style]
    rate = round(how.rate * rng.uniform(0.93, 1.07))
    pitch = int(np.clip(voice.pitch + how.pitch + rng.integers(-4, 5), 0, 99))
    return _cut(_speak(word, voice.name, rate, pitch, how.amplitude))


def _speak(word: str, voice: str, rate: int, pitch: int, amplitude: int) -> np.ndarray:
    command = ["espeak-ng", "-v", voice, "-s", str(rate), "-p", str(pitch), "-a", str(amplitude), "--stdout", word]
    wave = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate_out = soundfile.read(io.BytesIO(wave), dtype="float32")
    return librosa.resample(samples, orig_sr=rate_out, target_sr=SAMPLE_RATE, res_type="soxr_hq")


def _cut(samples: np.ndarray) -> np.ndarray:
    """Cut a clip to where it sounds, 40 dB below its peak at least."""
    (sounding,) = np.nonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    cut = samples[sounding[0] : sounding[-1] + 1]
    return np.round(np.clip(cut, -1, 1) * 32767).astype(np.int16)


def say(bank: WordBank, sentence: Sentence, speaker: str, style: str, rng: np.random.Generator) -> Utterance | None:
    """Return a sentence spoken with random gaps, silence around it, noise and level; None if it gets too long."""
    shortest, longest = STYLES[style].gaps
    position = round(rng.uniform(0.05, 0.3) * SAMPLE_RATE)
    pieces, words = [np.zeros(position, np.float32)], []
    for word in sentence.words:
        clip = bank.clip(word, speaker, style, int(rng.integers(TAKES)))
        pause = PAUSE if rng.random() < PAUSES else (shortest, longest)
        gap = round(rng.uniform(*pause) * SAMPLE_RATE)
        words.append((word, position / SAMPLE_RATE, (position + len(clip)) / SAMPLE_RATE))
        pieces += [clip, np.zeros(gap, np.float32)]
        position += len(clip) + gap
    pieces.append(np.zeros(round(rng.uniform(0.05, 0.25) * SAMPLE_RATE), np.float32))
    samples = np.concatenate(pieces)
    if len(samples) > MAX_SECONDS * SAMPLE_RATE:
        return None
    return Utterance(sentence, speaker, style, _recorded(samples, rng), tuple(words))


def _recorded(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add noise 20 to 50 dB below the speech and set the level."""
    noise = rng.standard_normal(len(samples)).astype(np.float32)
    noise *= np.sqrt(np.mean(samples**2)) * 10 ** (-rng.uniform(20, 50) / 20)
    level = rng.uniform(0.3, 0.9) / np.abs(samples + noise).max()
    return ((samples + noise) * level).astype(np.float32)


def say_many(
    bank: WordBank,
    rng: np.random.Generator,
    number: int,
    make: Callable[[np.random.Generator], Sentence] = training_sentence,
) -> list[Utterance]:
    """Return utterances of random speakers and styles, of training sentences or what else is made."""
    spoken: list[Utterance] = []
    while len(spoken) < number:
        sentence = make(rng)
        speaker, style = str(rng.choice(bank.speakers)), str(rng.choice(list(STYLES)))
        utterance = say(bank, sentence, speaker, style, rng)
        if utterance:
            spoken.append(utterance)
    return spoken


def test_split(bank: WordBank, rng: np.random.Generator) -> list[Utterance]:
    """Return two held-out sentences of each of `TEST_SPEAKERS` in each style, no sentence twice.

    Args:
        bank: the words of all voices, held-out ones among them.
        rng: makes all choices.
    """
    spoken: dict[str, Utterance] = {}
    for speaker in TEST_SPEAKERS:
        for style in (*STYLES, *STYLES):
            utterance = None
            while utterance is None or utterance.sentence.text in spoken:
                (sentence,) = make_sentences(rng, 1, held_out=True)
                utterance = say(bank, sentence, speaker, style, rng)
            spoken[utterance.sentence.text] = utterance
    return list(spoken.values())
