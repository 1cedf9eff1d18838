"""Which stretches of a transcript are words."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric.document.units import Unit, split_units


@pytest.mark.parametrize(
    ("transcript", "texts"),
    [
        ("", []),
        ("  -- ... ?! ", []),
        ("[LAUGHTER]", []),
        ("Well -- I [ laughing loudly ] don't, [BREATHING].", ["Well", "I", "don't,"]),
        ("so[NOISE]then", ["so", "then"]),
        ("an [unclosed event", ["an", "[unclosed", "event"]),
        ("<noise> 42 $5", ["<noise>", "42", "$5"]),
        ("MISTER QUILTER\nIS\tTHE", ["MISTER", "QUILTER", "IS", "THE"]),
        ("你好\uff0c世界。", ["你", "好", "世", "界"]),
        ("我love你, Ada!", ["我", "love", "你", "Ada!"]),
        ("カタ ー", ["カ", "タ", "ー"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("안녕 하세요", ["안녕", "하세요"]),
        ("ສະບາຍ", ["ສ", "ະ", "ບ", "າ", "ຍ"]),
        ("မြန်", ["မြ", "န်"]),
        ("ខ្មែរ", ["ខ្", "មែ", "រ"]),
        ("हिन्दी भाषा।", ["हिन्दी", "भाषा।"]),
    ],
)
def test_known_transcripts(transcript: str, texts: list[str]) -> None:
    assert [unit.text for unit in split_units(transcript)] == texts


@pytest.mark.parametrize(
    ("transcript", "unit"),
    [
        ('"Well,"', Unit('"Well,"', 1, 5)),
        ("-- don't!", Unit("don't!", 3, 8)),
        ("[A] e\u0301,", Unit("e\u0301,", 4, 6)),
        ("、好\u3099。", Unit("好\u3099", 1, 3)),
    ],
)
def test_core(transcript: str, unit: Unit) -> None:
    assert split_units(transcript) == [unit]


@given(st.text(alphabet=st.sampled_from("ab1 .,-[]'\u0301你好ดี\n"), max_size=30) | st.text(max_size=30))
def test_spans_are_ordered_cores(transcript: str) -> None:
    units = split_units(transcript)
    ends = [0, *(unit.end for unit in units)]
    for previous, unit in zip(ends, units, strict=False):
        assert previous <= unit.start < unit.end
        core = transcript[unit.start : unit.end]
        assert core in unit.text and unit.text in transcript
        assert unicodedata.category(core[0])[0] in "LN"
        assert unicodedata.category(core[-1])[0] in "LNM"
