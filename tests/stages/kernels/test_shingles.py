"""Shingles against their twin, and the units of text by example."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.shingle_tables import Units, folded_code_points, shingle_tables
from stages.kernels.shingles import shingle
from tests.reference import shingles as reference
from tests.stages.hostile import CHARACTERS, TEXT, arrays, long_bytes

ENGLISH = st.text("abcdeXYZ  \n.,';:_-019\t", max_size=60)
LETTERS = st.text("abcdefghijABCDEFGHIJé ", max_size=60)
MIXED = st.builds("{}中{}{}".format, LETTERS, st.integers(0, 260).map(" ".__mul__), LETTERS)
UNITS = st.sampled_from(["auto", "words", "characters"])


def hashes_of(text: str, n: int = 1, units: Units = "auto") -> list[int]:
    found: list[int] = shingle(text_view(pa.array([text])), n, units).hashes.tolist()
    return found


@given(array=arrays(TEXT | ENGLISH | LETTERS | MIXED), n=st.integers(1, 6), units=UNITS)
def test_shingles_are_those_of_the_twin(array: pa.Array, n: int, units: Units) -> None:
    """Hashes, counts and the hashes of short rows, on slices and hostile text, for every kind of units."""
    found, texts = shingle(text_view(array), n, units), array.to_pylist()
    expected = [reference.shingle_hashes(text, n, units) for text in texts]
    assert found.hashes.tolist() == [value for row in expected for value in row]
    assert found.offsets.tolist() == np.cumsum([0, *map(len, expected)]).tolist()
    assert found.units.tolist() == [len(reference.units_of(text, units)) for text in texts]
    assert found.short.tolist() == [list(reference.short_hash(text, n, units)) for text in texts]


@given(array=arrays(TEXT | ENGLISH), n=st.integers(1, 4))
def test_scratch_is_only_room(array: pa.Array, n: int) -> None:
    """With a used, larger scratch array the hashes are the same."""
    view = text_view(array)
    scratch = np.full(len(view.data) + 9, 7, np.uint64)
    assert shingle(view, n, scratch=scratch).hashes.tolist() == shingle(view, n).hashes.tolist()


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", []),
        (" .!\n\0😀", []),
        ("The QUICK brown-fox", ["the", "quick", "brown", "fox"]),
        ("don't don’t DONT", ["dont", "dont", "dont"]),
        ("1,000.50 and 1000", ["100050", "and", "1000"]),
        ("snake_case e.g", ["snakecase", "eg"]),
        ("Straße STRASSE ẞ", ["straße", "strasse", "ß"]),
        ("ΣΊΣΥΦΟΣ", ["σίσυφοσ"]),
        ("ＡＢｃ１２　ｶﾀｶﾅ", ["abc12", "カ", "タ", "カ", "ナ"]),
        ("我喜欢读书。", ["我", "喜", "欢", "读", "书"]),
        ("iPhone15を買う", ["iphone15", "を", "買", "う"]),
        ("買 iPad 2, ok_go", ["買", "i", "p", "a", "d", "2", "o", "k", "g", "o"]),
        ("buy 買" + " " * 251 + "two words", ["buy", "買", "t", "w", "o", "words"]),
        ("コーヒー", ["コ", "ー", "ヒ", "ー"]),
        ("ภาษา", ["ภ", "า", "ษ", "า"]),
        ("เก่ง", ["เ", "ก", "่", "ง"]),
        ("한국어를 배워요", ["한국어를", "배워요"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("é e\u0301 e\u00ad\u0301", ["é", "e\u0301", "e\u0301"]),
        ("می\u200cخواهم", ["میخواهم"]),
        ("葛\U000e0100 ☀\ufe0f", ["葛"]),
        ("\u0301a'\u0301", ["a"]),
    ],
)
def test_what_a_unit_is(text: str, units: list[str]) -> None:
    """The definition by example: no case, width, punctuation or joiners, but digits and diacritics."""
    assert reference.units_of(text) == units
    assert hashes_of(text) == [reference.shingle_hashes(unit, 1)[0] for unit in units]


def test_units_of_characters_and_words() -> None:
    """``characters`` takes letters one by one, marks with them; ``words`` takes runs of letters in any script."""
    assert reference.units_of("ab, 1e\u0301中", "characters") == ["a", "b", "1", "e\u0301", "中"]
    assert reference.units_of("我喜欢 読むабв ไทย", "words") == ["我喜欢", "読むабв", "ไทย"]
    assert hashes_of("ab", 2, "characters") != hashes_of("ba", 2, "characters")


def test_every_character_is_folded_as_the_twin_does() -> None:
    """The table of all code points, and what decides whether one is read at all."""
    table = folded_code_points()
    for code in [*range(0x3000), *range(0xA000, 0xD800), *range(0xE000, 0x11000), *range(0xE0100, 0xE01F0)]:
        character = reference.folded(chr(code))
        assert table[code] == (ord(character) if character else 0), hex(code)


@pytest.mark.parametrize("units", ["auto", "words", "characters"])
def test_classes_leave_nothing_to_join(units: Units) -> None:
    """The automaton is never led into the states of prefix vowels and stacked letters, which the kernel has not."""
    table = shingle_tables(units).properties
    classes = {int(table.blocks[(int(table.block_of[ord(c) >> 6]) << 6) | (ord(c) & 63)]) & 15 for c in CHARACTERS}
    assert classes <= set(range(12)) - {4, 7, 8}


def test_order_and_borders_count() -> None:
    """Shingles are sequences: order, and where one unit ends, make a difference."""
    assert len({tuple(hashes_of(text, 2)) for text in ("a b", "b a", "ab a", "a ab", "aba a")}) == 5
    assert len({tuple(hashes_of(text)) for text in ("abcdefgh", "abcdefghi", "abcdefghé", "abcdefgh\u0301")}) == 4


def test_a_shingle_needs_a_unit() -> None:
    """n = 0 is refused."""
    with pytest.raises(ValueError, match="at least one unit"):
        shingle(text_view(pa.array(["a"])), 0)


def test_a_long_row() -> None:
    """A row of 50 MB, one word or many, is cut like a short one."""
    size = long_bytes()
    found = shingle(text_view(pa.array(["x" * size, "word " * (size // 5), "中" * (size // 3)], pa.large_string())), 5)
    assert found.units.tolist() == [1, size // 5, size // 3]
    assert np.diff(found.offsets).tolist() == [0, size // 5 - 4, size // 3 - 4]
    words, characters = found.hashes[: size // 5 - 4], found.hashes[size // 5 - 4 :]
    assert (words == words[0]).all()
    assert (characters == characters[0]).all()


def test_bytes_that_are_not_utf8_are_no_units() -> None:
    """Broken characters separate words, and nothing outside the row is read."""
    rows = pa.array([b"a\xff\xfeb", b"ab\xe4\xb8", b"\xf4\xbf\xbf\xbf"], pa.large_binary())
    assert shingle(text_view(rows), 1).units.tolist() == [2, 1, 0]
