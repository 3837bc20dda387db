"""Counts of characters per row: capitals, digits, hash signs, brackets, ellipses, line feeds, and those in URLs.

64 bytes at a time: a test gives a bit for each, and the bits are counted. Only characters beyond ASCII are looked up,
and of these not Han, which has neither case nor digits.

An ellipsis is ``…`` or three full stops, found from left to right as ``str.count`` does (six make two). A URL goes from
its scheme (``https://``) or from ``www.`` to the first white space, quotation mark, angle bracket or character beyond
ASCII, without the punctuation before that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_masks import LANES, byte, mask_of, ones, padded_parts, trailing_zeros
from stages.kernels.byte_runs import flat
from stages.kernels.character_kinds import DIGIT, UPPER, character_tables
from stages.kernels.characters import character, looked_up

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt16s = npt.NDArray[np.uint16]

COUNTED = (
    "characters",
    "upper_case_letters",
    "digits",
    "hashes",
    "ellipses",
    "curly_brackets",
    "url_characters",
    "line_feeds",
)
"""Names of the columns. Upper-case letters and decimal digits are those of all scripts."""
CHARACTERS, UPPERS, DIGITS, HASHES, ELLIPSES, BRACKETS, URLS, FEEDS = range(len(COUNTED))

_ELLIPSIS = 0x2026
_ONE = np.uint64(1)
_LAST = np.uint64(1 << LANES - 1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)

_upper = mask_of(byte((0x41, 0x5A)))
_digit = mask_of(byte((0x30, 0x39)))
_hash = mask_of(byte(0x23))
_stop = mask_of(byte(0x2E))
_three_stops = mask_of(byte(0x2E, 0x2E, 0x2E))
_bracket = mask_of(byte(0x7B), byte(0x7D))
_feed = mask_of(byte(0x0A))
_high = mask_of(byte((0x80, 0xFF)))
_within = mask_of(byte((0x80, 0xBF)))
_han = mask_of(byte((0xE5, 0xE9)))
_url = mask_of(byte(0x3A, 0x2F, 0x2F), byte(0x77, 0x77, 0x77, 0x2E))


@njit(cache=True, nogil=True)
def _is_letter_or_digit(value: Int) -> bool | np.bool:
    return 48 <= value < 58 or 97 <= (value | 32) < 123


@njit(cache=True, nogil=True)
def _url_span(text: Any, at: Int, first: Int, end: Int) -> tuple[Int, Int]:
    """(start, end) of the URL whose ``://`` or ``www.`` is at a place, not before ``first``; empty if there is none."""
    start = at
    if text[at] == 0x3A:
        while start > first and _is_letter_or_digit(text[start - 1]):
            start -= 1
        if start == at:
            return at, at
    elif at > first and _is_letter_or_digit(text[at - 1]):
        return at, at
    stop = at + 3
    while stop < end and 0x20 < text[stop] < 0x7F and text[stop] not in (0x22, 0x3C, 0x3E, 0x60):
        stop += 1
    while stop > at + 3 and text[stop - 1] in (0x21, 0x27, 0x29, 0x2A, 0x2C, 0x2E, 0x3A, 0x3B, 0x3F, 0x5D, 0x7D):
        stop -= 1
    return (start, stop) if stop > at + 3 else (at, at)


@njit(cache=True, nogil=True)
def _count_beyond_ascii(
    text: Any, leads: np.uint64, span: tuple[Int, Int], tables: tuple[UInt16s, UInt16s], counts: Int64s
) -> None:
    """Looks up the characters whose first bytes are at ``span[0]`` plus the bits of ``leads``."""
    at, end = span
    while leads:
        code, _ = character(text, at + trailing_zeros(leads), end)
        kind = looked_up(code, tables)
        counts[UPPERS] += (kind & UPPER) != 0
        counts[DIGITS] += (kind & DIGIT) != 0
        counts[ELLIPSES] += code == _ELLIPSIS
        leads &= leads - _ONE


@njit(cache=True, nogil=True)
def _ellipses(text: Any, found: np.uint64, at: Int, free: Int, end: Int) -> tuple[Int, Int]:
    """How many of the ``...`` at bits of ``found`` do not overlap, from ``free`` on; and where the next may begin."""
    count = np.int64(0)
    while found:
        place = at + trailing_zeros(found)
        if place >= free and place + 3 <= end:
            count += 1
            free = place + 3
        found &= found - _ONE
    return count, free


@njit(cache=True, nogil=True)
def _urls(text: Any, found: np.uint64, at: Int, free: Int, end: Int) -> tuple[Int, Int]:
    """Characters of the URLs whose marks are at bits of ``found``, from ``free`` on; and where the next may begin."""
    count = np.int64(0)
    while found:
        place = at + trailing_zeros(found)
        if place >= free and place + 3 <= end:
            first, last = _url_span(text, place, free, end)
            count += last - first
            free = max(last, free)
        found &= found - _ONE
    return count, free


@njit(cache=True, nogil=True)
def _count_row(text: Any, start: Int, end: Int, tables: tuple[UInt16s, UInt16s], counts: Int64s) -> None:
    no_url_before = no_ellipsis_before = start
    for at in range(start, end, LANES):
        below = _ALL >> np.uint64(LANES - min(end - at, LANES))
        high = _high(text, at) & below
        counts[CHARACTERS] += ones(below)
        counts[UPPERS] += ones(_upper(text, at) & below)
        counts[DIGITS] += ones(_digit(text, at) & below)
        counts[HASHES] += ones(_hash(text, at) & below)
        counts[BRACKETS] += ones(_bracket(text, at) & below)
        counts[FEEDS] += ones(_feed(text, at) & below)
        if high:
            inner = _within(text, at) & below
            counts[CHARACTERS] -= ones(inner)
            leads = high & ~inner & ~_han(text, at)
            _count_beyond_ascii(text, leads, (at, end), tables, counts)
        stops = _stop(text, at) & below
        if stops & ((stops >> _ONE) | _LAST):
            found, no_ellipsis_before = _ellipses(text, _three_stops(text, at) & below, at, no_ellipsis_before, end)
            counts[ELLIPSES] += found
        marks = _url(text, at) & below
        if marks:
            found, no_url_before = _urls(text, marks, at, no_url_before, end)
            counts[URLS] += found


@njit(cache=True, nogil=True)
def _count_rows(data: Bytes, offsets: Int64s, tables: tuple[UInt16s, UInt16s], counts: Int64s) -> None:
    """O(bytes)."""
    text = flat(data)
    for row in range(len(counts)):
        _count_row(text, offsets[row], offsets[row + 1], tables, counts[row])


def count_characters(data: Bytes, offsets: Int64s) -> Int64s:
    """int64[rows, 8]: the :data:`COUNTED` of each row of UTF-8 bytes (:class:`stages.kernels.arrow_text.TextView`)."""
    counts = np.zeros((len(offsets) - 1, len(COUNTED)), np.int64)
    tables = character_tables()
    with np.errstate(over="ignore"):
        for part, places, first in padded_parts(data, offsets):
            rows = counts[first : first + len(places) - 1]
            _count_rows(part, places, (tables.kind_blocks, tables.kinds), rows)
    return counts
