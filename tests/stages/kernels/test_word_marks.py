"""Words and marks against their twin, and cases that say what they are."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.word_marks import words_and_marks
from stages.kernels.word_spans import WordSpans, word_spans
from tests.reference.word_marks import tokens
from tests.stages.hostile import TEXT, arrays, long_bytes

ADDRESSES = st.text("ab/:.)- \n(中é\u3000|~\\\x7f\u200b", max_size=24)


def found(array: pa.Array) -> WordSpans:
    view = text_view(array)
    return words_and_marks(view.data, view.offsets, word_spans(view.data, view.offsets))


def lists(array: pa.Array) -> list[list[str]]:
    spans, data = found(array), text_view(array).data.tobytes()
    places = list(zip(spans.starts.tolist(), spans.ends.tolist(), strict=True))
    cuts = zip(spans.rows[:-1].tolist(), spans.rows[1:].tolist(), strict=True)
    return [[data[start:end].decode() for start, end in places[first:last]] for first, last in cuts]


@given(array=arrays(TEXT | ADDRESSES))
def test_tokens_are_those_of_the_twin(array: pa.Array) -> None:
    """Slices, all scripts, and texts full of colons and slashes."""
    assert lists(array) == [tokens(text) for text in array.to_pylist()]


@given(array=arrays(TEXT | ADDRESSES))
def test_equal_tokens_and_no_others_have_equal_hashes(array: pa.Array) -> None:
    """A mark, a word and an address that differ have different hashes, which are never 0."""
    pairs = set(zip(sum(lists(array), []), found(array).hashes.tolist(), strict=True))
    assert len({token for token, _ in pairs}) == len({value for _, value in pairs}) == len(pairs)
    assert 0 not in {value for _, value in pairs}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Yes!! (don't)...", ["Yes", "!", "!", "(", "don't", ")", "..."]),
        ("a -- b | --- | c", ["a", "--", "b", "|", "---", "|", "c"]),
        ("see http://a.org/b-c?d=1).", ["see", "http://a.org/b-c?d=1", ")", "."]),
        ("[1]: https://a.org/\n", ["[", "1", "]", ":", "https://a.org/"]),
        ("http:// a", ["http", ":", "//", "a"]),
        ("见http://a.cn/b。好", ["见", "http://a.cn/b", "。", "好"]),
        ("“中文”\u3000é", ["“", "中", "文", "”", "é"]),
    ],
)
def test_what_tokens_are(text: str, expected: list[str]) -> None:
    """Marks one by one, dashes and dots in runs, addresses whole but for punctuation behind them."""
    assert lists(pa.array([text])) == [expected]


def test_long_rows() -> None:
    """A row of marks only and one of a single address, as long as rows get, take time by their length."""
    size = long_bytes() // 5
    spans = found(pa.array(["!" * size, "a://" + "b/" * size]))
    assert spans.rows.tolist() == [0, size, size + 1]
