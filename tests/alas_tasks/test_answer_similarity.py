import pytest

from alas_metric.errors import FatalError
from alas_tasks.answer_similarity import SentenceSimilarity


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
