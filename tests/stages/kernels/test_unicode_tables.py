"""Tables of code points."""

from __future__ import annotations

import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.unicode_tables import CODE_POINTS, categories, two_stage


@given(places=st.dictionaries(st.integers(0, CODE_POINTS - 1), st.integers(0, 2**16 - 1), max_size=20))
def test_two_stage_tables_answer_like_plain_ones(places: dict[int, int]) -> None:
    """Every code point has the value that it was given, and block 0 is the empty one."""
    values = np.zeros(CODE_POINTS, np.uint16)
    values[list(places)] = list(places.values())
    table = two_stage(values)
    codes = np.arange(CODE_POINTS)
    assert np.array_equal(table.blocks[(table.block_of[codes >> 6].astype(np.int64) << 6) | (codes & 63)], values)
    assert not table.blocks[:64].any()


def test_categories_are_those_of_unicodedata() -> None:
    """The lists hold every code point that has a category, private and surrogate ones left out."""
    found = {code: name for name, codes in categories().items() for code in codes.tolist()}
    known = {code: unicodedata.category(chr(code)) for code in range(CODE_POINTS)}
    assert found == {code: name for code, name in known.items() if name not in ("Cn", "Cs") and code < 0xF0000}
