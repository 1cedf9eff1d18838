import pytest

from alas_metric.errors import FatalError
from alas_tasks.answer_similarity import DEFAULT_MODEL, MULTILINGUAL_MODEL, SentenceSimilarity, model_for
from alas_tasks.answers import contained


@pytest.fixture(scope="module")
def similarity(sentence_bert_folder):
    return SentenceSimilarity(str(sentence_bert_folder))


def test_known_values(similarity):
    pairs = [
        ("a dog", "a dog"),
        ("", ""),
        ("", "a dog"),
        (None, "a dog"),
        ("a dog", None),
        ("<think>x</think>", ""),
    ]
    assert similarity.pairs(pairs) == [1.0, 1.0, 0.0, None, None, 1.0]


def test_plain_rounded_and_symmetric(similarity):
    forth, back = similarity.pairs([("the dog sleeps", "he went home"), ("he went home", "the dog sleeps")])
    assert type(forth) is float and forth == back == round(forth, 6) and -1 <= forth <= 1


def test_a_pair_does_not_depend_on_its_company(similarity):
    pair = ("she began a complaint", "the blow is astounding")
    company = [("x", "a much longer answer than all the others " * 4), pair, ("y", "z")]
    assert similarity.pairs(company)[1] == similarity.pairs([pair])[0]


def test_thinking_does_not_count(similarity):
    assert similarity.pairs([("<think>cats, certainly</think>a dog", "a dog")]) == [1.0]


def test_nothing_to_compare(similarity):
    assert similarity.pairs([]) == []


def test_unreachable_model_is_reported_at_once(tmp_path):
    with pytest.raises(FatalError, match="alas_sbert"):
        SentenceSimilarity(str(tmp_path / "none"))


def test_english_alone_has_the_authors_model():
    assert {model_for(language) for language in ("en", "EN-us", "english")} == {DEFAULT_MODEL}
    assert {model_for(language) for language in ("zh", "de", "yue", "Chinese")} == {MULTILINGUAL_MODEL}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("Boston", "The train goes to Boston.", True),
        ("The train goes to Boston.", "to boston!", True),
        ("<think>Chicago?</think> Boston", "Boston, of course", True),
        ("Boston", "Bostonian", False),
        ("a cat", "a black cat", False),
        ("北京", "他去了北京。", True),
        ("京北", "他去了北京。", False),
        ("", "Boston", False),
        ("...", "...", False),
        ("yes", "Yes.", True),
        ("angry", "not angry", True),  # it is no reading
    ],
)
def test_contained(first, second, expected):
    assert contained(first, second) is contained(second, first) is expected
