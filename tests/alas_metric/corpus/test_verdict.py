"""The rule of the verdicts: known truths, its thresholds, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alas_metric.corpus.bootstrap import FEW_CLUSTERS
from alas_metric.corpus.metrics import LAYERED
from alas_metric.corpus.verdict import (
    BARS,
    CANNOT_TELL,
    NOTHING,
    READ,
    RUNGS,
    WIDEST,
    Estimate,
    verdict,
    verdicts,
)

KINDS = {rung.kind for rung in RUNGS} | {NOTHING}
ABOVE, BELOW, AROUND = (0.3, 0.4), (-0.4, -0.3), (-0.1, 0.1)


def estimates(
    ends: Mapping[str, tuple[float, float] | None], other: tuple[float, float] = BELOW
) -> dict[str, Estimate]:
    """Return intervals by metric, one for all that are not named."""
    known = {key: ends.get(key, other) for key in READ}
    return {
        key: Estimate(None, None, None) if each is None else Estimate(sum(each) / 2, *each)
        for key, each in known.items()
    }


def test_what_is_read_is_there() -> None:
    assert set(READ) <= set(LAYERED)


# As docs/real-parts.md has them: connectors of known truth before SmolLM2, means over layers 1 to 30, 80 utterances.
BENCH: dict[str, tuple[str, dict[str, tuple[float, float]]]] = {
    "ridge": (
        "aligned",
        {
            "alas_evidence": (0.78, 0.84),
            "alas_skill": (0.56, 0.66),
            "frame_skill": (0.38, 0.44),
            "retrieval_skill": (0.54, 0.60),
            "cka_evidence": (0.28, 0.43),
        },
    ),
    "rotated": (
        "in its own directions",
        {
            "alas_evidence": (-0.15, 0.11),
            "alas_skill": (-0.57, -0.31),
            "frame_skill": (-0.003, 0.02),
            "retrieval_skill": (-0.01, 0.02),
            "cka_evidence": (0.15, 0.29),
        },
    ),
    "mel": (
        "nothing found",
        {
            "alas_evidence": (-0.05, 0.14),
            "alas_skill": (-0.55, -0.37),
            "frame_skill": (-0.02, -0.001),
            "retrieval_skill": (-0.03, -0.001),
            "cka_evidence": (0.01, 0.12),
        },
    ),
    "late": (
        "out of time",
        {
            "alas_evidence": (0.57, 0.64),
            "alas_skill": (0.07, 0.20),
            "frame_skill": (-0.02, 0.01),
            "retrieval_skill": (-0.07, -0.04),
            "cka_evidence": (-0.13, 0.03),
        },
    ),
}


@pytest.mark.parametrize("connector", BENCH)
def test_connectors_of_known_truth(connector: str) -> None:
    kind, ends = BENCH[connector]
    found = verdict(estimates(ends), 80)
    assert (found.kind, found.leaning) == (kind, None)
    assert set(found.because) <= set(READ)


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.kind)
def test_each_rung(rung: Any) -> None:
    """It is the verdict where what it needs is above the bar; it is not where one of these is not."""
    found = verdict(estimates(dict.fromkeys(rung.needs, ABOVE)), FEW_CLUSTERS)
    assert (found.kind, found.because) == (rung.kind, rung.needs)
    for key in rung.needs:
        assert verdict(estimates(dict.fromkeys(rung.needs, ABOVE) | {key: AROUND}), FEW_CLUSTERS).kind != rung.kind


@pytest.mark.parametrize("key", BARS)
def test_what_sound_alone_reaches_is_not_enough(key: str) -> None:
    rung = next(rung for rung in RUNGS if key in rung.needs)
    for low, above in ((BARS[key], False), (BARS[key] + 0.01, True)):
        found = verdict(estimates(dict.fromkeys(rung.needs, ABOVE) | {key: (low, 0.4)}), 50)
        assert (found.kind == rung.kind) is above


def test_wide_or_missing_numbers_decide_nothing() -> None:
    aligned = dict.fromkeys(RUNGS[0].needs, ABOVE)
    wide = (-WIDEST / 2, WIDEST / 2 + 0.01)
    for ends in (wide, None):
        assert verdict(estimates(aligned | {"retrieval_skill": ends}), 50).kind == CANNOT_TELL
    # Wide, and yet on one side of the bar; and one number that is surely not above it settles what others leave open.
    assert verdict(estimates(aligned | {"alas_skill": (0.1, 0.9)}), 50).kind == "aligned"
    assert verdict(estimates({"alas_skill": (-3.0, -1.0)}), 50).kind == NOTHING
    assert verdict(estimates({"alas_evidence": wide, "alas_skill": wide}, BELOW), 50).kind == CANNOT_TELL
    assert verdict(estimates({"alas_evidence": wide}), 50).kind == NOTHING


def test_few_clusters_leave_a_leaning() -> None:
    few = verdict(estimates({}, ABOVE), FEW_CLUSTERS - 1)
    assert (few.kind, few.leaning) == (CANNOT_TELL, "aligned")


@given(st.dictionaries(st.sampled_from(READ), st.tuples(st.floats(-2, 1), st.floats(0, 2)), max_size=len(READ)))
def test_more_never_takes_away(steps: dict[str, tuple[float, float]]) -> None:
    """Where every interval moves up, the verdict does not go down the ladder, unless the data can no longer tell."""
    order = [NOTHING, *(rung.kind for rung in reversed(RUNGS))]
    ends = {key: (low, low + 0.1) for key, (low, _) in steps.items()}
    raised = {key: (low + step, low + step + 0.1) for key, (low, step) in steps.items()}
    before, after = (verdict(estimates(each), 50).kind for each in (ends, raised))
    assert {before, after} <= KINDS and order.index(after) >= order.index(before)


def curves(layers: list[tuple[float, float]], headline: tuple[float, float], clusters: int = 20) -> dict[str, Any]:
    """Return every metric that is read with the same intervals."""
    curve = {
        "values": [sum(ends) / 2 for ends in layers],
        "low": [low for low, _ in layers],
        "high": [high for _, high in layers],
        "headline": sum(headline) / 2,
        "headline_low": headline[0],
        "headline_high": headline[1],
        "clusters": clusters,
    }
    return dict.fromkeys(READ, curve)


def test_in_words() -> None:
    found = verdicts(curves([ABOVE, ABOVE, BELOW, ABOVE], ABOVE))
    assert found["kind"] == "aligned" and found["layers"] == ["aligned", "aligned", NOTHING, "aligned"]
    assert found["text"].startswith("Aligned. Where a word is spoken, the audio inside the model resembles that word")
    assert "It rests on alas_evidence 0.35 (0.30 to 0.40), alas_skill 0.35 (0.30 to 0.40), frame_skill" in found["text"]
    assert found["text"].endswith("By layer: aligned in 0 to 1 and 3; nothing found in 2.")
    assert list(found["because"]) == list(RUNGS[0].needs)
    assert "By layer" not in verdicts(curves([ABOVE] * 3, ABOVE))["text"]


def test_few_in_words() -> None:
    found = verdicts(curves([ABOVE, BELOW], ABOVE, clusters=8))
    assert found["kind"] == CANNOT_TELL and found["layers"] == ["aligned", NOTHING]
    assert found["text"].startswith(
        'Cannot tell. 8 speakers or documents are too few, 10 are needed. So far it looks like "aligned": Where a word'
    )


def test_without_documents() -> None:
    empty = {"values": [], "low": [], "high": [], "clusters": 0}
    empty |= dict.fromkeys(("headline", "headline_low", "headline_high"))
    found = verdicts(dict.fromkeys(READ, empty))
    assert (found["kind"], found["leaning"], found["layers"]) == (CANNOT_TELL, None, [])
    assert found["text"].startswith("Cannot tell. No document has all the numbers that decide: did the answer filter")
