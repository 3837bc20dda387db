"""Count equal byte rows: which row is the first of its kind, and the weights of all its like.

A hash table of row numbers with linear probing; rows are compared byte by byte, so that equal hashes do no harm.
Exact, in the order of first appearance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.arrow_text import TextView

Int = int | np.int64
Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]

_FIRST_TABLE = 1 << 12


@njit(cache=True, nogil=True)
def _hash(data: Bytes, start: Int, end: Int, group: np.uint8) -> np.uint64:
    """FNV-1a of the group and the bytes, its high bits mixed down."""
    value = (np.uint64(14695981039346656037) ^ np.uint64(group)) * np.uint64(1099511628211)
    for at in range(start, end):
        value = (value ^ np.uint64(data[at])) * np.uint64(1099511628211)
    return value ^ (value >> np.uint64(32))


@njit(cache=True, nogil=True)
def _same(data: Bytes, offsets: Int64s, groups: Bytes, one: Int, other: Int) -> bool:
    start, at = offsets[one], offsets[other]
    size = offsets[one + 1] - start
    if groups[one] != groups[other] or offsets[other + 1] - at != size:
        return False
    for k in range(size):
        if data[start + k] != data[at + k]:
            return False
    return True


@njit(cache=True, nogil=True)
def _grown(table: Int64s, hashes: npt.NDArray[np.uint64]) -> Int64s:
    """A table of twice the size with the same entries; ``hashes`` by entry."""
    out = np.full(2 * len(table), -1, np.int64)
    mask = np.uint64(len(out) - 1)
    for entry in table:
        if entry >= 0:
            place = np.int64(hashes[entry] & mask)
            while out[place] >= 0:
                place = (place + 1) & np.int64(mask)
            out[place] = entry
    return out


@njit(cache=True, nogil=True)
def _count(data: Bytes, offsets: Int64s, groups: Bytes, weights: Int64s, first: Int64s, count: Int64s) -> Int:
    """Fill ``first`` and ``count`` (room for every row); how many. O(bytes) expected."""
    hashes = np.empty(len(first), np.uint64)
    table = np.full(_FIRST_TABLE, -1, np.int64)
    found = 0
    for row in range(len(groups)):
        if 2 * found >= len(table):
            table = _grown(table, hashes)
        value = _hash(data, offsets[row], offsets[row + 1], groups[row])
        mask = np.int64(len(table) - 1)
        place = np.int64(value & np.uint64(mask))
        while table[place] >= 0 and not _same(data, offsets, groups, first[table[place]], row):
            place = (place + 1) & mask
        entry = table[place]
        if entry < 0:
            entry = np.int64(found)
            table[place] = entry
            first[entry], count[entry], hashes[entry] = row, 0, value
            found += 1
        count[entry] += weights[row]
    return found


def count_distinct(view: TextView, groups: Bytes, weights: Int64s) -> tuple[Int64s, Int64s]:
    """(number of the first row, sum of weights) of every distinct pair of group and bytes: int64[distinct] each.

    ``groups``: uint8[rows], ``weights``: int64[rows].
    """
    first, count = np.empty(len(groups), np.int64), np.empty(len(groups), np.int64)
    with np.errstate(over="ignore"):
        found = _count(view.data, view.offsets, groups, weights, first, count)
    return first[:found].copy(), count[:found].copy()
