"""Places in UTF-8 text: windows of a long document, cut between characters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def _forward(data: Bytes, at: int, end: int, characters: int) -> int:
    """Position after the next ``characters`` characters, at most ``end``."""
    while at < end and characters > 0:
        at += 1
        while at < end and (data[at] & 0xC0) == 0x80:
            at += 1
        characters -= 1
    return at


@njit(cache=True, nogil=True)
def _backward(data: Bytes, at: int, start: int, characters: int) -> int:
    """Position before the last ``characters`` characters, at least ``start``."""
    while at > start and characters > 0:
        at -= 1
        while at > start and (data[at] & 0xC0) == 0x80:
            at -= 1
        characters -= 1
    return at


@njit(cache=True, nogil=True)
def _windows(data: Bytes, starts: Int64s, ends: Int64s, characters: int, spans: Int64s) -> None:
    """O(rows × characters), however long the rows are."""
    third = characters // 3
    for row in range(len(starts)):
        start, end = starts[row], ends[row]
        if end - start <= characters or _forward(data, start, end, characters) == end:
            spans[row] = end
            spans[row, 0, 0] = start
            continue
        head_end = _forward(data, start, end, third)
        tail_start = max(head_end, _backward(data, end, start, third))
        middle = _backward(data, start + (end - start) // 2 + 1, start, 1)
        middle = min(max(head_end, _backward(data, middle, start, third // 2)), tail_start)
        spans[row, 0, 0], spans[row, 0, 1] = start, head_end
        spans[row, 1, 0], spans[row, 1, 1] = middle, _forward(data, middle, tail_start, third)
        spans[row, 2, 0], spans[row, 2, 1] = tail_start, end


def windows(data: Bytes, starts: Int64s, ends: Int64s, characters: int) -> Int64s:
    """int64[rows, 3, 2]: (start, end) in ``data`` of head, middle and tail of rows, a third of ``characters`` each.

    Row i is ``data[starts[i]:ends[i]]``. A row of no more characters than that is one span, and the other two are
    empty. The middle is that of the bytes. Spans begin and end between characters and do not overlap.
    """
    spans = np.zeros((len(starts), 3, 2), np.int64)
    _windows(data, starts, ends, characters, spans)
    return spans
