"""What a stage did to a text is shown in a few lines, masked and safe."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from pipeline.reports.text_diff import LINES, WIDTH, diff_lines, same_prefix


@given(st.text("ab", max_size=40), st.text("ab", max_size=40), st.text("ab", max_size=40))
def test_the_common_prefix_is_found(head: str, one: str, two: str) -> None:
    """Binary search agrees with looking at every character."""
    assert same_prefix(head + one, head + two) == len(os.path.commonprefix([head + one, head + two]))


def test_equal_texts_have_no_difference() -> None:
    """Nothing is shown where nothing happened."""
    assert diff_lines("a\nb", "a\nb") == []


def test_changed_lines_are_shown_with_signs() -> None:
    """Old lines with -, new ones with +, controls visible."""
    assert diff_lines("same\nold\r\nend", "same\nold\nend") == ["-old␍", "+old"]


def test_personal_data_is_masked_on_both_sides() -> None:
    """Neither what was nor what is shows an address, also deep inside one long line."""
    for head in ("", "word " * 2000):
        shown = "\n".join(diff_lines(f"{head}jane.doe@example.org x\n1", f"{head}jane.doe@example.org y\n1"))
        assert "jane" not in shown
        assert "@" not in shown


def test_a_difference_that_is_masked_is_said() -> None:
    """If all that differs is personal data, that is said instead of showing it."""
    assert diff_lines("a@b.org", "c@d.org") == ["(the difference is in what is masked)"]


def test_few_and_short_lines_whatever_the_text() -> None:
    """A long difference is cut, a 50 MB line is no trouble."""
    many = diff_lines("\n".join(f"a{i}" for i in range(500)), "\n".join(f"b{i}" for i in range(500)))
    assert len(many) == LINES + 1
    assert many[-1].startswith("… and")
    long = diff_lines("x" * 50_000_000, "x" * 49_999_999 + "y")
    assert max(map(len, long)) <= WIDTH
