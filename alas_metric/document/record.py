"""The alignment record: all that is kept of one document, and all that scoring needs.

The model side returns it as the response to the harness, one line of JSON. Records are also read from the
runs of others, so that reading checks every field and bounds every size before anything is allocated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from alas_metric.document.lens_table import LensTable
from alas_metric.document.measure import MAX_SUM
from alas_metric.document.measures import MEASURES
from alas_metric.document.paths import WordTiming
from alas_metric.document.similarity import FORMS
from alas_metric.errors import CAUSES
from alas_metric.texts import whole_characters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA_VERSION = 2
"""Of what is written. Schema 1, which is read too, has paths and frame hits of the first two forms only."""
PATH_KINDS = tuple(f"{form}{ending}" for ending in ("", "_chance") for form in FORMS)
MAX_CHARACTERS = 2**24
MAX_CELLS = 2**28
"""Words times positions: about 30 minutes of speech at 25 positions a second."""
MAX_PATH_ENTRIES = 2**23
"""Layers times path length, of one kind of path."""
MAX_LAYERS = 2**10
"""The bootstrap holds 2,000 values of each."""
CONFIDENCE = "confidence"
"""Among the values of a reference's words: how sure its source is of each, 0 to 1."""
CONTAINED = "contained"
"""Among the similarities of free answers: 1 where the shorter one's words stand in a row in the longer one, else 0."""
ANSWER_FILTER = "answer_filter"
"""Among the settings, with the value `CONTAINED`: answers of which one is contained in the other agree."""
_ROUNDING = 1e-3
"""By how much a cosine may lie outside of -1 to 1."""
Sums = dict[str, dict[str, np.ndarray]]
"""By measure, then by name: a number of each layer, ``(L + 1,)``."""


@dataclass(eq=False, repr=False)
class AlignmentRecord:
    """What one document leaves behind: texts, answers, references, paths and sums of every layer.

    Layers follow ``output_hidden_states``: entry 0 is what enters the first decoder layer, entry L comes
    after the final norm. It carries no timing of the run, so that equal runs give equal records.

    Args:
        uid: the document's id in its data set.
        words: the N words of the transcript that were scored, with their punctuation.
        transcript: the text that the text prompt held.
        frame_seconds: seconds per audio position.
        num_frames: number T of audio positions.
        references: word timestamps in seconds by the name of their source, N each.
        reference: the name of the primary one.
        paths: by form of similarity, and with ``_chance`` on shifted audio, the paths of all layers, int array
            ``(L + 1, K)``, see `PATH_KINDS` and `alas_metric.document.paths`. Forms that an older record lacks are
            missing.
        sums: what the measures that need no word times left, see `alas_metric.document.measures`.
        reference_sums: by reference, what those left that do.
        layer_maps: by reference, sums of every audio layer (downwards) with every text layer, float
            ``(L + 1, L + 1)``, by the names of `alas_metric.document.layer_map`; empty unless they were asked for.
        speaker: who speaks, None if unknown.
        transcript_source: ``"dataset"`` or ``"whisper"``.
        instruction: the question or task of the prompts.
        target: the gold answer, None if there is none.
        audio_answer: what the model answered to the audio; None if answering was off.
        text_answer: what it answered to the transcript.
        similarities: free answers: cosine similarities ``responses``, ``audio_target``, ``text_target``, and whether
            one is ``contained`` in the other, 1 or 0.
        labels: closed answers: the labels read from ``audio``, ``text`` and ``target``, None where
            unreadable.
        word_values: by reference, then by name: a number of each word, None where there is none.
        num_tokens: how many tokens of the text prompt each word is, N numbers; None where that is not known.
        lens: what each word's stretch of audio reads as in each layer; None unless it was asked for.
        settings: how the record came about, free-form.
        skipped: None, or why there is nothing to score: ``{"cause", "detail"}``.
    """

    uid: str
    words: list[str]
    transcript: str
    frame_seconds: float
    num_frames: int
    references: dict[str, list[WordTiming]]
    reference: str
    paths: dict[str, np.ndarray]
    sums: Sums = field(default_factory=dict)
    reference_sums: dict[str, Sums] = field(default_factory=dict)
    layer_maps: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    speaker: str | None = None
    transcript_source: str = "dataset"
    instruction: str = ""
    target: str | None = None
    audio_answer: str | None = None
    text_answer: str | None = None
    similarities: dict[str, float | None] = field(default_factory=dict)
    labels: dict[str, str | None] | None = None
    word_values: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    num_tokens: list[int] | None = None
    lens: LensTable | None = None
    settings: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] | None = None

    @property
    def num_words(self) -> int:
        """Number N of words."""
        return len(self.words)

    @property
    def num_layers(self) -> int:
        """Number L + 1 of layers with entry 0, 0 for a skipped document."""
        return len(self.paths["raw"]) if self.paths else 0

    def found(self, measure: str, reference: str) -> dict[str, np.ndarray]:
        """Return what a measure left, by name; nothing where the record is older than the measure.

        Args:
            measure: its name; ``paths`` are those of the measure of that name.
            reference: the word timestamps that are asked for.
        """
        if measure == "paths":
            return self.paths
        return self.sums.get(measure, {}) | self.reference_sums.get(reference, {}).get(measure, {})

    @property
    def swapped(self) -> bool:
        """Whether there are fewer positions than words, so that paths index positions."""
        return self.num_frames < self.num_words

    @property
    def forced(self) -> bool:
        """Whether only one path exists, whatever the similarities are."""
        return 1 in (self.num_words, self.num_frames) or self.num_words == self.num_frames

    def plot(self, layers: Sequence[int] | None = None, reference: str | None = None, form: str = "raw") -> Figure:
        """Draw the paths of some layers on the times of the words, see `figures.alignment_picture`."""
        from alas_metric.figures.figures import alignment_picture

        return alignment_picture(self, layers, reference, form)

    def __repr__(self) -> str:
        if self.skipped is not None:
            return f"AlignmentRecord({self.uid!r}, skipped: {self.skipped['cause']})"
        sizes = f"{self.num_words} words, {self.num_frames} positions, {self.num_layers} layers"
        return f"AlignmentRecord({self.uid!r}, {sizes}, reference {self.reference!r})"

    def _repr_html_(self) -> str:
        from alas_metric.notebook.html import record_html

        return record_html(self)

    @classmethod
    def skip(cls, uid: str, cause: str, detail: str, speaker: str | None = None) -> AlignmentRecord:
        """Return the record of a document that cannot be scored.

        Args:
            uid: the document.
            cause: a key of `errors.CAUSES`.
            detail: what exactly was found.
            speaker: who speaks, None if unknown.

        Raises:
            ValueError: If the cause is unknown.
        """
        skipped = _skipped({"cause": cause, "detail": detail})
        return cls(uid, [], "", 0.0, 0, {}, "", {}, speaker=speaker, skipped=skipped)

    def to_json(self) -> str:
        """Return the record as one line of ASCII JSON without ``<``, ``>`` and ``&``.

        Filters that strip ``<think>`` tags from answers thus never touch it.

        Raises:
            ValueError: If a path is not monotone and surjective, or a number is not finite.
        """
        data = {"schema": SCHEMA_VERSION} | {item.name: getattr(self, item.name) for item in fields(self)}
        data["references"] = {
            name: [[word.word, word.start, word.end] for word in words] for name, words in self.references.items()
        }
        data["paths"] = {kind: _steps(path) for kind, path in self.paths.items()}
        data["sums"] = _listed(self.sums)
        data["reference_sums"] = {name: _listed(sums) for name, sums in self.reference_sums.items()}
        data["layer_maps"] = {name: _rows(maps) for name, maps in self.layer_maps.items()}
        data["lens"] = None if self.lens is None else _lens_data(self.lens)
        text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

    @classmethod
    def from_json(cls, text: str) -> AlignmentRecord:
        """Return the record that a line of JSON holds.

        Raises:
            ValueError: If it is no record, says which field is wrong and what was expected.
        """
        data = _load(text)
        values = {name: _field(data, name, read) for name, read in _READERS.items()}
        values["skipped"] = _field(data, "skipped", _optional(_skipped))
        if values["skipped"] is not None:
            return cls(**values, paths={}, references={})
        sizes = len(values["words"]), values["num_frames"]
        check_sizes(*sizes, 0)
        _check_grid(values)
        references = _field(data, "references", lambda v: _references(v, sizes[0]))
        read_paths = _paths_of_schema_1 if data["schema"] == 1 else _paths
        values["paths"] = _field(data, "paths", lambda v: read_paths(v, *sizes))
        read_sums = _Sums(len(values["paths"]["raw"]), *sizes)
        if data["schema"] == 1:
            values["reference_sums"] = _field(data, "hits", lambda v: read_sums.hits(v, references))
        else:
            values["sums"] = _field(data, "sums", read_sums, {})
            values["reference_sums"] = _field(data, "reference_sums", _by_reference(references, read_sums), {})
            values["layer_maps"] = _field(data, "layer_maps", _by_reference(references, read_sums.maps), {})
            values["word_values"] = _field(
                data, "word_values", _by_reference(references, lambda v: _word_values(v, sizes[0])), {}
            )
            values["num_tokens"] = _field(data, "num_tokens", _optional(lambda v: _counts(v, sizes[0])), None)
            sizes_of_lens = len(values["paths"]["raw"]), sizes[0]
            values["lens"] = _field(data, "lens", _optional(lambda v: _lens(v, *sizes_of_lens)), None)
        if values["reference"] not in references:
            raise ValueError(f"record: reference {values['reference']!r} is not among {sorted(references)}")
        return cls(**values, references=references)


def check_sizes(num_words: int, num_frames: int, num_layers: int) -> None:
    """Refuse sizes that no measured pair has.

    Raises:
        ValueError: If words times positions, layers times path length, or layers are beyond the bounds above.
    """
    entries = max(num_layers, 1) * max(num_words, num_frames)
    if num_words * num_frames > MAX_CELLS or entries > MAX_PATH_ENTRIES or num_layers > MAX_LAYERS:
        raise ValueError(
            f"record: {num_words} words x {num_frames} positions x {num_layers} layers is too large; at most "
            f"{MAX_CELLS} words x positions, {MAX_PATH_ENTRIES} layers x path entries and {MAX_LAYERS} layers can be "
            "scored"
        )


def _load(text: str) -> dict[str, Any]:
    """Parse the line and check that it is a record of this schema."""
    if not isinstance(text, str):
        raise ValueError(f"record: expected a string of JSON, got {type(text).__name__}")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"record: {len(text)} characters; at most {MAX_CHARACTERS} are read")
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"record: not JSON ({error}); it begins with {text[:40]!r}") from None
    if not isinstance(data, dict) or "schema" not in data:
        raise ValueError("record: expected a JSON object with a field 'schema': is this an answer of another task?")
    if type(data["schema"]) is not int or not 1 <= data["schema"] <= SCHEMA_VERSION:
        raise ValueError(
            f"record: expected schema 1 to {SCHEMA_VERSION}, got {_brief(data['schema'])}: another version wrote it"
        )
    return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


_NEEDED = object()


def _field(data: Mapping[str, Any], name: str, read: Callable[[Any], Any], default: Any = _NEEDED) -> Any:
    """Return a field as its reader gives it, naming the field in the error; the default where it is missing."""
    if name not in data and default is not _NEEDED:
        return default
    if name not in data:
        raise ValueError(f"record: field {name!r} is missing")
    try:
        return read(data[name])
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"record: field {name!r}: {error}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a string, got {_brief(value)}")
    return whole_characters(value)


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {_brief(value)}")
    return float(value)


def _cosine(value: Any) -> float:
    if abs(number := _number(value)) > 1 + _ROUNDING:
        raise ValueError(f"expected a cosine, from -1 to 1, got {number}")
    return number


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"expected an integer from 0 up, got {_brief(value)}")
    return value


def _source(value: Any) -> str:
    if value not in ("dataset", "whisper"):
        raise ValueError(f"expected 'dataset' or 'whisper', got {_brief(value)}")
    return str(value)


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _list_of(read: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def read_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(f"expected a list, got {_brief(value)}")
        return [read(entry) for entry in value]

    return read_list


def _dict_of(read: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    def read_dict(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, got {_brief(value)}")
        return {_text(key): read(entry) for key, entry in value.items()}

    return read_dict


def _labels(value: Any) -> dict[str, str | None]:
    labels = _dict_of(_optional(_text))(value)
    if set(labels) != {"audio", "text", "target"}:
        raise ValueError(f"expected 'audio', 'text' and 'target', got {sorted(labels)}")
    return labels


def _skipped(value: Any) -> dict[str, str]:
    skipped = _dict_of(_text)(value)
    if set(skipped) != {"cause", "detail"} or skipped["cause"] not in CAUSES:
        raise ValueError(f"expected a cause out of {sorted(CAUSES)} and a detail, got {_brief(value)}")
    return skipped


_READERS: dict[str, Callable[[Any], Any]] = {
    "uid": _text,
    "speaker": _optional(_text),
    "words": _list_of(_text),
    "transcript": _text,
    "transcript_source": _source,
    "instruction": _text,
    "target": _optional(_text),
    "audio_answer": _optional(_text),
    "text_answer": _optional(_text),
    "similarities": _dict_of(_optional(_cosine)),
    "labels": _optional(_labels),
    "frame_seconds": _number,
    "num_frames": _count,
    "reference": _text,
    "settings": _dict_of(_text),
}


def _check_grid(values: Mapping[str, Any]) -> None:
    """Check that there is something to align."""
    if not values["words"] or not values["num_frames"]:
        raise ValueError("record: expected at least one word and one position, or the field 'skipped'")
    if not 1e-6 <= values["frame_seconds"] <= 1e6:
        raise ValueError(f"record: field 'frame_seconds': expected seconds, got {values['frame_seconds']}")


def _references(value: Any, num_words: int) -> dict[str, list[WordTiming]]:
    references = _dict_of(_list_of(_word_timing))(value)
    for name, words in references.items():
        if len(words) != num_words:
            raise ValueError(f"{name!r} has {len(words)} words where the transcript has {num_words}")
    return references


def _word_timing(value: Any) -> WordTiming:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError(f"expected [word, start, end], got {_brief(value)}")
    word, start, end = _text(value[0]), _number(value[1]), _number(value[2])
    if not 0 <= start <= end:
        raise ValueError(f"expected 0 <= start <= end, got {_brief(value)}")
    return WordTiming(word, start, end)


def _steps(paths: np.ndarray) -> list[list[int]]:
    """Return, for each path of (L + 1, K), the positions k with path[k] = path[k - 1] + 1."""
    moves = np.diff(paths, axis=-1)
    if paths.ndim != 2 or not paths.shape[1] or (paths[:, 0] != 0).any() or not ((moves == 0) | (moves == 1)).all():
        raise ValueError("record: a path must begin at 0 and go on by 0 or 1 at every entry")
    return [(np.flatnonzero(row) + 1).tolist() for row in moves]


def _paths_of_schema_1(value: Any, num_words: int, num_frames: int) -> dict[str, np.ndarray]:
    """Read the paths of two forms."""
    kinds = {"raw", "centred", "raw_chance", "centred_chance"}
    if not isinstance(value, dict) or set(value) != kinds:
        raise ValueError(f"expected an object of {sorted(kinds)}, got {_brief(value)}")
    return _paths(value, num_words, num_frames)


def _paths(value: Any, num_words: int, num_frames: int) -> dict[str, np.ndarray]:
    """Read paths, (L + 1, K) each: the raw ones, and those of whatever other forms are there."""
    forms = [form for form in FORMS if isinstance(value, dict) and form in value]
    kinds = {f"{form}{ending}" for form in forms for ending in ("", "_chance")}
    if not isinstance(value, dict) or set(value) != kinds or "raw" not in forms:
        expected = f"an object of {PATH_KINDS}: the raw ones, and of each other form both or none"
        raise ValueError(f"expected {expected}, got {_brief(value)}")
    sizes = {len(steps) if isinstance(steps, list) else 0 for steps in value.values()}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError("expected the same number of layers, at least one, in every kind of path")
    check_sizes(num_words, num_frames, sizes.pop())
    longer, shorter = max(num_words, num_frames), min(num_words, num_frames)
    return {kind: _path(value[kind], kind, longer, shorter) for kind in PATH_KINDS if kind in kinds}


def _path(layers: list[Any], kind: str, longer: int, shorter: int) -> np.ndarray:
    """Turn the step positions of each layer, ``shorter - 1`` numbers, into paths (L + 1, longer)."""
    if set(map(type, layers)) != {list} or set(map(len, layers)) != {shorter - 1}:
        raise ValueError(f"{kind!r} needs {shorter - 1} step positions in every layer")
    if set(map(type, chain.from_iterable(layers))) - {int}:
        raise ValueError(f"{kind!r}: step positions must be integers")
    steps = np.fromiter(chain.from_iterable(layers), np.int64).reshape(len(layers), shorter - 1)
    if ((steps < 1) | (steps >= longer)).any():
        raise ValueError(f"{kind!r}: step positions must lie from 1 to {longer - 1}")
    if (np.diff(steps, axis=-1) <= 0).any():
        raise ValueError(f"{kind!r} is not monotone: step positions must increase")
    moves = np.zeros((len(layers), longer), dtype=np.int32)
    np.put_along_axis(moves, steps, 1, axis=-1)
    return np.cumsum(moves, axis=-1, dtype=np.int32)


@dataclass(frozen=True)
class _Sums:
    """Reads what measures left in a document of these sizes."""

    num_layers: int
    num_words: int
    num_frames: int

    def __call__(self, value: Any) -> Sums:
        """Read the numbers by measure and name; of measures that are not known here too."""
        return {
            measure: {name: self._numbers(measure, name, entry) for name, entry in named.items()}
            for measure, named in _dict_of(_dict_of(_list_of(_number)))(value).items()
        }

    def hits(self, value: Any, references: Mapping[str, Any]) -> dict[str, Sums]:
        """Read the frame hits of every reference, as schema 1 has them."""
        hits = _dict_of(_dict_of(lambda entry: entry))(value)
        if set(hits) != set(references):
            raise ValueError(f"expected the references {sorted(references)}, got {sorted(hits)}")
        if any(set(forms) != {"raw", "centred"} for forms in hits.values()):
            raise ValueError("expected frame hits of raw and centred similarities for each reference")
        return {name: self({"frame_hits": forms}) for name, forms in hits.items()}

    def maps(self, value: Any) -> dict[str, np.ndarray]:
        """Read what a layer map holds."""
        found = _dict_of(_list_of(_list_of(_number)))(value)
        for name, rows in found.items():
            if {len(rows), *map(len, rows)} != {self.num_layers}:
                raise ValueError(f"{name!r} needs {self.num_layers} rows of as many numbers, one per layer")
            if any(abs(entry) > MAX_SUM for row in rows for entry in row):
                raise ValueError(f"{name!r} holds a number outside {-MAX_SUM:g}..{MAX_SUM:g}")
        return {name: np.array(rows) for name, rows in found.items()}

    def _numbers(self, measure: str, name: str, entries: list[float]) -> np.ndarray:
        if len(entries) != self.num_layers:
            raise ValueError(f"{measure!r}, {name!r} needs one number per layer ({self.num_layers})")
        known = MEASURES.get(measure)
        low, high = (-MAX_SUM, MAX_SUM) if known is None else known.limits(self.num_words, self.num_frames)
        if any(not low <= entry <= high for entry in entries):
            raise ValueError(f"{measure!r}, {name!r} holds a number outside {low:g}..{high:g}")
        return np.array(entries)


def _by_reference(references: Mapping[str, Any], read: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """Return a reader of an object whose keys are references of the record."""

    def read_each(value: Any) -> dict[str, Any]:
        found = _dict_of(lambda entry: entry)(value)
        if set(found) - set(references):
            raise ValueError(f"expected references out of {sorted(references)}, got {sorted(found)}")
        return {name: read(entry) for name, entry in found.items()}

    return read_each


def _word_values(value: Any, num_words: int) -> dict[str, list[float | None]]:
    values = _dict_of(_list_of(_optional(_number)))(value)
    for name, entries in values.items():
        if len(entries) != num_words:
            raise ValueError(f"{name!r} needs one number per word ({num_words}), got {len(entries)}")
    return values


def _counts(value: Any, num_words: int) -> list[int]:
    counts = _list_of(_count)(value)
    if len(counts) != num_words:
        raise ValueError(f"expected one number per word ({num_words}), got {len(counts)}")
    return counts


def _listed(sums: Sums) -> dict[str, dict[str, list[float]]]:
    return {
        measure: {name: np.asarray(values, np.float64).tolist() for name, values in named.items()}
        for measure, named in sums.items()
    }


def _rows(maps: Mapping[str, np.ndarray]) -> dict[str, list[list[float]]]:
    """Return tables of numbers as lists, whole ones without a point: there are many."""
    return {
        name: [[int(entry) if entry.is_integer() else entry for entry in row] for row in values.tolist()]
        for name, values in maps.items()
    }


def _lens_data(lens: LensTable) -> dict[str, Any]:
    found = ["".join("01"[int(entry)] for entry in row) for row in lens.found]
    return {
        "largest": lens.largest,
        "first_tokens": list(lens.first_tokens),
        "top_tokens": [list(row) for row in lens.top_tokens],
        "found": found,
    }


def _lens(value: Any, num_layers: int, num_words: int) -> LensTable:
    """Read what each word's stretch reads as in each layer."""
    data = _dict_of(lambda entry: entry)(value)
    largest, first, top, found = (
        _field(data, name, read)
        for name, read in (
            ("largest", _count),
            ("first_tokens", _list_of(_text)),
            ("top_tokens", _list_of(_list_of(_text))),
            ("found", _list_of(_text)),
        )
    )
    if len(first) != num_words or [len(row) for row in (*top, *found)] != [num_words] * 2 * num_layers:
        raise ValueError(f"expected {num_words} words in each of {num_layers} layers")
    if len(top) != num_layers or any(set(row) - {"0", "1"} for row in found):
        raise ValueError(f"expected {num_layers} layers, and 0 or 1 for each word that is found")
    return LensTable(largest, first, top, np.array([[entry == "1" for entry in row] for row in found]))


def _brief(value: Any) -> str:
    """Return a value for an error message, cut to a bearable length."""
    if isinstance(value, Sequence | Mapping) and not isinstance(value, str):
        return f"{type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
