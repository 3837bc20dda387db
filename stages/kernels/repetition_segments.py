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

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.loads import load64
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
_ONES = np.uint64(0x0101010101010101)
_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
_LINE_FEEDS = np.uint64(0x0A0A0A0A0A0A0A0A)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SEED = np.uint64(0xD6E8FEB86659FD93)
_USED = np.uint64(2)
_REPEATED = np.uint64(1)
_ONE = np.uint64(1)
_2 = np.uint64(2)
_6 = np.uint64(6)
_7 = np.uint64(7)
_32 = np.uint64(32)
_56 = np.uint64(56)


@njit(cache=True, nogil=True)
def _line_end(data: Bytes, at: Int, end: Int) -> Int:
    """Where the next line feed is, or ``end``. Of eight bytes, those below the lowest flag come before it."""
    while at + 8 <= end:
        word = load64(data, at) ^ _LINE_FEEDS
        flags = ~(((word & _LOW) + _LOW) | word | _LOW)
        if flags:
            below = (flags & (~flags + _ONE)) - _ONE
            return at + np.int64((((below >> _7) & _ONES) * _ONES) >> _56)
        at += 8
    while at < end and data[at] != _LINE_FEED:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _hash(data: Bytes, start: Int, end: Int) -> tuple[np.uint64, Int]:
    """(hash, characters). Characters cost nothing: counting goes on while the hash's steps wait for each other."""
    value = _SEED ^ np.uint64(end - start)
    characters: Int = np.int64(end - start)
    at = start
    while at + 8 <= end:
        word = load64(data, at)
        value = (value ^ word) * _MULTIPLIER
        value ^= value >> _32
        characters -= np.int64((((word >> _7) & ~(word >> _6) & _ONES) * _ONES) >> _56)
        at += 8
    rest = np.uint64(0)
    if start + 8 <= end and at < end:
        rest = load64(data, end - 8) >> np.uint64(8 * (8 - (end - at)))
    else:
        for k in range(end - at):
            rest |= np.uint64(data[at + k]) << np.uint64(8 * k)
    characters -= np.int64((((rest >> _7) & ~(rest >> _6) & _ONES) * _ONES) >> _56)
    value = (value ^ rest) * _MULTIPLIER
    value ^= value >> _32
    value *= _MULTIPLIER
    return value ^ (value >> _32), characters


@njit(cache=True, nogil=True)
def _note(table: UInt64s, value: np.uint64) -> Int:
    """How many copies become known with this one: 0 for a new segment, 2 for the first repeat, later 1."""
    mask = np.int64(len(table) - 1)
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
def _add(value: np.uint64, characters: Int, most_copies: Int, table: UInt64s, sums: Int64s) -> None:
    """``sums``: segments, their characters, duplicates, their characters."""
    copies = min(most_copies, _note(table, value))
    sums[0] += 1
    sums[1] += characters
    sums[2] += copies
    sums[3] += copies * characters


@njit(cache=True, nogil=True)
def _every_copy(data: Bytes, at: Int, end: Int, tables: UInt64s, sums: Int64s) -> None:
    """Lines and paragraphs, in ``tables`` and ``sums`` of two rows."""
    paragraph, size = _SEED, np.int64(0)
    while at < end:
        line_end = _line_end(data, at, end)
        start = after_spaces(data, at, line_end)
        stop = before_spaces(data, start, line_end)
        at = line_end + 1
        if start < stop:
            value, characters = _hash(data, start, stop)
            _add(value, characters, _EVERY, tables[0], sums[0])
            paragraph = (paragraph ^ value) * _MULTIPLIER
            paragraph ^= paragraph >> _32
            size += characters + 1
        if size and (start == stop or at >= end):
            _add(paragraph, size - 1, _EVERY, tables[1], sums[1])
            paragraph, size = _SEED, np.int64(0)


@njit(cache=True, nogil=True)
def _later_copies(data: Bytes, at: Int, end: Int, feeds: Int, table: UInt64s, sums: Int64s) -> None:
    """Segments between runs of at least ``feeds`` line feeds, two at most; every copy but the first is a duplicate."""
    while True:
        stop = _line_end(data, at, end)
        while feeds == 2 and stop < end and not (stop + 1 < end and data[stop + 1] == _LINE_FEED):
            stop = _line_end(data, stop + 1, end)
        value, characters = _hash(data, at, stop)
        _add(value, characters, _LATER, table, sums)
        if stop == end:
            return
        at = stop
        while at < end and data[at] == _LINE_FEED:
            at += 1


@njit(cache=True, nogil=True)
def _counts(data: Bytes, at: Int, end: Int) -> tuple[Int, Int]:
    """(line feeds, bytes that go on with a character)."""
    feeds: Int = np.int64(0)
    inside: Int = np.int64(0)
    while at + 8 <= end:
        loaded = load64(data, at)
        word = loaded ^ _LINE_FEEDS
        others = ((((word & _LOW) + _LOW) | word) >> _7) & _ONES
        feeds += 8 - np.int64((others * _ONES) >> _56)
        inside += np.int64((((loaded >> _7) & ~(loaded >> _6) & _ONES) * _ONES) >> _56)
        at += 8
    while at < end:
        feeds += data[at] == _LINE_FEED
        inside += data[at] & 0xC0 == 0x80
        at += 1
    return feeds, inside


@njit(cache=True, nogil=True)
def _measure(data: Bytes, start: Int, end: Int, every_copy: bool, tables: UInt64s, inside: Int, sums: Int64s) -> None:
    """Fill the zeroed ``sums``; ``tables`` are zeroed as well, ``inside``: bytes that go on with a character."""
    if every_copy:
        _every_copy(data, start, end, tables, sums)
    elif start < end:
        _later_copies(data, start, end, 1, tables[0], sums[0])
        first = after_spaces(data, start, end)
        _later_copies(data, first, before_spaces(data, first, end), 2, tables[1], sums[1])
        sums[:, 1] = end - start - inside


@njit(cache=True, nogil=True)
def _fraction(part: Int, whole: Int) -> float:
    return part / whole if whole else 0.0


@njit(cache=True, nogil=True)
def segment_fractions(data: Bytes, offsets: Int64s, every_copy: bool) -> Float64s:
    """float64[rows, 4]: fractions of duplicate lines, their characters, duplicate paragraphs, their characters.

    ``every_copy``: the reading. 0 for text without lines. O(bytes) expected.
    """
    found = np.zeros((len(offsets) - 1, 4), np.float64)
    tables = np.zeros((2, _SMALLEST_TABLE), np.uint64)
    sums = np.zeros((2, 4), np.int64)
    for row in range(len(found)):
        start, end = offsets[row], offsets[row + 1]
        feeds, inside = _counts(data, start, end)
        size: Int = np.int64(_SMALLEST_TABLE)
        while size < 2 * (feeds + 1):
            size *= 2
        if size > tables.shape[1]:
            tables = np.zeros((2, size), np.uint64)
        tables[:, :size] = 0
        sums[:] = 0
        _measure(data, start, end, every_copy, tables[:, :size], inside, sums)
        found[row, LINES] = _fraction(sums[0, 2], sums[0, 0])
        found[row, LINE_CHARACTERS] = _fraction(sums[0, 3], sums[0, 1])
        found[row, PARAGRAPHS] = _fraction(sums[1, 2], sums[1, 0])
        found[row, PARAGRAPH_CHARACTERS] = _fraction(sums[1, 3], sums[1, 1])
    return found
