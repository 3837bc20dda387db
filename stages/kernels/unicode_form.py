"""Unicode normal forms NFC and NFKC, by the algorithm of UAX #15, over batches of rows.

A kernel rather than ``unicodedata.normalize`` row by row: no Python string is made, full-width punctuation under
NFKC or decomposed Vietnamese costs no more than other work, and a row of millions of combining marks is sorted
in linear time where CPython's insertion sort needs n². The tables are made from ``unicodedata``, and so the results
are those of ``unicodedata.normalize``, to the byte.

A character that is its own normal form, is no combining mark and never composes with what is before it is a
boundary: text on its two sides can be normalised apart. Between boundaries lie segments of a few characters;
only those with something to do are decomposed, ordered and composed, the rest is copied.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.arrow_text import TextView, read_only
from stages.kernels.form_tables import Form, form_tables
from stages.kernels.loads import copy_bytes, load64
from stages.kernels.unicode_tables import CODE_POINTS

Bytes = npt.NDArray[np.uint8]
UInt16s = npt.NDArray[np.uint16]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

_SHORT_RUN = 24  # marks on one letter, up to which insertion sort is quicker than counting
_HIGH = np.uint64(0x8080808080808080)
_HANGUL_FIRST, _HANGUL_COUNT = 0xAC00, 11172


@njit(cache=True, nogil=True)
def _lookup(block_of: UInt16s, blocks: UInt16s, code: Int) -> Int:
    return np.int64(blocks[(np.int64(block_of[code >> 6]) << 6) | (code & 63)])


@njit(cache=True, nogil=True)
def _decode(data: Bytes, at: int, end: int) -> tuple[Int, int]:
    """(code point, bytes) at a position; U+FFFD of one byte where it is not UTF-8."""
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
        if code < CODE_POINTS:
            return code, 4
    return 0xFFFD, 1


@njit(cache=True, nogil=True)
def _encode(code: int, out: Bytes, to: int) -> int:
    """Writes UTF-8; the position after it."""
    if code < 0x80:
        out[to] = code
        return to + 1
    if code < 0x800:
        out[to] = 0xC0 | (code >> 6)
        out[to + 1] = 0x80 | (code & 0x3F)
        return to + 2
    if code < 0x10000:
        out[to] = 0xE0 | (code >> 12)
        out[to + 1] = 0x80 | ((code >> 6) & 0x3F)
        out[to + 2] = 0x80 | (code & 0x3F)
        return to + 3
    out[to] = 0xF0 | (code >> 18)
    out[to + 1] = 0x80 | ((code >> 12) & 0x3F)
    out[to + 2] = 0x80 | ((code >> 6) & 0x3F)
    out[to + 3] = 0x80 | (code & 0x3F)
    return to + 4


@njit(cache=True, nogil=True)
def _grown(array: Any, used: int, needed: int) -> Any:
    """The array, or a copy of its first ``used`` values with room for ``needed`` and more."""
    if needed <= len(array):
        return array
    larger = np.empty(2 * needed, array.dtype)
    for k in range(used):  # assigning a slice would compile for 9 seconds: its error message pulls in all of str
        larger[k] = array[k]
    return larger


@njit(cache=True, nogil=True)
def _decompose(
    data: Bytes, start: int, end: int, tables: tuple[UInt16s, UInt16s, Int64s, Int64s], codes: Int64s
) -> tuple[Int64s, int]:
    """(buffer, count): full decomposition of the bytes; the buffer grows when it has to."""
    block_of, blocks, starts, parts = tables
    count = 0
    at = start
    while at < end:
        code, width = _decode(data, at, end)
        at += width
        entry = _lookup(block_of, blocks, code)
        size = starts[entry + 1] - starts[entry]
        codes = _grown(codes, count, count + max(3, size))
        syllable = code - _HANGUL_FIRST
        if 0 <= syllable < _HANGUL_COUNT:
            codes[count] = 0x1100 + syllable // 588
            codes[count + 1] = 0x1161 + syllable % 588 // 28
            codes[count + 2] = 0x11A7 + syllable % 28
            count += 3 if syllable % 28 else 2
        elif size == 0:
            codes[count] = code
            count += 1
        else:
            for k in range(size):
                codes[count + k] = parts[starts[entry] + k]
            count += size
    return codes, count


@njit(cache=True, nogil=True)
def _sort_by_class(codes: Int64s, classes: Int64s, start: int, end: int) -> None:
    """Stable counting sort. O(n + classes)."""
    places = np.zeros(257, np.int64)
    for k in range(start, end):
        places[classes[k] + 1] += 1
    for combining in range(256):
        places[combining + 1] += places[combining]
    sorted_codes, sorted_classes = np.empty(end - start, np.int64), np.empty(end - start, np.int64)
    for k in range(start, end):
        place = places[classes[k]]
        sorted_codes[place], sorted_classes[place] = codes[k], classes[k]
        places[classes[k]] += 1
    for k in range(end - start):
        codes[start + k], classes[start + k] = sorted_codes[k], sorted_classes[k]


@njit(cache=True, nogil=True)
def _order(codes: Int64s, classes: Int64s, count: int) -> None:
    """Sorts each run of combining marks by class, equal ones in their order. O(n)."""
    start = 0
    while start < count:
        if classes[start] == 0:
            start += 1
            continue
        end = start
        while end < count and classes[end] != 0:
            end += 1
        if end - start > _SHORT_RUN:
            _sort_by_class(codes, classes, start, end)
        else:
            for k in range(start + 1, end):
                code, combining = codes[k], classes[k]
                place = k
                while place > start and classes[place - 1] > combining:
                    codes[place], classes[place] = codes[place - 1], classes[place - 1]
                    place -= 1
                codes[place], classes[place] = code, combining
        start = end


@njit(cache=True, nogil=True)
def _composite(first: int, second: int, pairs: UInt64s, composites: Int64s) -> int:
    """What the two compose to, or -1."""
    if 0x1100 <= first <= 0x1112 and 0x1161 <= second <= 0x1175:
        return _HANGUL_FIRST + ((first - 0x1100) * 21 + second - 0x1161) * 28
    syllable = first - _HANGUL_FIRST
    if 0 <= syllable < _HANGUL_COUNT:
        return first + second - 0x11A7 if syllable % 28 == 0 and 0x11A8 <= second <= 0x11C2 else -1
    pair = (np.uint64(first) << np.uint64(21)) | np.uint64(second)
    low, high = 0, len(pairs)
    while low < high:
        middle = (low + high) // 2
        if pairs[middle] < pair:
            low = middle + 1
        else:
            high = middle
    return composites[low] if low < len(pairs) and pairs[low] == pair else -1


@njit(cache=True, nogil=True)
def _compose(codes: Int64s, classes: Int64s, count: int, pairs: UInt64s, composites: Int64s) -> int:
    """Composes in place; the count that is left. O(n·log pairs)."""
    starter = -1
    previous = -1  # class of the last mark that stays behind the starter; -1: none
    kept = 0
    for k in range(count):
        code, combining = codes[k], classes[k]
        if starter >= 0 and previous < combining:
            composite = _composite(codes[starter], code, pairs, composites)
            if composite >= 0:
                codes[starter] = composite
                continue
        if combining == 0:
            starter, previous = kept, -1
        else:
            previous = combining
        codes[kept] = code
        kept += 1
    return kept


@njit(cache=True, nogil=True)
def _next_segment(data: Bytes, at: int, end: int, block_of: UInt16s, blocks: UInt16s) -> tuple[int, int]:
    """(start, end) of the next segment with something to do: its boundary character and all up to the next one."""
    boundary = at
    while at < end:
        if data[at] < 0x80:
            # ASCII is a boundary in every form.
            step = 8 if at + 8 <= end and (load64(data, at) & _HIGH) == 0 else 1
            at += step
            boundary = at - 1
            continue
        code, width = _decode(data, at, end)
        if _lookup(block_of, blocks, code):
            break
        boundary = at
        at += width
    if at == end:
        return end, end
    while at < end:
        code, width = _decode(data, at, end)
        if not _lookup(block_of, blocks, code):
            break
        at += width
    return boundary, at


@njit(cache=True, nogil=True)
def _compose_rows(
    data: Bytes,
    offsets: Int64s,
    todo: Bytes,
    properties: tuple[UInt16s, UInt16s],
    decompositions: tuple[UInt16s, UInt16s, Int64s, Int64s],
    pairs: UInt64s,
    composites: Int64s,
    out_offsets: Int64s,
) -> Bytes:
    """The rows' bytes, composed where ``todo`` is not 0. O(bytes)."""
    out = np.empty(offsets[-1] - offsets[0] + 64, np.uint8)
    codes, classes = np.empty(64, np.int64), np.empty(64, np.int64)
    to = 0
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            start, stop = (end, end) if todo[row] == 0 else _next_segment(data, at, end, properties[0], properties[1])
            codes, count = _decompose(data, start, stop, decompositions, codes)
            classes = _grown(classes, 0, count)
            for k in range(count):
                classes[k] = _lookup(properties[0], properties[1], codes[k]) & 0xFF
            _order(codes, classes, count)
            count = _compose(codes, classes, count, pairs, composites)
            out = _grown(out, to, to + start - at + 4 * count)
            copy_bytes(out, to, data, at, start - at)
            to += start - at
            for k in range(count):
                to = _encode(codes[k], out, to)
            at = stop
        out_offsets[row + 1] = to
    return out[:to]


def compose(view: TextView, todo: Bytes, form: Form) -> TextView:
    """The rows in normal form where ``todo`` (uint8[rows]) is not 0, others as they are."""
    tables = form_tables(form)
    offsets = np.zeros(len(view.offsets), np.int64)
    decompositions = (*tables.entries, tables.starts, tables.parts)
    properties = (tables.properties.block_of, tables.properties.blocks)
    data = _compose_rows(*view, todo, properties, decompositions, tables.pairs, tables.composites, offsets)
    return read_only(data, offsets)
