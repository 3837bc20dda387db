"""A run's progress: a live line for each phase in a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from pipeline.progress import PlainLines, Silent
from pipeline.store import Commit
from pipeline.terminal import LiveLines, console, run_progress, text

UNIT = Commit("u", {}, [["s", "web", "en", "in", "", 1000, 5_000_000], ["s", "web", "en", "dropped", "r", 10, 100]])


def test_a_phase_shows_units_documents_bytes_dropped_speed_and_time() -> None:
    """Everything that the line promises is in it, and it stays when the phase is over."""
    stream = io.StringIO()
    lines = LiveLines(Console(file=stream, width=160, force_terminal=True, markup=False))
    lines.begin("rows: word_count[zh]", 5, 2)
    for label in ("a", "b", "c"):
        lines.advance(label, UNIT)
    lines.end()
    shown = stream.getvalue()
    for said in ["rows: word_count[zh]", "3/3 (+2 stored)", "3,000 docs", "15.0 MB", "30 dropped", "MB/s"]:
        assert said in shown
    assert shown.endswith("\n\x1b[?25h")


def test_a_phase_that_is_stored_is_one_line() -> None:
    """Nothing is drawn where nothing is computed."""
    stream = io.StringIO()
    lines = LiveLines(Console(file=stream, width=100, markup=False))
    lines.begin("rows: x", 3, 3)
    lines.advance("late", UNIT)
    lines.end()
    assert stream.getvalue() == "  rows: x: all 3 in the store\n"


def test_closing_in_the_middle_gives_the_terminal_back() -> None:
    """The cursor is shown again after Ctrl-C, and closing twice is fine."""
    stream = io.StringIO()
    lines = LiveLines(Console(file=stream, width=100, force_terminal=True, markup=False))
    lines.begin("rows: x", 3, 0)
    lines.close()
    lines.close()
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


def test_messages_are_made_safe() -> None:
    """A file name in a message cannot colour the terminal."""
    stream = io.StringIO()
    LiveLines(Console(file=stream, width=100, markup=False)).say("a\x1b[31m[bold]b")
    assert stream.getvalue() == "a␛[31m[bold]b\n"


def test_plain_lines_for_pipes() -> None:
    """One line when a phase begins and one when it ends."""
    stream = io.StringIO()
    lines = PlainLines(stream)
    lines.begin("rows: x", 3, 1)
    lines.advance("a", UNIT)
    lines.advance("b", UNIT)
    lines.end()
    lines.close()
    first, last = stream.getvalue().splitlines()
    assert first == "rows: x: 2 to do, 1 in the store"
    assert last.startswith("rows: x: 2 of 2 done in ")
    assert last.endswith("MB/s")
    assert "2,000 documents, 20 dropped" in last


def test_the_display_goes_by_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Live in a terminal, plain where the error stream is a file."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(run_progress(), PlainLines)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(run_progress(), LiveLines)
    Silent().close()


def test_the_console_takes_text_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """No markup, no emoji codes, and a width of its own where there is no terminal."""
    monkeypatch.setattr(sys, "stdout", stream := io.StringIO())
    monkeypatch.setenv("COLUMNS", "70")
    out = console()
    out.print("word_count[zh] :smile:")
    assert stream.getvalue() == "word_count[zh] :smile:\n"
    assert out.width == 70
    assert text("\x1b").plain == "␛"
