"""The scripts behind docs/validation.md: what the controls and the authors' recipe do, and that the page is theirs."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from alas_metric import WordTiming, score_record
from alas_metric.document.measures import MEASURES
from alas_metric.document.record import Sums

ROOT = Path(__file__).resolve().parents[2]
TOOLS = [str(ROOT / "tools" / name) for name in ("validation", "demo_world")]


@pytest.fixture(scope="module", autouse=True)
def scripts():
    sys.path[:0] = TOOLS
    yield
    for folder in TOOLS:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def documents(scripts, tmp_path_factory):
    from measuring import read_documents

    return read_documents(8, tmp_path_factory.mktemp("timestamps"))


@pytest.fixture(scope="module")
def adapter(scripts):
    from measuring import load_adapter

    from alas_tasks.demo.files import QWEN2_AUDIO

    return load_adapter(QWEN2_AUDIO)


@pytest.fixture(scope="module")
def measured(adapter, documents):
    from measuring import measure

    return measure(adapter, documents[:2])


def timing(*spans: tuple[float, float]) -> list[WordTiming]:
    return [WordTiming(f"w{at}", *span) for at, span in enumerate(spans)]


def test_silence_before_moves_audio_and_times_alike(documents) -> None:
    import controls

    late = controls.after_silence(documents[0], 0.4)
    assert late.duration == pytest.approx(documents[0].duration + 0.4)
    assert [word.start for word in late.words] == pytest.approx([word.start + 0.4 for word in documents[0].words])
    assert not late.audio[:6400].any() and np.array_equal(late.audio[6400:], documents[0].audio)


def test_slower_speech_lasts_as_long_as_its_times_say(documents) -> None:
    import controls

    slow = controls.slower(documents[0], 1.25)
    assert slow.duration == pytest.approx(1.25 * documents[0].duration, rel=1e-3)
    assert slow.words[-1].end == pytest.approx(1.25 * documents[0].words[-1].end)


def test_words_of_another_number_fill_the_speech(documents) -> None:
    import controls

    words = controls.with_words(documents[0], ["one", "two", "three"]).words
    assert words[0].start == documents[0].words[0].start and words[-1].end == documents[0].words[-1].end
    assert all(a.end == pytest.approx(b.start) for a, b in itertools.pairwise(words))


def test_controls_choose_words_that_are_not_where_they_are_spoken(documents) -> None:
    import controls

    own = controls.texts(documents[0])
    random = controls.random_words(documents[0], ["up", "down", *own, *map(str, range(9))], 0)
    assert len(random) == len(own) and not set(random) & set(own)
    assert sorted(controls.shuffled(documents[0], 0)) == sorted(own)
    assert controls.in_place(controls.shuffled(documents[0], 0), own) < len(own) / 2
    other = controls.other_sentence(documents[0], documents, same_length=False)
    assert len(other) != len(own)
    assert controls.in_place(["a", "b", "c"], ["x", "a", "y"]) == 1
    assert controls.in_common(["a", "a", "b"], ["c", "b", "a"]) == 2


def assert_same_sums(again: Sums, first: Sums) -> None:
    """Compare what similarities alone tell; sums in float32 depend on how many layers are taken at once."""
    for measure, found in first.items():
        if not MEASURES[measure].needs_vectors:
            for name, values in found.items():
                assert again[measure][name] == pytest.approx(values, rel=1e-6), (measure, name)


def test_a_record_made_again_is_the_same_and_reversing_twice_changes_nothing(measured) -> None:
    from measuring import reversed_both

    for each in measured:
        again = each.again().record
        assert all(np.array_equal(again.paths[form], path) for form, path in each.record.paths.items())
        assert_same_sums(again.sums, each.record.sums)
        for reference, sums in each.record.reference_sums.items():
            assert_same_sums(again.reference_sums[reference], sums)
        twice = reversed_both(reversed_both(each))
        assert np.array_equal(twice.similarity, each.similarity)


def test_rotating_both_runs_alike_moves_nothing_and_apart_everything(adapter, documents, measured) -> None:
    from measuring import Turned, measure, rotation, same

    size = adapter.model.config.text_config.hidden_size
    turn, other = rotation(size, 1), rotation(size, 2)
    alike = measure(Turned(adapter.model, adapter.processor, turn, turn), documents[:2])
    apart = measure(Turned(adapter.model, adapter.processor, same, other), documents[:2])
    for plain, a, b in zip(measured, alike, apart, strict=True):
        assert np.abs(a.similarity - plain.similarity).max() < 1e-5
        assert np.abs(b.similarity - plain.similarity).max() > 0.3


def test_the_recipe_without_any_choice_is_our_score(adapter, documents, measured) -> None:
    import recipe

    for document, each in zip(documents, measured, strict=False):
        ours = score_record(each.record).columns["alas_raw"]
        found = recipe.score(recipe.capture(adapter, document), document.words, document.duration)
        assert found == pytest.approx(ours, abs=1e-9)


def test_the_choices_of_the_recipe() -> None:
    import recipe

    last = recipe.stretched(timing((0.1, 0.2), (0.5, 0.9)), 1.0)[-1]
    assert (last.start, last.end) == (1.0, 1.8)
    words = [[3], [4, 5], [6]]
    assert recipe.trimmed(words, 10, (3, 3)) == words
    assert recipe.trimmed(words, 12, (3, 3)) == [[3], [4, 5], [6, 7, 8]]  # a longer question
    assert recipe.trimmed(words, 8, (3, 3)) == [[3], [4]]  # a shorter one
    states = recipe.States(np.eye(4)[None], np.eye(4)[None], [[0], [1], [2], [3]], 1.0)
    spoken = timing((0, 1), (1, 1.1), (2, 3), (3, 4))  # nobody speaks at position 1, centre 1.5
    assert recipe.score(states, spoken, 4.0).tolist() == [0]
    assert recipe.score(states, spoken, 4.0, ["silence"]).tolist() == [0.25]
    heard = timing((0, 1), (1, 2), (2, 4))
    assert recipe.score(states, spoken, 4.0, ["tokens"], heard).tolist() == [0]
    with pytest.raises(ValueError, match="nothing is left"):
        recipe.score(states, spoken, 4.0, ["tokens"], [])


def test_the_page_is_what_its_results_give() -> None:
    from page import render

    found = json.loads((ROOT / "docs" / "validation" / "results.json").read_text(encoding="utf-8"))
    assert render(found) == (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
