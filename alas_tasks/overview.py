"""What ``alas new-task`` understood of a user's data, and what looks odd about it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table as Lines

from alas_metric.document.units import split_units
from alas_metric.errors import SkipDocument
from alas_metric.texts import one_line, printable
from alas_tasks.audio import BEYOND, duration
from alas_tasks.description import Description, like_times

EXAMPLES = 3
MEASURED = 2_000
"""Of so many documents the audio is measured; of more the rest is taken to be like them."""
_SHOWN = 40
_SCRIPTS = (
    "LATIN",
    "CYRILLIC",
    "GREEK",
    "ARABIC",
    "HEBREW",
    "DEVANAGARI",
    "HANGUL",
    "HIRAGANA",
    "KATAKANA",
    "CJK",
    "THAI",
)
_LANGUAGES_OF = {
    "CYRILLIC": {"ru", "uk", "bg", "sr", "mk", "be", "kk", "mn", "tg", "tt", "ba"},
    "CJK": {"zh", "yue", "ja", "ko"},
    "HANGUL": {"ko"},
    "HIRAGANA": {"ja"},
    "KATAKANA": {"ja"},
    "THAI": {"th"},
    "GREEK": {"el"},
    "HEBREW": {"he", "yi"},
    "ARABIC": {"ar", "fa", "ur", "ps", "sd"},
    "DEVANAGARI": {"hi", "mr", "ne", "sa"},
}
"""Languages that are written in a script, as far as a wrong one can be told by it."""


def show(description: Description, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], docs: Any = None) -> None:
    """Print the columns with their roles and examples, how much there is, and what looks odd.

    Args:
        description: what the data was taken for.
        columns: all columns of the data.
        rows: the first few rows, without audio; fewer than `EXAMPLES` where there are no more.
        docs: the documents made of it, None for data on the hub that is not here yet.
    """
    console = Console(soft_wrap=False)
    console.print(_columns_table(description, rows, columns))
    if docs is None:
        return
    lengths = measured(docs)
    print(_amount(lengths, len(docs)))
    for line in oddities(description, columns, docs, lengths):
        print(printable(f"odd: {line}"))


def _columns_table(description: Description, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Lines:
    roles = {column: role for role, column in description.columns.items()}
    table = Lines("column", "taken as")
    for number in range(1, min(EXAMPLES, len(rows)) + 1):
        table.add_column(f"row {number}", overflow="fold")
    for column in sorted(columns, key=lambda name: name not in roles):
        shown = [_short(row.get(column)) for row in rows[:EXAMPLES]]
        table.add_row(*map(_plain, [column, _role(roles.get(column), description), *shown]))
    return table


def _role(role: str | None, description: Description) -> str:
    if role is None:
        return "(not used)"
    unit = description.word_times_in if role == "words" else description.times_in
    return f"{role}, in {unit}" if unit and role in ("begin", "end", "duration", "words") else role


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)


def _short(value: Any) -> str:
    if value is None:
        return ""
    text = one_line(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def measured(docs: Any) -> list[float | None]:
    """Return the length in seconds of the first documents' audio, None where it cannot be read."""
    lengths: list[float | None] = []
    for doc in docs.select(range(min(len(docs), MEASURED))).select_columns(["audio", "part"]):
        try:
            lengths.append(duration({**(doc["audio"] or {}), "part": doc["part"]}))
        except SkipDocument:
            lengths.append(None)
    return lengths


def _amount(lengths: Sequence[float | None], num_docs: int) -> str:
    known = [length for length in lengths if length is not None]
    total = sum(known) * (num_docs / len(lengths) if lengths else 0)
    about = "" if len(lengths) == num_docs else "about "
    hours = f" ({total / 3600:.1f} h)" if total >= 3600 else ""
    longest = f", the longest {max(known):.1f} s" if known else ""
    return f"{num_docs} row{'s' * (num_docs != 1)}, {about}{total:.1f} s of audio{hours}{longest}"


def oddities(description: Description, columns: Sequence[str], docs: Any, lengths: Sequence[float | None]) -> list[str]:
    """Return what the user should look at, in words.

    Args:
        description: what the data was taken for.
        columns: all columns of the data.
        docs: the documents made of it.
        lengths: of the first documents' audio, in seconds.
    """
    texts = docs.select_columns([name for name in docs.column_names if name != "audio"]).to_dict()
    found = [
        _unread(lengths),
        *_parts(description, columns),
        _beyond(texts["words"], lengths),
        _tags(texts["transcript"]),
        _empty(texts["transcript"]),
        *_languages(description, texts),
        "no speaker is known: intervals will be drawn by document" if not any(texts["speaker"]) else "",
    ]
    return [line for line in found if line]


def _unread(lengths: Sequence[float | None]) -> str:
    lost = sum(length is None for length in lengths)
    return f"the audio of {lost} of {len(lengths)} rows cannot be read; they will be left out" if lost else ""


def _parts(description: Description, columns: Sequence[str]) -> list[str]:
    named = like_times(columns, description.columns)
    if not named:
        return []
    return [f"{', '.join(named)}: looks like a time, and is not used; --begin, --end or --duration would use it"]


def _beyond(words: Sequence[Any], lengths: Sequence[float | None]) -> str:
    timed = [
        (max(word["end"] for word in said if word["end"] is not None), length)
        for said, length in zip(words, lengths, strict=False)
        if length is not None and any(word["end"] is not None for word in said or ())
    ]
    beyond = [(last, length) for last, length in timed if last > length + BEYOND]
    if not beyond:
        return ""
    last, length = beyond[0]
    return (
        f"word times of {len(beyond)} of {len(timed)} rows go beyond their audio, such as {last:.2f} s of {length:.2f} "
        "s; --word-times-in milliseconds or samples reads them otherwise"
    )


def _tags(transcripts: Sequence[str | None]) -> str:
    tags: Counter[str] = Counter()
    for text in transcripts:
        spoken = bytearray(len(text or ""))
        for unit in split_units(text or ""):
            spoken[unit.start : unit.end] = b"\1" * (unit.end - unit.start)
        rest = "".join(" " if said else character for character, said in zip(text or "", spoken, strict=True))
        tags.update(word for word in rest.split() if any(map(str.isalnum, word)))
    shown = ", ".join(tag for tag, _ in tags.most_common(5))
    return f"{sum(tags.values())} tags in transcripts are not taken for words: {shown}" if tags else ""


def _empty(transcripts: Sequence[str | None]) -> str:
    empty = sum(text is not None and not split_units(text) for text in transcripts)
    return f"{empty} of {len(transcripts)} transcripts hold no word; they will be left out" if empty else ""


def _languages(description: Description, texts: Mapping[str, Sequence[Any]]) -> list[str]:
    named = sorted({language for language in texts["language"] if language})
    if len(named) > 1:
        return [f"several languages: {', '.join(named)}"]
    scripts: Counter[str] = Counter(filter(None, map(script_of, map(_spoken, texts["transcript"]))))
    if len(scripts) > 1 and not scripts.keys() <= {"CJK", "HIRAGANA", "KATAKANA"}:
        return [
            "transcripts in several scripts: "
            + ", ".join(f"{_title(name)} {count}" for name, count in scripts.most_common())
        ]
    language = named[0] if named else description.language
    wrong = [script for script in scripts if language not in _LANGUAGES_OF.get(script, {language})]
    if wrong:
        usual = sorted(_LANGUAGES_OF[wrong[0]])
        return [
            f"the language is {language}, the transcripts are in {_title(wrong[0])}: --language {' or '.join(usual)}?"
        ]
    return []


def _spoken(text: str | None) -> str:
    return " ".join(unit.text for unit in split_units(text or ""))


def _title(script: str) -> str:
    return "Han" if script == "CJK" else script.title()


def script_of(text: str | None) -> str | None:
    """Return the script of most letters of a text.

    Example:
        >>> script_of("hello"), script_of("今天"), script_of("привет!")
        ('LATIN', 'CJK', 'CYRILLIC')
    """
    names = (unicodedata.name(character, "").split(" ")[0] for character in text or "" if character.isalpha())
    counts = Counter(name for name in names if name in _SCRIPTS)
    return counts.most_common(1)[0][0] if counts else None
