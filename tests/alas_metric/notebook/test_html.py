"""Records and scores show themselves in a notebook; nothing in them becomes a tag."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from alas_metric import AlignmentRecord, score_record
from alas_metric.corpus.documents import document_layers, document_value
from alas_metric.document.scores import DocumentScores

HOSTILE = "<script>alert(1)</script>\x1b[31m $x$ &amp; \u202e"
OURS = {"div", "p", "b", "table", "tr", "th", "td", "img"}


def tags(html: str) -> set[str]:
    found: set[str] = set()
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: found.add(tag)
    parser.feed(html)
    return found


@pytest.fixture(scope="module")
def hostile(record: Callable[..., AlignmentRecord]) -> AlignmentRecord:
    made = record(uid=HOSTILE, num_words=50, num_frames=60, audio_answer=HOSTILE, target=HOSTILE, speaker=HOSTILE)
    made.words[0] = made.transcript = HOSTILE
    made.references[HOSTILE] = made.references["gold"]
    return made


def test_a_record_shows_itself(hostile: AlignmentRecord) -> None:
    html = hostile._repr_html_()
    assert tags(html) == OURS
    assert "&lt;script&gt;" in html and "\x1b" not in html and "\u202e" not in html
    assert html.count("<tr>") == 4 + 1 + 40 and "and 10 words more" in html
    first = hostile.references["whisper"][0]
    assert f"{first.start:.2f} to {first.end:.2f}" in html
    assert len(repr(hostile)) < 250


def test_scores_show_themselves(hostile: AlignmentRecord) -> None:
    scores = score_record(hostile)
    html = scores._repr_html_()
    assert tags(html) == OURS and f">{document_value(scores, 'alas_skill'):.3f}<" in html
    assert repr(score_record(hostile)).endswith(f"3 layers, {len(scores.columns)} columns)")


def test_what_was_skipped_says_why() -> None:
    record = AlignmentRecord.skip("d", "missing_audio", HOSTILE)
    for shown in (record, score_record(record)):
        html = shown._repr_html_()
        assert "missing_audio: &lt;script" in html and tags(html) <= OURS
        assert "missing_audio" in repr(shown)
    with pytest.raises(ValueError, match="undefined in every layer"):
        DocumentScores("d").plot()


def test_the_record_alone_is_drawn_as_with_its_similarities(record: Callable[..., AlignmentRecord]) -> None:
    """Both paths of each layer, on the times of the words."""
    made = record(num_words=6, num_frames=40)
    figure = made.plot(layers=[0, -1], form="standardised")
    assert len(figure.axes) == 2
    for axis, layer in zip(figure.axes, (0, 2), strict=True):
        [reference, found] = [patch.get_data().values for patch in axis.patches if isinstance(patch, StepPatch)]
        np.testing.assert_array_equal(found, made.paths["standardised"][layer])
        bars = [patch for patch in axis.patches if not isinstance(patch, StepPatch)]
        words = made.references["whisper"]
        assert [bar.get_x() for bar in bars] == [word.start for word in words]
        assert reference[0] == 0 and reference[-1] == 5
    assert figure._repr_png_().startswith(b"\x89PNG")
    del made.paths["standardised"], made.paths["standardised_chance"]
    with pytest.raises(ValueError, match="older than the standardised form"):
        made.plot(form="standardised")


def test_scores_are_drawn(record: Callable[..., AlignmentRecord]) -> None:
    scores = score_record(record(uid="a $b$"))
    [axis] = scores.plot("alas").axes
    drawn = [line.get_ydata() for line in axis.lines if len(line.get_ydata()) == 2]
    np.testing.assert_array_equal(drawn[-1], document_layers(scores, "alas")[1:])
    assert not re.search("interval", " ".join(text.get_text() for text in axis.figure.legends[0].texts))
