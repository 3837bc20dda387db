"""Where the words of each row lie, and a hash of each: what all word signals and word n-grams are computed from.

Words are those of :mod:`stages.kernels.word_classes`. A word ends with its last letter, digit or mark: an apostrophe,
full stop, comma or connector belongs to it only with a letter or digit after it (``e.g.`` is the word ``e.g``).

Where text is ASCII, 64 bytes are classed at a time and words are runs of bits; only words that touch other characters
go through the automaton character by character. The hash is a bijection of the bytes for words of up to eight of them,
so that these never collide; longer ones collide as numbers of 64 bits do by chance.

Positions and hashes take 24 bytes a word. Callers go through a batch in :func:`row_groups`, so that what is computed
from them finds them in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_masks import LANES, byte, mask_of, trailing_zeros
from stages.kernels.byte_runs import flat, word_at
from stages.kernels.characters import character, looked_up
from stages.kernels.word_classes import (
    BEGINS,
    CLASSES,
    DIGIT,
    EXTEND,
    IN_DIGITS,
    IN_KATAKANA,
    IN_LETTERS,
    IN_SINGLE,
    JOINING,
    KATAKANA,
    LETTER,
    PREFIX,
    SINGLE,
    STACKER,
    word_tables,
)
from stages.kernels.words import HAN_LEADS

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt16s = npt.NDArray[np.uint16]
UInt64s = npt.NDArray[np.uint64]

GROUP_BYTES = 1 << 18
"""Text of a group of rows: its words and their hashes fit a second-level cache of 1 MB about."""

_REACHES = 2
"""Bit of a step: the word that has begun reaches to the end of this character."""

_TO_THE_END = (IN_LETTERS, IN_DIGITS, IN_KATAKANA, IN_SINGLE, JOINING)
"""States in which a mark belongs to the word; in the others to a sign after it, which may turn out not to join."""

_STATE = np.uint8(0xF0)
_SINGLE = np.uint8(IN_SINGLE * CLASSES)
_JOINING = np.uint8(JOINING * CLASSES)
_THREE_BYTES = np.uint64(0xFFFFFF)
_letter_mask = mask_of(byte((0x61, 0x7A)), fold=True)
_digit_mask = mask_of(byte((0x30, 0x39)))
_mid_both_mask = mask_of(byte(0x27), byte(0x2E))
_mid_digit_mask = mask_of(byte(0x2C), byte(0x3B))
_connector_mask = mask_of(byte(0x5F))
_high_mask = mask_of(byte((0x80, 0xFF)))

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_1 = np.uint64(1)
_SPLIT1 = np.uint64(0xBF58476D1CE4E5B9)
_SPLIT2 = np.uint64(0x94D049BB133111EB)


class WordSpans(NamedTuple):
    """The words of some rows, in the order of the text.

    rows: int64[rows + 1], number of the first word of each row: words of row r are ``rows[r]:rows[r + 1]``.
    starts: int64[words], place of the first byte in ``data``.
    ends: int64[words], one past the last byte.
    hashes: uint64[words], hash of the word's bytes as they stand, case kept; never 0, the same on every machine.
    """

    rows: Int64s
    starts: Int64s
    ends: Int64s
    hashes: UInt64s


@njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:
    """The finalizer of SplitMix64, as in :mod:`stages.kernels.hashing`; a bijection that keeps 0."""
    value ^= value >> np.uint64(30)
    value *= _SPLIT1
    value ^= value >> np.uint64(27)
    value *= _SPLIT2
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _piece(text: Any, limit: Int, at: Int, size: Int) -> np.uint64:
    """The first ``size`` bytes, at most eight, as a little-endian number; nothing is read from ``limit`` on."""
    if at + 8 <= limit:
        return word_at(text, at) & (_ALL >> np.uint64(64 - 8 * min(size, 8)))
    word = np.uint64(0)
    for k in range(min(size, 8)):
        word |= np.uint64(text[at + k]) << np.uint64(8 * k)
    return word


@njit(cache=True, nogil=True)
def hash_bytes(text: Any, limit: Int, start: Int, end: Int) -> np.uint64:
    """The hash of some bytes, at least one, for kernels that look for words by it. None from ``limit`` on is read."""
    found = _mix(_piece(text, limit, start, end - start))
    for at in range(start + 8, end, 8):
        found = _mix(found ^ _piece(text, limit, at, end - at))
    return found if found else _1


@njit(cache=True, nogil=True)
def _low_bits(count: Int) -> np.uint64:
    """The lowest ``count`` bits, 0 to 64."""
    return _ALL >> np.uint64(64 - count) if count else np.uint64(0)


@njit(cache=True, nogil=True)
def _known(text: Any, at: Int) -> Int:
    """How many of 64 bytes come before the first that is not ASCII, or goes on with a run of connectors."""
    connectors = _connector_mask(text, at)
    return trailing_zeros(_high_mask(text, at) | (connectors & (connectors << _1)))


@njit(cache=True, nogil=True)
def _in_words(text: Any, at: Int, known: Int) -> np.uint64:
    """Bits of those of the ``known`` bytes of ASCII from ``at`` on that are in words."""
    below = _low_bits(known)
    letters = _letter_mask(text, at) & below
    digits = _digit_mask(text, at) & below
    alike = letters | digits
    mid_both = _mid_both_mask(text, at)
    mid_digits = mid_both | _mid_digit_mask(text, at)
    joined = mid_both & (letters << _1) & (letters >> _1)
    joined |= mid_digits & (digits << _1) & (digits >> _1)
    joined |= _connector_mask(text, at) & (alike << _1) & (alike >> _1)
    return alike | joined


@njit(cache=True, nogil=True)
def _scan_block(
    text: Any, limit: Int, span: tuple[Int, Int], found: tuple[Any, Any, Any], count: Int
) -> tuple[Int, Int]:
    """Writes the words that lie in the next 64 bytes, up to the first byte that is not ASCII.

    Returns where the first word begins that may go on behind them, or else how far it looked; and the count.
    """
    starts, ends, hashes = found
    at, end = span
    known = _known(text, at)
    # The byte before an unknown one may join, so a word has to end one earlier.
    sure = known - 1
    if end - at <= known:
        known = end - at
        sure = known + 1
    words = _in_words(text, at, known)
    begins = words & ~(words << _1)
    stops = (words << _1) & ~words & _low_bits(min(sure, 64))
    while stops:
        first, last = at + trailing_zeros(begins), at + trailing_zeros(stops)
        starts[count], ends[count], hashes[count] = first, last, hash_bytes(text, limit, first, last)
        count += 1
        begins &= begins - _1
        stops &= stops - _1
    return at + (trailing_zeros(begins) if begins else known), count


@njit(cache=True, nogil=True)
def _scan_han(text: Any, end: Int, at: Int, found: tuple[Any, Any, Any], count: Int) -> tuple[Int, Int]:
    """Writes the words of a run of Han but for its last, and returns where that begins. Each is one of three bytes."""
    starts, ends, hashes = found
    while at + 6 <= end and HAN_LEADS[0] <= text[at + 3] <= HAN_LEADS[1]:
        starts[count], ends[count], hashes[count] = at, at + 3, _mix(word_at(text, at) & _THREE_BYTES)
        count += 1
        at += 3
    return at, count


@njit(cache=True, nogil=True)
def _scan_characters(
    text: Any,
    limit: Int,
    span: tuple[Int, Int],
    tables: tuple[Any, Any, Any, Any],
    found: tuple[Any, Any, Any],
    count: Int,
) -> tuple[Int, Int]:
    """Takes the automaton through at least one character and on to where ASCII goes on between words."""
    block_of, blocks, ascii_classes, steps = tables
    starts, ends, hashes = found
    at, end = span
    first = last = at
    state = np.uint8(0)
    while at < end:
        lead = text[at]
        if HAN_LEADS[0] <= lead <= HAN_LEADS[1] and at + 3 <= end and state != _JOINING:
            if last > first:
                starts[count], ends[count], hashes[count] = first, last, hash_bytes(text, limit, first, last)
                count += 1
            # The last one stays open: a mark may follow it.
            first, count = _scan_han(text, min(end, limit - 5), at, found, count)
            at = last = first + 3
            state = _SINGLE
            continue
        if lead < 0x80:
            step = steps[state | ascii_classes[lead]]
            width = 1
        else:
            code, width = character(text, at, end)
            step = steps[state | np.uint8(looked_up(code, (block_of, blocks)))]
        if step & BEGINS:
            if last > first:
                starts[count], ends[count], hashes[count] = first, last, hash_bytes(text, limit, first, last)
                count += 1
            first = at
        state = step & _STATE
        at += width
        if step & _REACHES:
            last = at
        elif state == 0 and at < end and text[at] < 0x80:
            break
    if last > first:
        starts[count], ends[count], hashes[count] = first, last, hash_bytes(text, limit, first, last)
        count += 1
    return at, count


@njit(cache=True, nogil=True)
def _scan_row(
    text: Any,
    limit: Int,
    span: tuple[Int, Int],
    tables: tuple[Any, Any, Any, Any],
    found: tuple[Any, Any, Any],
    count: Int,
) -> Int:
    """Writes the words of one row from number ``count`` on and returns the number after the last."""
    at, end = span
    while at < end:
        if text[at] < 0x80 and at + LANES <= limit:
            reached, count = _scan_block(text, limit, (at, end), found, count)
            if reached > at:
                at = reached
                continue
        at, count = _scan_characters(text, limit, (at, end), tables, found, count)
    return count


@njit(cache=True, nogil=True)
def _scan_rows(
    data: Bytes,
    offsets: Int64s,
    tables: tuple[UInt16s, UInt16s, Bytes, Bytes],
    rows: Int64s,
    found: tuple[Int64s, Int64s, UInt64s],
) -> None:
    """O(bytes). Goes through pointers: passing arrays on, a short row took twice as long."""
    text, limit = flat(data), len(data)
    flat_tables = flat(tables[0]), flat(tables[1]), flat(tables[2]), flat(tables[3])
    flat_found = flat(found[0]), flat(found[1]), flat(found[2])
    count: Int = 0
    for row in range(len(offsets) - 1):
        count = _scan_row(text, limit, (offsets[row], offsets[row + 1]), flat_tables, flat_found, count)
        rows[row + 1] = count


@lru_cache(maxsize=1)
def _tables() -> tuple[UInt16s, UInt16s, Bytes, Bytes]:
    """Classes of code points in two stages, those of ASCII, and the automaton with ``_REACHES`` in its steps."""
    tables = word_tables()
    steps = tables.steps.copy()
    for place, step in enumerate(steps.tolist()):
        state, value = divmod(place, CLASSES)
        goes_on = value in (EXTEND, STACKER) and state in _TO_THE_END
        if goes_on or value in (LETTER, DIGIT, KATAKANA, SINGLE, PREFIX):
            steps[place] = step | _REACHES
    return tables.classes.block_of, tables.classes.blocks, tables.ascii_classes, steps


def word_spans(data: Bytes, offsets: Int64s) -> WordSpans:
    """The words of the rows ``data[offsets[i]:offsets[i + 1]]`` of UTF-8.

    Broken characters separate words. Memory: 12 bytes a byte of text are set aside, 24 bytes a word are used.
    """
    rows = np.zeros(len(offsets), np.int64)
    # Two words need a byte between them, or one of them has characters of three bytes.
    most = int(offsets[-1] - offsets[0]) // 2 + len(rows)
    found = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.uint64)
    with np.errstate(over="ignore"):
        _scan_rows(data, offsets, _tables(), rows, found)
    starts, ends, hashes = found
    return WordSpans(rows, starts[: rows[-1]], ends[: rows[-1]], hashes[: rows[-1]])


def word_hash(word: str) -> int:
    """The hash that a word has among :class:`WordSpans`, for lists of words to look for."""
    raw, found, all_bits = word.encode(), 0, (1 << 64) - 1
    for at in range(0, len(raw), 8):
        found ^= int.from_bytes(raw[at : at + 8], "little")
        for shift, factor in ((30, int(_SPLIT1)), (27, int(_SPLIT2))):
            found = (found ^ (found >> shift)) * factor & all_bits
        found ^= found >> 31
    return found or 1


def row_groups(offsets: Int64s, group_bytes: int = GROUP_BYTES) -> Iterator[tuple[int, int]]:
    """(first row, one past the last) of groups of rows with at most ``group_bytes`` of text.

    A longer row is a group by itself. ``offsets[first : last + 1]`` are the group's.
    """
    rows = len(offsets) - 1
    first = 0
    while first < rows:
        last = int(np.searchsorted(offsets, offsets[first] + group_bytes, "right")) - 1
        last = max(min(last, rows), first + 1)
        yield first, last
        first = last
