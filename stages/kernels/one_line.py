"""Text as one line of words, the way programs make one before they ask a model that reads a line.

Which characters part words is the whole difference between those ways, because a model takes any run of white space
for one. So the bytes of such characters are overwritten with spaces in a copy, and offsets stay. fastText itself parts
words at ASCII white space and NUL only.

* :data:`UNICODE_SPACES`: all characters with the property White_Space.
* :data:`PYTHON_LINES`: what ``str.splitlines`` parts lines at, and at both ends of a row what ``str.strip`` takes away.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]

UNICODE_SPACES, PYTHON_LINES = 0, 1

_SPACE = np.uint8(0x20)


@njit(cache=True, nogil=True)
def _white_space(data: Bytes, at: int, end: int) -> int:
    """Bytes of the White_Space character that begins there, 0 if there is none."""
    first = data[at]
    if first < 0x80:
        return 1 if first == 0x20 or 0x09 <= first <= 0x0D else 0
    if first == 0xC2:
        return 2 if at + 1 < end and (data[at + 1] == 0x85 or data[at + 1] == 0xA0) else 0
    if (first != 0xE1 and first != 0xE2 and first != 0xE3) or at + 2 >= end:
        return 0
    second, third = data[at + 1], data[at + 2]
    if first == 0xE1:
        return 3 if second == 0x9A and third == 0x80 else 0
    if first == 0xE3:
        return 3 if second == 0x80 and third == 0x80 else 0
    if second == 0x81:
        return 3 if third == 0x9F else 0
    separator = third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF
    return 3 if second == 0x80 and separator else 0


@njit(cache=True, nogil=True)
def _strippable(data: Bytes, at: int, end: int) -> int:
    """The same for what Python calls space, which has four control characters more."""
    return 1 if 0x1C <= data[at] <= 0x1F else _white_space(data, at, end)


@njit(cache=True, nogil=True)
def _line_boundary(data: Bytes, at: int, end: int) -> int:
    """Bytes of the character there that ends a line in Python, 0 if it does not."""
    first = data[at]
    if first < 0x80:
        return 1 if 0x0A <= first <= 0x0D or 0x1C <= first <= 0x1E else 0
    if first == 0xC2:
        return 2 if at + 1 < end and data[at + 1] == 0x85 else 0
    if first == 0xE2 and at + 2 < end and data[at + 1] == 0x80:
        return 3 if data[at + 2] == 0xA8 or data[at + 2] == 0xA9 else 0
    return 0


@njit(cache=True, nogil=True)
def _overwrite_ends(data: Bytes, start: int, end: int, out: Bytes) -> None:
    at = start
    while at < end:
        size = _strippable(data, at, end)
        if size == 0:
            break
        out[at : at + size] = _SPACE
        at += size
    last = end
    while last > at:
        first = last - 1
        while first > at and (data[first] & 0xC0) == 0x80:
            first -= 1
        if _strippable(data, first, last) != last - first:
            break
        out[first:last] = _SPACE
        last = first


@njit(cache=True, nogil=True)
def _overwrite(data: Bytes, offsets: Int64s, way: int, out: Bytes) -> None:
    """O(bytes)."""
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            if way == UNICODE_SPACES:
                size = _white_space(data, at, end)
            else:
                size = _line_boundary(data, at, end)
            for k in range(size):
                out[at + k] = _SPACE
            at += max(size, 1)
        if way == PYTHON_LINES:
            _overwrite_ends(data, offsets[row], end, out)


def one_line(data: Bytes, offsets: Int64s, way: int) -> Bytes:
    """A copy of the bytes, read-only, in which the characters that part words that ``way`` are spaces."""
    out = data.copy()
    _overwrite(data, offsets, way, out)
    out.flags.writeable = False
    return out
