"""Documents of a leaderboard's first two models, in a page beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from viewed_runs import TASK, write_viewed_run

from alas_metric.commands.main import main


def test_the_leaderboard_leads_to_its_best_and_worst_documents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [write_viewed_run(tmp_path / name, noise) for name, noise in (("bad", 0.9), ("good", 0.3), ("poor", 0.5))]
    assert main(["leaderboard", *map(str, folders), "--output", str(tmp_path / "board")]) == 0
    html = (tmp_path / "board" / "leaderboard.html").read_text(encoding="utf-8")
    page = (tmp_path / "board" / f"view-{TASK}.html").read_text(encoding="utf-8")
    index = json.loads(page.partition('id="index">')[2].partition("</script>")[0])
    assert [run["name"] for run in index["runs"]] == ["good", "poor"], "the first two of three"
    assert {document["uid"] for document in index["documents"]} == {"alpha", "beta"}, "kept ones"
    links = [part.partition('"')[0] for part in html.split('<a href="')[1:]]
    assert len(links) == 4 and all(link.startswith(f"view-{TASK}.html#uid=") for link in links)
    assert f'href="view-{TASK}.html#uid=alpha&amp;layer=1">alpha</a>' in html
    assert "best of good" in html and "worst of poor" in html and "best of bad" not in html


def test_nothing_kept_has_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_viewed_run(tmp_path / "model")
    assert main(["leaderboard", str(folder), "--threshold", "0.95", "--output", str(tmp_path / "board")]) == 0
    assert not (tmp_path / "board" / f"view-{TASK}.html").exists()
    assert "view-" not in (tmp_path / "board" / "leaderboard.html").read_text(encoding="utf-8")
