import inspect
import json

import numpy as np
import pytest
from lmms_eval.utils import make_table

from alas_metric.corpus import aggregate as corpus
from alas_metric.corpus.metrics import METRICS
from alas_metric.document.measuring import score_pair
from alas_metric.document.paths import WordTiming
from alas_metric.document.record import AlignmentRecord
from alas_tasks import scoring

DOC = {"uid": "u1", "speaker": "s1"}


def record(uid="u1", **fields):
    random = np.random.default_rng(len(uid))
    words = ["one", "two", "three"]
    timings = [WordTiming(word, i * 0.4, i * 0.4 + 0.3) for i, word in enumerate(words)]
    fields = {
        "speaker": "s1",
        "transcript_source": "dataset",
        "instruction": "What?",
        "target": "gold",
        "audio_answer": "a",
        "text_answer": "b",
        "similarities": {"responses": 0.9, "audio_target": 0.5, "text_target": 0.6},
        **fields,
    }
    return score_pair(
        random.standard_normal((4, 2, 3, 30)).astype(np.float32),
        uid=uid,
        transcript=" ".join(words),
        words=words,
        frame_seconds=0.04,
        references={"words": timings},
        reference="words",
        **fields,
    ).to_json()


@pytest.mark.parametrize("kind", scoring.KINDS)
def test_every_listed_metric_gets_an_item_and_no_other(kind):
    process = getattr(scoring, f"process_results_{kind}")
    listed = getattr(scoring, f"metric_list_{kind}")
    items = process(DOC, [record()])
    assert list(items) == [entry["metric"] for entry in listed]
    json.dumps(items, allow_nan=False)
    own = {
        "free": {"answer_similarity", "answer_similarity_audio", "answer_similarity_text"},
        "options": {"accuracy_audio", "accuracy_text", "answer_kappa", "mcnemar_p"},
        "labels": {"accuracy_audio", "accuracy_text", "uar_audio", "uar_text", "answer_kappa", "mcnemar_p"},
    }
    assert set(items) == set(METRICS) - set().union(*own.values()) | own[kind]


def test_registry_and_yaml_names_agree():
    for key, metric in METRICS.items():
        function = getattr(scoring, f"aggregate_{key}")
        assert function.__name__ == f"aggregate_{key}"
        assert list(inspect.signature(function).parameters) == ["items"]
        assert metric.direction in ("higher", "lower", "none")
    better = {entry["metric"]: entry["higher_is_better"] for entry in scoring.metric_list_free}
    assert better["alas"] is False and better["alas_skill"] is True and better["kept"] is None
    for name in ("aggregate_nothing", "metric_list_other", "process_results_", "nothing"):
        with pytest.raises(AttributeError):
            getattr(scoring, name)


def test_values_are_those_of_the_corpus():
    texts = [record(f"u{number}" * number) for number in range(1, 4)]
    scores = [scoring.score_record(AlignmentRecord.from_json(text)) for text in texts]
    expected = corpus.summarise(scores, corpus.THRESHOLD)
    items = [scoring.process_results_free(DOC, [text]) for text in reversed(texts)]
    for key in scoring.keys("free"):
        value = getattr(scoring, f"aggregate_{key}")([item[key] for item in items])
        assert json.dumps(value) == json.dumps(expected[key])


@pytest.mark.parametrize(
    "response",
    [
        "",
        "no record",
        "{}",
        "null",
        None,
        3,
        [],
        [[]],
        ["[1]"],
        '{"schema_version": 99}',
        "\ud800",
        "{" * 9999,
    ],
)
def test_a_response_that_is_no_record_is_counted(response):
    items = scoring.process_results_free(DOC, [response])
    assert set(items) == set(scoring.keys("free"))
    assert all(item["uid"] == "u1" for item in items.values())
    assert dict(scoring.aggregate_skipped([items["skipped"]]).items()) == {"unreadable_record": 1}
    assert scoring.aggregate_alas([items["alas"]]) is None


def test_a_document_that_cannot_be_scored_is_counted(monkeypatch):
    real, calls = scoring.score_record, []

    def fail_once(given):
        calls.append(given)
        if len(calls) == 1:
            raise ZeroDivisionError("planted")
        return real(given)

    monkeypatch.setattr(scoring, "score_record", fail_once)
    items = scoring.process_results_free(DOC, [record()])
    assert dict(scoring.aggregate_skipped([items["skipped"]]).items()) == {"error": 1}


def test_a_failing_aggregation_loses_only_itself(monkeypatch):
    def fail(key, items):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(corpus, "aggregate", fail)
    assert scoring.aggregate_alas([{"uid": "u"}]) is None


def test_lists_of_responses_and_odd_documents():
    text = record()
    assert scoring.process_results_free(DOC, [[text]]) == scoring.process_results_free(DOC, [text])
    assert scoring.process_results_free({}, ["x"])["alas"]["uid"] == "?"


def test_printing_by_the_harness():
    items = [scoring.process_results_free(DOC, [record()])]
    results = {f"{key},none": getattr(scoring, f"aggregate_{key}")([i[key] for i in items]) for key in items[0]}
    better = {entry["metric"]: entry["higher_is_better"] for entry in scoring.metric_list_free}
    shown = {
        "results": {"t": {"alias": "t", **results}},
        "configs": {"t": {}},
        "versions": {"t": 1.0},
        "n-shot": {"t": 0},
        "higher_is_better": {"t": better},
    }
    assert "alas_skill" in make_table(shown)


def test_a_filter_that_keeps_nothing_says_so(log):
    far = {"responses": 0.1, "audio_target": 0.5, "text_target": 0.6}
    items = [scoring.process_results(DOC, [record(f"u{n}", similarities=far)], "free") for n in range(6)]
    assert scoring.aggregate_kept_share([item["kept_share"] for item in items]) == 0
    (line,) = log
    assert line.startswith("0 of 6 documents passed the answer filter: see alas_all") and "alas_responses=false" in line
    items[0] = scoring.process_results(DOC, [record()], "free")
    assert scoring.aggregate_kept_share([item["kept_share"] for item in items]) > 0
    assert len(log) == 1
