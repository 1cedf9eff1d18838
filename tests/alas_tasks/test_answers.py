import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alas_tasks.answers import read_emotion, read_label, read_option, strip_thinking


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("anger", "anger"),
        ("Anger.", "anger"),
        ("**Happiness**", "happiness"),
        ('"sadness"', "sadness"),
        ("neutrality", "neutral"),
        ("The speaker sounds angry.", "anger"),
        ("The emotion of the speaker is neutral", "neutral"),
        ("angry, not happy", "anger"),
        ("not angry, happy", "happiness"),
        ("not angry but sad", "sadness"),
        ("The speaker isn't happy, they are sad.", "sadness"),
        ("The speaker isn\u2019t angry; neutral.", "neutral"),
        ("neither angry nor sad, but neutral", "neutral"),
        ("happiness rather than anger", "happiness"),
        ("Happy\n\nThe speaker laughs; anger or sadness are unlikely.", "happiness"),
        ("It could be anger or sadness. The answer is: sadness", "sadness"),
        ("<think>perhaps angry? or sad</think>neutral", "neutral"),
        ("perhaps sad</think> Anger", "anger"),
        ('{"emotion": "anger"}', "anger"),
        ("excited", "happiness"),
        ("unhappy", "sadness"),
        ("There is no emotion in the voice", "neutral"),
        ("The speaker shows no anger. Neutral.", "neutral"),
        ("non-neutral, angry", "anger"),
        ("not happy", None),
        ("not very happy", None),
        ("not at all happy", None),
        ("happy or sad", None),
        ("frustrated", None),
        ("He made a sadistic madness", None),
        ("<think>the speaker is angry", None),
        ("", None),
        ("   ", None),
        (None, None),
    ],
)
def test_emotions(answer, label):
    assert read_emotion(answer) == label


@pytest.mark.parametrize(
    ("answer", "option"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(b)", "B"),
        ("B.", "B"),
        ("**C**", "C"),
        ("A", "A"),
        ("a", "A"),
        ("Option C", "C"),
        ("option d.", "D"),
        ("Answer: B", "B"),
        ("The answer is B) the dog", "B"),
        ("The answer is (b) the dog.", "B"),
        ("The correct option is A", "A"),
        ("A) the dog", "A"),
        ("A: a dog", "A"),
        ("B the dog", "B"),
        ("D\nBecause the man says so. A would be wrong.", "D"),
        ("A) cat B) dog C) cow D) hen. The answer is C", "C"),
        ("B) the dog, since (A) is a cat and (C) a cow", "B"),
        ("not A, B", "B"),
        ("I think A is right", "A"),
        ("A is the right one", "A"),
        ("I'd say C", "C"),
        ("<think>A or B? A</think>B", "B"),
        ("A dog barks", None),
        ("The answer is a dog", None),
        ("A dog or B", "B"),
        ("A) cat B) dog C) cow D) hen", None),
        ("B or C", None),
        ("the dog", None),
        ("E", None),
        ("Because", None),
        ("", None),
        (None, None),
    ],
)
def test_options(answer, option):
    assert read_option(answer) == option


def test_labels_of_a_users_task():
    labels = ["light", "green light", "no_light"]
    assert read_label("Turn on the Green-Light!", labels) == "green light"
    assert read_label("light", labels) == "light"
    assert read_label("no light", labels) == "no_light"
    assert read_label("not light", labels) is None
    assert read_label("lights", labels) is None


def test_labels_in_scripts_without_spaces():
    assert read_label("说话者很高兴。", ["高兴", "生气"]) == "高兴"
    assert read_label("不高兴", ["高兴", "生气"]) is None
    assert read_label("он очень рад", ["рад", "зол"]) == "рад"
    assert read_label("радио", ["рад", "зол"]) is None


def test_thinking_is_removed():
    assert strip_thinking("<think>a</think>b<THINKING>c</THINKING>d") == "b d"
    assert strip_thinking("no tags <b>") == "no tags <b>"


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="aAbB nothapysdr'(.)\n<>/think", max_size=40))
def test_any_text_can_be_read(text):
    assert read_emotion(text) in {None, "anger", "happiness", "sadness", "neutral"}
    assert read_option(text) in {None, *"ABCD"}
    assert read_label(text, ["a", "b c", "("]) in {None, "a", "b c", "("}
