"""Lines as Gopher's quality rules count them: how many begin with a bullet and how many end with an ellipsis.

The paper (Rae et al. 2021, arXiv 2112.11446, A.1.1) does not say what a bullet is, nor whether a blank line is one. Two
readings: lines are what line feeds separate, unless blank, and bullets what people type and word processors write; or,
as in datatrove 0.10.1, lines are cut as by ``str.splitlines``, blank ones count, and only ``•`` and ``-`` are bullets.

White space at both ends of a line is passed over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_masks import LANES, byte, mask_of, padded_parts, trailing_zeros
from stages.kernels.byte_runs import flat
from stages.kernels.character_kinds import BULLET, SPACE, character_tables
from stages.kernels.characters import character, character_before, looked_up

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt16s = npt.NDArray[np.uint16]

LINES, BULLETS, ELLIPSES = range(3)
"""Columns of the counts."""

_ELLIPSIS = 0x2026
_PLAIN_BULLET = 0x2022
_HYPHEN = 0x2D
_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)

_feed = mask_of(byte(0x0A))
_break = mask_of(
    byte((0x0A, 0x0D)), byte((0x1C, 0x1E)), byte(0xC2, 0x85), byte(0xE2, 0x80, 0xA8), byte(0xE2, 0x80, 0xA9)
)
"""Line breaks of ``str.splitlines``."""


@njit(cache=True, nogil=True)
def _judge(
    text: Any, start: Int, end: Int, tables: tuple[UInt16s, UInt16s], everything: bool | np.bool, counts: Int64s
) -> None:
    """Counts one line, its break left out."""
    code: Int = np.int64(0)
    kind: Int = np.int64(SPACE)
    while start < end:
        code, width = character(text, start, end)
        kind = looked_up(code, tables)
        if not kind & SPACE:
            break
        start += width
    if start >= end:
        counts[LINES] += everything
        return
    counts[LINES] += 1
    counts[BULLETS] += code == _PLAIN_BULLET or code == _HYPHEN if everything else (kind & BULLET) != 0
    while True:
        code, width = character_before(text, start, end)
        kind = looked_up(code, tables)
        if not kind & SPACE:
            break
        end -= width
    stops = end - start >= 3 and text[end - 1] == 0x2E and text[end - 2] == 0x2E and text[end - 3] == 0x2E
    counts[ELLIPSES] += code == _ELLIPSIS or stops


@njit(cache=True, nogil=True)
def _count_row(
    text: Any, start: Int, end: Int, tables: tuple[UInt16s, UInt16s], everything: bool, counts: Int64s
) -> None:
    line = start
    for at in range(start, end, LANES):
        below = _ALL >> np.uint64(LANES - min(end - at, LANES))
        found = (_break(text, at) if everything else _feed(text, at)) & below
        while found:
            place = at + trailing_zeros(found)
            found &= found - _ONE
            width = 1 if text[place] < 0x80 else 2 if text[place] == 0xC2 else 3
            if place + width > end:
                continue
            follows_return = everything and text[place] == 0x0A and place > start and text[place - 1] == 0x0D
            if not follows_return:
                _judge(text, line, place, tables, everything, counts)
            line = place + width
    if line < end:
        _judge(text, line, end, tables, everything, counts)


@njit(cache=True, nogil=True)
def _count_rows(
    data: Bytes, offsets: Int64s, tables: tuple[UInt16s, UInt16s], everything: bool, counts: Int64s
) -> None:
    """O(bytes)."""
    text = flat(data)
    for row in range(len(counts)):
        _count_row(text, offsets[row], offsets[row + 1], tables, everything, counts[row])


def gopher_lines(data: Bytes, offsets: Int64s, every_line: bool = False) -> Int64s:
    """int64[rows, 3]: lines, those with a bullet, those with an ellipsis, of each row of UTF-8 bytes.

    ``every_line``: datatrove's reading.
    """
    counts = np.zeros((len(offsets) - 1, 3), np.int64)
    tables = character_tables()
    with np.errstate(over="ignore"):
        for part, places, first in padded_parts(data, offsets):
            rows = counts[first : first + len(places) - 1]
            _count_rows(part, places, (tables.kind_blocks, tables.kinds), every_line, rows)
    return counts
