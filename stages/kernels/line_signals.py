"""Counts of lines by what they look like, per row, in one pass.

Lines are what line feeds separate, and only those that hold more than white space count. Lengths are in characters.
Lines are told apart by 64-bit hashes, so that two different lines among a million count as one with probability 3e-8.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_masks import LANES, byte, mask_of, ones, padded_parts, trailing_zeros
from stages.kernels.byte_runs import flat, word_at
from stages.kernels.line_marks import (
    APOSTROPHE,
    CURLY_BRACKET,
    ELLIPSIS,
    ELLIPSIS_SIGN,
    END_MARK,
    JAVASCRIPT,
    LOREM_IPSUM,
    POLICY,
    QUOTE,
    TERMINAL_CLOSED,
    TERMINAL_LAST,
    line_end,
    phrase_at,
    spaced_words,
    stripped,
)
from stages.kernels.sentence_classes import sentence_tables

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt16s = npt.NDArray[np.uint16]
UInt64s = npt.NDArray[np.uint64]

NAMES = (
    "lines",
    "line_feeds",
    "characters",
    "end_marks",
    "end_quotes",
    "end_apostrophes",
    "end_terminals",
    "end_closed_terminals",
    "end_ellipses",
    "bullets",
    "short",
    "few_words",
    "duplicates",
    "duplicate_characters",
    "javascript",
    "policy",
    "lorem_ipsum",
    "curly_bracket",
)
"""Columns of :func:`line_counts`: lines unless their name says otherwise.

``line_feeds``: line feeds. ``characters``: without line feeds. ``end_marks``: lines that end with ``. ? !``;
``end_quotes`` ``"``; ``end_apostrophes`` ``'``; ``end_terminals``: a character that ends sentences in any script;
``end_closed_terminals``: such a one, or ``…``, but for closing quotation marks and brackets; ``end_ellipses``: ``...``
or ``…``. ``bullets``: lines that begin with one of RedPajama-v2's ten bullets (``• ‣ ▶ ◀ ◦ ■ □ ▪ ▫ –``). ``short`` and
``few_words``: as the caller says. ``duplicates``: lines that an earlier line of the row is equal to, with their
``duplicate_characters``. ``javascript`` and the rest: lines that hold this phrase of C4's.
"""

(
    LINES,
    LINE_FEEDS,
    CHARACTERS,
    END_MARKS,
    END_QUOTES,
    END_APOSTROPHES,
    END_TERMINALS,
    END_CLOSED_TERMINALS,
    END_ELLIPSES,
    BULLETS,
    SHORT,
    FEW_WORDS,
    DUPLICATES,
    DUPLICATE_CHARACTERS,
    JAVASCRIPTS,
    POLICIES,
    LOREM_IPSUMS,
    CURLY_BRACKETS,
) = range(len(NAMES))

_ONE = np.uint64(1)
_line_feeds = mask_of(byte(0x0A))
_continuations = mask_of(byte((0x80, 0xBF)))
_line_feed_or_phrase = mask_of(
    byte(0x0A ^ 0x20),
    byte(ord("j"), ord("a")),
    byte(ord("p"), ord("s")),
    byte(ord("c"), ord("y")),
    byte(ord("k"), ord("i")),
    byte(ord("m"), ord("s")),
    byte(ord("{")),
    fold=True,
)


@njit(cache=True, nogil=True)
def _step(value: np.uint64, word: np.uint64) -> np.uint64:
    value = (value ^ word) * np.uint64(0x9FB21C651E98DF25)
    return value ^ (value >> np.uint64(32))


@njit(cache=True, nogil=True)
def _hash(data: Bytes, at: Int, end: Int) -> np.uint64:
    """Two lanes of eight bytes a step: a multiplication waits for the one before it in its lane only."""
    low, high = np.uint64(end - at), np.uint64(0)
    while at + 16 <= end:
        low = _step(low, word_at(data, at))
        high = _step(high, word_at(data, at + 8))
        at += 16
    if at + 8 <= end:
        low = _step(low, word_at(data, at))
        at += 8
    if at < end:
        rest = np.uint64(8 * (8 - (end - at)))
        high = _step(high, (word_at(data, at) << rest) >> rest)
    return _step(_step(low, high), high >> np.uint64(1))


@njit(cache=True, nogil=True)
def _is_bullet(data: Bytes, at: Int, end: Int) -> bool | np.bool:
    if at + 3 > end or data[at] != 0xE2:
        return False
    second, third = data[at + 1], data[at + 2]
    if second == 0x80:
        return third == 0x93 or third == 0xA2 or third == 0xA3
    if second == 0x96:
        return third == 0xA0 or third == 0xA1 or third == 0xAA or third == 0xAB or third == 0xB6
    return second == 0x97 and (third == 0x80 or third == 0xA6)


@njit(cache=True, nogil=True)
def _seen_before(value: np.uint64, table: tuple[Int, Int, UInt64s, Int64s]) -> bool | np.bool:
    """Whether the row has had this hash, and remember it. A slot is free unless its row is this one."""
    row, slots, seen, rows = table
    slot = np.int64(value & np.uint64(slots - 1))
    while rows[slot] == row:
        if seen[slot] == value:
            return True
        slot = (slot + 1) & (slots - 1)
    rows[slot] = row
    seen[slot] = value
    return False


@njit(cache=True, nogil=True)
def _count_line(
    data: Bytes,
    line: tuple[Int, Int, Int, int],
    settings: tuple[Int, Int, bool],
    classes: tuple[UInt16s, UInt16s],
    counts: Int64s,
    table: tuple[Int, Int, UInt64s, Int64s],
) -> None:
    """Count a line of (start, end, characters, phrases). ``table``: the row, and where its lines' hashes go."""
    start, end, characters, found = line
    short, few_words, trimmed = settings
    begin, stop = stripped(data, start, end)
    first = table[0] * len(NAMES)
    counts[first + CHARACTERS] += characters
    if begin == end:
        return
    counts[first + LINES] += 1
    ends = line_end(data, start, stop if trimmed else end, classes[0], classes[1])
    counts[first + END_MARKS] += ends & END_MARK != 0
    counts[first + END_QUOTES] += ends & QUOTE != 0
    counts[first + END_APOSTROPHES] += ends & APOSTROPHE != 0
    counts[first + END_TERMINALS] += ends & TERMINAL_LAST != 0
    counts[first + END_CLOSED_TERMINALS] += ends & TERMINAL_CLOSED != 0
    counts[first + END_ELLIPSES] += ends & (ELLIPSIS | ELLIPSIS_SIGN) != 0
    counts[first + BULLETS] += _is_bullet(data, begin, end)
    counts[first + SHORT] += characters <= short
    counts[first + FEW_WORDS] += few_words > 0 and spaced_words(data, begin, stop, few_words) < few_words
    counts[first + JAVASCRIPTS] += found & JAVASCRIPT != 0
    counts[first + POLICIES] += found & POLICY != 0
    counts[first + LOREM_IPSUMS] += found & LOREM_IPSUM != 0
    counts[first + CURLY_BRACKETS] += found & CURLY_BRACKET != 0
    if _seen_before(_hash(data, start, end), table):
        counts[first + DUPLICATES] += 1
        counts[first + DUPLICATE_CHARACTERS] += characters


@njit(cache=True, nogil=True)
def _slots(data: Bytes, at: Int, end: Int) -> tuple[Int, Int]:
    """(line feeds, power of two of at least twice the lines)."""
    feeds: Int = 0
    while at < end:
        mask = _line_feeds(data, at)
        if end - at < LANES:
            mask &= (_ONE << np.uint64(end - at)) - _ONE
        feeds += ones(mask)
        at += LANES
    slots = 4
    while slots < 2 * (feeds + 1):
        slots *= 2
    return feeds, slots


@njit(cache=True, nogil=True)
def _count_rows(
    data: Bytes,
    offsets: Int64s,
    settings: tuple[Int, Int, bool],
    classes: tuple[UInt16s, UInt16s],
    counts: Int64s,
) -> None:
    """O(bytes). ``counts``: int64[rows × columns], zero."""
    text, filled = flat(data), flat(counts)
    flat_classes = flat(classes[0]), flat(classes[1])
    seen, rows = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        feeds, slots = _slots(text, at, end)
        if slots > len(rows):
            seen, rows = np.zeros(slots, np.uint64), np.full(slots, -1, np.int64)
        table = (row, slots, flat(seen), flat(rows))
        filled[row * len(NAMES) + LINE_FEEDS] = feeds
        start, characters, found = at, 0, 0
        while at < end:
            mask = _line_feed_or_phrase(text, at)
            continued = _continuations(text, at)
            size = min(LANES, end - at)
            if size < LANES:
                inside = (_ONE << np.uint64(size)) - _ONE
                mask &= inside
                continued &= inside
            counted = 0
            while mask:
                place = trailing_zeros(mask)
                mask &= mask - _ONE
                if text[at + place] != 0x0A:
                    found |= phrase_at(text, at + place, start, end)
                    continue
                here = place - ones(continued & ((_ONE << np.uint64(place)) - _ONE))
                characters += here - counted
                line = (start, at + place, characters, found)
                _count_line(text, line, settings, flat_classes, filled, table)
                counted = here + 1
                start, characters, found = at + place + 1, 0, 0
            characters += size - ones(continued) - counted
            at += LANES
        _count_line(text, (start, end, characters, found), settings, flat_classes, filled, table)


def line_counts(data: Bytes, offsets: Int64s, short: int = 30, few_words: int = 0, trimmed: bool = True) -> Int64s:
    """int64[rows, len(NAMES)]: the columns of :data:`NAMES` for each row of UTF-8 bytes.

    ``short``: most characters of a short line. ``few_words``: a line has few words if there are fewer than this many
    between its white space. ``trimmed``: what lines end with is judged without white space behind it.
    """
    counts = np.zeros((len(offsets) - 1, len(NAMES)), np.int64)
    tables = sentence_tables()
    classes = tables.block_of, tables.blocks
    with np.errstate(over="ignore"):
        for part, places, first in padded_parts(data, offsets):
            rows = counts[first : first + len(places) - 1]
            _count_rows(part, places, (short, few_words, trimmed), classes, rows.reshape(-1))
    return counts
