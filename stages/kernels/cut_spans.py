"""Taking spans of bytes out of rows of text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Int64s = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@njit(cache=True, nogil=True)
def _cut(data: Bytes, offsets: Int64s, rows: Int64s, starts: Int64s, ends: Int64s, out: Bytes, bounds: Int64s) -> None:
    """Fill ``out`` and ``bounds``. O(bytes)."""
    written = 0
    span = 0
    for row in range(len(offsets) - 1):
        place, end = offsets[row], offsets[row + 1]
        while span < len(rows) and rows[span] == row:
            until = offsets[row] + starts[span]
            out[written : written + until - place] = data[place:until]
            written += until - place
            place = offsets[row] + ends[span]
            span += 1
        out[written : written + end - place] = data[place:end]
        written += end - place
        bounds[row + 1] = written


def cut_spans(data: Bytes, offsets: Int64s, rows: Int64s, starts: Int64s, ends: Int64s) -> tuple[Bytes, Int64s]:
    """(data, offsets) of the rows without the spans. O(bytes).

    ``rows``, ``starts``, ``ends``: int64[spans], bytes from the beginning of the row, sorted by row and start. Raises
    ValueError for spans that overlap, are empty, or reach beyond their row.
    """
    follows = np.flatnonzero(rows[1:] == rows[:-1])
    if (starts < 0).any() or (starts >= ends).any() or (ends > np.diff(offsets)[rows]).any():
        raise ValueError("a span is empty, or reaches beyond its row")
    if (rows[1:] < rows[:-1]).any() or (starts[1:][follows] < ends[:-1][follows]).any():
        raise ValueError("spans overlap, or are not sorted")
    out = np.empty(int(offsets[-1] - offsets[0] - (ends - starts).sum()), np.uint8)
    bounds = np.zeros(len(offsets), np.int64)
    _cut(data, offsets, rows, starts, ends, out, bounds)
    return out, bounds


@njit(cache=True, nogil=True)
def _ends_inside(data: Bytes, offsets: Int64s, rows: Int64s, places: Int64s) -> int:
    """How many places are inside of a character. O(places)."""
    found = 0
    for k in range(len(rows)):
        place = offsets[rows[k]] + places[k]
        found += place < offsets[rows[k] + 1] and data[place] & 0xC0 == 0x80
    return found


def tears_characters(data: Bytes, offsets: Int64s, rows: Int64s, places: Int64s) -> bool:
    """Whether one of the places, in bytes from the beginning of its row, is inside of a UTF-8 character."""
    return _ends_inside(data, offsets, rows, places) > 0
