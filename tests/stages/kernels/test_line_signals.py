"""Counts of lines against a slow twin, and what each column counts."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.line_signals import NAMES, line_counts
from tests.reference import line_signals as reference
from tests.stages.hostile import TEXT, arrays, long_bytes

PIECES = (
    "JavaScript", "javascrip", "Lorem Ipsum", "lorem\0ipsum", "terms of use", "Privacy Policy", "privacy  policy",
    "cookie policy", "uses cookies", "use of cookies",
    "We USE COOKIES", "useś cookies", "{", "[", "*", "...", "…", ".", "!",
    "。", '."', "”", "'", "• ", "– ", "- ", " ", "\u3000",
    "\x85", "\n", "\n", "\n\n", "line", "line\n", "é", "中文", "x" * 70,
)  # fmt: skip
LINES = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)


def counted(text: str, **settings: Any) -> dict[str, int]:
    """The row's counts that are not zero."""
    found = line_counts(*text_view(pa.array([text])), **settings)[0].tolist()
    return {name: count for name, count in zip(NAMES, found, strict=True) if count}


@given(array=arrays(TEXT | LINES), short=st.integers(0, 12), few=st.integers(0, 4), trimmed=st.booleans())
def test_counts_are_those_of_the_twin(array: pa.Array, short: int, few: int, trimmed: bool) -> None:
    """Every column, for slices, hostile text, phrases in any case and lines in all scripts."""
    view = text_view(array)
    expected = [reference.line_counts(text, short, few, trimmed) for text in array.to_pylist()]
    assert line_counts(*view, short=short, few_words=few, trimmed=trimmed).tolist() == expected


@given(texts=st.lists(LINES, max_size=4))
def test_places_of_rows_do_not_matter(texts: list[str]) -> None:
    """Rows far from the end of the buffer count as rows at its end do."""
    near, far = text_view(pa.array(texts, pa.large_string())), text_view(pa.array([*texts, "x" * 200]))
    assert line_counts(*far).tolist()[:-1] == line_counts(*near).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("\n \n", {"line_feeds": 2, "characters": 1}),
        ("é。", {"lines": 1, "characters": 2, "end_terminals": 1, "end_closed_terminals": 1, "short": 1}),
        ("“é!”", {"lines": 1, "characters": 4, "end_closed_terminals": 1, "short": 1}),
        ('"é"', {"lines": 1, "characters": 3, "end_quotes": 1, "short": 1}),
        ("x" * 31, {"lines": 1, "characters": 31}),
        (
            "ab\ncd\nab\nab",
            {"lines": 4, "line_feeds": 3, "characters": 8, "short": 4, "duplicates": 2, "duplicate_characters": 4},
        ),
    ],
)
def test_what_is_counted(text: str, expected: dict[str, int]) -> None:
    """The columns by example."""
    assert counted(text) == expected


def test_white_space_behind_a_line() -> None:
    """What a line ends with is judged with or without it, as asked."""
    assert counted("Markdown.  ").get("end_marks") == 1
    assert counted("Markdown.  ", trimmed=False).get("end_marks") is None


@pytest.mark.parametrize("blank", ["\u2028", "\u1680", "\u205f", "\u3000", "\x85", "\x1c", "\xa0", "\u202f"])
def test_white_space_beyond_ascii(blank: str) -> None:
    """What Python's ``strip`` takes away makes no line."""
    assert counted(f"{blank}\na{blank}b").get("lines") == 1
    assert counted(f"a{blank}b", few_words=2).get("few_words") is None


def test_a_long_row() -> None:
    """One line of 50 MB, and as many bytes of short lines that are all different or all the same."""
    size = long_bytes() // 10
    rows = ["x" * long_bytes(), "\n".join(map(str, range(10**8, 10**8 + size))), "same line\n" * size]
    found = line_counts(*text_view(pa.array(rows, pa.large_string())))
    assert found[:, NAMES.index("lines")].tolist() == [1, size, size]
    assert found[:, NAMES.index("duplicates")].tolist() == [0, 0, size - 1]
    assert found[:, NAMES.index("characters")].tolist() == [long_bytes(), 9 * size, 9 * size]


def test_bytes_that_are_not_utf8() -> None:
    """Broken characters are counted somehow, and nothing outside the row is read."""
    rows = pa.array([b"a\xff", b"\xe3\x80", b"\x80\n\x80", b"\xe2"], pa.large_binary())
    assert line_counts(*text_view(rows))[:, NAMES.index("lines")].tolist() == [1, 1, 2, 1]
