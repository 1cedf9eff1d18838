"""Word times of other programs, from small files as these write them."""

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alas_metric.errors import FatalError
from alas_tasks.word_times import read_folder

SPOKEN = [("so", 0.1, 0.4), ("it", 0.5, 0.6), ("goes", 0.6, 1.25)]

LONG_TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "{name}"
        xmin = 0
        xmax = 1.5
        intervals: size = 5
        intervals [1]:
            xmin = 0
            xmax = 0.1
            text = ""
        intervals [2]:
            xmin = 0.1
            xmax = 0.4
            text = "so"
        intervals [3]:
            xmin = 0.4
            xmax = 0.5
            text = "sil"
        intervals [4]:
            xmin = 0.5
            xmax = 0.6
            text = "it"
        intervals [5]:
            xmin = 0.6
            xmax = 1.25
            text = "goes"
    item [2]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1.5
        intervals: size = 1
        intervals [1]:
            xmin = 0.1
            xmax = 0.4
            text = "S"
"""


def triples(words):
    return [(w["word"], pytest.approx(w["start"]), pytest.approx(w["end"])) for w in words]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("name", ["words", "speaker 1 - Words"])
def test_textgrid(tmp_path, name, encoding):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "utt.1.TextGrid").write_text(LONG_TEXTGRID.format(name=name), encoding=encoding)
    (words,) = read_folder(tmp_path, ["utt.1"])
    assert triples(words) == [SPOKEN[0], ("sil", 0.4, 0.5), *SPOKEN[1:]]


def test_textgrid_without_a_tier_of_words(tmp_path, caplog):
    (tmp_path / "a.TextGrid").write_text(LONG_TEXTGRID.format(name="syllables"))
    with pytest.raises(FatalError, match="none of 1 utterances"):
        read_folder(tmp_path, ["a"])


def test_ctm_of_many_utterances(tmp_path):
    lines = [";; made up", "b 1 0.6 0.65 goes 0.9", "b 1 0.1 0.3 so 1.0", "b 1 0.5 0.1 it", "", "c A 1 2 other"]
    (tmp_path / "all.ctm").write_text("\n".join(lines))
    words, other, nothing = read_folder(tmp_path, ["b", "c", "d"])
    assert triples(words) == SPOKEN
    assert triples(other) == [("other", 1, 3)]
    assert nothing is None


def test_whisperx(tmp_path):
    rows = [{"word": w, "start": a, "end": b, "score": 0.9} for w, a, b in SPOKEN]
    rows.insert(2, {"word": "20"})  # it aligns no digits
    content = {"segments": [{"words": rows[:2]}, {"words": rows[2:]}, {"text": "no words"}], "word_segments": rows}
    (tmp_path / "u.json").write_text(json.dumps(content))
    (words,) = read_folder(tmp_path, ["u"])
    assert [w["word"] for w in words] == ["so", "it", "20", "goes"]
    assert math.isnan(words[2]["start"]) and math.isnan(words[2]["end"])


def test_wdseg(tmp_path):
    text = """\tSFrm\tEFrm\t   SegAScr Word
\t   0\t   9\t   -122440 <s>
\t  10\t  39\t    -96000 so(2)
\t  40\t  49\t    -96000 <sil>
\t  50\t  59\t    -96000 it
\t  60\t 124\t    -96000 goes
\t 125\t 130\t    -96000 ++LAUGHTER++
\t 131\t 140\t    -96000 </s>
Total score:    -9876543
"""
    (tmp_path / "Ses01F_impro01_F000.wdseg").write_text(text)
    (words,) = read_folder(tmp_path, ["Ses01F_impro01_F000"])
    assert triples(words) == SPOKEN


def test_parquet(tmp_path):
    words = [{"word": w, "start": a, "end": b} for w, a, b in SPOKEN]
    table = pa.table({"id": ["x", "none"], "audio": [b"never read", b""], "words": [words, None]})
    pq.write_table(table, tmp_path / "any.parquet")
    found, nothing = read_folder(tmp_path, ["x", "none"])
    assert triples(found) == SPOKEN and nothing is None


@pytest.mark.parametrize("name", ["u.TextGrid", "u.json", "u.ctm", "u.parquet"])
def test_a_damaged_file_is_left_out(tmp_path, name):
    (tmp_path / name).write_text("nonsense")
    (tmp_path / "v.ctm").write_text("v 1 0 1 word")
    assert [words is None for words in read_folder(tmp_path, ["u", "v"])] == [True, False]


def test_an_empty_folder(tmp_path):
    with pytest.raises(FatalError, match=r"holds no word times: expected files that end in \.textgrid"):
        read_folder(tmp_path, ["u"])


def test_a_users_task_takes_words_from_a_folder(tmp_path, capsys):
    """As a user does it: the command, its file, the documents that the harness gets."""
    import soundfile

    from alas_metric.commands.main import main
    from alas_tasks.custom import load_documents, read_description

    rows = []
    for name in ("one", "two"):
        soundfile.write(tmp_path / f"{name}.wav", [0.0] * 24000, 16000)
        rows.append(json.dumps({"audio": f"{name}.wav", "transcript": "so it goes", "question": "?"}))
    (tmp_path / "speech.jsonl").write_text("\n".join(rows))
    (tmp_path / "times").mkdir()
    (tmp_path / "times" / "one.TextGrid").write_text(LONG_TEXTGRID.format(name="words"))
    (tmp_path / "times" / "two.ctm").write_text("two 1 0.1 0.3 so\ntwo 1 0.5 0.1 it\ntwo 1 0.6 0.65 goes\n")
    data, times = str(tmp_path / "speech.jsonl"), str(tmp_path / "times")
    assert main(["new-task", "mine", "--data", data, "--word-times", times, "--output", str(tmp_path)]) == 0
    assert "words are timed by Whisper" not in capsys.readouterr().out
    name, description = read_description((tmp_path / "mine.yaml").read_text())
    assert description.word_times == times
    description = type(description)(**{**vars(description), "data": data})
    for row in load_documents(name, description):
        assert [triple for triple in triples(row["words"]) if triple[0] != "sil"] == SPOKEN
    with pytest.raises(SystemExit):
        main(
            ["new-task", "other", "--data", data, "--word-times", str(tmp_path / "nowhere"), "--output", str(tmp_path)]
        )
