"""Words and letters against the rules of UAX #29, a slow twin, and another implementation of the standard."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.word_classes import SINGLE, code_point_classes
from stages.kernels.words import HAN_LEADS, count_letters, count_words
from tests.reference import words as reference
from tests.stages.hostile import TEXT, arrays, long_bytes

ENGLISH = st.text("abcdeXYZ  \n.,';:_-019\t", max_size=60)
# No marks: the other implementation looks past them only forwards, WB4 wants both directions. The twin tests marks.
STANDARD = st.text("abZé019  \n.,;'’_-中文カガがあяЖשל한!?🚀", max_size=30)
BOUNDARY = regex.compile(r"(?w)\b")


def words_of(text: str) -> int:
    return int(count_words(pa.array([text]))[0])


@given(array=arrays(TEXT | ENGLISH))
def test_words_are_those_of_the_twin(array: pa.Array) -> None:
    """The automaton and its short cuts count what the rules do, on slices and hostile text."""
    assert count_words(array).tolist() == [reference.words(text) for text in array.to_pylist()]


@given(text=STANDARD)
def test_words_are_those_of_the_standard(text: str) -> None:
    """Where Unicode word boundaries leave nothing open, the count is that of another implementation of them."""
    places = [0, *(match.start() for match in BOUNDARY.finditer(text)), len(text)]
    pieces = [text[start:end] for start, end in zip(places, places[1:], strict=False)]
    assert words_of(text) == sum(bool(regex.search(r"[\p{L}\p{Nd}]", piece)) for piece in pieces)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        (" \n\t", 0),
        ("It's well-known: don’t pay $1,000.50 (3.14%).", 7),
        ("e.g. example.com, end.Next", 3),
        ("key:value", 2),
        ("snake_case __init__ _ __", 2),
        ("'quoted' dogs' 'tis", 3),
        ("1, 2; a. b", 4),
        ("我喜欢读书。", 5),
        ("人々", 2),
        ("コンピューター", 1),
        ("データを読む", 4),
        ("한국어를 배워요", 2),
        ("שלום עולם مرحبا", 3),
        ("é e\u0301 \u0301", 2),
        ("می\u200cخواهم", 1),
        ("👩🏽\u200d🚀 🇩🇪", 0),
        ("हिन्दी भाषा", 2),
        ("เกาหลี", 3),
        ("ภาษาไทย", 4),
        ("ខ្មែរ", 2),
        ("a\u200bb", 2),
        ("Ⅷ ² ½ ①", 1),
        ("ＡＢＣ　１２３", 2),
    ],
)
def test_what_a_word_is(text: str, words: int) -> None:
    """The definition by example."""
    assert words_of(text) == words


def test_characters_that_are_counted_unseen() -> None:
    """Every character with a first byte in HAN_LEADS is a word by itself: the kernel does not look it up."""
    first, last = (int.from_bytes(bytes([lead])) for lead in HAN_LEADS)
    classes = code_point_classes()[(first & 15) << 12 : ((last & 15) + 1) << 12]
    assert (classes == SINGLE).all()


def test_a_long_row() -> None:
    """A row of 50 MB, without a space or with many, is counted like a short one."""
    size = long_bytes() // 2
    found = count_words(pa.array(["a b", "x" * size, "word " * (size // 5), ""], pa.large_string()))
    assert found.tolist() == [2, 1, size // 5, 0]


@given(array=arrays(), limit=st.integers(0, 30), cut=st.integers(0, 8))
def test_letters_are_those_of_the_twin(array: pa.Array, limit: int, cut: int) -> None:
    """Letters of all spans of a row, up to the limit."""
    view = text_view(array)
    texts = array.to_pylist()
    middles = [start + len(text[:cut].encode()) for start, text in zip(view.offsets[:-1].tolist(), texts, strict=True)]
    spans = np.array(
        [[[a, b], [b, c]] for a, b, c in zip(view.offsets[:-1], middles, view.offsets[1:], strict=True)], np.int64
    ).reshape(-1, 2, 2)
    expected = [min(limit, reference.letters(text)) for text in texts]
    assert count_letters(view.data, spans, limit).tolist() == expected


def test_bytes_that_are_not_utf8_are_no_words() -> None:
    """Broken characters separate words, and nothing outside the row is read."""
    rows = pa.array([b"a\xff\xfeb", b"ab\xe4\xb8", b"\xf4\xbf\xbf\xbf"], pa.large_binary())
    assert count_words(rows).tolist() == [2, 1, 0]
