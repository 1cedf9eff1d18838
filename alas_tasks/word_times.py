"""Word times that other programs wrote: TextGrid, CTM, WhisperX's JSON, Sphinx's wdseg, and parquet files.

All are read to ``{utterance: [{"word", "start", "end"}, ...]}`` in seconds. Silences stay in as entries without a
letter or with the name that the program gives them: which are words is told where they are matched with the transcript.
A word without times, as WhisperX leaves numbers, has NaN in both places.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from alas_metric.errors import FatalError
from alas_metric.texts import whole_characters

if TYPE_CHECKING:
    import pyarrow as pa

Words = list[dict[str, Any]]

WDSEG_FRAME = 0.01
"""Seconds per frame of Sphinx's segmentations."""


def read_folder(folder: Path, utterances: Sequence[str]) -> list[Words | None]:
    """Return the words of utterances from the files of a folder and its subfolders.

    Files of one utterance (``*.TextGrid``, ``*.json``, ``*.wdseg``) are named as it is; a CTM or parquet file holds
    many and has any name. A file that cannot be read is named in a warning and left out.

    Args:
        folder: where the files lie.
        utterances: names to look up.

    Returns:
        The words of each, None where there are none.

    Raises:
        FatalError: If the folder holds no such file, or none of the utterances.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in READERS and path.is_file())
    if not files:
        raise FatalError(f"{folder} holds no word times: expected files that end in {', '.join(READERS)}")
    wanted = set(utterances)
    found: dict[str, Words] = {}
    for path in files:
        if path.suffix.lower() in OF_MANY or path.stem in wanted:
            found.update(_read(path))
    result = [found.get(name) for name in utterances]
    if utterances and not any(words is not None for words in result):
        raise FatalError(
            f"{folder} holds the word times of none of {len(utterances)} utterances (the first is {utterances[0]!r}); "
            f"its files are named as {files[0].name}"
        )
    return result


def _read(path: Path) -> Mapping[str, Words]:
    try:
        return READERS[path.suffix.lower()](path)
    except Exception as error:  # each format's library raises what it likes
        logger.warning(f"ALAS: the word times of {path} are not read: {type(error).__name__}: {error}")
        return {}


def word(text: object, start: float, end: float) -> dict[str, Any]:
    """Return one entry."""
    return {"word": whole_characters(str(text)).strip(), "start": float(start), "end": float(end)}


def read_textgrid(path: Path) -> dict[str, Words]:
    """Read a Praat TextGrid's tier of words: the one whose name says so, else the only one of intervals.

    Raises:
        ValueError: If there is no such tier.
    """
    from praatio import textgrid
    from praatio.data_classes.interval_tier import IntervalTier

    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False, reportingMode="silence")
    tiers = [tier for tier in grid.tiers if isinstance(tier, IntervalTier)]
    named = [tier for tier in tiers if "word" in tier.name.lower()] or tiers
    if len(named) != 1:
        names = ", ".join(repr(tier.name) for tier in grid.tiers)
        raise ValueError(f"expected one tier with 'word' in its name, or a single tier of intervals; found {names}")
    return {path.stem: [word(label, start, end) for start, end, label in named[0].entries]}


def read_ctm(path: Path) -> dict[str, Words]:
    """Read NIST's CTM: lines of utterance, channel, start, duration and word; ``;;`` begins a comment."""
    utterances: dict[str, Words] = {}
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        if line.strip() and not line.startswith(";;"):
            name, _, start, duration, text = line.split()[:5]
            utterances.setdefault(name, []).append(word(text, float(start), float(start) + float(duration)))
    return {name: sorted(words, key=lambda entry: entry["start"]) for name, words in utterances.items()}


def read_whisperx(path: Path) -> dict[str, Words]:
    """Read the JSON of WhisperX, whisper-timestamped or Whisper itself: segments that hold words.

    Raises:
        ValueError: If it holds no list of words.
    """
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    segments = content.get("segments") if isinstance(content, dict) else content
    if not isinstance(segments, list) or not all(isinstance(segment, dict) for segment in segments):
        raise ValueError("expected {'segments': [{'words': [{'word', 'start', 'end'}, ...]}, ...]}")
    words = [entry for segment in segments for entry in segment.get("words") or []]
    if not words:
        raise ValueError("its segments hold no words: was it written without word timestamps?")
    nan = math.nan
    return {path.stem: [word(w.get("word", w.get("text")), w.get("start", nan), w.get("end", nan)) for w in words]}


def read_wdseg(path: Path) -> dict[str, Words]:
    """Read a word segmentation of Sphinx, as IEMOCAP has them: first and last frame, score, word.

    The last frame is the word's own. ``word(2)`` is a variant of how ``word`` is spoken; ``<sil>`` and ``++LAUGHTER++``
    are no words.
    """
    words = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        parts = line.split()
        if len(parts) == 4 and parts[0].isdigit() and parts[1].isdigit():  # not the header, not "Total score: ..."
            first, last, _, text = parts
            if not text.startswith(("<", "++")):
                text = text.partition("(")[0]
                words.append(word(text, int(first) * WDSEG_FRAME, (int(last) + 1) * WDSEG_FRAME))
    return {path.stem: words}


def read_parquet(path: Path) -> dict[str, Words]:
    """Read the columns ``id`` and ``words`` of a parquet file; no other is touched."""
    import pyarrow.parquet as pq

    return words_of_table(pq.read_table(path, columns=["id", "words"]))


def words_of_table(table: pa.Table) -> dict[str, Words]:
    """Return the words of a table with the columns ``id`` and ``words``, lists of ``{word, start, end}``."""
    rows = zip(table["id"].to_pylist(), table["words"].to_pylist(), strict=True)
    return {
        str(name): [word(w["word"], w["start"], w["end"]) for w in words] for name, words in rows if words is not None
    }


READERS: dict[str, Callable[[Path], Mapping[str, Words]]] = {
    ".textgrid": read_textgrid,
    ".ctm": read_ctm,
    ".json": read_whisperx,
    ".wdseg": read_wdseg,
    ".parquet": read_parquet,
}
"""Ending of a file, in lower case, to its reader."""
OF_MANY = (".ctm", ".parquet")
"""Endings of files that hold many utterances."""
