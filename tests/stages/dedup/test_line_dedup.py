"""Repeated lines are cut, short and blank ones are not; what both stages share is tested in test_repeated_spans."""

from __future__ import annotations

from stages.dedup.line_dedup import STAGE
from tests.stages.dedup.test_repeated_spans import cut


def test_the_first_of_a_line_stays() -> None:
    """A cookie notice is cut from all pages but the first, whatever its case and numbers; the rest stands as it was."""
    texts = ["Accept 12 cookies.\nNews one.\n", "News two.\nACCEPT 77 COOKIES\n", "News three.\naccept 99 cookies"]
    assert cut(STAGE, texts) == ["Accept 12 cookies.\nNews one.\n", "News two.\n", "News three.\n"]
    assert cut(STAGE, texts, keep="none") == ["News one.\n", "News two.\n", "News three.\n"]
    assert cut(STAGE, texts, compare="exact") == texts
    assert cut(STAGE, texts, copies=4) == texts


def test_short_segments_stay() -> None:
    """Segments with fewer characters than asked for are left, counted as they are compared."""
    texts = ["}\nabcd!\n", "}\nabcd?\n"]
    assert cut(STAGE, texts) == ["}\nabcd!\n", "}\n"]
    assert cut(STAGE, texts, min_characters=4) == ["}\nabcd!\n", "}\n"]
    assert cut(STAGE, texts, min_characters=5) == texts


def test_blank_lines_are_never_copies() -> None:
    """Lines of white space, punctuation or nothing are not compared."""
    assert cut(STAGE, ["\n \n---\n\u00a0\n"] * 3) == ["\n \n---\n\u00a0\n"] * 3
