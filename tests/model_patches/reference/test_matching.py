from __future__ import annotations

import itertools

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alas_metric.document.units import Unit, split_units
from model_patches.reference.matching import (
    MARGIN,
    Piece,
    alignment_pieces,
    fill_gaps,
    join_pieces,
    match_words,
    normalise,
    ordered,
    place_pieces,
    span_times,
    spread,
)
from model_patches.reference.silence import give_sound_to_words, pack, speech_regions, unpack_spans
from model_patches.reference.windows import Window, windows

RATE = 16_000


def sound(spans: list[tuple[float, float]], duration: float, noise_db: float | None, offset: float = 0.0):
    """Bursts of noise at -20 dB in background noise of a level given in dB, None for digital silence."""
    rng = np.random.default_rng(0)
    audio = np.zeros(round(duration * RATE))
    if noise_db is not None:
        audio += rng.normal(size=len(audio)) * 10 ** (noise_db / 20)
    for start, end in spans:
        part = slice(round(start * RATE), round(end * RATE))
        audio[part] += rng.normal(size=part.stop - part.start) * 0.1
    return (audio + offset).astype(np.float32)


# ---- silence ----


@pytest.mark.parametrize("noise_db", [None, -90, -70, -60, -50, -45])
@pytest.mark.parametrize("margin", [0.0, MARGIN])
def test_silence_at_the_ends_and_inside(noise_db: float | None, margin: float) -> None:
    spans = [(0.8, 1.5), (2.2, 3.0), (3.2, 4.1)]
    expected = [(0.8, 1.5), (2.2, 4.1)]  # 0.2 s is no pause
    found = speech_regions(sound(spans, 6.0, noise_db), margin)
    assert len(found) == 2
    np.testing.assert_allclose(found, expected, atol=0.05)
    if margin:
        assert all(a < x and y < b for (a, b), (x, y) in zip(found, expected, strict=True))


@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_silence_despite_a_constant_offset(offset: float) -> None:
    (found,) = speech_regions(sound([(1.0, 2.0)], 3.0, -60, offset))
    np.testing.assert_allclose(found, (1.0, 2.0), atol=0.05)


def test_one_short_word_in_a_long_recording() -> None:
    (found,) = speech_regions(sound([(20.0, 20.3)], 60.0, -60))
    np.testing.assert_allclose(found, (20.0, 20.3), atol=0.05)


def test_padding_with_zeros_hides_no_noise_floor() -> None:
    audio = sound([(4.0, 5.0)], 8.0, -50)
    audio[: 3 * RATE] = 0
    (found,) = speech_regions(audio)
    np.testing.assert_allclose(found, (4.0, 5.0), atol=0.05)


def test_quiet_end_of_a_word_stays_in() -> None:
    audio = sound([(1.0, 2.0)], 4.0, -60)
    audio[2 * RATE : 2 * RATE + 6400] += (sound([(0.0, 0.4)], 0.4, None) * 0.02).astype(np.float32)  # -54 dB
    (found,) = speech_regions(audio)
    assert found[1] == pytest.approx(2.4, abs=0.06)


def test_click_is_no_speech() -> None:
    audio = sound([(2.0, 3.0)], 5.0, -60)
    audio[RATE : RATE + 20] = 1.0
    (found,) = speech_regions(audio)
    np.testing.assert_allclose(found, (2.0, 3.0), atol=0.05)


def test_noise_near_the_speech_keeps_everything() -> None:
    assert speech_regions(sound([(1.0, 2.0)], 3.0, -30)) == [(0.0, 3.0)]
    assert speech_regions(sound([(0.0, 3.0)], 3.0, None)) == [(0.0, 3.0)]


def test_a_word_fades_into_silence() -> None:
    """The end of an /s/ 50 dB below the vowel, as in recordings of a quiet room."""
    audio = sound([(1.0, 2.0)], 4.0, -85)
    fading = sound([(0.0, 0.1)], 0.1, None) * np.linspace(1, 0.3, 1600) * 0.004
    audio[2 * RATE : 2 * RATE + 1600] += fading.astype(np.float32)
    (found,) = speech_regions(audio)
    assert found[1] >= 2.1


@pytest.mark.parametrize("snr", [15, 12])
def test_voices_are_found_in_broad_noise(snr: int) -> None:
    """A harmonic voice from 0.85 s on, white noise all the time: the first word used to start at 0.0."""
    rng, time = np.random.default_rng(1), np.arange(3 * RATE) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 12)) * ((time > 0.85) & (time < 2.2))
    level = np.sqrt((voice[voice != 0] ** 2).mean()) * 10 ** (-snr / 20)
    (found,) = speech_regions((0.1 * (voice + level * rng.normal(size=len(voice)))).astype(np.float32))
    assert 0.85 - 0.25 < found[0] < 0.85 and 2.2 < found[1] < 2.2 + 0.25


@pytest.mark.parametrize("noise_db", [-79.9, -75, -65])
def test_the_even_noise_of_a_codec_is_no_sound(noise_db: float) -> None:
    assert speech_regions(sound([], 3.0, noise_db)) == []
    quiet = sound([(1.0, 2.0)], 3.0, -30) * 10 ** (-50 / 20)  # speech at -70 dB over noise at -80
    assert speech_regions(quiet)


@pytest.mark.parametrize("level", [0.0, 0.5, 1e-5])
def test_silent_audio_has_no_region(level: float) -> None:
    assert speech_regions(np.full(RATE, level, dtype=np.float32)) == []
    assert speech_regions(np.zeros(0, dtype=np.float32)) == []


@pytest.mark.parametrize("num_samples", [1, 100, 399, 400, 401, 1000])
def test_very_short_audio(num_samples: int) -> None:
    audio = np.random.default_rng(0).normal(size=num_samples).astype(np.float32)
    for start, end in speech_regions(audio):
        assert 0 <= start < end <= num_samples / RATE


def test_pauses_of_real_speech(jfk: np.ndarray) -> None:
    regions = speech_regions(jfk)
    # "And so my fellow Americans / ask not / what your country can do for you / ask what you can ... country"
    expected = [(0.31, 2.13), (3.28, 4.33), (5.40, 7.70), (8.17, 11.0)]
    np.testing.assert_allclose(regions, expected, atol=0.06)


# ---- maps between times ----


def test_packed_time_and_back() -> None:
    regions = [(1.0, 2.0), (3.0, 3.5), (5.0, 6.0)]
    audio = np.arange(7 * RATE, dtype=np.float32)
    packed = pack(audio, regions)
    assert len(packed) == 2.5 * RATE
    for time in (0.3, 1.2, 2.4):
        ((back, _),) = unpack_spans([(time, time + 0.05)], regions)
        assert audio[round(back * RATE)] == packed[round(time * RATE)]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0.2, 0.4)], [(1.2, 1.4)]),  # the pauses lie behind it
        ([(0.5, 0.9), (0.9, 1.3)], [(1.5, 1.9), (3.0, 3.3)]),  # the first border is the nearest to the cut at 1.0
        ([(0.5, 1.1), (1.1, 1.4)], [(1.5, 2.0), (3.1, 3.4)]),
        ([(0.0, 0.99), (0.99, 1.6), (1.6, 2.5)], [(1.0, 1.99), (3.0, 3.5), (5.1, 6.0)]),
        # Nearly half of the second word reaches back over the pause; it used to land there by 15 ms.
        ([(0.0, 0.93), (0.93, 1.065), (1.065, 1.5)], [(1.0, 1.93), (1.93, 2.0), (3.065, 3.5)]),
        ([(0.0, 1.0), (1.0, 1.001), (1.001, 1.5)], [(1.0, 2.0), (3.0, 3.02), (3.001, 3.5)]),  # as long as a word is
    ],
)
def test_pauses_lie_between_words(spans, expected) -> None:
    regions = [(1.0, 2.0), (3.0, 3.5), (5.0, 6.0)]
    np.testing.assert_allclose(unpack_spans(spans, regions), expected)


@given(st.lists(st.floats(0.0, 2.5), min_size=2, max_size=20), st.lists(st.floats(0.01, 0.9), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_unpacked_words_keep_their_order_and_lie_in_a_region(times: list[float], lengths: list[float]) -> None:
    starts = np.cumsum([0.0, *(length + 1.0 for length in lengths[:-1])])
    regions = [(float(a), float(a + length)) for a, length in zip(starts, lengths, strict=True)]
    spans = ordered(list(itertools.pairwise(sorted(times))), sum(lengths))
    found = unpack_spans(spans, regions)
    for start, end in found:
        assert any(a - 1e-9 <= start <= end <= b + 1e-9 for a, b in regions)
    assert [a for a, _ in found] == sorted(a for a, _ in found)


# ---- sound that an aligner gave to no word ----


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # A full stop took sound of the words on both sides, and there is no pause.
        ([(1.0, 1.3), (1.6, 2.0)], [(1.0, 1.45), (1.45, 2.0)]),
        # There is one, wherever in the gap it lies.
        ([(1.0, 1.5), (2.6, 3.0)], [(1.0, 2.0), (2.2, 3.0)]),
        ([(1.0, 2.1), (2.15, 3.0)], [(1.0, 2.1), (2.15, 3.0)]),
        # Words that meet or overlap stay.
        ([(1.0, 1.5), (1.5, 2.0), (2.2, 3.0)], [(1.0, 1.5), (1.5, 2.0), (2.2, 3.0)]),
        ([(1.0, 1.6), (1.5, 2.0), (2.2, 3.0)], [(1.0, 1.6), (1.5, 2.0), (2.2, 3.0)]),
        # What is heard between two long pauses, a breath, is no word's.
        ([(1.0, 2.8), (5.1, 5.5)], [(1.0, 3.0), (5.0, 5.5)]),
        # Speech that no word stands for, half a second away.
        ([(1.0, 1.1), (2.9, 3.0)], [(1.0, 1.6), (2.4, 3.0)]),
        # All sound before the first word is the first one's.
        ([(1.4, 2.0), (2.2, 3.0)], [(1.0, 2.0), (2.2, 3.0)]),
    ],
)
def test_sound_between_words_is_theirs(words: list, expected: list) -> None:
    audio = sound([(1.0, 2.0), (2.2, 3.0), (3.9, 4.1), (5.0, 5.5)], 6.0, -60)
    found = give_sound_to_words(words, audio[: round((expected[-1][1] + 0.1) * RATE)])
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_in_near_noise_words_meet_in_the_middle() -> None:
    audio = sound([(1.0, 2.0)], 3.0, -30)
    assert give_sound_to_words([(0.5, 1.0), (2.0, 2.5)], audio) == [(0.0, 1.5), (1.5, 3.0)]


@given(st.lists(st.floats(0.0, 5.0), min_size=1, max_size=12), st.lists(st.floats(0.0, 0.5), min_size=12, max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_word_gets_shorter_and_none_reaches_into_another(starts: list[float], lengths: list[float]) -> None:
    words = [(a, a + length) for a, length in zip(sorted(starts), lengths, strict=False)]
    found = give_sound_to_words(words, sound([(1.0, 2.0), (2.2, 3.0), (3.9, 4.1)], 6.0, -60))
    for (start, end), (a, b) in zip(words, found, strict=True):
        assert 0 <= a <= start <= end <= b <= 6.0
    for (_, end), (start, _), (_, b), (a, _) in zip(words, words[1:], found, found[1:], strict=False):
        assert b <= max(a, end) and a >= min(b, start)


def test_ordered() -> None:
    assert ordered([(-1, 1), (2, 1.5), (1.8, 9), (3, 4)], 5.0) == [(0, 1), (2, 2), (2, 5), (3, 4)]
    assert ordered([], 1.0) == []


# ---- characters and times ----


@pytest.mark.parametrize(
    ("transcript", "expected"),
    [
        ("Hello, world!", ["Hello,", " world!"]),
        ("  so -- [LAUGHTER] yes\n", ["so", " yes"]),
        ("我爱 Ada", ["我", "爱", " Ada"]),
        ("salt & pepper, 2 + 2 = 4 %", ["salt &", " pepper,", " 2 +", " 2 =", " 4 %"]),
        ("& so -- on ~", ["& so", " on"]),
        ("a -- b", ["a", " b"]),
        ("MISTER O'NEILL", ["mister", " o'neill"]),
        ("NASA said", ["NASA", " said"]),
        ("\u0130STANBUL", ["\u0130stanbul"]),  # its lower case has two characters
        ("a\ufffdb \ud83dc", ["a?b", " ?c"]),
    ],
)
def test_alignment_text(transcript: str, expected: list[str]) -> None:
    units = split_units(transcript)
    pieces = alignment_pieces(transcript, units)
    assert pieces == expected
    assert len(pieces) == len(units)


def test_core_of_each_piece() -> None:
    text, cores = join_pieces(['"well-known,"', " e\u0301te\u0301.", " x"], " ")
    assert text == ' "well-known," e\u0301te\u0301. x'
    assert [text[a:b] for a, b in cores] == ["well-known", "e\u0301te\u0301", "x"]
    assert join_pieces([" a", "b"], "")[0] == "ab"


@pytest.mark.parametrize(
    ("piece", "spoken"),
    [
        ("20%,", "20%"),
        ("$15.", "$15"),
        ("(3.5%)", "3.5%"),
        ("€5", "€5"),
        ("-5", "-5"),
        ("-yes-", "yes"),
        ("C++,", "C++"),
        ("2 +", "2"),
        ("& so", "so"),
        ("yes~", "yes"),
        ("25°,", "25°"),
    ],
)
def test_symbols_that_are_spoken_have_time(piece: str, spoken: str) -> None:
    text, ((start, end),) = join_pieces([piece], " ")
    assert text[start:end] == spoken


def test_place_pieces_counts_bytes_and_drops_white_space() -> None:
    text = " \U0001f600é ok"
    # The emoji's four bytes come as two tokens; the first ends inside it.
    timed = [(3, 0.0, 0.1), (2, 0.1, 0.2), (2, 0.2, 0.3), (3, 0.3, 0.5)]
    assert place_pieces(text, timed) == [Piece(1, 2, 0.1, 0.2), Piece(2, 3, 0.2, 0.3), Piece(4, 6, 0.3, 0.5)]


def test_span_times_with_known_answers() -> None:
    text = " well-known, yes"
    pieces = place_pieces(text, [(5, 0.0, 0.4), (1, 0.4, 0.5), (5, 0.5, 1.0), (1, 1.0, 1.8), (4, 1.8, 2.0)])
    spans = [(1, 11), (13, 16), (1, 3), (14, 15)]
    expected = [(0.0, 1.0), (1.8, 2.0), (0.0, 0.2), (1.8 + 0.2 / 3, 1.8 + 0.4 / 3)]
    np.testing.assert_allclose(span_times(spans, pieces), expected)


def test_span_beyond_the_pieces() -> None:
    assert span_times([(0, 1), (8, 9)], [Piece(2, 4, 1.0, 2.0)]) == [(1.0, 1.0), (2.0, 2.0)]


# ---- matching ----


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("a b c", "a b c", [0, 1, 2]),
        ("a b c", "x a b y c z", [1, 2, 4]),
        ("a b c d", "a d", [0, -1, -1, 1]),
        ("a b c", "a x c", [0, 1, 2]),
        ("a b c d", "a x d e", [0, -1, 1, 2]),
        ("a b", "", [-1, -1]),
        ("the cat the cat", "the cat", [-1, -1, 0, 1]),
    ],
)
def test_match_words(reference: str, hypothesis: str, expected: list[int]) -> None:
    assert match_words(reference.split(), hypothesis.split()) == expected


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=9),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=9),
)
@settings(max_examples=60, deadline=None)
def test_match_words_has_the_fewest_edits(reference: list[str], hypothesis: list[str]) -> None:
    matched = match_words(reference, hypothesis)
    pairs = [(i, j) for i, j in enumerate(matched) if j >= 0]
    assert all(b[1] > a[1] for a, b in itertools.pairwise(pairs))
    equal = sum(reference[i] == hypothesis[j] for i, j in pairs)
    edits = len(reference) + len(hypothesis) - len(pairs) - equal
    output = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    assert edits == output.substitutions + output.insertions + output.deletions
    assert equal >= output.hits


def test_match_many_words_quickly() -> None:
    words = [str(i) for i in range(3000)]
    assert match_words(words, words[:1000] + words[1001:]) == [*range(1000), -1, *range(1000, 2999)]


def test_normalise() -> None:
    assert normalise("\u201cDon't,\u201d") == "dont"
    assert normalise("\uff21\uff22\uff23\uff11") == "abc1"
    assert normalise("STRASSE") == normalise("straße")


def test_fill_gaps() -> None:
    spans = [None, None, (1.0, 2.0), None, (3.0, 4.0), (4.0, 5.0), None]
    expected = [(0, 0.5), (0.5, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]
    np.testing.assert_allclose(fill_gaps(spans, 6.0), expected)
    assert fill_gaps([(1.0, 2.0), None, (1.5, 3.0)], 4.0)[1] == (2.0, 2.0)  # no time is left
    assert fill_gaps([None, None], 4.0) == [(0, 2), (2, 4)]


def test_spread_is_proportional_to_characters() -> None:
    assert spread(["a", " bbb"], 4.0) == [(0.0, 1.0), (1.0, 4.0)]


# ---- windows ----


def test_windows_are_cut_at_the_longest_pause() -> None:
    starts = [0, 5, 10, 17, 22, 28, 33]
    spans = [(float(s), s + (4.0 if s == 10 else 4.8)) for s in starts]
    found = windows(spans, [1] * 7, 40.0, max_size=100)
    # Word 3 starts after the longest pause in reach, 14.0 to 17.0.
    assert found == [Window(0, 3, 0.0, 15.5), Window(3, 7, 15.5, 39.8)]


def test_windows_keep_the_token_limit() -> None:
    spans = spread(["word"] * 500, 20.0)
    found = windows(spans, [2] * 500, 20.0, max_size=100)
    assert max(window.last - window.first for window in found) <= 50
    assert len(found) == 10  # equal pauses: as few windows as possible


def test_windows_leave_out_speech_without_words() -> None:
    (window,) = windows([(50.0, 51.0), (52.0, 53.0)], [1, 1], 95.0, max_size=100)
    assert (window.start, window.end) == (48.0, 55.0)


def test_a_word_beyond_the_limits_has_its_own_window() -> None:
    found = windows([(0.0, 1.0), (1.0, 60.0), (60.0, 61.0)], [1, 999, 1], 61.0, max_size=100)
    assert [(window.first, window.last) for window in found] == [(0, 1), (1, 2), (2, 3)]
    assert found[1].end - found[1].start <= 29.0


@given(
    st.lists(st.tuples(st.floats(0, 120), st.floats(0, 40)), min_size=1, max_size=40),
    st.lists(st.integers(1, 60), min_size=40, max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_windows_hold_every_word_once(places: list[tuple[float, float]], sizes: list[int]) -> None:
    spans = ordered([(start, start + length) for start, length in sorted(places)], 130.0)
    found = windows(spans, sizes[: len(spans)], 130.0, max_size=100)
    assert [i for window in found for i in range(window.first, window.last)] == list(range(len(spans)))
    for window in found:
        assert 0 <= window.start <= window.end <= 130.0
        assert window.end - window.start <= 29.0 + 1e-6
        assert sum(sizes[window.first : window.last]) <= 100


def test_unit_without_a_letter_does_not_break() -> None:
    assert join_pieces(alignment_pieces("\U0001f600", [Unit("\U0001f600", 0, 1)]), " ") == (
        " \U0001f600",
        [(1, 2)],
    )
