"""Any transcript: its words, the prompt that holds it, its tokens, and whole paired runs on the tiny model."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from fuzzing import CONTROLS, TOKENS, fuzz, numbers, texts
from hypothesis import given
from hypothesis import strategies as st

from alas_metric import AlignmentRecord, WordTiming, score_record
from alas_metric.document.units import split_units
from alas_metric.errors import SkipDocument
from alas_tasks.speech import SpeechSample
from model_patches.reference.matching import alignment_pieces, join_pieces
from model_patches.run.paired import PairedRuns
from model_patches.run.preparation import Preparation, gold_words

AUDIO = (0.1 * np.sin(np.arange(8000) * 0.2)).astype(np.float32)
transcripts = texts | st.lists(
    st.sampled_from([*TOKENS, *CONTROLS, "word", "<|AU", "DIO|>", "\ud83d", "[LAUGHTER]", "[", "]", "--", "我"]),
    max_size=12,
).flatmap(lambda parts: st.sampled_from(["", " "]).map(lambda space: space.join(parts)))
"""Among them placeholders in pieces, which must not grow together when something between them is removed."""


@fuzz(100)
@given(texts | transcripts)
def test_units_are_stretches_of_the_text(text: str) -> None:
    units, last = split_units(text), 0
    for unit in units:
        assert last <= unit.start < unit.end <= len(text)
        core = text[unit.start : unit.end]
        assert core in unit.text and unicodedata.category(core[0])[0] in "LN" and not any(map(str.isspace, unit.text))
        last = unit.end
    if units:
        joined, spans = join_pieces(alignment_pieces(text, units), " ")
        assert len(spans) == len(units) and all(0 <= a < b <= len(joined) for a, b in spans)


@fuzz(30)
@given(transcripts, transcripts)
def test_transcripts_stay_text_in_prompts(qwen2_audio, transcript: str, instruction: str) -> None:
    text, question = qwen2_audio.clean_text(transcript), qwen2_audio.clean_text(instruction)
    assert qwen2_audio.clean_text(text) == text
    text.encode("utf-8")
    units = split_units(text)
    try:
        prompts = qwen2_audio.text_prompts([text], [question], [units])
    except SkipDocument as skip:
        assert "no token" in skip.detail
        return
    (ids,) = prompts.inputs["input_ids"].tolist()
    empty = qwen2_audio.encode_text([qwen2_audio.render_text("x", "x")])["input_ids"][0].tolist()
    specials = {*qwen2_audio.tokenizer.all_special_ids, *qwen2_audio.tokenizer.get_added_vocab().values()}
    assert [i for i in ids if i in specials] == [i for i in empty if i in specials]
    assert qwen2_audio.audio_token_id not in ids
    (words,) = prompts.words
    assert len(words) == len(units)
    for unit, positions in zip(units, words, strict=True):
        assert positions == list(range(positions[0], positions[-1] + 1))
        core = text[unit.start : unit.end]
        covered = qwen2_audio.tokenizer.decode([ids[p] for p in positions])
        assert unicodedata.normalize("NFC", core) in unicodedata.normalize("NFC", covered) or "\ufffd" in covered


@fuzz(4, share=0.05)
@given(transcripts, transcripts)
def test_whole_paired_runs(qwen2_audio, transcript: str, instruction: str) -> None:
    """Whatever the transcript, its record can be written, read and scored, or the document is skipped by cause."""
    words = [WordTiming(word, 0.0, 0.4) for word in transcript.split()]
    sample = SpeechSample("u", AUDIO, transcript, words=words)
    try:
        document = Preparation(qwen2_audio)(sample, instruction, AUDIO)
        (record,) = PairedRuns(qwen2_audio, False)([document], [AUDIO], {"max_new_tokens": 1, "do_sample": False})
    except SkipDocument as skip:
        assert skip.cause in ("empty_transcript", "no_word_timestamps", "bad_timestamps", "error"), skip
        return
    read = AlignmentRecord.from_json(record.to_json())
    assert read.transcript == record.transcript and read.words == record.words
    assert all(np.isfinite(column).all() for column in score_record(read).columns.values())


def test_five_thousand_words(qwen2_audio) -> None:
    text = " ".join(f"word{i}" if i % 7 else "<|AUDIO|>" for i in range(5000))
    clean = qwen2_audio.clean_text(text)
    units = split_units(clean)
    assert len(units) == sum(bool(i % 7) for i in range(5000))
    (words,) = qwen2_audio.text_prompts([clean], ["?"], [units]).words
    assert [words[i][0] < words[i + 1][0] for i in range(len(words) - 1)] == [True] * (len(words) - 1)


@pytest.mark.parametrize("text", ["[" * 50_000, "a" * 100_000, "[a " * 30_000, "e" + "\u0301" * 50_000, "我" * 20_000])
def test_long_texts_of_one_kind(qwen2_audio, text: str) -> None:
    clean = qwen2_audio.clean_text(text)
    units = split_units(clean)
    joined = "".join(unit.text for unit in units)
    assert len(units) in (0, 1, 20_000, 30_000) and len(joined) <= len(clean)


@fuzz(40)
@given(st.data())
def test_gold_word_timestamps(data: st.DataObject) -> None:
    """Overlapping, reversed, endless, of other words: usable ones come out in order of the units, others are named."""
    transcript = data.draw(texts | st.just("one two three four"))
    units = split_units(transcript)
    spoken = st.sampled_from([*(unit.text for unit in units), "--", "other", ""])
    times = numbers.filter(lambda n: isinstance(n, float) or abs(n) < 10**300).map(float) | st.floats(-1, 3)
    words = [WordTiming(*row) for row in data.draw(st.lists(st.tuples(spoken, times, times), max_size=8))]
    try:
        found = gold_words(words, units, 2.0)
    except SkipDocument as skip:
        assert skip.cause in ("bad_timestamps", "no_word_timestamps", "empty_transcript") and skip.detail
        return
    assert len(found) == len(units)
    assert all(np.isfinite([word.start, word.end]).all() for word in found)
