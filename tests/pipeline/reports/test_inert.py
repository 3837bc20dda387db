"""What strangers wrote cannot do anything to a terminal or a page."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.reports.inert import escaped, inert, one_line

HOSTILE = "\x1b]0;owned\x07\x1b[2J \u202egnp.exe\u202c \u2066x\u2069 \x9b31m \x00 \x7f \ufeff \u2028 \r\b"


def test_escapes_and_direction_marks_are_shown_not_obeyed() -> None:
    """Control characters become pictures, direction marks their code points."""
    shown = inert(HOSTILE)
    assert "␛]0;owned␇␛[2J" in shown
    assert "<U+202E>gnp.exe<U+202C>" in shown
    assert "␀" in shown
    assert "␡" in shown
    assert "<U+009B>31m" in shown
    assert not set(shown) & set("\x1b\x07\u202e\u202c\u2066\u2069\x9b\x00\x7f\ufeff\u2028\r\b")


def test_text_stays_as_it_is() -> None:
    """Letters of any script, line feeds and tabs, emoji with their joiners are left alone."""
    text = "naïve 中文 العربية हिन्दी 👩‍👩‍👧 e\u0301\n\tx"
    assert inert(text) == text


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    """Whatever the text: no control character but line feed and tab."""
    assert not [c for c in inert(text) if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) <= 0x9F]


@given(st.text())
def test_escaped_text_holds_no_markup(text: str) -> None:
    """Whatever the text: no bracket, no quote, no ampersand that begins nothing."""
    shown = escaped(text)
    assert not set(shown) & set("<>\"'")


def test_one_line_is_one_line_and_short() -> None:
    """A line is cut to its width; line feeds are shown."""
    assert one_line("a\nb\tc") == "a⏎b c"
    assert len(one_line("x" * 10**6, 50)) == 50
    assert one_line("x" * 10**6, 50).endswith("…")
    assert one_line("short", 50) == "short"
