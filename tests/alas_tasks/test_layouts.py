"""Data in the exact forms in which tools and corpora publish it: what a user has, what is read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from worlds import SAMPLE_RATE, encoded, make_librispeech, sound_of

from alas_metric.errors import FatalError
from alas_tasks.audio import load_audio
from alas_tasks.custom import load_documents
from alas_tasks.description import describe
from alas_tasks.speech import doc_to_visual

A, B = sound_of("one two three", 1), sound_of("four five", 2)
SECONDS = [len(A) / SAMPLE_RATE, len(B) / SAMPLE_RATE]


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LMMS_EVAL_DATASETS_CACHE", str(tmp_path / "cache"))
    return tmp_path


def put(path: Path, content: str | bytes | np.ndarray, rate: int = SAMPLE_RATE) -> Path:
    """Write a file and the folders around it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, np.ndarray):
        soundfile.write(path, content, rate)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(data: Path | str, **settings: Any) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return documents and samples as a run reads them."""
    asked = settings.pop("asked", {})
    description, _, _ = describe(str(data), asked, **settings)
    docs = list(load_documents("test", description))
    return docs, [doc_to_visual(doc)[0] for doc in docs]


def heard(samples: list[Any]) -> list[float]:
    return [len(load_audio(sample.audio)) / SAMPLE_RATE for sample in samples]


def column(samples: list[Any], name: str) -> list[Any]:
    return [getattr(sample, name) for sample in samples]


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


# ---- NeMo ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["test_manifest.json", "manifest.jsonl"])
def test_nemo(world: Path, name: str) -> None:
    """https://docs.nvidia.com/nemo-framework/user-guide/latest/nemotoolkit/asr/datasets.html: JSON lines in .json."""
    put(world / "session.wav", np.concatenate([A, B]))
    rows = [
        {"audio_filepath": "session.wav", "duration": SECONDS[0], "text": "one two three", "offset": 0},
        {"audio_filepath": "session.wav", "duration": SECONDS[1], "text": "four five", "offset": SECONDS[0]},
    ]
    _, samples = read(put(world / name, lines(*rows)))
    assert heard(samples) == SECONDS
    np.testing.assert_allclose(load_audio(samples[1].audio), B, atol=1e-4)
    assert column(samples, "transcript") == ["one two three", "four five"]


def test_nemo_without_offset(world: Path) -> None:
    """The duration counts from the beginning, as NeMo reads it."""
    put(world / "a.wav", np.concatenate([A, B]))
    _, samples = read(put(world / "m.json", lines({"audio_filepath": "a.wav", "duration": 0.5, "text": "one"})))
    assert heard(samples) == [0.5]


# ---- other names for the part of a recording -------------------------------------------------------------------


PARTS = {
    "start end": ({"start": 0, "end": 0.5}, {"start": 0.5, "end": 1.25}),
    "begin end": ({"begin": 0, "end": 0.5}, {"begin": 0.5, "end": 1.25}),
    "start duration": ({"start": 0, "duration": 0.5}, {"start": 0.5, "duration": 0.75}),
    "start_time end_time": (
        {"start_time": "0:00.0", "end_time": "0:00.5"},
        {"start_time": "0:00.5", "end_time": "0:01.25"},
    ),
    "onset offset": ({"onset": 0, "offset": 0.5}, {"onset": 0.5, "offset": 1.25}),
    "milliseconds by name": ({"start_ms": 0, "end_ms": 500}, {"start_ms": 500, "end_ms": 1250}),
    "milliseconds by duration": (
        {"start": 0, "end": 500, "duration": 0.5},
        {"start": 500, "end": 1250, "duration": 0.75},
    ),
    "torchaudio": ({"frame_offset": 0, "num_frames": 8000}, {"frame_offset": 8000, "num_frames": 12000}),
}


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_parts(world: Path, kind: str, ending: str) -> None:
    put(world / "a.wav", np.concatenate([A, B]))
    rows = [{"audio": "a.wav", "text": f"row {number}", **part} for number, part in enumerate(PARTS[kind])]
    path = world / f"m.{ending}"
    if ending == "jsonl":
        put(path, lines(*rows))
    elif ending == "csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    if ending == "parquet" and kind == "start_time end_time":
        pytest.skip("a column of text is no time in parquet, where numbers are numbers")
    _, samples = read(path)
    assert heard(samples) == [0.5, 0.75]


def test_times_in(world: Path) -> None:
    put(world / "a.wav", np.concatenate([A, B]))
    path = put(world / "m.jsonl", lines({"audio": "a.wav", "text": "x", "start": 250, "end": 500}))
    assert heard(read(path, times_in="milliseconds")[1]) == [0.25]
    words = {"audio": "a.wav", "text": "x y", "words": [["x", 100, 200], ["y", 300, 400]]}
    _, (sample,) = read(put(world / "w.jsonl", lines(words)), word_times_in="milliseconds")
    np.testing.assert_allclose([(word.start, word.end) for word in sample.words], [(0.1, 0.2), (0.3, 0.4)])


def test_the_whole_recording_where_asked(world: Path) -> None:
    put(world / "a.wav", A)
    path = put(world / "m.jsonl", lines({"audio": "a.wav", "text": "x", "start": 0.25, "end": 0.5}))
    assert heard(read(path, asked={"begin": "", "end": ""})[1]) == SECONDS[:1]


@pytest.mark.parametrize("value", ["soon", [1], {"a": 1}])
def test_a_time_that_is_none(world: Path, value: Any) -> None:
    put(world / "a.wav", A)
    path = put(world / "m.jsonl", lines({"audio": "a.wav", "text": "x", "start": value, "end": 1}))
    assert heard(read(path)[1]) == SECONDS[:1]  # not taken for one by itself
    with pytest.raises(FatalError, match=r"row 1: start=.*expected a time"):
        read(path, asked={"begin": "start"})


def test_word_times_of_the_recording(world: Path) -> None:
    """Where they can only count from the beginning of the recording they are moved."""
    put(world / "a.wav", np.concatenate([A, B]))
    rows = [
        {"audio": "a.wav", "text": "x", "start": 0, "end": 1.0, "words": [["x", 0.2, 0.4]]},
        {"audio": "a.wav", "text": "y", "start": 1.0, "end": 1.5, "words": [["y", 1.1, 1.4]]},
    ]
    _, samples = read(put(world / "m.jsonl", lines(*rows)))
    times = [(word.start, word.end) for sample in samples for word in sample.words]
    np.testing.assert_allclose(times, [(0.2, 0.4), (0.1, 0.4)])


def test_rows_on_one_recording_are_named(world: Path, caplog: pytest.LogCaptureFixture) -> None:
    from loguru import logger

    put(world / "a.wav", A)
    said: list[str] = []
    sink = logger.add(said.append, format="{message}")
    try:
        read(put(world / "m.jsonl", lines(*({"audio": "a.wav", "text": text, "seg_from": 1} for text in "xy"))))
    finally:
        logger.remove(sink)
    assert any("different transcripts name one recording" in line and "seg_from" in line for line in said)


# ---- SpeechBrain -----------------------------------------------------------------------------------------------


def test_speechbrain_csv(world: Path) -> None:
    """Recipes write ID, duration, wav, start, stop, spk_id, wrd; start and stop are samples."""
    put(world / "wavs" / "a.wav", np.concatenate([A, B]))
    text = (
        "ID,duration,wav,start,stop,spk_id,wrd\n"
        f"s1-0,{SECONDS[0]},$data_root/wavs/a.wav,0,{len(A)},s1,ONE TWO THREE\n"
        f"s2-1,{SECONDS[1]},$data_root/wavs/a.wav,{len(A)},{len(A) + len(B)},s2,FOUR FIVE\n"
    )
    docs, samples = read(put(world / "test.csv", text))
    assert heard(samples) == SECONDS and column(samples, "speaker") == ["s1", "s2"]
    assert [doc["uid"] for doc in docs] == ["s1-0", "s2-1"] and samples[1].transcript == "FOUR FIVE"


def test_speechbrain_librispeech_csv(world: Path) -> None:
    """LibriSpeech's recipe: ID, duration, wav, spk_id, wrd, and the duration is that of the file."""
    put(world / "a.flac", A)
    _, samples = read(put(world / "test.csv", f"ID,duration,wav,spk_id,wrd\na,{SECONDS[0]},a.flac,1-2,ONE TWO THREE\n"))
    assert heard(samples) == SECONDS[:1] and samples[0].transcript == "ONE TWO THREE"


def test_speechbrain_json(world: Path) -> None:
    put(world / "a.flac", A)
    rows = {"a": {"wav": "{data_root}/a.flac", "length": SECONDS[0], "words": "ONE TWO THREE"}}
    _, (sample,) = read(put(world / "test.json", json.dumps(rows)))
    assert (sample.uid, sample.transcript, sample.words) == ("a", "ONE TWO THREE", None)


# ---- Common Voice ----------------------------------------------------------------------------------------------


COMMON_VOICE = "\t".join(
    (
        *("client_id", "path", "sentence_id", "sentence", "sentence_domain", "up_votes", "down_votes", "age", "gender"),
        *("accents", "variant", "locale", "segment"),
    )
)


def test_common_voice(world: Path) -> None:
    """TSV that does not quote: a quotation mark is the sentence's own; audio lies in clips/."""
    sentences = ['"Hallo", sagte er.', 'Er sagte "ja', '"Ganz zitiert."', "Ende'"]
    for number in range(4):
        put(world / "cv" / "de" / "clips" / f"common_voice_de_{number}.mp3", encoded(A, kind="MP3"))
    rows = [f"c{n}\tcommon_voice_de_{n}.mp3\ts{n}\t{text}\t\t2\t0\t\t\t\t\tde\t" for n, text in enumerate(sentences)]
    put(world / "cv" / "de" / "test.tsv", "\n".join([COMMON_VOICE, *rows]) + "\n")
    for data in (world / "cv" / "de" / "test.tsv", world / "cv" / "de"):
        _, samples = read(data)
        assert column(samples, "transcript") == sentences
        assert column(samples, "language") == ["de"] * 4 and column(samples, "speaker") == ["c0", "c1", "c2", "c3"]
        assert heard(samples[:1]) == SECONDS[:1]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("m.tsv", 'audio\ttext\na.wav\t"one" two\na.wav\tthree\n', ['"one" two', "three"]),
        ("m.tsv", 'audio\ttext\na.wav\t"one\na.wav\ttwo"\n', ['"one', 'two"']),
        ("m.tsv", 'audio\ttext\na.wav\t"one"\na.wav\ttwo\n', ['"one"', "two"]),
        ("m.tsv", 'audio\ttext\na.wav\t"say ""one"""\na.wav\ttwo\n', ['say "one"', "two"]),
        ("m.tsv", 'audio\ttext\na.wav\t"one\ttwo"\na.wav\tthree\n', ["one\ttwo", "three"]),
        ("m.tsv", '"audio"\t"text"\n"a.wav"\t"one"\n"a.wav"\t"two"\n', ["one", "two"]),
        ("m.csv", 'audio,text\na.wav,"one, ""two"""\na.wav,three\n', ['one, "two"', "three"]),
        ("m.csv", 'audio,text\na.wav,"one" two\na.wav,three\n', ['"one" two', "three"]),
        ("m.csv", 'audio,text\na.wav,"one\na.wav,two\n', ['"one', "two"]),
        ("m.csv", "audio;text\na.wav;one, two\na.wav;three\n", ["one, two", "three"]),
        ("m.csv", "audio\ttext\r\na.wav\tone\r\na.wav\ttwo\r\n", ["one", "two"]),
        ("m.tsv", "audio\ttext\na.wav\tone\u2028two\na.wav\tthree\x85\n", ["one\u2028two", "three"]),
    ],
)
def test_tables_that_do_and_do_not_quote(world: Path, name: str, text: str, expected: list[str]) -> None:
    put(world / "a.wav", A)
    assert column(read(put(world / name, text))[1], "transcript") == expected


def test_a_table_that_is_neither(world: Path) -> None:
    with pytest.raises(FatalError, match=r"m\.tsv.*row 2.*expected one value for each column, 2, got 3"):
        read(put(world / "m.tsv", "audio\ttext\na\tb\na\tb\tc\n"))
    with pytest.raises(FatalError, match=r"m\.csv.*line"):
        read(put(world / "m.csv", 'audio,text\na,"b\nc,d,e\n'))


# ---- audio folders of the datasets library ---------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("folder", ["", "test"])
def test_audiofolder(world: Path, ending: str, folder: str) -> None:
    """https://huggingface.co/docs/datasets/audio_dataset: file_name beside other columns, splits as folders."""
    place = world / "set" / folder
    put(place / "clips" / "a.wav", A)
    rows = [{"file_name": "clips/a.wav", "transcription": "one, two"}]
    path = put(
        place / f"metadata.{ending}",
        lines(*rows) if ending == "jsonl" else 'file_name,transcription\nclips/a.wav,"one, two"\n',
    )
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    _, samples = read(world / "set")
    assert heard(samples) == SECONDS[:1] and samples[0].transcript == "one, two"


def test_ljspeech(world: Path) -> None:
    """metadata.csv without a header, separated by |, recordings in wavs/ without their ending."""
    put(world / "LJ" / "wavs" / "LJ001-0001.wav", A)
    put(world / "LJ" / "metadata.csv", 'LJ001-0001|Printing, "in" 1455|Printing, "in" fourteen\n')
    _, (sample,) = read(world / "LJ", asked={"transcript": "normalized_text"})
    assert heard([sample]) == SECONDS[:1] and sample.transcript == 'Printing, "in" fourteen'


# ---- Kaldi and ESPnet ------------------------------------------------------------------------------------------


def kaldi(folder: Path, scp: str, **files: str) -> Path:
    put(folder / "wav.scp", scp)
    for name, content in files.items():
        put(folder / name, content)
    return folder


def test_kaldi_segments(world: Path) -> None:
    put(world / "corpus" / "rec 1.wav", np.stack([np.concatenate([A, B])] * 2, axis=1))
    end = f"{SECONDS[0]:.4f}"
    folder = kaldi(
        world / "data" / "test",
        f"rec1 {world}/corpus/rec 1.wav\n",
        segments=f"s1-u2 rec1 {end} -1\ns1-u1 rec1 0.00 {end}\n",
        text="s1-u1 ONE TWO THREE\ns1-u2 FOUR FIVE\n",
        utt2spk="s1-u1 s1\ns1-u2 s1\n",
        utt2lang="s1-u1 en\ns1-u2 en\n",
    )
    docs, samples = read(folder)
    assert [doc["uid"] for doc in docs] == ["s1-u2", "s1-u1"]
    assert heard(samples) == pytest.approx(SECONDS[::-1], abs=1e-4)
    assert column(samples, "transcript") == ["FOUR FIVE", "ONE TWO THREE"] and set(column(samples, "speaker")) == {"s1"}


def test_espnet(world: Path) -> None:
    """Names in wav.scp are relative to where the recipe runs."""
    put(world / "egs" / "downloads" / "a.flac", A)
    folder = kaldi(world / "egs" / "dump" / "raw" / "test", "utt1 downloads/a.flac\n", text="utt1 ONE TWO THREE\n")
    _, samples = read(folder)
    assert heard(samples) == SECONDS[:1] and samples[0].uid == "utt1"


@pytest.mark.parametrize(
    "command", ["flac -c -d -s {} |", "cat {} |", "sox {} -t wav -r 16000 - |", "ffmpeg -v quiet -i {} -f wav - |"]
)
def test_kaldi_commands_that_decode(world: Path, command: str) -> None:
    put(world / "a.flac", A)
    _, samples = read(kaldi(world / "k", f"u {command.format(world / 'a.flac')}\n", text="u ONE\n"))
    assert heard(samples) == SECONDS[:1]


@pytest.mark.parametrize(
    "command", ["sox a.flac -t wav - trim 1 2 |", "rm -rf x |", "sox -m a.wav b.wav -t wav - |", "python x.py |"]
)
def test_kaldi_commands_are_not_run(world: Path, command: str) -> None:
    with pytest.raises(FatalError, match="commands are not run"):
        read(kaldi(world / "k", f"u {command}\n"))


def test_kaldi_channels(world: Path) -> None:
    stereo = np.stack([A, np.roll(A, 5000)], axis=1)
    put(world / "a.wav", stereo)
    folder = kaldi(
        world / "k", "r-A a.wav\nr-B a.wav\n", text="r-A x\nr-B y\n", reco2file_and_channel="r-A r A\nr-B r B\n"
    )
    _, samples = read(folder)
    np.testing.assert_allclose(load_audio(samples[1].audio), stereo[:, 1], atol=1e-4)


# ---- LibriSpeech, MFA, WhisperX --------------------------------------------------------------------------------


def test_librispeech(world: Path) -> None:
    for data in (make_librispeech(world / "LibriSpeech"), world / "LibriSpeech" / "test-clean" / "61"):
        docs, samples = read(data)
        assert docs[-1]["uid"] == "61-70968-0002" and samples[-1].speaker == "61"
        assert samples[-1].transcript == "AND ALREADY THIS ASTOUNDING BLOW" and heard(samples[:1])[0] > 0.5


TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "{prefix}words"
        xmin = 0
        xmax = 1.5
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.2
            text = ""
        intervals [2]:
            xmin = 0.2
            xmax = 0.5
            text = "one"
        intervals [3]:
            xmin = 0.5
            xmax = 0.7
            text = "sil"
        intervals [4]:
            xmin = 0.7
            xmax = 1.5
            text = "two"
    item [2]:
        class = "IntervalTier"
        name = "{prefix}phones"
        xmin = 0
        xmax = 1.5
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1.5
            text = "W"
"""
SPOKEN = [("one", 0.2, 0.5), ("two", 0.7, 1.5)]


def timed(sample: Any) -> list[tuple[str, float, float]]:
    return [(word.word, word.start, word.end) for word in sample.words if word.word != "sil"]


@pytest.mark.parametrize("prefix", ["", "speaker - "])
def test_mfa_textgrids(world: Path, prefix: str) -> None:
    put(world / "c" / "s1" / "a.wav", A)
    put(world / "c" / "s1" / "a.TextGrid", TEXTGRID.format(prefix=prefix))
    put(world / "c" / "s1" / "a.lab", "One, two.\n")
    _, (sample,) = read(world / "c")
    assert timed(sample) == SPOKEN and sample.transcript == "One, two." and sample.speaker is None
    _, (sample,) = read(world / "c", asked={"speaker": "folder"})
    assert sample.speaker == "s1"


def test_mfa_csv_and_json(world: Path) -> None:
    put(world / "c" / "a.wav", A)
    put(
        world / "c" / "a.csv",
        "Begin,End,Label,Type,Speaker\n0.2,0.5,one,words,s\n0.7,1.5,two,words,s\n0.2,0.5,W,phones,s\n",
    )
    put(world / "c" / "b.wav", A)
    tiers = {
        "words": {"type": "interval", "entries": [[0.2, 0.5, "one"], [0.7, 1.5, "two"]]},
        "phones": {"entries": []},
    }
    put(world / "c" / "b.json", json.dumps({"start": 0, "end": 1.5, "tiers": tiers}))
    assert [timed(sample) for sample in read(world / "c")[1]] == [SPOKEN, SPOKEN]


def whisperx(*segments: tuple[float, float, list[tuple[str, float, float]]]) -> str:
    """WhisperX's JSON: segments with words, of which numbers have no times, and all words once more."""
    made = []
    for start, end, words in segments:
        timed_words: list[dict[str, Any]] = [{"word": w, "start": s, "end": e, "score": 0.9} for w, s, e in words]
        timed_words.append({"word": "1999."})
        text = " " + " ".join(str(word["word"]) for word in timed_words)
        made.append({"start": start, "end": end, "text": text, "words": timed_words})
    return json.dumps({"segments": made, "word_segments": [w for s in made for w in s["words"]], "language": "en"})


def test_whisperx_beside_audio(world: Path) -> None:
    put(world / "c" / "a.wav", A)
    put(world / "c" / "a.json", whisperx((0.2, 1.5, SPOKEN)))
    for data in (world / "c", world / "c" / "a.json"):
        _, (sample,) = read(data)
        assert sample.transcript == "one two 1999." and timed(sample)[:2] == SPOKEN and sample.language == "en"
        assert np.isnan(sample.words[2].start) and heard([sample]) == SECONDS[:1]


def test_whisperx_of_a_long_recording(world: Path) -> None:
    put(world / "c" / "a.wav", np.concatenate([A, np.zeros(31 * SAMPLE_RATE, np.float32), B]))
    start = len(A) / SAMPLE_RATE + 31
    put(
        world / "c" / "a.json",
        whisperx((0.1, 1.0, [("x", 0.2, 0.4)]), (start, start + 0.5, [("y", start + 0.1, start + 0.4)])),
    )
    _, samples = read(world / "c")
    assert heard(samples) == pytest.approx([0.9, 0.5])
    assert timed(samples[1])[0] == ("y", pytest.approx(0.1), pytest.approx(0.4))


def test_recordings_alone(world: Path) -> None:
    put(world / "c" / ".hidden" / "a [1].flac", A)
    put(world / "c" / "b.mp3", encoded(B, kind="MP3"))
    _, samples = read(world / "c")
    assert column(samples, "uid") == ["b", "a [1]"] and column(samples, "transcript") == [None, None]


# ---- parquet and Arrow -----------------------------------------------------------------------------------------


FLAC = encoded(A)
FORMS = {
    "struct": pa.array([{"bytes": FLAC, "path": "x.flac"}]),
    "struct, other order and fields": pa.array([{"path": "x.flac", "sampling_rate": 16000, "bytes": FLAC}]),
    "struct of bytes": pa.array([{"bytes": FLAC}]),
    "struct of path": pa.array([{"path": "clips/x.flac"}]),
    "struct with null bytes": pa.array([{"bytes": None, "path": "clips/x.flac"}]),
    "struct, large": pa.array(
        [{"bytes": FLAC, "path": None}], pa.struct({"bytes": pa.large_binary(), "path": pa.large_string()})
    ),
    "bytes": pa.array([FLAC]),
    "large bytes": pa.array([FLAC], pa.large_binary()),
    "path": pa.array(["clips/x.flac"]),
    "dictionary of paths": pa.array(["clips/x.flac"]).dictionary_encode(),
    "decoded": pa.array([{"array": A.tolist(), "sampling_rate": SAMPLE_RATE, "path": "x.flac"}]),
    "list beside its rate": pa.array([A.tolist()], pa.list_(pa.float32())),
}


@pytest.mark.parametrize("form", FORMS)
def test_audio_columns(world: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is stored; a path is relative to the parquet file, from wherever the run starts."""
    put(world / "set" / "clips" / "x.flac", FLAC)
    table = pa.table({"audio": FORMS[form], "text": ["one"], "sampling_rate": [SAMPLE_RATE]})
    pq.write_table(table, world / "set" / "speech.parquet")
    put(world / "elsewhere" / "x", "")
    monkeypatch.chdir(world / "elsewhere")
    _, (sample,) = read(Path("../set/speech.parquet"))
    np.testing.assert_allclose(load_audio(sample.audio), A, atol=1e-4)


def test_folder_of_parquet_files(world: Path) -> None:
    table = pa.table({"audio": FORMS["struct"], "text": ["one"]})
    for name in ("test-00000-of-00002", "test-00001-of-00002", "train-00000-of-00001"):
        put(world / "set [1]" / "data" / "x", "")
        pq.write_table(table, world / "set [1]" / "data" / f"{name}.parquet")
    assert len(read(world / "set [1]")[1]) == 2
    assert len(read(world / "set [1]", split="train")[1]) == 1


def test_saved_to_disk(world: Path) -> None:
    data = datasets.Dataset(pa.table({"audio": FORMS["struct"], "text": ["one"]}))
    data.save_to_disk(world / "saved")
    datasets.DatasetDict({"test": data}).save_to_disk(world / "dict")
    for folder in ("saved", "dict"):
        _, samples = read(world / folder)
        assert heard(samples) == SECONDS[:1] and samples[0].transcript == "one"


# ---- odd values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [7, 7.5, True, ["one"], {"en": "one"}])
def test_a_transcript_that_is_no_text(world: Path, value: Any) -> None:
    put(world / "a.wav", A)
    with pytest.raises(FatalError, match=r"row 2: text=.*expected text \(transcript\)"):
        read(put(world / "m.jsonl", lines({"audio": "a.wav", "text": "x"}, {"audio": "a.wav", "text": value})))


def test_digits_in_a_table_are_text(world: Path) -> None:
    put(world / "a.wav", A)
    assert read(put(world / "m.csv", "audio,text\na.wav,7\n"))[1][0].transcript == "7"


WORDS: list[Any] = [
    [["one", 0.1, 0.2]],
    [{"word": "one", "start": 0.1, "end": 0.2, "score": 1}],
    [{"text": "one", "timestamp": [0.1, 0.2]}],
    [{"label": "one", "xmin": 0.1, "xmax": 0.2}],
    [{"word": "one", "start_time": 0.1, "end_time": 0.2}],
    [{"word": "one", "start": 0.1, "duration": 0.1}],
    '[["one", 0.1, 0.2]]',
]


@pytest.mark.parametrize("words", WORDS)
def test_forms_of_word_times(world: Path, words: Any) -> None:
    put(world / "a.wav", A)
    _, (sample,) = read(put(world / "m.jsonl", lines({"audio": "a.wav", "words": words})))
    assert timed(sample) == [("one", 0.1, pytest.approx(0.2))]


NAMES = [
    "a b.wav",
    "a [1].wav",
    "[x].wav",
    "a*b?.wav",
    "{a,b}.wav",
    ".dot/a.wav",
    "ä/日本.wav",
    "a#b%20.wav",
    "~a.wav",
    "a$b.wav",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spelling", ["{}", "./{}", "../set/{}", "{folder}/{}", "file://{folder}/{quoted}"])
def test_paths(world: Path, name: str, spelling: str) -> None:
    from urllib.parse import quote

    folder = world / "set"
    put(folder / name, A)
    audio = spelling.format(name, folder=folder, quoted=quote(name))
    _, samples = read(put(folder / "m.jsonl", lines({"audio": audio, "text": "x"})))
    assert heard(samples) == SECONDS[:1]


def test_paths_of_another_system_and_of_home(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(world / "set" / "clips" / "a.wav", A)
    monkeypatch.setenv("HOME", str(world / "set"))
    monkeypatch.setenv("SPEECH", str(world / "set"))
    names = ["clips\\a.wav", "~/clips/a.wav", "$SPEECH/clips/a.wav", " clips/a.wav "]
    _, samples = read(put(world / "m" / "m.jsonl", lines(*({"audio": name, "text": "x"} for name in names[1:3]))))
    assert heard(samples) == SECONDS[:1] * 2
    _, samples = read(put(world / "set" / "m.jsonl", lines(*({"audio": name, "text": "x"} for name in names))))
    assert heard(samples) == SECONDS[:1] * 4


def test_text_that_is_no_utf_8_is_said(tmp_path: Path) -> None:
    text = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xff\xfe")]
    )
    pq.write_table(pa.table({"audio": pa.array(["a.wav"]), "transcript": text}), tmp_path / "mine.parquet")
    with pytest.raises(FatalError, match=r"mine\.parquet holds text that is no UTF-8"):
        describe(str(tmp_path / "mine.parquet"), {}, prompt="?")
