"""Small local copies of the data sets' layouts, with a few utterances of synthesised, speech-like sound."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from alas_metric.errors import FatalError
from model_patches.harness import failures

SAMPLE_RATE = 16_000

UTTERANCES: dict[str, tuple[str, str, str]] = {
    "5639-40744-0000": ("ELEVEN O'CLOCK HAD STRUCK", "What time is it", "Eleven o'clock has struck."),
    "5639-40744-0001": (
        "THE DOG SLEPT BY THE FIRE",
        "Where does the dog sleep?",
        "The dog sleeps by the fire.",
    ),
    "5639-40744-0002": ("HE WENT HOME", "Where did he go", "He went home."),
    "61-70968-0000": ("SHE BEGAN A CONFUSED COMPLAINT", "What did she begin", "A confused complaint."),
    "61-70968-0001": ("GIVE NOT SO EARNEST A MIND", "What should one not give", "An earnest mind."),
    "61-70968-0002": ("AND ALREADY THIS ASTOUNDING BLOW", "What is the blow like", "The blow is astounding."),
}
"""Utterance id: transcript, question, answer."""

EMOTIONS: dict[str, tuple[str, str]] = {
    "Ses01F_impro01_F000": ("neu", "Excuse me."),
    "Ses01F_impro01_M001": ("ang", "What -- what is it now? [LAUGHTER]"),
    "Ses01F_impro02_F002": ("hap", "That is so great ..."),
    "Ses02M_script01_1_M003": ("sad", "I I miss him."),
    "Ses02M_script01_1_F004": ("exc", "We won!"),
    "Ses02M_script02_2_M005": ("fru", "Not again."),
}
"""Utterance id: emotion, transcript; the last is of a class that the task leaves out."""


@contextmanager
def fatal(match: str) -> Iterator[None]:
    """Expect an error of ours, by itself or behind one of the harness, as `model_patches.harness.failures` finds it."""
    failures.retry_no_errors_of_ours()
    with pytest.raises((FatalError, ImportError)) as raised:  # the latter where a YAML file names what fails
        yield
    error = failures.fatal_cause(raised.value)
    assert error is not None and re.search(match, str(error)), raised.value


def speech_like(num_syllables: int, seed: int, rate: int = SAMPLE_RATE) -> np.ndarray:
    """Return harmonic tones with the envelope of syllables and a pause after every third: float32, mono."""
    random = np.random.default_rng(seed)
    pieces = [np.zeros(int(0.15 * rate))]
    for syllable in range(num_syllables):
        time = np.arange(int(random.uniform(0.14, 0.26) * rate)) / rate
        pitch = random.uniform(90, 220) * (1 + 0.05 * np.sin(2 * np.pi * 4 * time))
        phase = 2 * np.pi * np.cumsum(pitch) / rate
        formant = random.uniform(2, 12)
        tone = sum(np.sin(k * phase) * np.exp(-((k - formant) ** 2) / 8) for k in range(1, 20))
        pieces.append(0.2 * tone * np.hanning(len(time)))
        if syllable % 3 == 2:
            pieces.append(np.zeros(int(0.2 * rate)))
    noise = 1e-4 * random.standard_normal(sum(map(len, pieces)))
    return (np.concatenate(pieces) + noise).astype(np.float32)


def sound_of(text: str, seed: int = 0) -> np.ndarray:
    """Return 1 to 3 seconds of sound, longer for more words."""
    return speech_like(min(11, max(4, 2 * len(text.split()))), seed + len(text))


def encoded(samples: np.ndarray, rate: int = SAMPLE_RATE, kind: str = "FLAC", subtype: str | None = None) -> bytes:
    """Return sound as the bytes of a file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


CONTAINERS = {
    "mp3": ("mp3", "libmp3lame", 16_000),
    "m4a": ("mp4", "aac", 16_000),
    "mp4": ("mp4", "aac", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "opus": ("ogg", "libopus", 48_000),
    "amr": ("amr", "libopencore_amrnb", 8_000),
    "3gp": ("3gp", "libopencore_amrnb", 8_000),
    "aac": ("adts", "aac", 16_000),
    "mkv": ("matroska", "flac", 16_000),
}


def as_container(sound: np.ndarray, kind: str, video: bool = False, path: Path | None = None, **options: str) -> bytes:
    """Return 16 kHz sound in a container, as FFmpeg's libraries write it."""
    name, codec, rate = CONTAINERS[kind]
    file = io.BytesIO()
    with av.open(str(path) if path else file, "w", format=name, options=options) as container:
        picture = container.add_stream("mpeg4", rate=25) if video else None
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        stream = container.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate)
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1).astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        fifo = av.AudioFifo()
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            part.pts = None
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        position = 0
        while (part := fifo.read(size, partial=True)) is not None:
            part.pts, part.time_base = position, Fraction(1, rate)
            position += part.samples
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
        if picture is not None:
            still = av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), format="yuv420p")
            container.mux(picture.encode(still))
            container.mux(picture.encode(None))
    return path.read_bytes() if path else file.getvalue()


def make_librispeech(folder: Path) -> Path:
    """Make ``folder/test-clean/<speaker>/<chapter>/*.flac`` with transcripts; return ``folder``."""
    for seed, (uid, (text, _, _)) in enumerate(UTTERANCES.items()):
        speaker, chapter, _ = uid.split("-")
        place = Path(folder) / "test-clean" / speaker / chapter
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{uid}.flac").write_bytes(encoded(sound_of(text, seed)))
        with (place / f"{speaker}-{chapter}.trans.txt").open("a", encoding="utf-8") as file:
            file.write(f"{uid} {text}\n")
    return Path(folder)


def librisqa_rows(part: int) -> list[dict[str, Any]]:
    """Return the rows of LibriSQA's test file of Part 1 or 2."""
    rows = []
    for number, (uid, (text, question, answer)) in enumerate(UTTERANCES.items()):
        speaker, chapter, _ = uid.split("-")
        path = f"LibriSpeech/test-clean/{speaker}/{chapter}/{uid}.flac"
        if part == 1:
            rows.append(
                {
                    "speech_path": path,
                    "question": question,
                    "answer": answer,
                    "text": text,
                    "duration": 2 + number,
                }
            )
        else:
            options = [answer if letter == number % 4 else f"Something else {letter}" for letter in range(4)]
            listed = " ".join(f"{'ABCD'[i]}. {option}" for i, option in enumerate(options))
            gold = "ABCD"[number % 4]
            row = {"speech_path": path, "question_and_option": f"{question} {listed}", "answer": gold}
            rows.append({**row, "answer_and_analysis": f"{gold}. {answer}"})
    return rows


def make_librisqa(folder: Path, flat: bool = False) -> Path:
    """Make LibriSQA's test files of both parts, in their folders or flat; return ``folder``."""
    for part, name in ((1, "LibriSQA-PartI"), (2, "LibriSQA-PartII")):
        place = Path(folder) if flat else Path(folder) / name
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}-test.json").write_text(json.dumps(librisqa_rows(part), indent=1), encoding="utf-8")
    return Path(folder)


def make_iemocap(folder: Path) -> Path:
    """Make a release folder with SpeechBrain-style ``train.json`` and ``test.json``; return ``folder``."""
    files: dict[str, dict[str, Any]] = {"train.json": {}, "test.json": {}}
    for seed, (uid, (emotion, text)) in enumerate(EMOTIONS.items()):
        sound = sound_of(text, seed)
        name = f"Session{uid[4]}/sentences/wav/{uid.rpartition('_')[0]}/{uid}.wav"
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(sound, kind="WAV"))
        row = {"wav": "{data_root}/" + name, "length": len(sound) / SAMPLE_RATE, "emo": emotion, "text": text}
        files["train.json" if seed < 3 else "test.json"][uid] = row
    for name, rows in files.items():
        (Path(folder) / name).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return Path(folder)


def make_manifest(folder: Path) -> Path:
    """Make ``folder/manifest.jsonl`` with audio of two formats, gold words and speakers; return the file."""
    folder = Path(folder)
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows = []
    for seed, (uid, (text, question, answer)) in enumerate(UTTERANCES.items()):
        sound = sound_of(text, seed)
        name = f"audio/{uid}.{'wav' if seed % 2 else 'flac'}"
        soundfile.write(folder / name, np.stack([sound, sound], axis=1) if seed == 1 else sound, SAMPLE_RATE)
        names = text.lower().split()
        step = (len(sound) / SAMPLE_RATE - 0.3) / len(names)
        words = [
            {"word": word, "start": round(0.15 + i * step, 3), "end": round(0.15 + (i + 0.8) * step, 3)}
            for i, word in enumerate(names)
        ]
        row = {"id": uid, "audio": name, "transcript": text.lower(), "question": question, "answer": answer}
        rows.append({**row, "words": words, "speaker": uid.split("-")[0]})
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def make_hub_cache(hub: Path, repo_id: str, revision: str, files: dict[str, bytes], kind: str = "datasets") -> Path:
    """Make a hub cache folder as ``huggingface_hub`` leaves it after a download; return the snapshot."""
    commit = revision if len(revision) == 40 else "0123456789" * 4
    repo = Path(hub) / "--".join([kind, *repo_id.split("/")])
    if commit != revision:
        ref = repo / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit)
    for name, content in files.items():
        path = repo / "snapshots" / commit / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return repo / "snapshots" / commit


def parquet_with_audio(columns: dict[str, list], audio: list[tuple[bytes | None, str | None]]) -> bytes:
    """Return the bytes of a parquet file with an audio column as the hub's converted branch holds it."""
    rows = [{"bytes": content, "path": path} for content, path in audio]
    table = pa.table({**columns, "audio": pa.array(rows, pa.struct({"bytes": pa.binary(), "path": pa.string()}))})
    features: dict[str, Any] = {name: {"dtype": "string", "_type": "Value"} for name in columns}
    features["audio"] = {"_type": "Audio", "sampling_rate": SAMPLE_RATE}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=2)
    return file.getvalue()


def librispeech_parquet(skip: tuple[str, ...] = ()) -> bytes:
    """Return LibriSpeech's test-clean as one parquet file, in another order than LibriSQA's."""
    uids = sorted(set(UTTERANCES) - set(skip), reverse=True)
    columns = {
        "file": [f"{uid}.flac" for uid in uids],
        "text": [UTTERANCES[uid][0] for uid in uids],
        "id": uids,
    }
    audio = [(encoded(sound_of(UTTERANCES[uid][0])), f"{uid}.flac") for uid in uids]
    return parquet_with_audio(columns, audio)


def iemocap_parquet() -> bytes:
    """Return the hub's copy of IEMOCAP as one parquet file."""
    names = {
        "neu": "neutral",
        "ang": "angry",
        "hap": "happy",
        "sad": "sad",
        "exc": "excited",
        "fru": "frustrated",
    }
    columns = {
        "file": [f"{uid}.wav" for uid in EMOTIONS],
        "transcription": [text for _, text in EMOTIONS.values()],
        "major_emotion": [names[emotion] for emotion, _ in EMOTIONS.values()],
        "speaking_rate": ["4"] * len(EMOTIONS),
    }
    audio = [(encoded(sound_of(text), kind="WAV"), f"{uid}.wav") for uid, (_, text) in EMOTIONS.items()]
    return parquet_with_audio(columns, audio)


def even_words(text: str, seconds: float) -> list[tuple[str, float, float]]:
    """Return made-up times: the words share what lies between 0.15 s and 0.15 s before the end, with gaps."""
    names = text.split()
    step = (seconds - 0.3) / len(names)
    return [(name, round(0.15 + i * step, 2), round(0.15 + (i + 0.8) * step, 2)) for i, name in enumerate(names)]


def librispeech_words(skip: tuple[str, ...] = ()) -> bytes:
    """Return word times of test-clean in the layout of the hub's copy of MFA's: silences are empty words."""
    rows = []
    for seed, (uid, (text, _, _)) in enumerate(UTTERANCES.items()):
        seconds = len(sound_of(text, seed)) / SAMPLE_RATE
        timed = [("", 0.0, 0.15), *((word.lower(), a, b) for word, a, b in even_words(text, seconds))]
        words = [{"word": word, "start": start, "end": end} for word, start, end in timed]
        phonemes = [{"phoneme": "SPN", "start": 0.0, "end": seconds}]
        row = {"id": uid, "sex": "F", "subset": "test_clean", "transcript": text, "words": words, "phonemes": phonemes}
        rows.append({**row, "audio": {"bytes": b"not read", "path": f"{uid}.flac"}})
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row for row in rows if row["id"] not in skip]), file)
    return file.getvalue()


def add_wdseg(folder: Path, skip: tuple[str, ...] = ()) -> Path:
    """Add ``Session*/sentences/ForcedAlignment`` to a folder that `make_iemocap` made; return it."""
    for seed, (uid, (_, text)) in enumerate(EMOTIONS.items()):
        spoken = [word for word in text.split() if word[0].isalpha()]
        lines = ["\tSFrm\tEFrm\t   SegAScr Word", "\t   0\t  14\t   -122440 <s>"]
        duration = len(sound_of(text, seed)) / SAMPLE_RATE
        for number, (word, start, end) in enumerate(even_words(" ".join(spoken), duration)):
            said = word.upper().strip("?!.") + ("(2)" if number == 0 else "")
            lines.append(f"\t{round(start * 100):4}\t{round(end * 100) - 1:4}\t    -96000 {said}")
        lines += ["\t 900\t 910\t    -96000 ++LAUGHTER++", "Total score:    -9876543"]
        place = Path(folder) / f"Session{uid[4]}" / "sentences" / "ForcedAlignment" / uid.rpartition("_")[0]
        place.mkdir(parents=True, exist_ok=True)
        if uid not in skip:
            (place / f"{uid}.wdseg").write_text("\n".join(lines) + "\n")
    return Path(folder)


def mmau_parquet() -> bytes:
    """Return MMAU's test-mini as one parquet file: two questions about speech, one about music, two that are broken."""
    options = ["The dog", "The cat", "Nobody"]
    columns = {
        "id": ["one", "song", "two", "six options", "no answer"],
        "question": ["Who sleeps?", "Which key?", "Who speaks?", "Who sings?", "Who eats?"],
        "choices": [json.dumps(options)] * 2
        + [json.dumps(options[::-1]), json.dumps(options * 2), json.dumps(options)],
        "answer": ["The cat", "Nobody", " the cat ", "The dog", "The bird"],
        "task": ["speech", "music", "speech", "speech", "speech"],
    }
    audio = [(encoded(sound_of(uid), kind="WAV"), f"{uid}.wav") for uid in columns["id"]]
    return parquet_with_audio(columns, audio)


def local_data(folder: Path) -> dict[str, str]:
    """Make all data sets in a folder and return the environment in which a run reads them, offline and on the CPU."""
    places = {"LIBRISPEECH": make_librispeech, "LIBRISQA": make_librisqa, "IEMOCAP": make_iemocap}
    for name, make in places.items():
        (folder / name).mkdir()
        make(folder / name)
    return {
        **os.environ,
        **{f"ALAS_{name}_DIR": str(folder / name) for name in places},
        "ALAS_CACHE_DIR": str(folder / "cache"),
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_OFFLINE": "1",
        "ACCELERATE_USE_CPU": "true",
        # Sums over other numbers of threads may differ in the last bit; torchrun sets this for its processes.
        "OMP_NUM_THREADS": "1",
    }
