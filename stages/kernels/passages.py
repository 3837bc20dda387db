"""Cuts long texts into passages of nearly equal size, at spaces where there are any near."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]

_REACH = 64  # bytes in which a space is looked for; text without spaces is cut between characters


class Passages(NamedTuple):
    """int64[passages] each: row of the text, number in it, and where the passage begins and ends in the bytes."""

    rows: Int64s
    numbers: Int64s
    starts: Int64s
    ends: Int64s


@njit(cache=True, nogil=True)
def _cut(data: Bytes, start: int, end: int, at: int) -> int:
    """The first byte from ``at`` on, within reach, that is white space; otherwise that begins a character."""
    for place in range(at, min(at + _REACH, end)):
        if data[place] == 0x20 or 0x09 <= data[place] <= 0x0D:
            return place
    while at > start and (data[at] & 0xC0) == 0x80:
        at -= 1
    return at


@njit(cache=True, nogil=True)
def _fill(data: Bytes, offsets: Int64s, firsts: Int64s, passages: Int64s) -> None:
    """O(rows + passages)."""
    for row in range(len(offsets) - 1):
        start, end = offsets[row], offsets[row + 1]
        count = firsts[row + 1] - firsts[row]
        begin = start
        for number in range(count):
            place = firsts[row] + number
            stop = end
            if number < count - 1:
                stop = max(begin, _cut(data, start, end, start + (end - start) * (number + 1) // count))
            passages[0, place], passages[1, place] = row, number
            passages[2, place], passages[3, place] = begin, stop
            begin = stop


def passages(data: Bytes, offsets: Int64s, size: int) -> Passages:
    """Each text in as many passages as it has ``size`` bytes, begun ones counted; none for an empty text."""
    counts = -(-np.diff(offsets) // size)
    firsts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    found = np.empty((4, int(firsts[-1])), np.int64)
    _fill(data, offsets, firsts, found)
    return Passages(*found)
