"""The chunked transfer coding of HTTP/1.1 (RFC 9112, section 7.1), taken off."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.loads import copy_bytes

Bytes = npt.NDArray[np.uint8]

ENDED, NO_LAST, CUT, BROKEN = 0, 1, 2, 3
"""How a body ends: as it should; behind a whole chunk; inside a chunk; where one should begin and does not."""

_MAX_DIGITS = 12
_MAX_LINE = 4096


class Chunks(NamedTuple):
    """``content``: what the chunks hold. ``whole``: how many are whole. ``place``: where the first trouble is."""

    content: Bytes
    end: int
    whole: int
    place: int


@njit(cache=True, nogil=True)
def _line_break(data: Bytes, at: int) -> int:
    """Bytes of the line break here: 2, 1 (a bare LF), or 0 if there is none."""
    if at < len(data) and data[at] == 10:
        return 1
    if at + 1 < len(data) and data[at] == 13 and data[at + 1] == 10:
        return 2
    return 0


@njit(cache=True, nogil=True)
def _size_line(data: Bytes, at: int) -> tuple[int, int]:
    """Size of the chunk and where its content begins. Size -1: no such line; -2: the data ends inside it."""
    size = digits = 0
    start = at
    while at < len(data):
        byte = int(data[at])
        if 48 <= byte <= 57:
            value = byte - 48
        elif 97 <= (byte | 32) <= 102:
            value = (byte | 32) - 87
        else:
            break
        size = size * 16 + value
        digits += 1
        at += 1
        if digits > _MAX_DIGITS:
            return -1, start
    if at == len(data):
        return -2, start
    if digits == 0:
        return -1, start
    extended = False
    while at < len(data) and at - start < _MAX_LINE:
        width = _line_break(data, at)
        if width:
            return size, at + width
        if data[at] == 59:
            extended = True
        elif not extended and data[at] != 32 and data[at] != 9 and data[at] != 13:
            return -1, start
        at += 1
    return (-2 if at == len(data) else -1), start


@njit(cache=True, nogil=True)
def _dechunk(data: Bytes, out: Bytes) -> tuple[int, int, int, int]:
    """(bytes of content, end, whole chunks, place). O(bytes)."""
    at = made = whole = 0
    while at < len(data):
        size, begin = _size_line(data, at)
        if size < 0:
            return made, CUT if size == -2 else BROKEN, whole, at
        if size == 0:
            return made, ENDED, whole, at
        if size > len(data) - begin:
            copy_bytes(out, made, data, begin, len(data) - begin)
            return made + len(data) - begin, CUT, whole, at
        copy_bytes(out, made, data, begin, size)
        made += size
        at = begin + size
        width = _line_break(data, at)
        if width == 0 and at < len(data) and not (at + 1 == len(data) and data[at] == 13):
            return made, BROKEN, whole, at
        whole += 1
        at += width if width else len(data) - at
    return made, NO_LAST, whole, at


def dechunk(data: Bytes) -> Chunks:
    """Take the chunks of a uint8 array apart.

    Sizes of more than 12 digits and lines of more than 4 kB are no chunks. Line breaks may be bare line feeds. What
    follows the last chunk (trailers) is passed over.
    """
    out = np.empty(len(data), np.uint8)
    made, end, whole, place = _dechunk(data, out)
    return Chunks(out[:made], end, whole, place)
