"""Recorded human speech: the English telephone prompts of Asterisk, one speaker, with their transcripts."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

import numpy as np
from parts import unpacked
from synthesis import RATE

FEWEST = 3
"""Words of a prompt that is kept."""

_PLAIN = re.compile(r"[A-Za-z' ,.!?-]+")


def transcripts(listing: str) -> dict[str, str]:
    r"""Return the plain transcripts of a listing by the prompt's name, without those that hold numbers or notes.

    Example:
        >>> transcripts("; comment\ncalling: Calling.\nvm-no: You have no messages.\nbeep: [this is a simple beep]")
        {'vm-no': 'You have no messages.'}
    """
    pairs = (line.partition(": ") for line in listing.splitlines() if not line.startswith(";"))
    return {n: text for n, _, text in pairs if _PLAIN.fullmatch(text) and len(text.split()) >= FEWEST}


def prompts(work: Path) -> dict[str, str]:
    """Return the prompts' transcripts by name, in the order of their names."""
    texts, sounds = unpacked("prompts", work)
    listing = next(texts.glob("usr/share/doc/*/core-sounds-en.txt.gz"))
    found = transcripts(gzip.decompress(listing.read_bytes()).decode())
    return {name: found[name] for name in sorted(found) if _file(sounds, name).exists()}


def prompt_audio(work: Path, name: str) -> np.ndarray:
    """Return a prompt's samples, float32 at 16 kHz, decoded by ffmpeg."""
    _, sounds = unpacked("prompts", work)
    form = ["-ar", str(RATE), "-ac", "1", "-f", "f32le", "-"]
    command = ["ffmpeg", "-loglevel", "error", "-f", "g722", "-i", str(_file(sounds, name)), *form]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.float32)


def _file(sounds: Path, name: str) -> Path:
    return sounds / "usr/share/asterisk/sounds/en_US_f_Allison" / f"{name}.g722"
