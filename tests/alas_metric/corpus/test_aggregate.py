"""Corpus values against slow obvious versions, their independence of order, and known ends of the scales."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import math
import pickle
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from alas_metric import AlignmentRecord, WordTiming, score_pair, score_record, similarities, summarise
from alas_metric.corpus.aggregate import Brief, aggregate, document_items, layer_items
from alas_metric.corpus.answer_filter import THRESHOLD, kept
from alas_metric.corpus.bootstrap import _cluster_sums, expanded_tail, resampled
from alas_metric.corpus.metrics import LAYERED, METRICS, ROWS, missing_forms
from alas_metric.document.metric import Statistic
from alas_metric.document.scores import DocumentScores
from alas_metric.document.similarity import FORMS

Documents = list[DocumentScores]
IN_FORMS = {
    "alas": "raw",
    "alas_swapped": "raw",
    "alas_seconds": "raw",
    "alas_matrix": "raw",
    "alas_chance": "raw",
    "alas_all": "raw",
    "alas_skill": "standardised",
    "alas_evidence": "standardised",
    "frame_accuracy": "standardised",
    "frame_skill": "standardised",
    "alas_skill_all": "standardised",
    "best_layer": "standardised",
}
"""What the names of DESIGN without a suffix mean."""
DESIGN_KEYS = [
    *IN_FORMS,
    *(f"{key}_{form}" for key in IN_FORMS for form in ("raw", "centred", "standardised")),
    "alas_uniform",
    "alas_linear",
    "kept",
    "kept_share",
    "skipped",
    "forced",
    "swapped",
    "layers",
]
TASK_KEYS = [
    "answer_similarity",
    "answer_similarity_audio",
    "answer_similarity_text",
    "accuracy_audio",
    "accuracy_text",
    "uar_audio",
    "uar_text",
    "modality_gap",
    "answer_kappa",
    "mcnemar_p",
]


@pytest.fixture(scope="module")
def documents(record: Callable[..., AlignmentRecord]) -> Documents:
    """Return free answers of several shapes: usual, swapped, forced, skipped, not kept."""
    shapes = [(6, 40), (4, 31), (9, 5), (5, 5), (1, 10), (7, 50), (3, 20), (8, 33)]
    found = []
    for index, (num_words, num_frames) in enumerate(shapes * 2):
        made = record(
            uid=f"doc-{index:02}",
            num_words=num_words,
            num_frames=num_frames,
            seed=index,
            noise=0.2 * (index % 5),
            audio_answer="a",
            text_answer="b",
            similarities={"responses": 0.6 + 0.05 * (index % 6), "audio_target": 0.5, "text_target": None},
        )
        found.append(score_record(made))
    skips = [AlignmentRecord.skip(f"skip-{i}", cause, "") for i, cause in enumerate(["error", "too_short", "error"])]
    return found + [score_record(made) for made in skips]


def test_every_key_of_the_design() -> None:
    assert set(METRICS) >= {*DESIGN_KEYS, *TASK_KEYS}
    assert {key: METRICS[key].form for key in IN_FORMS} == IN_FORMS
    assert len({row.key for row in ROWS}) == len(ROWS)
    for key, metric in METRICS.items():
        assert metric.key == key and metric.row in {row.key for row in ROWS}
        assert metric.direction in ("higher", "lower", "none") and metric.title and metric.description
        assert metric.population in ("kept", "scorable", "documents")
        assert key in LAYERED or not (metric.curve or metric.headline or metric.baselines)


def test_a_name_without_a_form_is_that_of_its_default_form(documents: Documents) -> None:
    values = summarise(documents)
    for key, form in IN_FORMS.items():
        assert values[key] == values[f"{key}_{form}"]
        if key in LAYERED:
            assert values["layers"][key] == values["layers"][f"{key}_{form}"]


SAME_IN_EVERY_FORM = ("alas_seconds_uniform", "alas_uniform", "alas_linear", "frame_positions", "frame_gain_possible")


def slow_layers(key: str, documents: Documents) -> list[float]:
    """Return the values of each layer as the definition says, without the table."""
    named = next((form for form in FORMS if key.endswith(f"_{form}")), None)
    base = key if named is None else key.removesuffix(f"_{named}")
    form = named or IN_FORMS.get(base)
    fractions = {
        "alas_skill": (f"alas_seconds_{form}", "alas_seconds_uniform"),
        "alas_evidence": (f"alas_seconds_{form}", f"alas_seconds_chance_{form}"),
        "frame_accuracy": (f"frame_hits_{form}", "frame_positions"),
        "frame_skill": (f"frame_gain_{form}", "frame_gain_possible"),
    }
    base = base.removesuffix("_all")
    if base not in fractions:
        column = base if base in SAME_IN_EVERY_FORM else f"{base}_{form}"
        rows = [scores.columns[column] for scores in documents if column in scores.columns]
        return np.mean(rows, axis=0).tolist()
    above, below = fractions[base]
    found = [scores.columns for scores in documents if above in scores.columns and below in scores.columns]
    ratio = np.sum([row[above] for row in found], axis=0) / np.sum([row[below] for row in found], axis=0)
    return (ratio if base.startswith("frame") else 1 - ratio).tolist()


@pytest.mark.parametrize("key", [key for key in DESIGN_KEYS if key in LAYERED])
def test_layered_values_equal_the_definition(key: str, documents: Documents) -> None:
    members = [s for s in documents if s.skipped is None and ("_all" in key or (s.agreement or 0) >= THRESHOLD)]
    expected = slow_layers(key, members)
    values = summarise(documents, keys=[key, "layers"])
    curve = values["layers"][key]
    assert curve["values"] == pytest.approx(expected, rel=1e-12)
    assert values[key] == pytest.approx(np.mean(expected[1:]), rel=1e-12)
    assert values[key] == curve["headline"]
    assert all(low <= high for low, high in zip(curve["low"], curve["high"], strict=True))


def test_counts(documents: Documents) -> None:
    values = summarise(documents)
    passing = sum(kept(scores) for scores in documents)
    assert values["kept"] == passing and 0 < passing < 16
    assert values["kept_share"] == passing / 16
    assert (values["forced"], values["swapped"]) == (4, 2)
    assert dict(values["skipped"].items()) == {"error": 2, "too_short": 1}
    assert values["answer_similarity"] == pytest.approx(np.mean([0.6 + 0.05 * (i % 6) for i in range(16)]))
    assert values["answer_similarity_audio"] == 0.5
    assert values["answer_similarity_text"] is None and values["accuracy_audio"] is None


def test_summarise_equals_aggregate_in_any_order(documents: Documents) -> None:
    whole = summarise(documents)
    shuffled = random.Random(0).sample(documents, len(documents))
    items: list[Any] = [json.loads(json.dumps(document_items(scores))) for scores in shuffled]
    for key in METRICS:
        assert json.dumps(aggregate(key, [item[key] for item in items])) == json.dumps(whole[key])
    assert json.dumps(summarise(shuffled)) == json.dumps(whole)


def plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(plain(entry) for entry in value.values())
    return all(plain(v) for v in value) if isinstance(value, list) else type(value) in (float, int, type(None), str)


def test_values_are_plain_numbers(documents: Documents) -> None:
    for values in (summarise(documents), summarise([]), summarise(documents[:1]), summarise(documents[-1:])):
        assert all(plain(value) for value in values.values())
        json.dumps(values, allow_nan=False)


def test_nothing_is_undefined_not_zero(documents: Documents) -> None:
    for values in (summarise([]), summarise(documents[-3:])):
        assert set(values) == set(METRICS)
        counts = {key: values.pop(key) for key in ("kept", "forced", "swapped")}
        assert counts == {"kept": 0, "forced": 0, "swapped": 0}
        assert values.pop("layers")["best_layer"]["layer"] is None
        values.pop("skipped")
        assert set(values.values()) == {None}


def test_every_document_gives_every_item(documents: Documents) -> None:
    for scores in documents:
        items = document_items(scores)
        assert list(items) == list(METRICS)
        assert all(item["uid"] == scores.uid and "speaker" in item for item in items.values())
        assert all(type(item.get("score", 0.0)) is float for item in items.values())
        entered = scores.skipped is None and kept(scores) and "alas_raw" in scores.columns
        assert ("score" in items["alas"]) == entered
        assert "score" not in items["alas_skill"]


def test_scores_of_the_items_average_to_the_value(documents: Documents) -> None:
    items = [document_items(scores) for scores in documents]
    for key, metric in METRICS.items():
        source = metric.source
        if source.kind == "value" if isinstance(source, Statistic) else source.is_mean:
            found = [item[key]["score"] for item in items if "score" in item[key]]
            assert aggregate(key, [item[key] for item in items]) == (pytest.approx(np.mean(found)) if found else None)


def test_items_stay_small(record: Callable[..., AlignmentRecord]) -> None:
    items = document_items(score_record(record(num_words=60, num_frames=750, num_layers=33)))
    assert sum(len(json.dumps(item)) for item in items.values()) < 60_000


def test_unknown_keys(documents: Documents) -> None:
    with pytest.raises(ValueError, match="unknown metric"):
        aggregate("alias", [])
    with pytest.raises(ValueError, match="unknown metrics"):
        summarise(documents, keys=["alias"])


def test_records_of_two_models(record: Callable[..., AlignmentRecord]) -> None:
    mixed = [score_record(record(uid=str(layers), num_layers=layers)) for layers in (3, 4)]
    with pytest.raises(ValueError, match=r"3 in 1 documents, 4 in 1 documents"):
        summarise(mixed)


# The filter


FREE = DocumentScores("u", answered=True, agreement=0.7)
CLOSED = DocumentScores("u", answered=True, labels={"audio": "sad", "text": "sad", "target": "happy"})


@pytest.mark.parametrize(
    ("scores", "passes"),
    [
        (DocumentScores("u", skipped="error"), False),
        (DocumentScores("u"), True),
        (FREE, True),
        (dataclasses.replace(FREE, agreement=0.6999), False),
        (dataclasses.replace(FREE, agreement=None), False),
        (CLOSED, True),
        (dataclasses.replace(CLOSED, labels={"audio": "sad", "text": "happy", "target": "sad"}), False),
        (dataclasses.replace(CLOSED, labels={"audio": None, "text": None, "target": "sad"}), False),
    ],
)
def test_kept(scores: DocumentScores, passes: bool) -> None:
    assert kept(scores) is passes


def test_closed_answers() -> None:
    answers = [("a", "a", "a"), ("b", "a", "a"), ("a", "a", "a"), (None, "b", "b"), ("b", "b", None)]
    documents = [
        DocumentScores(str(i), answered=True, labels=dict(zip(("audio", "text", "target"), each, strict=True)))
        for i, each in enumerate(answers)
    ]
    values = summarise(documents)
    assert (values["accuracy_audio"], values["accuracy_text"]) == (0.5, 1.0)
    assert values["uar_audio"] == pytest.approx((2 / 3 + 0) / 2) and values["uar_text"] == 1.0
    assert values["kept"] == 3
    # Of five answers three agree. By chance: 2/5 * 3/5 for a, 2/5 * 2/5 for b; nothing agrees with the unreadable one.
    assert values["answer_kappa"] == pytest.approx((0.6 - 0.4) / (1 - 0.4))
    # Two documents tell the runs apart, both for the transcript: (1/2)^2 on either side.
    assert values["mcnemar_p"] == pytest.approx(0.5)


def labelled(answers: Sequence[tuple[str | None, str | None, str | None]]) -> Documents:
    return [
        DocumentScores(str(i), answered=True, labels=dict(zip(("audio", "text", "target"), each, strict=True)))
        for i, each in enumerate(answers)
    ]


@pytest.mark.parametrize(
    ("answers", "kappa", "p"),
    [
        ([], None, None),
        ([("a", "a", "a")] * 3, None, 1.0),
        ([("a", "a", None), ("b", "b", None)], 1.0, None),
        ([(None, None, "a")] * 2, 0.0, 1.0),
        ([("a", "b", "a"), ("b", "a", "b")], -1.0, 0.5),
    ],
    ids=["no answers", "one label", "no gold answers", "unreadable", "opposite"],
)
def test_ends_of_the_agreement_of_answers(
    answers: list[tuple[str | None, str | None, str | None]], kappa: float | None, p: float | None
) -> None:
    values = summarise(labelled(answers), keys=["answer_kappa", "mcnemar_p"])
    assert (values["answer_kappa"], values["mcnemar_p"]) == (kappa, p)


@given(st.lists(st.tuples(*[st.sampled_from(["a", "b", "c", None])] * 2), min_size=2, max_size=30))
def test_kappa_is_its_formula(answers: list[tuple[str | None, str | None]]) -> None:
    count = len(answers)
    agreed = sum(audio is not None and audio == text for audio, text in answers) / count
    chance = sum(
        sum(audio == label for audio, _ in answers) * sum(text == label for _, text in answers) / count**2
        for label in "abc"
    )
    found = summarise(labelled([(*each, None) for each in answers]), keys=["answer_kappa"])["answer_kappa"]
    assert found == (None if chance == 1 else pytest.approx((agreed - chance) / (1 - chance)))


def test_the_gap_is_of_all_documents_with_a_gold_answer(record: Callable[..., AlignmentRecord]) -> None:
    """Half of the transcripts, and one audio in four, are answered rightly; the filter keeps documents by agreement."""
    answers = [("a", "a"), ("b", "a"), ("b", "b"), ("b", "c")] * 10
    documents = [
        score_record(
            record(
                uid=f"{i:02}",
                audio_answer="",
                text_answer="",
                labels={"audio": audio, "text": text, "target": "a" if i < 36 else None},
            )
        )
        for i, (audio, text) in enumerate(answers)
    ]
    values = summarise(documents)
    curve = values["layers"]["modality_gap"]
    assert values["kept"] == 20 and curve["documents"] == 36
    assert values["modality_gap"] == pytest.approx(values["accuracy_text"] - values["accuracy_audio"])
    assert curve["headline_low"] < 0.25 < curve["headline_high"]
    # The interval is that of the paired differences: 0 in three of four documents, 1 in the others.
    half = 1.96 * np.sqrt(0.25 * 0.75 / 36)
    assert curve["headline_high"] - curve["headline_low"] == pytest.approx(2 * half, rel=0.15)


def test_the_gap_of_free_answers(record: Callable[..., AlignmentRecord]) -> None:
    similarities = {"responses": 0.1, "audio_target": 0.25, "text_target": 0.75}
    made = [record(uid=str(i), audio_answer="x", text_answer="y", similarities=similarities) for i in range(3)]
    none = record(uid="none", audio_answer="x", text_answer="y", similarities=similarities | {"text_target": None})
    values = summarise([score_record(each) for each in [*made, none]])
    assert values["modality_gap"] == 0.5 and values["layers"]["modality_gap"]["documents"] == 3
    assert values["answer_kappa"] is None and values["mcnemar_p"] is None


# The ends of the scales


def made_corpus(record: Callable[..., AlignmentRecord], noise: float, count: int = 30, speakers: int = 0) -> Documents:
    return [
        score_record(
            record(
                uid=f"{i:03}",
                num_words=4 + i % 5,
                num_frames=50 + i,
                noise=noise,
                seed=i,
                speaker=f"s{i % speakers}" if speakers else None,
            )
        )
        for i in range(count)
    ]


def test_planted_path_in_growing_noise(record: Callable[..., AlignmentRecord]) -> None:
    found = [summarise(made_corpus(record, noise)) for noise in (0.0, 1.0, 3.0, 8.0, 1e6)]
    errors = [values["alas"] for values in found]
    skills = [values["alas_skill"] for values in found]
    evidence = [values["alas_evidence"] for values in found]
    assert errors[0] == 0 and skills[0] == 1 and evidence[0] == 1
    assert errors == sorted(errors) and skills == sorted(skills, reverse=True)
    assert evidence[:4] == sorted(evidence[:4], reverse=True)
    assert found[0]["layers"]["alas_evidence"]["headline_low"] > 0.95
    lost = found[-1]["layers"]["alas_evidence"]
    assert lost["headline_low"] <= 0 <= lost["headline_high"] and abs(lost["headline"]) < 0.3
    for values in found:
        assert values["frame_accuracy"] <= 1 and values["alas_uniform"] > 0
    assert abs(found[-1]["frame_skill"]) < 0.05


def smooth_document(uid: str, rng: np.random.Generator) -> DocumentScores:
    """Return a document whose frames are smoothed random walks that know nothing of the words."""
    num_words, num_frames = int(rng.integers(4, 9)), int(rng.integers(50, 90))
    edges = np.concatenate([[0.0], np.sort(rng.uniform(0, num_frames * 0.04, num_words - 1)), [num_frames * 0.04]])
    timing = [WordTiming("w", float(a), float(b)) for a, b in itertools.pairwise(edges)]
    walks = np.cumsum(rng.normal(size=(2, num_frames, 16)), axis=1)
    made = score_pair(
        similarities(rng.normal(size=(2, num_words, 16)), gaussian_filter1d(walks, 4, axis=1)),
        uid=uid,
        transcript="",
        words=["w"] * num_words,
        frame_seconds=0.04,
        references={"gold": timing},
        reference="gold",
    )
    return score_record(made)


def test_content_free_smooth_frames_give_no_evidence() -> None:
    holds, values = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        documents = [smooth_document(f"{seed}-{i}", rng) for i in range(25)]
        entry = summarise(documents, keys=["layers"])["layers"]["alas_evidence"]
        holds.append(entry["headline_low"] <= 0 <= entry["headline_high"])
        values.append(entry["headline"])
    assert np.mean(holds) >= 0.8  # 0.90 over 100 seeds: percentile intervals of a ratio are a little short
    assert abs(np.mean(values)) < 0.1


# Intervals


def test_intervals_equal_a_plain_bootstrap(record: Callable[..., AlignmentRecord]) -> None:
    documents = made_corpus(record, 2.0, 20, speakers=6)
    curve = summarise(documents, keys=["layers"])["layers"]["alas_skill_raw"]
    rng, names, ratios = np.random.default_rng(1), sorted({str(s.speaker) for s in documents}), []
    for _ in range(2000):
        drawn = [s for name in rng.choice(names, len(names)) for s in documents if s.speaker == name]
        above = np.sum([s.columns["alas_seconds_raw"] for s in drawn], axis=0)
        ratios.append(1 - above / np.sum([s.columns["alas_seconds_uniform"] for s in drawn], axis=0))
    assert curve["clusters"] == 6 and curve["documents"] == 20
    low, high = np.percentile(ratios, [expanded_tail(6), 100 - expanded_tail(6)], axis=0)
    width = high - low
    assert np.abs(np.array(curve["low"]) - low).max() < 0.2 * width.min()
    assert np.abs(np.array(curve["high"]) - high).max() < 0.2 * width.min()


def test_speakers_widen_the_interval(record: Callable[..., AlignmentRecord]) -> None:
    documents = [dataclasses.replace(s, uid=f"{s.uid}-{i}") for s in made_corpus(record, 3.0, 8) for i in range(6)]
    by_speaker = [dataclasses.replace(s, speaker=s.uid[:3]) for s in documents]
    partly = [dataclasses.replace(by_speaker[0], speaker=None), *by_speaker[1:]]
    widths = []
    for version in (documents, partly, by_speaker):
        entry = summarise(version, keys=["layers"])["layers"]["alas"]
        widths.append(entry["headline_high"] - entry["headline_low"])
    assert widths[0] == widths[1] and widths[2] > 1.5 * widths[0]


def test_the_bootstrap_does_not_know_the_order_of_documents(record: Callable[..., AlignmentRecord]) -> None:
    documents = made_corpus(record, 2.0, 15, speakers=4)
    whole = json.dumps(summarise(documents, keys=["layers"]))
    for seed in range(5):
        shuffled = random.Random(seed).sample(documents, len(documents))
        assert json.dumps(summarise(shuffled, keys=["layers"])) == whole


def test_one_cluster_has_no_interval(record: Callable[..., AlignmentRecord]) -> None:
    for documents in (made_corpus(record, 2.0, 1), made_corpus(record, 2.0, 5, speakers=1)):
        layers = summarise(documents, keys=["layers"])["layers"]
        assert layers["alas"]["headline"] is not None and layers["alas"]["low"] == [None] * 3
        assert layers["best_layer"]["layer"] in (1, 2) and layers["best_layer"]["low"] is None


def columns_with_best(layer: int, num_layers: int = 5) -> dict[str, np.ndarray]:
    seconds = np.full(num_layers, 2.0)
    seconds[layer] = 1.0
    return {"alas_seconds_standardised": seconds, "alas_seconds_uniform": np.full(num_layers, 4.0)}


def test_best_layer() -> None:
    documents = [DocumentScores(str(i), columns=columns_with_best(3)) for i in range(9)]
    values = summarise(documents, keys=["best_layer", "layers"])
    assert values["best_layer"] == 3
    entry = {"layer": 3, "low": 3, "high": 3, "skill": 0.75, "skill_low": 0.75, "skill_high": 0.75}
    assert values["layers"]["best_layer"] == entry


def test_best_layer_is_chosen_anew_and_never_layer_0() -> None:
    documents = [DocumentScores(str(i), columns=columns_with_best(1 + 3 * (i % 2))) for i in range(10)]
    documents += [DocumentScores("x", columns=columns_with_best(0))]
    entry = summarise(documents, keys=["layers"])["layers"]["best_layer"]
    assert (entry["layer"], entry["low"], entry["high"]) == (1, 1, 4)
    assert entry["skill_low"] < entry["skill"] < entry["skill_high"]
    # A choice among resampled layers is better on average than the layer chosen once.
    assert (entry["skill_low"] + entry["skill_high"]) / 2 > entry["skill"]


def test_every_metric_of_layers_has_intervals_and_says_what_they_rest_on(documents: Documents) -> None:
    for key, curve in summarise(documents, keys=["layers"])["layers"].items():
        if key in LAYERED and curve["clusters"] > 1:
            assert None not in (*curve["low"], *curve["high"], curve["headline_low"], curve["headline_high"]), key
        assert key not in LAYERED or curve["documents"] >= curve["clusters"]


def test_intervals_of_few_documents_are_widened(record: Callable[..., AlignmentRecord]) -> None:
    """Student's t with 3 degrees of freedom is wider than the normal; a plain percentile interval is the narrowest."""
    documents = made_corpus(record, 2.0, 4)
    curve = summarise(documents, keys=["layers"])["layers"]["alas"]
    [samples] = resampled({"alas": LAYERED["alas"]}, layer_items(documents)).values()
    plain_low, plain_high = np.percentile(samples.headline, [2.5, 97.5])
    assert curve["headline_low"] < plain_low < plain_high < curve["headline_high"]


def test_what_is_defined_for_one_speaker_alone_has_no_interval() -> None:
    """Two speakers, one of whom has the column: every resample that draws that one gives the same number."""
    columns = {"alas_raw": np.array([1.0, 2.0])}
    documents = [DocumentScores("a", "x", columns=columns), DocumentScores("b", "y", columns={"other": np.ones(2)})]
    curve = summarise(documents, keys=["layers"])["layers"]["alas"]
    assert (curve["headline"], curve["clusters"]) == (2.0, 1)
    assert curve["low"] == [None, None] and curve["headline_low"] is None


def test_baselines_of_a_curve_are_values_of_the_same_documents(documents: Documents) -> None:
    curves = summarise(documents, keys=["layers"])["layers"]
    for form in FORMS:
        lines = curves[f"alas_{form}"]["baselines"]
        assert lines["random path"] == curves["alas_uniform"]["values"]
        assert lines["constant rate"] == curves["alas_linear"]["values"]
        assert lines["shifted audio"] == curves[f"alas_chance_{form}"]["values"]
    everything = curves["alas_all"]["baselines"]["shifted audio"]
    rows = [s.columns["alas_chance_raw"] for s in documents if "alas_chance_raw" in s.columns]
    assert everything == pytest.approx(np.mean(rows, axis=0).tolist())


def test_a_record_of_an_older_version_lacks_a_form_and_says_so() -> None:
    """Only raw columns: what is read in another form is null, and the raw forms stand."""
    columns = {"alas_raw": np.ones(2), "alas_seconds_raw": np.ones(2), "alas_seconds_uniform": np.full(2, 2.0)}
    values = summarise([DocumentScores(str(i), columns=columns) for i in range(3)])
    assert set(values) == set(METRICS)
    assert (values["alas"], values["alas_skill"], values["alas_skill_raw"]) == (1.0, None, 0.5)
    assert (values["best_layer"], values["best_layer_raw"]) == (None, 1)
    [message] = missing_forms(values)
    assert "alas_skill needs the standardised form, there is alas_skill_raw" in message
    assert missing_forms(summarise([])) == []


def test_only_layer_0_has_no_headline() -> None:
    values = summarise([DocumentScores("a", columns={"alas_raw": np.ones(1)})], keys=["alas", "best_layer", "layers"])
    assert values["alas"] is None and values["best_layer"] is None
    assert values["layers"]["alas"]["values"] == [1.0]


@given(st.lists(st.floats(0, 1e3), min_size=2, max_size=20), st.randoms())
def test_sums_are_exactly_rounded(numbers: list[float], shuffler: random.Random) -> None:
    documents = [DocumentScores(str(i), columns={"alas_raw": np.array([0.0, x])}) for i, x in enumerate(numbers)]
    shuffler.shuffle(documents)
    assert summarise(documents, keys=["alas"])["alas"] == math.fsum(numbers) / len(numbers)


# What prints short


def test_brief() -> None:
    brief = Brief({"a": [1, 2]}, {"layers": 33})
    for copied in (brief, copy.deepcopy(brief), pickle.loads(pickle.dumps(brief))):
        assert dict(copied) == {"layers": 33} and list(copied) == ["layers"] and repr(copied) == "{'layers': 33}"
        assert json.loads(json.dumps(copied)) == json.loads(json.dumps(copied, indent=2)) == {"a": [1, 2]}
        assert copied["a"] == copied.get("a") == [1, 2] and copied == {"a": [1, 2]}
    empty = Brief({}, {"documents": 0})
    assert json.loads(json.dumps(empty)) == json.loads(json.dumps(empty, indent=2)) == {}


def test_the_harness_prints_short_and_writes_whole(documents: Documents) -> None:
    utils = pytest.importorskip("lmms_eval.utils")
    entry = {f"{key},none": value for key, value in summarise(documents).items()}
    table = utils.make_table({"results": {"alas_demo": {"alias": "alas_demo", **entry}}, "n-shot": {}})
    assert "{'layers': 3, 'verdict': 'cannot tell'}" in table and "{'documents': 3}" in table
    assert "headline" not in table and max(map(len, table.splitlines())) < 200
    text = json.dumps(entry, indent=2, default=utils.handle_non_serializable, ensure_ascii=False)
    assert len(json.loads(text)["layers,none"]["alas"]["values"]) == 3
    assert all(
        isinstance(v, int | float | dict | None) or key == "signature,none" for key, v in json.loads(text).items()
    )


def test_sums_of_the_smallest_numbers_are_exact() -> None:
    values = np.array([[5e-324], [0.0], [1.5e-323]])
    with np.errstate(all="raise"):
        sums, unit = _cluster_sums(values, np.array([0, 1, 0]), 2)
    assert (sums[:, 0] * unit).tolist() == [2e-323, 0.0]
