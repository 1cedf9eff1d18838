"""Tables on terminals of any width, and nothing but text where that is asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from rich.console import Console
from rich.table import Table

from alas_metric.commands.terminal import blocks, console, show_table


def a_table() -> Table:
    table = Table("model", "alas ↓", "[b]skill[/b] ↑", title="two models")
    table.add_row("first/model", "0.1234", "0.9")
    table.add_row("second/model", "0.4567", "")
    return table


def shown(width: int) -> list[str]:
    place = Console(width=width, force_terminal=False)
    with place.capture() as captured:
        show_table(place, a_table())
    return captured.get().splitlines()


def test_a_table_that_fits_stays_one() -> None:
    (line,) = [line for line in shown(80) if "first/model" in line]
    assert "0.1234" in line and "0.9" in line


def test_one_that_does_not_becomes_a_block_a_row() -> None:
    lines = shown(24)
    assert lines == [
        "two models",
        "first/model",
        "  alas ↓: 0.1234",
        "  skill ↑: 0.9",
        "second/model",
        "  alas ↓: 0.4567",
    ]
    assert "…" not in "".join(lines)


def test_a_row_of_several_lines_is_put_on_one() -> None:
    table = Table("metric", "value")
    table.add_row("skipped", "too_long 2\nerror 1")
    assert [line.plain for line in blocks(table)] == ["skipped", "  value: too_long 2 error 1"]


@pytest.mark.parametrize("asked", [True, False])
def test_no_color_leaves_no_escape_codes(monkeypatch, asked) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.delenv("NO_COLOR", raising=False)
    if asked:
        monkeypatch.setenv("NO_COLOR", "1")
    place = console()
    with place.capture() as captured, place.status("at work"):
        place.print("[bold red]missing[/bold red]")
        show_table(place, a_table())
    assert ("\x1b" in captured.get()) is not asked


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_help_on_a_terminal_without_colour(tmp_path) -> None:
    import pty

    lead, follower = pty.openpty()
    command = [sys.executable, "-m", "alas_metric", "score", "--help"]
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color"}
    done = subprocess.Popen(command, stdout=follower, stderr=follower, env=environment)
    assert done.wait(timeout=120) == 0
    os.close(follower)
    assert b"\x1b" not in os.read(lead, 100_000)
