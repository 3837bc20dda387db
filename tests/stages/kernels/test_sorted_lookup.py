"""Numbers are found in a sorted table as bisection finds them, spread evenly or not."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.sorted_lookup import MISSING, look_up

NUMBERS = (
    st.integers(0, 2**64 - 1) | st.integers(0, 40) | st.integers(2**40, 2**40 + 40) | st.sampled_from([0, 2**64 - 1])
)


def slow(table: list[int], wanted: list[int]) -> list[int]:
    """The obvious twin."""
    places = [bisect_left(table, number) for number in wanted]
    return [
        place if place < len(table) and table[place] == number else MISSING
        for place, number in zip(places, wanted, strict=True)
    ]


@given(st.sets(NUMBERS, max_size=30).map(sorted), st.lists(NUMBERS, max_size=10))
def test_rows_are_those_of_bisection(table: list[int], others: list[int]) -> None:
    """Every number of the table is at its row, and no other is anywhere."""
    wanted = [*table, *others]
    assert look_up(np.array(table, np.uint64), np.array(wanted, np.uint64)).tolist() == slow(table, wanted)


def test_slices_of_wider_arrays() -> None:
    """What is wanted may be every other number of an array."""
    table, wanted = np.arange(0, 100, 3, dtype=np.uint64), np.arange(100, dtype=np.uint64)
    assert look_up(table, wanted[::2]).tolist() == slow(table.tolist(), wanted[::2].tolist())
