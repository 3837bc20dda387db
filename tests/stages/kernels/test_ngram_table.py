"""Tables of n-grams: hashes are those of KenLM, searches end where they should, in every layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.ngram_table import (
    LONGEST_BYTES,
    NgramTable,
    Shape,
    has_word,
    hashed,
    home,
    kenlm_shape,
    line_shape,
    make_table,
    put_words,
    with_characters,
)
from tests.reference.murmur_hash import murmur_hash

WORDS = [f"w{number}".encode() for number in range(1000)]


@given(st.binary(max_size=40))
def test_words_are_hashed_as_kenlm_does(word: bytes) -> None:
    """MurmurHash64A, for words of every length up to some machine words."""
    assert int(hashed(word)) == murmur_hash(word)


@given(key=st.integers(0, 2**64 - 1), homes=st.integers(1, 2**40) | st.sampled_from([1, 2, 2**32, 2**40]))
def test_the_search_begins_at_the_remainder(key: int, homes: int) -> None:
    """The division that is left out gives the remainder for every divisor, powers of two among them."""
    table = NgramTable(
        memory=np.zeros(0, np.uint8),
        values=np.zeros(0, np.float32),
        places=np.array([7]),
        ends=np.zeros(1, np.int64),
        sizes=np.zeros(1, np.int64),
        homes=np.array([homes], np.uint64),
        strides=np.array([3]),
        inverses=np.uint64(2**64 - 1) // np.array([homes], np.uint64),
        characters=np.zeros(0, np.int32),
    )
    with np.errstate(over="ignore"):
        assert int(home(table, 0, np.uint64(key))) == 7 + 3 * (key % homes)


@pytest.mark.parametrize("shape", [line_shape([1000]), kenlm_shape([1000], 1.0), kenlm_shape([1000], 1.5)])
def test_words_of_a_table(shape: Shape) -> None:
    """A table knows the words put into it and the unknown word, and no others; it has room for what was asked."""
    table = make_table(shape)
    put_words(table, WORDS)
    assert all(has_word(table, word) for word in [*WORDS, b"<unk>"])
    assert not has_word(table, b"w1000") and not has_word(table, b"")


def test_kenlm_lays_tables_out_so() -> None:
    """Bytes of each table as its source says; buckets are computed in single precision, and one is always free."""
    shape = kenlm_shape([10, 20, 16_777_217], 1.5, 136)
    assert shape.places[0] == 136 + 8
    assert [end - place for place, end in zip(shape.places, shape.ends, strict=True)] == [
        12 * 15, 8 * 11, 16 * 30, 12 * 25_165_824,
    ]  # fmt: skip
    assert shape.sizes[-1] == LONGEST_BYTES
    assert kenlm_shape([1, 1], 1.5).homes == [2, 2, 2]


@pytest.mark.parametrize("among", [pytest.param(None, marks=pytest.mark.compiled), "xaé中🚀yаあ\U0010ffff\x80\x00", ""])
def test_characters_have_the_numbers_of_their_words(among: str | None) -> None:
    """By code point, of every width in UTF-8, then the two markers; 0 where there is none, or it was not asked for."""
    words = ["a", "é", "中", "🚀", "ab", "<s>", "</s>", "\U0010ffff", "\x80", "\x00"]
    table = make_table(line_shape([len(words)]))
    put_words(table, [word.encode() for word in words])
    numbers = with_characters(table, among).characters
    assert len(numbers) == 0x110000 + 2
    expected = {ord(word): number for number, word in enumerate(words, 1) if len(word) == 1 and among != ""}
    assert {code: numbers[code] for code in np.flatnonzero(numbers[:-2])} == expected
    assert numbers[-2:].tolist() == [6, 7]
