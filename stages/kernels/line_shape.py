"""What text looks like line by line: how long its lines are, and what characters they are made of.

Lengths are in characters, as people and published thresholds count them. Beyond ASCII a character counts as
alphanumeric unless it is in one of the blocks of punctuation, symbols and emoji: a look-up in tables would say it
more exactly of some hundred characters, which no share of a whole file depends on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]

CHARACTERS, LINES, LONGEST, ALPHANUMERIC, CONTROLS, NULS = range(6)
"""Columns of a shape. CONTROLS: C0 and DEL but for tab, line ends, form feed, backspace and escape; NULs included."""


@njit(cache=True, nogil=True)
def _is_control(byte: Int) -> bool | np.bool:
    return (byte < 8) or byte == 11 or (13 < byte < 27) or (27 < byte < 32) or byte == 127


@njit(cache=True, nogil=True)
def _is_symbol(code: Int) -> bool | np.bool:
    """Blocks without letters: Latin-1 signs, general punctuation to dingbats, CJK punctuation, private use, emoji."""
    if code < 0xC0:
        return code not in (0xAA, 0xB5, 0xBA)
    if code < 0x2000:
        return code == 0xD7 or code == 0xF7
    if code < 0x3000:
        return not (0x2C00 <= code < 0x2E00 or 0x2070 <= code < 0x20A0 or 0x2100 <= code < 0x2190)
    if code < 0x3040:
        return not (code == 0x3005 or code == 0x3007)
    return 0xE000 <= code < 0xF900 or 0xFE00 <= code < 0xFE70 or 0xFF00 <= code < 0xFF10 or 0x1F000 <= code < 0x20000


@njit(cache=True, nogil=True)
def shape(data: Bytes, offsets: Int64s) -> Int64s:
    """int64[rows, 6]: for each row of UTF-8 its characters without line feeds, lines, longest line and so on.

    A line that a line feed does not end counts if it has characters. O(bytes).
    """
    found = np.zeros((len(offsets) - 1, 6), np.int64)
    for row in range(len(found)):
        length = 0
        at, stop = offsets[row], offsets[row + 1]
        while at < stop:
            byte = np.int64(data[at])
            at += 1
            if byte == 10:
                found[row, CHARACTERS] += length
                found[row, LINES] += 1
                found[row, LONGEST] = max(found[row, LONGEST], length)
                length = 0
                continue
            length += 1
            if byte < 128:
                lower = byte | 32
                found[row, ALPHANUMERIC] += 97 <= lower < 123 or 48 <= byte < 58
                found[row, CONTROLS] += _is_control(byte)
                found[row, NULS] += byte == 0
                continue
            code = byte & (0x1F if byte < 0xE0 else 0x0F if byte < 0xF0 else 0x07)
            while at < stop and data[at] & 0xC0 == 0x80:
                code = (code << 6) | np.int64(data[at] & 0x3F)
                at += 1
            found[row, ALPHANUMERIC] += not _is_symbol(code)
        if length:
            found[row, CHARACTERS] += length
            found[row, LINES] += 1
            found[row, LONGEST] = max(found[row, LONGEST], length)
    return found
