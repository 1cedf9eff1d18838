"""Which stretches of a transcript count as words: what is spoken, as far as the text tells.

A unit is a word between white space, one character in scripts that are written without spaces, or what stands between
the marks that Tibetan, Ethiopic and other scripts put between syllables or words. No units, though they stay in the
prompt:

- words without a letter or digit (``--``, ``...``);
- tags and events: ``[LAUGHTER]``, ``<noise>``, ``<COMMA>``, ``&=laughs``, ``++BREATH++``, and ``(Applause)``,
  ``{breath}``, ``*coughs*`` where every word inside names something that is heard and not said.

Spoken, and therefore units, though they stand in brackets: ``[laughter-yeah]`` (yeah), ``(uh)``, ``[um]``, ``{F uh}``
(uh), and whatever else in round or curly brackets names no event. docs/data.md has the whole table.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_WORD = re.compile(r"\S+")
# Wide forms of the brackets; each is one character, so that places in the text stay.
_NARROW = str.maketrans(
    "\uff3b\uff3d\u3010\u3011\u3014\u3015\uff08\uff09\uff5b\uff5d\u3008\u3009\uff1c\uff1e\uff0a", "[][][](){}<><>*"
)
_MARKED = re.compile(
    r"\[[^\[\]]*\]|<(?!\s)[^<>]*(?<!\s)>|\([^()]*\)|\{[^{}]*\}"
    r"|(?<![^\s*])\*[^\s*][^*]*\*|\+\+[^\s+]+\+\+|(?<!\S)&=\S+"
)
_LETTERS = re.compile(r"[^\W\d_]+")
# Said while something else is heard, [laughter-yeah], and said for something else, [splace/space]: Switchboard.
_SAID = re.compile(
    r"\[\s*(?:laugh\w*|noise|cough|breath|sing\w*|whisper\w*)[-_](\S+?)\s*\]|\[[^\s/]+/([^\s/]+)\]", re.IGNORECASE
)
_FILLER = re.compile(
    r"\W*(?:u+h+|u+m+|e+r+m?|a+h+|o+h+|e+h+m*|h+m+|m+h+m+|m-?hm+|uh-?hu[hm]|ä+h+m*|euh)\W*", re.IGNORECASE
)
# What stands first in Switchboard's {F uh} and in (F えー) of the Corpus of Spontaneous Japanese names its kind.
_CODE = re.compile(r"\{[A-Z]\s+(?=\S)|\([A-Z]\s+(?=[^\x00-\x7f])")
# Scripts written without spaces between words; Hangul has them.
_SPACELESS = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf"  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u1b00-\u1b7f\ua980-\ua9df"  # Balinese, Javanese
    "\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"  # ideographic marks and numerals
    "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\u3100-\u312f\u31a0-\u31bf"  # bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # ideographs
    "\U0001aff0-\U0001b16f"  # kana, supplements
    "\U00020000-\U0003ffff"  # ideographs, supplements
    "]"
)
_SEPARATORS = frozenset(
    "\u200b"  # a space of no width: Khmer, Lao, Myanmar
    "\u0f0b\u0f0c\u0f0d\u0f0e\u0f0f\u0f10\u0f11\u0f14\u0fd2"  # Tibetan: between syllables, after sentences
    "\u1361\u1362\u1363\u1364\u1365\u1366\u1367\u1368"  # Ethiopic: between words
    "\u0964\u0965"  # Indic scripts: after sentences
    "\u16eb\u16ec\u16ed"  # runes
    "\U00010100\U00010101\U0001039f\U000103d0\U00010857\U0001091f\U00010a50\U00010a7f"  # ancient scripts
)
"""Marks that end a word or a syllable where no space does; each stays with what it ends."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SOUNDS = _words("""
    applause applauding clapping claps laughter laughing laughs laugh chuckle chuckles chuckling giggle giggles
    giggling music musical singing humming whistle whistles whistling cheering cheers booing noise noises
    silence pause pauses inaudible unintelligible indistinct indiscernible incomprehensible crosstalk overlap
    overlapping cough coughs coughing sneeze sneezes sneezing sniff sniffs sniffing sniffles sigh sighs sighing
    sob sobs sobbing crying gasp gasps gasping groan groans groaning moans yawn yawns yawning breath breaths
    breathing breathes inhale inhales inhaling exhale exhales exhaling throat lipsmack smack smacks smacking
    clicking beep beeps beeping bleep ringing rings slams knock knocks knocking static hiss rustling typing
    footsteps barking vocalsound nonvocalsound nonspeech disfmarker mumbles mumbling whispering whispers foreign
    unk sil spn nsn eps gelächter lachen lacht applaus beifall musik husten hustet räuspern räuspert seufzt
    stille unverständlich geräusch rires rire applaudissements musique toux soupir bruit risas aplausos música
    tos suspiro ruido risos palmas
    笑 笑い 笑声 笑聲 大笑 拍手 掌声 掌聲 音乐 音楽 音樂 咳 咳嗽 咳払い 噪音 雑音 静音
    박수 웃음 음악 смех аплодисменты музыка
""")
"""What is heard and not said."""
_AROUND = _words("""
    a and the of in on to long short loud loudly soft softly quiet quietly audience crowd background begin
    begins end ends continues start stops clear clears clearing lip tongue phone telephone bell door dog
    speaking speaks language non english playing plays vocalized
""")
"""What may stand beside the name of a sound."""


@dataclass(frozen=True)
class Unit:
    """One word of a transcript.

    Args:
        text: the word with its punctuation, as in the transcript.
        start: index of its first letter or digit in the transcript.
        end: index after its last letter or digit, combining marks included.
    """

    text: str
    start: int
    end: int


def split_units(transcript: str) -> list[Unit]:
    """Return the words of a transcript that the metric scores.

    Args:
        transcript: any text.

    Returns:
        The units in order. Their spans do not overlap; the list is empty when nothing is spoken.

    Example:
        >>> [unit.text for unit in split_units("Well -- [LAUGHTER] I don't <COMMA> know. (Applause)")]
        ['Well', 'I', "don't", 'know.']
        >>> split_units('"Well,"')
        [Unit(text='"Well,"', start=1, end=5)]
        >>> [unit.text for unit in split_units("我爱你, Ada!")]
        ['我', '爱', '你', 'Ada!']
        >>> [unit.text for unit in split_units("[laughter-yeah] (uh) བཀྲ་ཤིས་")]
        ['yeah', '(uh)', 'བཀྲ་', 'ཤིས་']
    """
    text = _without_events(transcript)
    pieces = [piece for word in _WORD.finditer(text) for piece in _pieces(text, *word.span())]
    spans = [(start, end, _core(text, start, end)) for start, end in pieces]
    return [Unit(text[start:end], *core) for start, end, core in spans if core is not None]


def is_event(text: str) -> bool:
    """Tell whether the inside of brackets names what is heard and not said.

    Example:
        >>> [is_event(text) for text in ("Applause", "audience laughs", "clears throat", "he laughed", "uh", "B_TRANS")]
        [True, True, True, False, False, True]
    """
    words = {word.casefold() for word in _LETTERS.findall(text)}
    return "_" in text or (not words.isdisjoint(SOUNDS) and words <= SOUNDS | _AROUND)


def is_spaceless(text: str) -> bool:
    """Tell whether a text begins in a script that is written without spaces between words.

    Example:
        >>> [is_spaceless(text) for text in ("我爱", "Ada", "")]
        [True, False, False]
    """
    return _SPACELESS.match(text) is not None


def _without_events(transcript: str) -> str:
    """Return the text with as many spaces for what is not spoken, so that every index is one into the transcript."""
    text = list(transcript)
    narrow = transcript.translate(_NARROW)
    for found in _MARKED.finditer(narrow):
        for start, end in _unspoken(found, narrow):
            text[start:end] = " " * (end - start)
    return "".join(text)


def _unspoken(found: re.Match[str], text: str) -> list[tuple[int, int]]:
    """Return which stretches of a bracket and what it holds are not spoken."""
    start, end = found.span()
    marked = found.group()
    inner = marked.strip("[]<>(){}*+ ")
    if marked[0] in "({*":
        if is_event(inner):
            return [(start, end)]
        code = _CODE.match(marked)
        return [(start, start + code.end())] if code else []
    if said := _SAID.fullmatch(marked):
        first, last = said.span(said.lastindex or 0)
        if not is_event(marked[first:last]):
            return [(start, start + first), (start + last, end)]
    if marked[0] == "<" and _is_repeated(inner, text[end:]):
        return []
    if _FILLER.fullmatch(inner) and marked[0] != "&":
        first = start + marked.index(inner)
        return [(start, first), (first + len(inner), end)]
    return [(start, end)]


def _is_repeated(inner: str, after: str) -> bool:
    """Tell whether angle brackets hold words, as CHAT's ``<I was> [/] I was``, and not the name of a tag."""
    if after.lstrip().startswith("[/"):
        return True
    return " " in inner and inner[0].isalpha() and "=" not in inner and not is_event(inner)


def _pieces(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Cut a word after separating marks and around characters of scripts without spaces."""
    pieces, begin, position = [], start, start
    while position < end:
        if _SPACELESS.match(text, position) and _is_alphanumeric(text[position]):
            after = _after_marks(text, position + 1, end)
            pieces += [(begin, position), (position, after)]
            begin = position = after
        elif text[position] in _SEPARATORS:
            position += 1
            pieces.append((begin, position))
            begin = position
        else:
            position += 1
    return [(a, b) for a, b in [*pieces, (begin, end)] if a < b]


def _core(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the span from the first to the last letter or digit, None if there is none."""
    letters = [index for index in range(start, end) if _is_alphanumeric(text[index])]
    return (letters[0], _after_marks(text, letters[-1] + 1, end)) if letters else None


def _after_marks(text: str, index: int, end: int) -> int:
    """Return the first index from ``index`` on that holds no combining mark."""
    while index < end and unicodedata.category(text[index]).startswith("M"):
        index += 1
    return index


def _is_alphanumeric(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"
