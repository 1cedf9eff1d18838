"""Reading a label out of what a model says, tolerantly: "The speaker sounds angry." is anger.

A reading is None where the answer names no label or more than one: two such answers never count as agreeing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from alas_metric.document.units import split_units

EMOTIONS: dict[str, tuple[str, ...]] = {
    "anger": ("anger", "angry", "angrily", "angered", "furious", "fury", "mad", "irate", "rage", "enraged"),
    "happiness": (
        *("happiness", "happy", "happily", "joy", "joyful", "joyous", "cheerful", "delighted"),
        *("excited", "excitedly", "excitement"),  # the data set counts excited as happy
    ),
    "sadness": ("sadness", "sad", "sadly", "saddened", "sorrow", "sorrowful", "unhappy", "unhappiness"),
    "neutral": ("neutral", "neutrality", "neutrally", "emotionless", "unemotional", "no emotion"),
}
"""The four classes with the words that name them. Frustration is another class and none of them."""

FREE_OR_CONTAINED = "free_or_contained"
"""The setting ``answers`` of a task whose free answers also agree where one is contained in the other."""
_QUOTE = "\u2019"  # the typographic apostrophe of "isn't"
_NEGATION = re.compile(
    r"(?:\b(?:not(?!\s+(?:only|just|merely)\b)|no|never|neither|nor|without|hardly|cannot|non|rather\s+than"
    r"|instead\s+of|anything\s+but|far\s+from|lack\s+of)|n't)(?:[\s-]+\w+){0,4}?[\s-]*$"
)
_CLAUSE_END = re.compile(r"[.,;:!?\n()]|\bbut\b|\bhowever\b|\brather\b(?!\s+than)|\binstead\b(?!\s+of)")
_NEGATED_SCRIPT = re.compile(r"[不没沒非无無]\s*$")
_VERDICT = re.compile(r"\b(?:answer|emotion|label|class|category)\b\s*(?:is|was|would\s+be|:|=)+")


def strip_thinking(answer: str) -> str:
    """Return what a reasoning model says after thinking.

    A ``<think>`` that is never closed (the answer was cut off) leaves nothing; a ``</think>`` that was opened
    in the prompt takes all before it.

    Example:
        >>> strip_thinking("<think>loud, so angry</think> Anger")
        'Anger'
    """
    answer = re.sub(r"<(think|thinking)>.*?</\1>", " ", answer, flags=re.DOTALL | re.IGNORECASE)
    answer = re.sub(r"^.*</think(?:ing)?>", " ", answer, flags=re.DOTALL | re.IGNORECASE)
    return re.sub(r"<think(?:ing)?>.*$", " ", answer, flags=re.DOTALL | re.IGNORECASE).strip()


def contained(first: str, second: str) -> bool:
    """Tell whether the words of the shorter of two answers stand in a row in the longer one.

    Case and punctuation do not matter; an answer without a word is contained in none. It is no reading: "angry" is
    contained in "not angry".

    Example:
        >>> contained("Boston.", "The train goes to Boston"), contained("a cat", "a black cat"), contained("", "Boston")
        (True, False, False)
    """
    shorter, longer = sorted(map(_words, (first, second)), key=len)
    places = range(len(longer) - len(shorter) + 1)
    return bool(shorter) and any(longer[place : place + len(shorter)] == shorter for place in places)


def _words(answer: str) -> list[str]:
    """Return the words of an answer without case and punctuation, characters in scripts without spaces."""
    texts = ("".join(filter(str.isalnum, _normalise(unit.text))) for unit in split_units(strip_thinking(answer)))
    return [text for text in texts if text]


def read_emotion(answer: str | None) -> str | None:
    """Return ``anger``, ``happiness``, ``sadness`` or ``neutral``, or None where none or several are named.

    Example:
        >>> read_emotion("They are angry, not happy.")
        'anger'
    """
    return _read(answer, EMOTIONS)


def read_label(answer: str | None, labels: Sequence[str]) -> str | None:
    """Return the one of ``labels`` that the answer names, or None.

    Case, hyphens and underscores do not matter; of labels within each other ("light", "green light") the
    longest counts.
    """
    return _read(answer, {label: (label,) for label in labels})


def label_reader(labels: Sequence[str]) -> Callable[[str | None], str | None]:
    """Return the function that reads answers as one of ``labels``; letters A to D are read as options."""
    if set(labels) <= set("ABCD"):
        return read_option
    return partial(read_label, labels=tuple(labels))


def _read(answer: str | None, words: Mapping[str, Sequence[str]]) -> str | None:
    """Return the only label that is named and not denied; a stated verdict and the first line go first."""
    if not answer:
        return None
    text = _normalise(strip_thinking(answer))
    first_line = text.split("\n", 1)[0]
    verdicts = [text[match.end() :] for match in _VERDICT.finditer(text)]
    for part in (*verdicts[-1:], first_line, text):
        named = _named(part, words)
        if len(named) == 1:
            return named.pop()
        if part is first_line and len(named) > 1 and not verdicts:
            return None
    return None


def _normalise(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).replace(_QUOTE, "'").casefold()
    return re.sub(r"[*_`\"#>]+", " ", text).strip()


def _named(text: str, words: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the labels that a normalised text names without denying them."""
    labels = {_normalise(word): label for label, names in words.items() for word in names}
    pattern = "|".join(_pattern(word) for word in sorted(labels, key=len, reverse=True) if word)
    found = set()
    for match in re.finditer(pattern, text) if pattern else ():
        before = text[: match.start()]
        clause = _CLAUSE_END.split(before)[-1]
        if not _NEGATION.search(clause) and not _NEGATED_SCRIPT.search(clause):
            found.add(labels[re.sub(r"[\s-]+", " ", match.group())])
    return found


def _pattern(word: str) -> str:
    """Return a pattern for a whole word; scripts without spaces (category Lo) have no word boundary."""
    left = "" if unicodedata.category(word[0]) == "Lo" else r"(?<!\w)"
    right = "" if unicodedata.category(word[-1]) == "Lo" else r"(?!\w)"
    return left + r"[\s-]+".join(re.escape(part) for part in re.split(r"[\s-]+", word)) + right


_ONLY_LETTER = re.compile(r"^[\W_]*(?:option|choice|answer)?[\W_]*([a-d])[\W_]*$", re.IGNORECASE)
_STATED = re.compile(
    r"\b(?i:answer|option|choice)\b(?i:\s+is|\s+would\s+be|\s*[:=])*(?i:\s+(?:option|choice))?[\s\"'*:(\[]+"
    r"(?:([B-DA])(?![\w'\u2019])|([a-d])(?=\s*(?:[)\]:;,.\"*]|$)))"
)
_MARKED = re.compile(r"(?<![\w'\u2019])(?:[(\[]\s*([A-Da-d])\s*[)\]]|([A-Da-d])\s*[):.]|\*\*([A-D])\*\*)(?=\W|$)")
_BARE = re.compile(r"(?<![\w'\u2019])([A-D])(?![\w'\u2019])(?!\.\w)")
_ARTICLE = re.compile(r"(?:^|[.!?:\n\"]\s*)A\s+(?!is\b|was\b|would\b|because\b|since\b|seems\b)\w")
_NOT_BEFORE = re.compile(r"(?:\bnot|\brather than|\binstead of|n't(?: be)?)\s+(?:option\s+)?[(\[\"'*]*$", re.IGNORECASE)


def read_option(answer: str | None) -> str | None:
    """Return the option ``A`` to ``D`` that the answer chooses, or None.

    A letter alone goes first, then "the answer is B", then a marked letter ("B)", "(B)", "B."), then a bare
    capital. The article at the start of "A dog barks" is no option.

    Example:
        >>> read_option("The answer is (b) the dog.")
        'B'
    """
    text = strip_thinking(answer or "")
    for part in (text, text.split("\n", 1)[0]):
        if only := _ONLY_LETTER.match(part):
            return only.group(1).upper()
    stated = _letters(_STATED, text)
    if stated:
        return stated[-1]
    marked = _letters(_MARKED, text)
    if marked and (len(set(marked)) == 1 or _opens_with_choice(text, marked)):
        return marked[0]
    articles = {match.start() + match.group().index("A") for match in _ARTICLE.finditer(text)}
    bare = set(_letters(_BARE, text, articles))
    return bare.pop() if len(bare) == 1 and not marked else None


def _letters(pattern: re.Pattern[str], text: str, ignored: set[int] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """Return the letters that a pattern finds, in order, without those that are denied."""
    found = []
    for match in pattern.finditer(text):
        denied = _NOT_BEFORE.search(text[: match.start()])
        if not denied and match.start() not in ignored:
            found.append(next(group for group in match.groups() if group).upper())
    return found


def _opens_with_choice(text: str, marked: Sequence[str]) -> bool:
    """Tell "B) the dog. (A) is a cat" from a repetition of the options, "A) a cat B) the dog"."""
    start = _MARKED.search(text)
    return bool(start and not text[: start.start()].strip()) and list(marked[:2]) != ["A", "B"]
