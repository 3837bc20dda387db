"""How much of a text are lines and paragraphs that occur more than once in it.

Two readings of "duplicate" (:mod:`stages.kernels.repetition` says whose they are):

* EVERY_COPY: lines are what line feeds separate, without the white space around them, and blank ones are none; they
  separate paragraphs, which are the same if their lines are. Every occurrence of a line that occurs twice or more is a
  duplicate, the first as well. Fractions are of all lines, and of their characters.
* LATER_COPIES: lines are what runs of line feeds separate, paragraphs (of the text without the white space around
  it) what runs of two or more separate; they keep their white space, and a line feed at an end of the text makes an
  empty line. Duplicates are the occurrences after the first. Fractions of characters are of the whole text.

Segments are told apart by 62 bits of a hash: among the lines of a document of 10,000 lines two different ones are
taken for the same with probability 1e-11.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_masks import LANES, byte, mask_of, ones, padded_parts, trailing_zeros
from stages.kernels.byte_runs import flat, word_at
from stages.kernels.white_space import after_spaces, before_spaces

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

LINES, LINE_CHARACTERS, PARAGRAPHS, PARAGRAPH_CHARACTERS = range(4)
"""Columns of what is measured."""

_EVERY, _LATER = 2, 1
"""Copies that the first repeat of a segment makes known: both, or itself."""
_LINE_FEED = 10
_SMALLEST_TABLE = 16
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SEED = np.uint64(0xD6E8FEB86659FD93)
_HIGH = np.uint64(0x8080808080808080)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_USED = np.uint64(2)
_REPEATED = np.uint64(1)
_2 = np.uint64(2)
_32 = np.uint64(32)

Segment = tuple[np.uint64, Int]
"""Hash and characters."""
Kind = tuple[Any, Int, Any, Int]
"""Where segments of a kind go: table, its places, sums (segments, their characters, duplicates, their characters), and
the copies that the first repeat makes known."""

_feeds = mask_of(byte(_LINE_FEED))
_continuations = mask_of(byte((0x80, 0xBF)))


@njit(cache=True, nogil=True)
def _below(count: Int) -> np.uint64:
    """The lowest bits, at least one and at most 64."""
    return _ALL >> np.uint64(LANES - min(count, LANES))


@njit(cache=True, nogil=True)
def _line_end(text: Any, at: Int, end: Int) -> Int:
    """Where the next line feed is, or ``end``."""
    while at < end:
        found = _feeds(text, at)
        if found:
            return min(at + trailing_zeros(found), end)
        at += LANES
    return end


@njit(cache=True, nogil=True)
def _inside(text: Any, at: Int, end: Int) -> Int:
    """Bytes that go on with a character."""
    count: Int = np.int64(0)
    while at < end:
        count += ones(_continuations(text, at) & _below(end - at))
        at += LANES
    return count


@njit(cache=True, nogil=True)
def _step(value: np.uint64, word: np.uint64) -> np.uint64:
    value = (value ^ word) * _MULTIPLIER
    return value ^ (value >> _32)


@njit(cache=True, nogil=True)
def _segment(text: Any, start: Int, end: Int) -> Segment:
    """Two lanes of eight bytes a step: a multiplication waits for the one before it in its lane only."""
    low, high, seen = _SEED ^ np.uint64(end - start), _SEED, np.uint64(0)
    at = start
    while at + 16 <= end:
        one, two = word_at(text, at), word_at(text, at + 8)
        low, high, seen = _step(low, one), _step(high, two), seen | one | two
        at += 16
    if at + 8 <= end:
        one = word_at(text, at)
        low, seen = _step(low, one), seen | one
        at += 8
    if at < end:
        one = word_at(text, at) & (_ALL >> np.uint64(8 * (8 - (end - at))))
        high, seen = _step(high, one), seen | one
    size = end - start
    if seen & _HIGH:
        size -= _inside(text, start, end)
    return _step(_step(low, high), high >> _2), size


@njit(cache=True, nogil=True)
def _note(table: Any, places: Int, value: np.uint64) -> Int:
    """How many copies become known with this one: 0 for a new segment, 2 for the first repeat, later 1."""
    mask = places - 1
    place = np.int64(value >> _2) & mask
    key = (value & ~_REPEATED) | _USED
    while table[place] != 0:
        if table[place] & ~_REPEATED == key:
            copies = 1 if table[place] & _REPEATED else 2
            table[place] |= _REPEATED
            return copies
        place = (place + 1) & mask
    table[place] = key
    return 0


@njit(cache=True, nogil=True)
def _add(segment: Segment, kind: Kind) -> None:
    value, characters = segment
    table, places, sums, most_copies = kind
    copies = min(most_copies, _note(table, places, value))
    sums[0] += 1
    sums[1] += characters
    sums[2] += copies
    sums[3] += copies * characters


@njit(cache=True, nogil=True)
def _every_copy(text: Any, at: Int, end: Int, lines: Kind, paragraphs: Kind) -> None:
    paragraph, size = _SEED, np.int64(0)
    while at < end:
        line_end = _line_end(text, at, end)
        start = after_spaces(text, at, line_end)
        stop = before_spaces(text, start, line_end)
        at = line_end + 1
        if start < stop:
            value, characters = _segment(text, start, stop)
            _add((value, characters), lines)
            paragraph = _step(paragraph, value)
            size += characters + 1
        if size and (start == stop or at >= end):
            _add((paragraph, size - 1), paragraphs)
            paragraph, size = _SEED, np.int64(0)


@njit(cache=True, nogil=True)
def _later_copies(text: Any, at: Int, end: Int, feeds: Int, kind: Kind) -> None:
    """Segments between runs of at least ``feeds`` line feeds, two at most; every copy but the first is a duplicate."""
    while True:
        stop = _line_end(text, at, end)
        while feeds == 2 and stop < end and not (stop + 1 < end and text[stop + 1] == _LINE_FEED):
            stop = _line_end(text, stop + 1, end)
        _add(_segment(text, at, stop), kind)
        if stop == end:
            return
        at = stop
        while at < end and text[at] == _LINE_FEED:
            at += 1


@njit(cache=True, nogil=True)
def _table_size(text: Any, at: Int, end: Int) -> Int:
    """A power of two, at least twice the lines."""
    lines: Int = np.int64(1)
    while at < end:
        lines += ones(_feeds(text, at) & _below(end - at))
        at += LANES
    size: Int = np.int64(_SMALLEST_TABLE)
    while size < 2 * lines:
        size *= 2
    return size


@njit(cache=True, nogil=True)
def _measure(text: Any, start: Int, end: Int, every_copy: bool, tables: UInt64s, size: Int, sums: Int64s) -> None:
    """Fill ``sums``, a row for lines and one for paragraphs, with the first ``size`` places of two tables."""
    tables[:, :size] = 0
    sums[:] = 0
    copies = _EVERY if every_copy else _LATER
    lines = flat(tables[0]), size, flat(sums[0]), copies
    paragraphs = flat(tables[1]), size, flat(sums[1]), copies
    if every_copy:
        _every_copy(text, start, end, lines, paragraphs)
    elif start < end:
        _later_copies(text, start, end, 1, lines)
        first = after_spaces(text, start, end)
        _later_copies(text, first, before_spaces(text, first, end), 2, paragraphs)
        sums[:, 1] = end - start - _inside(text, start, end)


@njit(cache=True, nogil=True)
def _fraction(part: Int, whole: Int) -> float:
    return part / whole if whole else 0.0


@njit(cache=True, nogil=True)
def _measure_rows(data: Bytes, offsets: Int64s, every_copy: bool, found: Float64s) -> None:
    """O(bytes) expected. Goes through pointers, as arrays that are passed on count references."""
    tables = np.zeros((2, _SMALLEST_TABLE), np.uint64)
    sums = np.zeros((2, 4), np.int64)
    text = flat(data)
    for row in range(len(found)):
        start, end = offsets[row], offsets[row + 1]
        size = _table_size(text, start, end)
        if size > tables.shape[1]:
            tables = np.zeros((2, size), np.uint64)
        _measure(text, start, end, every_copy, tables, size, sums)
        found[row, LINES] = _fraction(sums[0, 2], sums[0, 0])
        found[row, LINE_CHARACTERS] = _fraction(sums[0, 3], sums[0, 1])
        found[row, PARAGRAPHS] = _fraction(sums[1, 2], sums[1, 0])
        found[row, PARAGRAPH_CHARACTERS] = _fraction(sums[1, 3], sums[1, 1])


def segment_fractions(data: Bytes, offsets: Int64s, every_copy: bool) -> Float64s:
    """float64[rows, 4]: fractions of duplicate lines, their characters, duplicate paragraphs, their characters.

    ``every_copy``: the reading. 0 for text without lines.
    """
    found = np.zeros((len(offsets) - 1, 4))
    with np.errstate(over="ignore"):
        for part, places, first in padded_parts(data, offsets):
            _measure_rows(part, places, every_copy, found[first : first + len(places) - 1])
    return found
