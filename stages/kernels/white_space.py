"""Where white space ends and begins, in UTF-8: the characters that Python's ``str.isspace`` names.

Those are the C0 separators, line ends and tab, the spaces and separators of Unicode, and U+0085; not U+200B and U+FEFF.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64


@njit(cache=True, nogil=True)
def _is_wide_space(lead: Int, middle: Int, last: Int) -> bool | np.bool:
    """White space of three bytes: ogham, the spaces of general punctuation, separators, and the ideographic one."""
    if lead == 0xE2 and middle == 0x80:
        return last <= 0x8A or last == 0xA8 or last == 0xA9 or last == 0xAF
    if lead == 0xE2 and middle == 0x81:
        return last == 0x9F
    return (lead == 0xE3 and middle == 0x80 and last == 0x80) or (lead == 0xE1 and middle == 0x9A and last == 0x80)


@njit(cache=True, nogil=True)
def _is_space(byte: Int) -> bool | np.bool:
    return byte == 0x20 or 0x09 <= byte <= 0x0D or 0x1C <= byte <= 0x1F


@njit(cache=True, nogil=True)
def after_spaces(data: Bytes, at: Int, end: Int) -> Int:
    """The first position from ``at`` on that is not white space, ``end`` at most."""
    while at < end:
        byte = np.int64(data[at])
        if byte < 0x80:
            if not _is_space(byte):
                break
            at += 1
        elif byte == 0xC2 and at + 2 <= end and (data[at + 1] == 0x85 or data[at + 1] == 0xA0):
            at += 2
        elif at + 3 <= end and _is_wide_space(byte, np.int64(data[at + 1]), np.int64(data[at + 2])):
            at += 3
        else:
            break
    return at


@njit(cache=True, nogil=True)
def before_spaces(data: Bytes, start: Int, end: Int) -> Int:
    """The position behind the last that is not white space, ``start`` at least."""
    while end > start:
        byte = np.int64(data[end - 1])
        if byte < 0x80:
            if not _is_space(byte):
                break
            end -= 1
        elif end - start >= 2 and data[end - 2] == 0xC2 and (byte == 0x85 or byte == 0xA0):
            end -= 2
        elif end - start >= 3 and _is_wide_space(np.int64(data[end - 3]), np.int64(data[end - 2]), byte):
            end -= 3
        else:
            break
    return end
