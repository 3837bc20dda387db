"""Where numbers stand in a sorted table of hashes: a few steps each, where bisection of all takes log n."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]

MISSING = -1


@njit(cache=True, nogil=True)
def _look_up(table: UInt64s, starts: Int64s, shift: np.uint64, wanted: UInt64s, rows: Int64s) -> None:
    """O(wanted) for numbers that are spread evenly, O(wanted · log table) at worst."""
    for k in range(len(wanted)):
        number = wanted[k]
        rows[k] = MISSING
        head = number >> shift
        if head >= np.uint64(len(starts) - 1):
            continue
        low, high = starts[head], starts[head + np.uint64(1)]
        while low < high:
            middle = (low + high) >> 1
            if table[middle] < number:
                low = middle + 1
            else:
                high = middle
        if low < len(table) and table[low] == number:
            rows[k] = low


def look_up(table: UInt64s, wanted: UInt64s) -> Int64s:
    """int64[wanted]: the row of each in ``table`` (uint64, sorted, distinct), :data:`MISSING` where it is not there."""
    rows = np.full(len(wanted), MISSING, np.int64)
    if len(table):
        shift = max(0, int(table[-1]).bit_length() - len(table).bit_length())
        heads = np.arange((int(table[-1]) >> shift) + 2, dtype=np.uint64)
        starts = np.searchsorted(table >> np.uint64(shift), heads)
        _look_up(table, starts.astype(np.int64), np.uint64(shift), np.ascontiguousarray(wanted, np.uint64), rows)
    return rows
