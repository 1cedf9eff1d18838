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
        ("<noise> 42 $5", ["42", "$5"]),
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
        ("सच है।वह", ["सच", "है।", "वह"]),
        ("བཀྲ་ཤིས་བདེ་ལེགས། ཁྱེད", ["བཀྲ་", "ཤིས་", "བདེ་", "ལེགས།", "ཁྱེད"]),
        ("ሰላም፡ለዓለም። እንዴት", ["ሰላም፡", "ለዓለም።", "እንዴት"]),
        ("ꦧꦱꦗꦮ", ["ꦧ", "ꦱ", "ꦗ", "ꦮ"]),
        ("one\u200btwo", ["one\u200b", "two"]),
    ],
)
def test_known_transcripts(transcript: str, texts: list[str]) -> None:
    assert [unit.text for unit in split_units(transcript)] == texts


CORPORA = [
    ("IN WINTER <COMMA> THE CHICKEN WAITS <PERIOD>", "IN WINTER THE CHICKEN WAITS"),  # GigaSpeech
    ("the <unk> elephant <noise> <MUSIC>", "the elephant"),
    ("<b>hello</b> <spk id='3'>you</spk> <overlap begin>", "hello you"),
    ("a < b and c > d <3 x > y", "a b and c d <3 x y"),
    ("[laughter-yeah] [noise-so] th[at]- [vocalized-noise] [lip-smack]", "yeah so th"),  # Switchboard
    ("[splace/space] [inaudible/crosstalk]", "space"),
    ("{F uh, } {D well} it {breath} {SMACK} {B_TRANS}", "uh, well} it"),
    ("so (uh) I [um] <uh> ++um++ ++BREATHING++ know", "so (uh) I um uh um know"),
    ("(Applause) (Laughter.) thank you (audience laughs) (clears throat)", "thank you"),  # TED
    ("(he laughed) (I think so) (be)cause (see above)", "(he laughed) (I think so) (be)cause (see above)"),
    ("((inaudible)) ((word)) (())", "((word))"),  # Fisher
    ("&=laughs <I was> [/] I was <that> [/] that &-uh", "<I was> I was <that> that &-uh"),  # CHAT
    ("*coughs* *really* 2*3*4 ** (Gelächter) (rires) (risas)", "*really* 2*3*4"),
    ("(F えー) 今\uff08笑\uff09\uff3b音楽\uff3d\u3010拍手\u3011", "え ー 今"),  # Corpus of Spontaneous Japanese
]


@pytest.mark.parametrize(("transcript", "spoken"), CORPORA)
def test_tags_events_and_fillers_of_corpora(transcript: str, spoken: str) -> None:
    assert [unit.text for unit in split_units(transcript)] == spoken.split()


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
