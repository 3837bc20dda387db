"""Places and hashes of words against a slow twin, and the grouping of rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.word_spans import WordSpans, row_groups, word_spans
from stages.kernels.words import count_words
from tests.reference import word_spans as reference
from tests.stages.hostile import TEXT, arrays, long_bytes

ENGLISH = st.text("abcdeXYZ  \n.,';:_-019\t", max_size=60)


def spans_of(array: pa.Array) -> WordSpans:
    return word_spans(*text_view(array))


def words_of(text: str) -> list[str]:
    array = pa.array([text])
    found, data = spans_of(array), text_view(array).data.tobytes()
    return [data[start:end].decode() for start, end in zip(found.starts, found.ends, strict=True)]


@given(array=arrays(TEXT | ENGLISH))
def test_words_and_hashes_are_those_of_the_twin(array: pa.Array) -> None:
    """Every row has the twin's words, in order, each with the twin's hash of its bytes."""
    found, data = spans_of(array), text_view(array).data.tobytes()
    assert len(found.rows) == len(array) + 1
    for row, text in enumerate(array.to_pylist()):
        numbers = range(found.rows[row], found.rows[row + 1])
        expected = reference.word_list(text)
        assert [data[found.starts[k] : found.ends[k]].decode() for k in numbers] == expected
        assert [int(found.hashes[k]) for k in numbers] == [reference.word_hash(word) for word in expected]


@given(array=arrays(TEXT | ENGLISH))
def test_there_are_as_many_as_are_counted(array: pa.Array) -> None:
    """The stages that count words and those that look at them have the same words."""
    assert np.diff(spans_of(array).rows).tolist() == count_words(array).tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's 'e.g.' the_end_ 1,000.5, no. 1,", ["It's", "e.g", "the_end", "1,000.5", "no", "1"]),
        ("e\u0301te\u0301 a.\u0301 a.\u0301b", ["e\u0301te\u0301", "a", "a.\u0301b"]),
        ("我喜欢Python3。", ["我", "喜", "欢", "Python3"]),
        ("葛\U000e0100城", ["葛\U000e0100", "城"]),
        ("コンピューターを", ["コンピューター", "を"]),
        ("ខ្មែរ", ["ខ្មែ", "រ"]),
        ("internationalisation-of", ["internationalisation", "of"]),
    ],
)
def test_where_a_word_ends(text: str, words: list[str]) -> None:
    """Signs belong to a word only inside it, marks also at its end."""
    assert words_of(text) == words


def test_words_of_eight_bytes_do_not_collide() -> None:
    """Different short words have different hashes, and none is 0, which tables may use for an empty place."""
    words = [f"{k:x}" for k in range(20_000)]
    hashes = spans_of(pa.array(words)).hashes
    assert len(set(hashes.tolist())) == len(words)
    assert hashes.all()


def test_neighbours_do_not_change_a_word() -> None:
    """A word's hash does not depend on what follows, nor on how near the end of the buffer is."""
    alone = [spans_of(pa.array(["x" * size])).hashes[0] for size in range(1, 20)]
    among = spans_of(pa.array([" ".join("x" * size for size in range(1, 20)) + " and more text"])).hashes
    assert alone == among[:19].tolist()


def test_rows_are_cut_where_they_end() -> None:
    """A word goes no further than its row, though the next row's letters follow at once."""
    found = spans_of(pa.array(["ab", "cd", "", "efghijklm", "n"]))
    assert (found.ends - found.starts).tolist() == [2, 2, 9, 1]
    assert found.rows.tolist() == [0, 1, 2, 2, 3, 4]


def test_as_many_words_as_bytes_allow() -> None:
    """The arrays hold the most words that text can have: every other byte one, in each script."""
    for text in ("a", "a b", "a b c d", "aカ" * 9, "aก" * 9 + "a", "中a" * 9):
        assert len(spans_of(pa.array([text] * 3)).starts) == 3 * len(reference.word_list(text))


def test_a_long_row() -> None:
    """A row of 50 MB, without a space or with many, is cut like a short one."""
    size = long_bytes() // 2
    found = spans_of(pa.array(["a b", "x" * size, "word " * (size // 5), ""], pa.large_string()))
    assert np.diff(found.rows).tolist() == [2, 1, size // 5, 0]
    assert found.ends[2] - found.starts[2] == size
    assert (found.hashes[3:] == np.uint64(reference.word_hash("word"))).all()


def test_bytes_that_are_not_utf8_are_no_words() -> None:
    """Broken characters separate words, and nothing outside the row is read."""
    rows = pa.array([b"a\xff\xfeb", b"ab\xe4\xb8", b"\xf4\xbf\xbf\xbf"], pa.large_binary())
    assert np.diff(word_spans(*text_view(rows)).rows).tolist() == [2, 1, 0]


@given(sizes=st.lists(st.integers(0, 50), max_size=30), group=st.integers(1, 80), first=st.integers(0, 9))
def test_groups_hold_all_rows_once(sizes: list[int], group: int, first: int) -> None:
    """Groups follow each other without a gap, and only a row by itself is larger than a group may be."""
    offsets = first + np.cumsum([0, *sizes])
    groups = list(row_groups(offsets, group))
    assert [row for start, stop in groups for row in range(start, stop)] == list(range(len(sizes)))
    assert all(offsets[stop] - offsets[start] <= group or stop == start + 1 for start, stop in groups)
    assert all(sum(sizes[start : stop + 1]) > group for start, stop in groups[:-1])
