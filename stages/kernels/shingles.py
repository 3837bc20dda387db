"""Hashes of the shingles of each row: n units in a row, as :mod:`stages.kernels.shingle_tables` says.

One pass over the bytes. The folded characters of a unit are packed into 64-bit words (a byte of ASCII, three bytes of
seven bits for any other, so that no two units pack alike) and mixed; units of eight ASCII characters or fewer cannot
collide. A polynomial in the n last unit hashes, modulo 2**64, rolls from unit to unit and is mixed again. ASCII letters
are taken up to eight at once. A combining mark counts where it stands on a letter or digit.

A row of fewer than n units has no shingle. It gets a 128-bit hash of all its units instead, so that short documents
can be compared for equality and never share a bucket by chance (Broder's shingling leaves them undefined).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.arrow_text import TextView
from stages.kernels.loads import load64
from stages.kernels.shingle_tables import CLASS_MASK, UNREAD, Units, shingle_tables
from stages.kernels.unicode_tables import CODE_POINTS
from stages.kernels.word_classes import (
    BEGINS,
    BETWEEN,
    CLASSES,
    DIGIT,
    EXTEND,
    IN_CONNECTORS,
    IN_SINGLE,
    LETTER,
    OTHER,
    SINGLE,
)

Int = int | np.int64
Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
UInt16s = npt.NDArray[np.uint16]
Int32s = npt.NDArray[np.int32]
Tables = tuple[UInt16s, UInt16s, Int32s, Bytes, Bytes, Bytes, int]

_STATE = 0xF0
_READ = 128
_BETWEEN, _IN_CONNECTORS, _IN_SINGLE = BETWEEN * CLASSES, IN_CONNECTORS * CLASSES, IN_SINGLE * CLASSES
_HIGH = np.uint64(0x8080808080808080)
_LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
_ONES = np.uint64(0x0101010101010101)
_LOWER_CASE = np.uint64(0x2020202020202020)
_FROM_A = np.uint64(0x1F1F1F1F1F1F1F1F)
_AFTER_Z = np.uint64(0x0505050505050505)
_SPLIT1 = np.uint64(0xBF58476D1CE4E5B9)
_SPLIT2 = np.uint64(0x94D049BB133111EB)
_FIRST = np.uint64(0x243F6A8885A308D3)
_SECOND = np.uint64(0x13198A2E03707344)
_BASE = np.uint64(0xD1342543DE82EF95)
_ZERO = np.uint64(0)


class Shingles(NamedTuple):
    """Shingle hashes of the rows: those of row i are ``hashes[offsets[i]:offsets[i + 1]]``, in order, repeats included.

    ``hashes``: uint64[shingles]. ``offsets``: int64[rows + 1]. ``units``: int64[rows]. ``short``: uint64[rows, 2], the
    hash of all units of rows that have fewer than n (0 for the others).
    """

    hashes: UInt64s
    offsets: Int64s
    units: Int64s
    short: npt.NDArray[np.uint64]


@njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:
    value ^= value >> np.uint64(30)
    value *= _SPLIT1
    value ^= value >> np.uint64(27)
    value *= _SPLIT2
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _decode(data: Bytes, at: Int, end: int) -> tuple[Int, int]:
    """(code point, bytes) at a position that is not ASCII; U+FFFD of one byte where it is not UTF-8."""
    lead = np.int64(data[at])
    if 0xE0 <= lead < 0xF0 and at + 3 <= end:
        return ((lead & 0x0F) << 12) | (np.int64(data[at + 1] & 0x3F) << 6) | np.int64(data[at + 2] & 0x3F), 3
    if 0xC2 <= lead < 0xE0 and at + 2 <= end:
        return ((lead & 0x1F) << 6) | np.int64(data[at + 1] & 0x3F), 2
    if 0xF0 <= lead < 0xF5 and at + 4 <= end:
        high = ((lead & 0x07) << 18) | (np.int64(data[at + 1] & 0x3F) << 12)
        code = high | (np.int64(data[at + 2] & 0x3F) << 6) | np.int64(data[at + 3] & 0x3F)
        if code < CODE_POINTS:
            return code, 4
    return 0xFFFD, 1


@njit(cache=True, nogil=True)
def _leading_letters(lower: np.uint64, word: np.uint64) -> np.uint64:
    """Bits (8 each) of the ASCII letters that eight bytes begin with; ``lower`` is ``word | 0x20`` in each byte."""
    lower &= _LOW_BITS
    others = (~((lower + _FROM_A) & ~(lower + _AFTER_Z)) | word) & _HIGH
    if others == _ZERO:
        return np.uint64(64)
    below = (others & (~others + np.uint64(1))) - np.uint64(1)
    return (((below & _HIGH) >> np.uint64(7)) * _ONES >> np.uint64(56)) << np.uint64(3)


@njit(cache=True, nogil=True)
def _packed(code: np.uint64) -> tuple[np.uint64, np.uint64]:
    """(packed character, its bits): ASCII that was full-width in one byte, others in three with the high bits set."""
    if code < np.uint64(128):
        return code, np.uint64(8)
    seven = np.uint64(127)
    low, middle = code & seven, ((code >> np.uint64(7)) & seven) << np.uint64(8)
    return low | middle | ((code >> np.uint64(14)) << np.uint64(16)) | np.uint64(0x808080), np.uint64(24)


@njit(cache=True, nogil=True)
def _append(
    value: np.uint64, bits: np.uint64, packed: np.uint64, filled: np.uint64, mixed: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64]:
    """(packed, filled bits, mixed) after ``value``, which has nothing above its ``bits`` (at most 64)."""
    packed |= value << filled
    filled += bits
    if filled < np.uint64(64):
        return packed, filled, mixed
    mixed = _mix(mixed ^ packed)
    filled -= np.uint64(64)
    rest = value >> (bits - filled) if filled > _ZERO else _ZERO
    return rest, filled, mixed


@njit(cache=True, nogil=True)
def _read_ascii(data: Bytes, at: Int, end: Int, entries: Bytes, folded: Bytes) -> tuple[np.uint64, np.uint64, Int, Int]:
    """(packed characters, their bits, class, bytes): one character, or up to eight letters if eight bytes are left."""
    entry = entries[data[at]]
    kind = np.int64(entry & CLASS_MASK)
    if at + 8 <= end and kind == LETTER:
        word = load64(data, at)
        lower = word | _LOWER_CASE
        bits = _leading_letters(lower, word)
        return lower & (~_ZERO >> (np.uint64(64) - bits)), bits, kind, np.int64(bits >> np.uint64(3))
    if entry & _READ:
        return np.uint64(folded[data[at]]), np.uint64(8), kind, np.int64(1)
    return _ZERO, _ZERO, kind, np.int64(1)


# As a call, counting the references to its arrays takes a third of the speed of Chinese.
@njit(cache=True, nogil=True, inline="always")
def _read_other(
    data: Bytes, at: Int, end: int, block_of: UInt16s, blocks: UInt16s, changes: Int32s
) -> tuple[np.uint64, np.uint64, Int, Int]:
    """(packed character, its bits, class, bytes) of a character that is not ASCII."""
    code, width = _decode(data, at, end)
    entry = np.int64(blocks[(np.int64(block_of[code >> 6]) << 6) | (code & 63)])
    if entry >> 4 == UNREAD:
        return _ZERO, _ZERO, entry & CLASS_MASK, np.int64(width)
    value, bits = _packed(np.uint64(code + changes[entry >> 4]))
    return value, bits, entry & CLASS_MASK, np.int64(width)


@njit(cache=True, nogil=True)
def _shingle_row(
    data: Bytes, span: tuple[int, int], tables: Tables, last: UInt64s, leaving: np.uint64, out: UInt64s
) -> Int:
    """Units of the row, whose shingles are put into ``out``.

    ``last``: the n last units, a ring. ``leaving``: base ** n, by which the polynomial loses the one before them.
    """
    block_of, blocks, changes, entries, folded, steps, reach = tables
    at: Int = span[0]
    until: Int = at
    end = span[1]
    last[:] = _ZERO
    before, state = 1 - len(last), np.int64(0)
    units: Int = np.int64(-1)
    place = 0
    packed, filled, mixed, rolled = _ZERO, _ZERO, _FIRST, _ZERO
    while at <= end:
        value, bits = _ZERO, _ZERO
        kind: Int = np.int64(OTHER)
        width: Int = np.int64(1)
        if at < end and data[at] < 0x80:
            value, bits, kind, width = _read_ascii(data, at, end if at >= until else at, entries, folded)
        elif at < end:
            value, bits, kind, width = _read_other(data, at, end, block_of, blocks, changes)
        if kind == SINGLE:
            until = at + reach
        elif at < until and (kind == LETTER or kind == DIGIT):
            kind = np.int64(SINGLE)
        step = np.int64(steps[state | kind])
        if step & BEGINS or at == end:
            if units >= 0:
                unit = mixed if filled == _ZERO else _mix(mixed ^ packed)
                rolled = rolled * _BASE + unit - last[place] * leaving
                last[place] = unit
                place = place + 1 if place + 1 < len(last) else 0
                if units + before >= 0:
                    out[units + before] = _mix(rolled)
            units += 1
            packed, filled, mixed = _ZERO, _ZERO, _FIRST
        on_a_unit = _BETWEEN < state <= _IN_SINGLE and state != _IN_CONNECTORS
        if bits > _ZERO and (kind != EXTEND or on_a_unit):
            packed, filled, mixed = _append(value, bits, packed, filled, mixed)
        state = step & _STATE
        at += width
    return units


@njit(cache=True, nogil=True)
def _short_hash(last: UInt64s, units: Int) -> tuple[np.uint64, np.uint64]:
    first, second = _FIRST, _SECOND
    for place in range(units):
        first = _mix(first ^ last[place])
        second = _mix(second + last[place]) * _BASE
    return first, _mix(second)


@njit(cache=True, nogil=True)
def _shingle_rows(
    data: Bytes, offsets: Int64s, tables: Tables, n: int, found: tuple[UInt64s, Int64s, Int64s, npt.NDArray[np.uint64]]
) -> None:
    """O(bytes)."""
    hashes, starts, units, short = found
    last = np.zeros(n, np.uint64)
    leaving = np.uint64(1)
    for _ in range(n):
        leaving *= _BASE
    count: Int = np.int64(0)
    for row in range(len(units)):
        starts[row] = count
        span = (offsets[row], offsets[row + 1])
        units[row] = _shingle_row(data, span, tables, last, leaving, hashes[count:])
        count += max(units[row] - n + 1, 0)
        if 0 < units[row] < n:
            short[row, 0], short[row, 1] = _short_hash(last, units[row])
    starts[len(units)] = count


def shingle(view: TextView, n: int, units: Units = "auto", scratch: UInt64s | None = None) -> Shingles:
    """The shingles of n units of each row.

    ``scratch``: uint64 of at least as many entries as the rows have bytes, which ``hashes`` will be a part of.
    Raises ValueError if n is not positive.
    """
    if n < 1:
        raise ValueError(f"a shingle has at least one unit, not {n}")
    rows, tables = len(view.offsets) - 1, shingle_tables(units)
    size = int(view.offsets[-1] - view.offsets[0])
    hashes = np.empty(size, np.uint64) if scratch is None else scratch
    found = Shingles(hashes, np.zeros(rows + 1, np.int64), np.zeros(rows, np.int64), np.zeros((rows, 2), np.uint64))
    with np.errstate(over="ignore"):
        _shingle_rows(view.data, view.offsets, (*tables.properties, *tables[1:]), n, found)
    return found._replace(hashes=hashes[: found.offsets[-1]])
