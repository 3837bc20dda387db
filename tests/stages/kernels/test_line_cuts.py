"""The cutting of lines against a slow twin."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_array, text_view
from stages.kernels.line_cuts import REASONS, SPACED, Cut, LineRules, cut_lines
from stages.kernels.line_marks import APOSTROPHE, END_MARK, QUOTE, TERMINAL_CLOSED, TERMINAL_LAST
from tests.reference import line_cuts as reference
from tests.stages.hostile import TEXT, arrays, long_bytes
from tests.stages.kernels.test_line_signals import PIECES

C4 = LineRules(END_MARK | QUOTE, False, 3, SPACED, 10, True, True, True)
ANY = LineRules(0, True, 0, SPACED, None, False, False, False)

TEXTS = st.lists(
    st.sampled_from(
        [*PIECES, "[1]", "[]", "[edit]", "[citation needed]", "[ed", "[12", "[٣]", "one two three ", "Done.",
         "中文句子。", "\r\n", "\r", "\v", "\u2028", "\u2029", "\x1d", "\xc2", ". "]
    ),
    max_size=20,
).map("".join)  # fmt: skip
RULES = st.builds(
    LineRules,
    ends=st.sampled_from([0, END_MARK | QUOTE, END_MARK | QUOTE | APOSTROPHE, TERMINAL_LAST, QUOTE | TERMINAL_CLOSED]),
    ellipses=st.booleans(),
    min_words=st.integers(0, 4),
    words=st.integers(0, 2),
    max_word_length=st.none() | st.integers(0, 12),
    javascript=st.booleans(),
    policy=st.booleans(),
    citations=st.booleans(),
)


def cut(texts: list[str], rules: LineRules) -> Cut:
    return cut_lines(*text_view(pa.array(texts, pa.large_string())), rules)


def new_texts(found: Cut) -> list[str]:
    texts: list[str] = text_array(found.text.data, found.text.offsets).to_pylist()
    return texts


@given(array=arrays(TEXT | TEXTS), rules=RULES)
def test_lines_are_cut_as_the_twin_does(array: pa.Array, rules: LineRules) -> None:
    """Text and counts, for all settings, slices, hostile text; and every byte is booked once."""
    view = text_view(array)
    found = cut_lines(*view, rules)
    expected = [reference.cut_lines(text, rules) for text in array.to_pylist()]
    assert new_texts(found) == [text for text, _ in expected]
    for row, (text, counts) in enumerate(expected):
        counted = {
            "kept": found.kept[row],
            "lorem_ipsum": found.lorem_ipsum[row],
            "curly_bracket": found.curly_bracket[row],
        }
        booked = {reason: found.bytes[reason][row] for reason in REASONS}
        spaces = booked.pop("white_space")
        assert {**counted, **booked} == counts
        assert 0 <= spaces == view.offsets[row + 1] - view.offsets[row] - len(text.encode()) - sum(booked.values())


@given(texts=st.lists(TEXTS, max_size=4))
def test_places_of_rows_do_not_matter(texts: list[str]) -> None:
    """Rows far from the end of the buffer are cut as rows at its end are."""
    assert new_texts(cut([*texts, "x" * 200], C4))[:-1] == new_texts(cut(texts, C4))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("It ends in a mark.", None),
        ('It ends in a "mark"', None),
        ("It has no end", "no_end"),
        ("It goes on...", "no_end"),
        ("Two words.", "few_words"),
        ("A veryverylong one.", "long_word"),
        ("Turn on JavaScript here.", "javascript"),
        ("Read our Privacy Policy.", "policy"),
        ("We use cookies here.", "policy"),
    ],
)
def test_why_a_line_goes(line: str, reason: str | None) -> None:
    """A line goes with its line end for the first thing that is wrong with it."""
    found = cut([f"A good first one.\n{line}\r\nA good last one."], C4)
    gone = {name: count.tolist()[0] for name, count in found.bytes.items() if count[0]}
    kept = [] if reason else [line]
    assert new_texts(found) == ["\n".join(["A good first one.", *kept, "A good last one."])]
    assert gone == ({reason: len(line) + 2} if reason else {"white_space": 1})


def test_citations() -> None:
    """Marks go before the line's end and words are looked at, and do not make new ones where they stood."""
    found = cut(
        ["As shown before.[12][citation needed]\n[edit] Not one [a] of [[1]2] these."],
        C4._replace(max_word_length=None),
    )
    assert new_texts(found) == ["As shown before.\n Not one [a] of [2] these."]
    assert found.bytes["citations"].tolist() == [4 + 17 + 6 + 3]


def test_documents_are_judged_on_the_lines_that_got_so_far() -> None:
    """Lorem ipsum and curly brackets count only in lines that no rule before took away."""
    found = cut(
        ["lorem ipsum\n{\nlorem ipsum {in} javascript.\nlorem ipsum {in} text.\nA {b} c."],
        C4._replace(max_word_length=None),
    )
    assert found.lorem_ipsum.tolist() == [2]
    assert found.curly_bracket.tolist() == [2]


def test_a_long_row() -> None:
    """One line of 50 MB, many brackets, and many short lines."""
    size = long_bytes() // 5
    rows = ["x" * long_bytes(), "[1" * size + ".", "A b c.\r\n" * size]
    found = cut(rows, ANY._replace(citations=True))
    assert [len(text) for text in new_texts(found)] == [long_bytes(), 2 * size + 1, 7 * size - 1]


def test_bytes_that_are_not_utf8() -> None:
    """Broken characters are no line ends, and nothing outside the row is read."""
    rows = pa.array([b"a\xff", b"\xe2\x80", b"\xa8b\xc2", b"\x85"], pa.large_binary())
    found = cut_lines(*text_view(rows), ANY)
    assert found.text.data.tobytes() == b"a\xff\xe2\x80\xa8b\xc2\x85"
