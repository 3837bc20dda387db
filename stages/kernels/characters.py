"""Characters of UTF-8 text one at a time, forwards and backwards, for kernels that look at few of them.

Numba's cache does not see a change here: delete the cached kernels that use it (``stages/kernels/__pycache__``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from stages.kernels.unicode_tables import CODE_POINTS

Int = int | np.int64

_BROKEN = np.int64(0xFFFD)


@njit(cache=True, nogil=True)
def character(text: Any, at: Int, end: Int) -> tuple[Int, int]:
    """(code point, bytes) of the character at a place before ``end``; U+FFFD of one byte where it is not UTF-8.

    ``text``: bytes, an array or :func:`stages.kernels.byte_runs.flat`.
    """
    lead = np.int64(text[at])
    if lead < 0x80:
        return lead, 1
    if 0xE0 <= lead < 0xF0 and at + 3 <= end:
        return ((lead & 0x0F) << 12) | (np.int64(text[at + 1] & 0x3F) << 6) | np.int64(text[at + 2] & 0x3F), 3
    if 0xC2 <= lead < 0xE0 and at + 2 <= end:
        return ((lead & 0x1F) << 6) | np.int64(text[at + 1] & 0x3F), 2
    if 0xF0 <= lead < 0xF5 and at + 4 <= end:
        high = ((lead & 0x07) << 18) | (np.int64(text[at + 1] & 0x3F) << 12)
        code = high | (np.int64(text[at + 2] & 0x3F) << 6) | np.int64(text[at + 3] & 0x3F)
        if code < CODE_POINTS:
            return code, 4
    return _BROKEN, 1


@njit(cache=True, nogil=True)
def character_before(text: Any, start: Int, at: Int) -> tuple[Int, int]:
    """(code point, bytes) of the character that ends at a place; (0, 0) at ``start``."""
    if at <= start:
        return np.int64(0), 0
    width = 1
    while width < 4 and at - width > start and text[at - width] & 0xC0 == 0x80:
        width += 1
    code, found = character(text, at - width, at)
    return (code, width) if found == width else (_BROKEN, 1)


@njit(cache=True, nogil=True)
def looked_up(code: Int, tables: tuple[Any, Any]) -> Int:
    """What a two-stage table (:class:`stages.kernels.unicode_tables.TwoStage`) says of a code point."""
    block_of, blocks = tables
    return np.int64(blocks[(np.int64(block_of[code >> 6]) << 6) | (code & 63)])
