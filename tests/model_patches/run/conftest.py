"""What the tests of runs share."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from model_patches.run import comparison


@pytest.fixture
def no_sentence_bert(monkeypatch):
    """Answers that are the same are alike, all others are not; no model is loaded."""
    compare = lambda pairs: [None if None in pair else float(pair[0] == pair[1]) for pair in pairs]  # noqa: E731
    monkeypatch.setattr(comparison, "SentenceSimilarity", lambda name: SimpleNamespace(pairs=compare))
