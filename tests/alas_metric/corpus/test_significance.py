"""Paired differences: known ones found, none found where there is none, and corrections by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from alas_metric.corpus.aggregate import summarise
from alas_metric.corpus.bootstrap import RESAMPLES, expanded_tail
from alas_metric.corpus.significance import (
    compare_all,
    compare_runs,
    document_changes,
    holm,
    p_value,
    paired_items,
    ranks,
)
from alas_metric.document.scores import DocumentScores

Documents = list[DocumentScores]
KEYS = ("alas", "alas_skill", "alas_evidence", "frame_skill")
"""What `made_run` defines."""


def made_run(
    seed: int, offset: float = 0.0, count: int = 40, layers: int = 3, speakers: int = 0, noise: float = 0.3
) -> Documents:
    """Return a run whose documents are as hard as in every other run, with noise and an offset of its own."""
    difficulty, own = np.random.default_rng(0), np.random.default_rng(seed + 1)
    documents = []
    for index in range(count):
        hard = difficulty.uniform(1, 3) * np.ones(layers)
        uniform, chance = difficulty.uniform(2, 5), difficulty.uniform(3, 6)
        error = np.maximum(hard + offset + own.normal(scale=noise, size=layers), 0)
        columns = {
            "alas_raw": error,
            "alas_seconds_standardised": 0.4 * error,
            "alas_seconds_uniform": np.full(layers, uniform),
            "alas_seconds_chance_standardised": chance + own.normal(scale=noise, size=layers),
            "frame_gain_standardised": 9 - 2 * error,
            "frame_gain_possible": np.full(layers, difficulty.uniform(9, 12)),
            "retrieval_gain": 9 - 2 * error,
            "retrieval_gain_possible": np.full(layers, 12.0),
            "cka_beyond_both": 1 - 0.2 * error,
            **{f"cka_beyond_{name}": np.ones(layers) for name in ("words", "audio")},
        }
        speaker = f"s{index % speakers}" if speakers else None
        documents.append(DocumentScores(f"d{index:03}", speaker, columns=columns))
    return documents


def test_the_gap_is_compared_on_documents_that_were_not_kept_too() -> None:
    def run(gap: float) -> Documents:
        return [
            dataclasses.replace(
                scores,
                answered=True,
                agreement=float(index % 2),
                columns=scores.columns | {"modality_gap": np.full(3, gap + (index % 5) / 10)},
            )
            for index, scores in enumerate(made_run(1))
        ]

    found = compare_runs(run(0.5), run(0.2), ("alas", "modality_gap"))
    assert (found["alas"].documents, found["modality_gap"].documents) == (20, 40)
    assert found["modality_gap"].difference == pytest.approx(0.3) == found["modality_gap"].low


def test_known_difference_is_found() -> None:
    found = compare_runs(made_run(1), made_run(2, offset=0.5), KEYS)
    assert list(found) == list(KEYS)
    for key, difference in found.items():
        assert difference.p is not None and 0 < difference.p < 0.001 and difference.documents == 40
        assert np.sign(difference.difference or 0) == (-1 if key == "alas" else 1)
    alas = found["alas"]
    assert alas.difference == pytest.approx(-0.5, abs=0.15)
    assert alas.low is not None and alas.high is not None and alas.low < -0.5 < alas.high < 0
    assert alas.layers is not None and len(alas.layers.values) == 3
    assert np.mean(alas.layers.values[1:]) == pytest.approx(alas.difference)
    values, low, high = dataclasses.astuple(alas.layers)
    assert (np.array(low) < values).all() and (np.array(values) < high).all()


def test_a_run_does_not_differ_from_itself() -> None:
    for difference in compare_runs(made_run(1), made_run(1)[::-1], KEYS).values():
        assert (difference.difference, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_swapping_the_runs_turns_the_sign() -> None:
    there, back = (
        compare_runs(made_run(1), made_run(2, 0.05), KEYS),
        compare_runs(made_run(2, 0.05), made_run(1), KEYS),
    )
    for key in KEYS:
        assert there[key].difference == -(back[key].difference or 0) and there[key].p == back[key].p
        assert (there[key].low, there[key].high) == pytest.approx((-(back[key].high or 0), -(back[key].low or 0)))


def test_false_positives_are_near_five_percent() -> None:
    """Two runs of equal quality. Over 600 seeds 0.058 for 40 documents, 0.050 for 100, 0.033 for 10 speakers."""
    found = [compare_runs(made_run(2 * s), made_run(2 * s + 1), KEYS, resamples=400) for s in range(120)]
    for key in KEYS:
        assert 0.01 <= np.mean([(each[key].p or 0) < 0.05 for each in found]) <= 0.11


def test_pairing_is_narrower_than_the_runs_own_intervals() -> None:
    """What makes a document hard for both cancels out."""
    first, second = made_run(1, noise=0.1), made_run(2, noise=0.1)
    own = summarise(first, keys=["layers"])["layers"]["alas"]
    paired = compare_runs(first, second)["alas"]
    assert (paired.high or 0) - (paired.low or 0) < 0.3 * (own["headline_high"] - own["headline_low"])


def test_equal_to_a_plain_paired_bootstrap() -> None:
    first, second = made_run(1, speakers=8), made_run(2, 0.1, speakers=8)
    found = compare_runs(first, second)["alas_skill"]
    rng, moves = np.random.default_rng(5), []
    for _ in range(RESAMPLES):
        drawn = [i for s in rng.integers(0, 8, 8) for i in range(40) if i % 8 == s]
        values = []
        for run in (first, second):
            above = np.sum([run[i].columns["alas_seconds_standardised"] for i in drawn], axis=0)
            ratio = above / np.sum([run[i].columns["alas_seconds_uniform"] for i in drawn], axis=0)
            values.append(1 - ratio[1:].mean())
        moves.append(values[0] - values[1])
    low, high = np.percentile(moves, [expanded_tail(8), 100 - expanded_tail(8)])
    assert found.clusters == 8
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.2 * (high - low))


def test_only_documents_that_both_kept() -> None:
    first, second = made_run(1), made_run(2)
    first[0] = dataclasses.replace(first[0], skipped="error", columns={})
    second[1] = dataclasses.replace(second[1], answered=True, agreement=0.1)
    del second[2].columns["alas_raw"]
    difference = compare_runs(first, second[:30])
    assert difference["alas_skill"].documents == 28 and difference["alas"].documents == 27
    one, other = paired_items(first, second[:30])
    assert [item["uid"] for item in one] == [item["uid"] for item in other] == [f"d{i:03}" for i in range(2, 30)]
    expected = [np.mean([run[i].columns["alas_raw"][1:] for i in range(3, 30)]) for run in (first, second)]
    assert (difference["alas"].first, difference["alas"].second) == pytest.approx(expected)


def test_speakers_count_where_both_runs_name_them() -> None:
    named, other = made_run(1, speakers=5), made_run(2, speakers=5)
    assert compare_runs(named, other)["alas"].clusters == 5
    assert compare_runs(named, made_run(2))["alas"].clusters == 40
    assert compare_runs(made_run(1, speakers=1), made_run(2, speakers=1))["alas"].p is None


def test_nothing_in_common() -> None:
    renamed = [dataclasses.replace(scores, uid=f"x{scores.uid}") for scores in made_run(2)]
    for difference in compare_runs(made_run(1), renamed).values():
        assert (difference.documents, difference.difference, difference.p) == (0, None, None)


def test_runs_of_different_depth() -> None:
    difference = compare_runs(made_run(1), made_run(2, 0.5, layers=7))["alas"]
    assert difference.layers is None and (difference.p or 1) < 0.05


def test_few_speakers_widen() -> None:
    assert [round(expanded_tail(clusters), 2) for clusters in (10, 100, 10**6)] == [0.86, 2.31, 2.5]
    for moves in (np.repeat([-1.0, 1.0], [49, 1950]), np.random.default_rng(0).normal(1, 0.15, 2000)):
        p = [p_value(moves, clusters) or 0 for clusters in (10**6, 100, 10)]
        assert p == sorted(p) and p[2] > 1.5 * p[0] > 0
    assert p_value(np.repeat([-1.0, 1.0], [49, 1950]), 10**6) == pytest.approx(0.05, rel=1e-3)
    assert p_value(np.ones(2000), 1) is None
    assert p_value(np.zeros(1999), 10) == 1


def test_holm_by_hand() -> None:
    assert holm([]) == [] and holm([None]) == [None]
    assert holm([0.5, 0.001, 0.02, None, 0.03]) == pytest.approx([0.5, 0.004, 0.06, None, 0.06], nan_ok=True)
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_ranks_are_tied_unless_significant() -> None:
    runs = [made_run(1), made_run(2, 1.0), made_run(3), made_run(4, 1.0), made_run(5, 2.5)]
    pairs = compare_all(runs, KEYS)
    for key in KEYS:
        assert len(pairs[key]) == 10
        assert ranks(5, pairs[key]) == [1, 3, 1, 3, 5]
        assert all((pair.p_holm or 0) >= (pair.difference.p or 1) for pair in pairs[key])


def test_many_pairs_can_still_be_significant() -> None:
    """A p-value of at least 1 / 2,000 would not survive Holm's correction of 55 pairs."""
    runs = [made_run(seed, offset=0.6 * seed, count=20, layers=2) for seed in range(11)]
    pairs = compare_all(runs, ["alas"])["alas"]
    assert len(pairs) == 55 and ranks(11, pairs) == list(range(1, 12))


def test_documents_that_changed_most() -> None:
    first, second = made_run(1, noise=0.01), made_run(2, noise=0.01)
    second[7].columns["alas_raw"] += 4.0
    changes = document_changes(first, second, "alas")
    assert len(changes) == 40 and changes[0].uid == "d007"
    assert changes[0].change == pytest.approx(-4.0, abs=0.1)
    assert abs(changes[1].change) < 0.1
