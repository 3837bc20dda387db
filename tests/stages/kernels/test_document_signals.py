"""Counts of characters, lines and words and the signals made of them, against slow twins."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels import character_counts, word_counts
from stages.kernels.arrow_text import text_view
from stages.kernels.character_counts import count_characters
from stages.kernels.character_kinds import ALPHABETIC, code_point_kinds, lower_case_steps
from stages.kernels.document_signals import FURTHER, GOPHER, document_signals, gopher_signals
from stages.kernels.gopher_lines import gopher_lines
from stages.kernels.word_counts import count_in_words, word_set
from stages.kernels.word_diversity import word_diversity
from stages.kernels.word_spans import word_hash, word_spans
from stages.kernels.word_types import word_types
from stages.kernels.words import HAN_LEADS
from tests.reference import document_signals as reference
from tests.reference import word_spans as words_reference
from tests.stages.hostile import ROWS, TEXT, arrays, long_bytes

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

WEB = st.lists(
    st.sampled_from(
        ["the ", "The ", "OF ", "12 ", "#", "...", "…", ".", "{", "}", "\n", "\r\n", "- ", "• ", "  ", "\x85", "\u2028"]
        + ["http://a.b/c", "www.x.y,", "(https://é.fr)", "://", "javascript ", "Lorem ", "ipsum ", "ÉCOLE ", "straße "]
        + ["ДОМ ", "中文", "\u3000", "x" * 62, "İ", "Σ", "ǅ", "\u212a", "Ⱥ", "\U00010400"]
    ),
    max_size=40,
).map("".join)
STOPS = ("the", "of", "дом", "中")


@given(array=arrays(TEXT | WEB))
def test_characters_are_those_of_the_twin(array: pa.Array) -> None:
    """Every count of characters, on slices, hostile text and text with URLs and ellipses across blocks of 64."""
    found = count_characters(*text_view(array)).tolist()
    assert found == [list(reference.character_counts(text).values()) for text in array.to_pylist()]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("see https://example.org/a?b=c, or (http://x.y/z).", ["https://example.org/a?b=c", "http://x.y/z"]),
        ("www.example.org and awww.no", ["www.example.org"]),
        ("http://www.example.org", ["http://www.example.org"]),
        ('<a href="https://a.b">https://c.d</a>', ["https://a.b", "https://c.d"]),
        ("网址https://例.cn，http://a.cn。", ["http://a.cn"]),
        ("a :// b http:// c", []),
    ],
)
def test_what_a_url_is(text: str, urls: list[str]) -> None:
    """From its scheme or www. to what cannot be in it, without the punctuation of the sentence around it."""
    assert reference.urls(text) == urls
    found = count_characters(*text_view(pa.array([text])))
    assert found[0, character_counts.URLS] == sum(map(len, urls))


@given(array=arrays(TEXT | WEB), every_line=st.booleans())
def test_lines_are_those_of_the_twin(array: pa.Array, every_line: bool) -> None:
    """Both readings of lines, bullets and ellipses."""
    found = gopher_lines(*text_view(array), every_line).tolist()
    assert found == [reference.gopher_lines(text, every_line) for text in array.to_pylist()]


@given(array=arrays(TEXT | WEB), fold=st.booleans())
def test_words_are_those_of_the_twin(array: pa.Array, fold: bool) -> None:
    """Every count over words, and the hash of each word in lower case."""
    view = text_view(array)
    spans = word_spans(*view)
    types = word_types(spans.rows, spans.hashes)
    counts, hashes = count_in_words(view.data, spans, types, word_set(STOPS), fold)
    words = [words_reference.word_list(text) for text in array.to_pylist()]
    assert counts.tolist() == [list(reference.word_counts(row, STOPS, fold).values()) for row in words]
    assert hashes[types.of_words].tolist() == [word_hash(reference.lower(word)) for row in words for word in row]


def test_han_that_is_counted_unseen() -> None:
    """Every character with a first byte in HAN_LEADS is a letter without case: the kernel does not look it up."""
    first, last = (int.from_bytes(bytes([lead])) for lead in HAN_LEADS)
    span = slice((first & 15) << 12, ((last & 15) + 1) << 12)
    assert set(code_point_kinds()[span].tolist()) <= {ALPHABETIC}
    assert not lower_case_steps()[span].any()


@pytest.mark.parametrize("count", [0, 1, 8, 300, 5000])
def test_long_lists_are_found(count: int) -> None:
    """Every word of a list is found, each counts once as a different one, and no other word counts or hides one."""
    stops, others = [f"s{k}" for k in range(count)], [f"o{k}" for k in range(count)]
    words = [word for three in zip(others, stops, stops, strict=True) for word in three]
    view = text_view(pa.array([" ".join([*others, *words])]))
    spans = word_spans(*view)
    counts, _ = count_in_words(view.data, spans, word_types(spans.rows, spans.hashes), word_set(stops))
    found = dict(zip(word_counts.COUNTED, counts[0].tolist(), strict=True))
    assert (found["stop_words"], found["distinct_stop_words"]) == (2 * count, count)


def test_the_names_are_the_columns() -> None:
    """The twins say what each column is."""
    assert tuple(reference.character_counts("")) == character_counts.COUNTED
    assert tuple(reference.word_counts([], (), True)) == word_counts.COUNTED


def diversity(rows: Int64s, words: list[str]) -> tuple[Int64s, Float64s]:
    """Of words that are told apart whatever their case."""
    types = word_types(rows, np.array([word_hash(word) for word in words], np.uint64))
    lower = [word_hash(words[first].lower()) for first in types.firsts]
    return word_diversity(rows, types, np.array(lower, np.uint64))


@given(rows=st.lists(st.lists(st.sampled_from("abcdefABCD"), max_size=60), max_size=5))
def test_diversity_is_that_of_the_twin(rows: list[list[str]]) -> None:
    """Distinct words and entropy, row by row in one table."""
    distinct, entropy = diversity(np.cumsum([0, *map(len, rows)]), [word for row in rows for word in row])
    expected = [reference.diversity([word.lower() for word in row]) for row in rows]
    assert distinct.tolist() == [count for count, _ in expected]
    assert entropy.tolist() == pytest.approx([value for _, value in expected], abs=1e-9)


@pytest.mark.parametrize("words", [0, 1, 3000, 5000])
def test_diversity_where_every_word_is_new(words: int) -> None:
    """A row with more distinct words than expected gets a larger table, and the row after it is not disturbed."""
    every = [f"w{k}" for k in range(words)] * 2 + ["x"] * 1500
    distinct, entropy = diversity(np.array([0, words, 2 * words, len(every)]), every)
    assert distinct.tolist() == [words, words, 1]
    assert entropy.tolist() == pytest.approx([math.log(max(words, 1))] * 2 + [0.0], abs=1e-9)


@given(array=arrays(TEXT | WEB))
def test_signals_are_those_of_the_definitions(array: pa.Array) -> None:
    """Each signal is what its definition says, and 0 where there is nothing to divide by."""
    found, _ = document_signals(text_view(array), word_set(STOPS))
    assert list(found) == [*GOPHER, *FURTHER]
    for row, text in enumerate(array.to_pylist()):
        expected = reference.signals(text, STOPS)
        assert {name: float(found[name][row]) for name in expected} == pytest.approx(expected, abs=1e-9)


@given(texts=st.lists(WEB, min_size=1, max_size=6), reading=st.sampled_from(["paper", "datatrove"]))
def test_rows_do_not_see_each_other(texts: list[str], reading: str) -> None:
    """A row has the same signals alone as among others, in both readings."""
    stops = word_set(STOPS)
    together = gopher_signals(text_view(pa.array(texts)), stops, reading)  # type: ignore[arg-type]
    for row, text in enumerate(texts):
        alone = gopher_signals(text_view(pa.array([text])), stops, reading)  # type: ignore[arg-type]
        assert {name: values[row] for name, values in together.items()} == {n: v[0] for n, v in alone.items()}


def test_no_rows() -> None:
    """A batch without rows has signals without values."""
    found, others = document_signals(
        text_view(pa.array([], pa.large_string())), word_set(()), lambda g, w, t: [t.rows[1:]]
    )
    assert all(len(values) == 0 for values in [*found.values(), *others])


def test_a_long_row_among_hostile_ones() -> None:
    """A row of 50 MB is measured like a short one, and without a NaN anywhere."""
    size = long_bytes() // 10
    texts = [*ROWS, "The word, " * size]
    found, _ = document_signals(text_view(pa.array(texts, pa.large_string())), word_set(STOPS))
    assert all(np.isfinite(values).all() for values in found.values())
    assert found["words"][-1] == 2 * size
    assert found["unique_word_fraction"][-1] == 1 / size
    assert found["stop_word_fraction"][-1] == 0.5
    assert found["word_entropy"][-1] == pytest.approx(math.log(2))


def test_bytes_that_are_not_utf8() -> None:
    """Broken characters are characters of no kind, and nothing outside a row is read."""
    view = text_view(pa.array([b"A\xff\xfe1", b"AB\xe4\xb8", b"\xf4\xbf\xbf\xbf", b"a.."], pa.large_binary()))
    found, _ = document_signals(view, word_set(()))
    assert found["words"].tolist() == [2, 1, 0, 1]
    assert found["ellipsis_line_fraction"].tolist() == [0.0] * 4
