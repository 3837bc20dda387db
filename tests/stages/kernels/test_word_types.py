"""The numbering of different words, against its slow twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.word_types import word_types
from tests.reference import word_types as reference

HASHES = st.integers(1, 2**64 - 1) | st.integers(1, 9) | st.integers(1, 9).map(lambda high: high << 32)
"""Any, few, and those that all belong to the first place of a table."""


def numbered(rows: list[list[int]]) -> list[tuple[list[int], list[int], list[int]]]:
    """What the kernel finds, with places and numbers counted from the beginning of each row."""
    starts = np.cumsum([0, *map(len, rows)])
    found = word_types(starts, np.array([value for row in rows for value in row], np.uint64))
    spans = zip(
        starts[:-1].tolist(), starts[1:].tolist(), found.rows[:-1].tolist(), found.rows[1:].tolist(), strict=True
    )
    return [
        (
            (found.firsts[first:last] - start).tolist(),
            found.counts[first:last].tolist(),
            (found.of_words[start:end] - first).tolist(),
        )
        for start, end, first, last in spans
    ]


@given(rows=st.lists(st.lists(HASHES, max_size=60), max_size=6))
def test_types_are_those_of_the_twin(rows: list[list[int]]) -> None:
    """First occurrences, counts and numbers, whatever rows came before in the same memory."""
    assert numbered(rows) == [reference.types(row) for row in rows]


@pytest.mark.parametrize("words", [2048, 3000, 9000])
def test_rows_of_more_types_than_expected(words: int) -> None:
    """The table grows in the middle of a row, and the row after it is not disturbed."""
    row = [1 + word * 0x9E3779B97F4A7C15 % 2**64 for word in range(words)]
    every = list(range(words))
    expected = every, [2] * words, every * 2
    assert numbered([row * 2, [7, 7], row * 2]) == [expected, ([0], [2], [0, 0]), expected]


def test_no_rows() -> None:
    """Nothing is found in nothing, and a row without words has no types."""
    assert numbered([]) == []
    assert numbered([[], [3]]) == [([], [], []), ([0], [1], [0])]
