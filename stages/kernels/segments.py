"""Lines and paragraphs of each row, and what they say without case, width, punctuation, accents and numbers.

A line ends with its line feed; a paragraph with the last of the blank lines behind it (lines of nothing but white
space). So the segments of a row are all of its bytes, and a row without one of them is still whole lines.

Segments are compared after folding, as CCNet does (Wenzek et al. 2020, arXiv 1911.00359, section 3.1): letters in
small case and without accents, every digit as 0, punctuation, symbols and white space left out. Full-width forms count
as ordinary ones besides. Marks of scripts that spell vowels with them (Thai, Devanagari) are kept.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.arrow_text import TextView, read_only
from stages.kernels.shingle_tables import folded_code_points
from stages.kernels.unicode_tables import CODE_POINTS, TwoStage, assigned, categories, two_stage

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt16s = npt.NDArray[np.uint16]

_LINE_FEED = 10
_ZERO = ord("0")
_LATIN_GREEK_CYRILLIC = 0x0530
"""Accents are taken off letters below; above, marks are part of the spelling."""


class Segments(NamedTuple):
    """Segments in the order of the text.

    rows: int64[segments], number of the row. starts, ends: int64[segments], bytes of the view's ``data``.
    """

    rows: Int64s
    starts: Int64s
    ends: Int64s


class FoldTables(NamedTuple):
    """``changes[number]`` is what a code point becomes, 0: nothing. Number 0: it stays as it is.

    numbers: code point → number. changes: int64. ascii: uint8[128], what ASCII becomes.
    """

    numbers: TwoStage
    changes: Int64s
    ascii: Bytes


@lru_cache(maxsize=1)
def fold_tables() -> FoldTables:
    """The tables of :func:`folded`; made once per process in about half a second."""
    targets = comparable_code_points()
    same = targets == np.arange(CODE_POINTS)
    changes = np.unique(targets[~same])
    numbers = np.where(same, 0, np.searchsorted(changes, targets) + 1).astype(np.uint16)
    return FoldTables(two_stage(numbers), np.r_[0, changes].astype(np.int64), targets[:128].astype(np.uint8))


@lru_cache(maxsize=1)
def comparable_code_points() -> Int64s:
    """int64[0x110000]: what each code point counts as, 0 for what is left out."""
    targets = folded_code_points().copy()
    for code in assigned():
        targets[code] = _without_accent(int(targets[code]))
    found = categories()
    for category, codes in found.items():
        if category[0] in "PSZ" or category in ("Cc", "Cf"):
            targets[codes] = 0
    targets[found["Nd"]] = _ZERO
    accents = found["Mn"]
    targets[accents[(accents < _LATIN_GREEK_CYRILLIC)]] = 0
    return targets


def _without_accent(code: int) -> int:
    if code < 0x80:
        return code
    base = unicodedata.normalize("NFD", chr(code))[0]
    return ord(base.lower()) if ord(base) < _LATIN_GREEK_CYRILLIC else code


@njit(cache=True, nogil=True)
def _is_blank(data: Bytes, start: Int, end: Int) -> bool:
    for at in range(start, end):
        byte = data[at]
        if byte != 32 and not 9 <= byte <= 13:
            return False
    return True


@njit(cache=True, nogil=True)
def _line_end(data: Bytes, at: Int, end: Int) -> Int:
    while at < end:
        at += 1
        if data[at - 1] == _LINE_FEED:
            break
    return at


@njit(cache=True, nogil=True)
def _count_lines(data: Bytes, offsets: Int64s) -> Int:
    """At most so many segments. O(bytes)."""
    count: Int = len(offsets)
    for at in range(offsets[0], offsets[-1]):
        count += data[at] == _LINE_FEED
    return count


@njit(cache=True, nogil=True)
def _cut(data: Bytes, offsets: Int64s, paragraphs: bool, rows: Int64s, starts: Int64s, ends: Int64s) -> Int:
    """Writes the segments, returns how many. O(bytes)."""
    count = 0
    for row in range(len(offsets) - 1):
        at, stop = offsets[row], offsets[row + 1]
        begin, blank = at, False
        while at < stop:
            line = _line_end(data, at, stop)
            is_blank = paragraphs and _is_blank(data, at, line)
            if not paragraphs or (blank and not is_blank):
                if at > begin:
                    rows[count], starts[count], ends[count] = row, begin, at
                    count += 1
                begin = at
            blank, at = is_blank, line
        if stop > begin:
            rows[count], starts[count], ends[count] = row, begin, stop
            count += 1
    return count


@njit(cache=True, nogil=True)
def _decode(data: Bytes, at: Int, end: Int) -> tuple[Int, Int]:
    """(code point, bytes) of UTF-8; U+FFFD of one byte where it is none."""
    lead = np.int64(data[at])
    if lead < 0x80:
        return lead, 1
    if 0xE0 <= lead < 0xF0 and at + 3 <= end:
        return ((lead & 0x0F) << 12) | (np.int64(data[at + 1] & 0x3F) << 6) | np.int64(data[at + 2] & 0x3F), 3
    if 0xC2 <= lead < 0xE0 and at + 2 <= end:
        return ((lead & 0x1F) << 6) | np.int64(data[at + 1] & 0x3F), 2
    if 0xF0 <= lead < 0xF5 and at + 4 <= end:
        high = ((lead & 0x07) << 18) | (np.int64(data[at + 1] & 0x3F) << 12)
        code = high | (np.int64(data[at + 2] & 0x3F) << 6) | np.int64(data[at + 3] & 0x3F)
        return (code if code < CODE_POINTS else np.int64(0xFFFD)), 4
    return 0xFFFD, 1


@njit(cache=True, nogil=True)
def _encode(code: Int, out: Bytes, to: Int) -> Int:
    if code < 0x80:
        out[to] = code
        return to + 1
    if code < 0x800:
        out[to], out[to + 1] = 0xC0 | (code >> 6), 0x80 | (code & 63)
        return to + 2
    if code < 0x10000:
        out[to], out[to + 1], out[to + 2] = 0xE0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)
        return to + 3
    out[to], out[to + 1] = 0xF0 | (code >> 18), 0x80 | ((code >> 12) & 63)
    out[to + 2], out[to + 3] = 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)
    return to + 4


@njit(cache=True, nogil=True)
def _fold(
    data: Bytes,
    segments: tuple[Int64s, Int64s],
    numbers: tuple[UInt16s, UInt16s],
    changes: Int64s,
    ascii_table: Bytes,
    out: Bytes,
    offsets: Int64s,
    characters: Int64s,
) -> None:
    """O(bytes). ``out`` has room for 3 bytes for each 2: folding makes three of two at the most."""
    starts, ends = segments
    block_of, blocks = numbers
    to: Int = 0
    for segment in range(len(starts)):
        at, stop = starts[segment], ends[segment]
        count: Int = 0
        while at < stop:
            byte = data[at]
            if byte < 0x80:
                target = ascii_table[byte]
                out[to] = target
                kept = np.int64(target != 0)
                to += kept
                count += kept
                at += 1
                continue
            code, width = _decode(data, at, stop)
            number = blocks[(np.int64(block_of[code >> 6]) << 6) | (code & 63)]
            if number:
                code = changes[number]
            if code:
                to = _encode(code, out, to)
                count += 1
            at += width
        offsets[segment + 1] = to
        characters[segment] = count


def segments(view: TextView, *, paragraphs: bool) -> Segments:
    """Lines or paragraphs of each row; an empty row has none."""
    data, offsets = view
    room = _count_lines(data, offsets)
    rows, starts, ends = (np.empty(room, np.int64) for _ in range(3))
    count = _cut(data, offsets, paragraphs, rows, starts, ends)
    return Segments(rows[:count], starts[:count], ends[:count])


def folded(data: Bytes, found: Segments) -> tuple[TextView, Int64s]:
    """What is compared of each segment, as UTF-8, and int64[segments]: how many characters that is."""
    tables = fold_tables()
    size = int((found.ends - found.starts).sum())
    out = np.empty(size + size // 2 + 8, np.uint8)
    offsets = np.zeros(len(found.rows) + 1, np.int64)
    characters = np.zeros(len(found.rows), np.int64)
    numbers = (tables.numbers.block_of, tables.numbers.blocks)
    _fold(data, (found.starts, found.ends), numbers, tables.changes, tables.ascii, out, offsets, characters)
    return read_only(out[: offsets[-1]], offsets), characters


@njit(cache=True, nogil=True)
def _strip(data: Bytes, starts: Int64s, ends: Int64s, out: Bytes, offsets: Int64s, characters: Int64s) -> None:
    """O(bytes)."""
    to: Int = 0
    for segment in range(len(starts)):
        at, stop = starts[segment], ends[segment]
        while at < stop and (data[at] == 32 or 9 <= data[at] <= 13):
            at += 1
        while at < stop and (data[stop - 1] == 32 or 9 <= data[stop - 1] <= 13):
            stop -= 1
        count = 0
        for place in range(at, stop):
            out[to] = data[place]
            to += 1
            count += (data[place] & 0xC0) != 0x80
        offsets[segment + 1] = to
        characters[segment] = count


def stripped(data: Bytes, found: Segments) -> tuple[TextView, Int64s]:
    """Each segment without the ASCII white space around it, and int64[segments]: its characters."""
    out = np.empty(int((found.ends - found.starts).sum()), np.uint8)
    offsets = np.zeros(len(found.rows) + 1, np.int64)
    characters = np.zeros(len(found.rows), np.int64)
    _strip(data, found.starts, found.ends, out, offsets, characters)
    return read_only(out[: offsets[-1]], offsets), characters
