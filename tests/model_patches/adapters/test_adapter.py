"""Where the tokens of a prompt stand in its text, for tokenizers that do not tell."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_speech_llm import train_bpe

from alas_metric.document.units import split_units
from model_patches.adapters.adapter import spans_by_decoding, tokens_of_units
from model_patches.adapters.capture import CaptureMismatch

TOKENIZER = train_bpe([])
PIECES = ["the", "quick ", "fox", " ", "\n", "ü", "我", "爱", "🦊", "क्षि", "e\u0301", "\ufffd", "?", "ﬁ", "1", "don't "]


def spans_of(text: str, ids: list[int], pad: int = 0) -> list[tuple[int, int]]:
    row = torch.tensor([0] * pad + ids)
    mask = torch.tensor([0] * pad + [1] * len(ids))
    return spans_by_decoding(lambda tokens: TOKENIZER.decode(tokens, skip_special_tokens=False), row, mask, text)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join))
def test_words_have_the_tokens_that_offsets_give_them(text) -> None:
    encoded = TOKENIZER.encode(text)
    spans = spans_of(text, encoded.ids)
    units = split_units(text)
    mask = [1] * len(spans)
    assert tokens_of_units(spans, mask, units, 0) == tokens_of_units(encoded.offsets, mask, units, 0)


def test_a_character_of_several_tokens_is_in_each_of_them() -> None:
    pieces = {1: b"a ", 2: b"\xf0\x9f", 3: b"\xa6", 4: b"\x8a!", 5: b" b"}

    def decode(tokens: list[int]) -> str:
        return b"".join(pieces[token] for token in tokens).decode(errors="replace")

    row, mask = torch.tensor([0, 1, 2, 3, 4, 5]), torch.tensor([0, 1, 1, 1, 1, 1])
    assert spans_by_decoding(decode, row, mask, "a 🦊! b") == [(0, 0), (0, 2), (2, 3), (2, 3), (2, 4), (4, 6)]


def test_padding_has_no_characters() -> None:
    text = "the quick fox"
    ids = TOKENIZER.encode(text).ids
    assert spans_of(text, ids, pad=2) == [(0, 0), (0, 0), *spans_of(text, ids)]


@pytest.mark.parametrize("said", ["the quick dog", "the quick fox and", "the quick", "The quick fox", ""])
def test_tokens_of_another_text_are_refused(said) -> None:
    ids = TOKENIZER.encode(said).ids
    with pytest.raises(CaptureMismatch, match="which token is of which word cannot be told"):
        spans_of("the quick fox", ids)
