"""Which rows have line breaks, controls or width forms to clean, or are not in Unicode normal form; and the cleaning.

One scan says per row what there is to do, so that clean text, which is nearly all, is never copied. It walks
plain ASCII eight bytes at a time and other text by code point. Normal form is decided exactly but for blocked
compositions: the quick check of UAX #15 alone would send every Bengali or Tamil row, with their "maybe"
characters, to composition, so a "maybe" is looked up with the starter before it. What has to be composed goes
to :mod:`stages.kernels.unicode_form`.

Rows are UTF-8. Of other bytes it is only promised that nothing outside the row is read and that they stay.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.arrow_text import TextView, read_only
from stages.kernels.form_tables import Form, form_tables
from stages.kernels.loads import copy_bytes, load64
from stages.kernels.unicode_tables import CODE_POINTS, TwoStage, categories, two_stage
from stages.kernels.widths import FORMS, KANA, Width, forms, widths

Bytes = npt.NDArray[np.uint8]
UInt16s = npt.NDArray[np.uint16]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

NOTHING, CLEAN, COMPOSE = 0, 1, 2

# Bits of a code point's properties; the lower eight are its canonical combining class.
_CLASS = 0xFF
_MAYBE = 0x100
_NO = 0x200
_LINE_BREAK = 0x400
_REMOVE = 0x800
_WIDTH = 0x1000
_TO_CLEAN = _LINE_BREAK | _REMOVE | _WIDTH
_NOT_NORMAL = _MAYBE | _NO

LINE_BREAKS = (0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029)
"""Vertical tab, form feed, carriage return, next line, line and paragraph separator: UAX #14's mandatory breaks
besides the line feed."""

_FIRST_FORM, _FIRST_KANA = FORMS.start, KANA.start
_HALF_WIDTH_VOICED = 0xFF9E  # and the half-voiced one behind it
_KANA_LEAD, _CODE_OF_LEAD = 0xE3, 0x3000  # first byte of U+3000 to U+3FFF

_HIGH = np.uint64(0x8080808080808080)
_BELOW_SPACE = np.uint64(0x6060606060606060)
_FROM_TAB = np.uint64(0x7777777777777777)
_AFTER_LINE_FEED = np.uint64(0x7575757575757575)
_DELETE = np.uint64(0x0101010101010101)


class Cleaned(NamedTuple):
    """``view``: the text; ``newlines``, ``controls``, ``width``: int64[rows], bytes taken away for each reason."""

    view: TextView
    newlines: Int64s
    controls: Int64s
    width: Int64s


def _removable() -> Int64s:
    """Controls but tab, line feed and the line breaks; the byte order mark; noncharacters."""
    controls = [code for code in categories()["Cc"] if code not in (0x09, 0x0A, *LINE_BREAKS)]
    planes = np.arange(0xFFFE, CODE_POINTS, 0x10000)
    return np.concatenate([controls, [0xFEFF], np.arange(0xFDD0, 0xFDF0), planes, planes + 1]).astype(np.int64)


@cache
def _properties(form: Form | None, newlines: bool, controls: bool, width: Width = "keep") -> TwoStage:
    values = np.zeros(CODE_POINTS, np.uint16)
    if form is not None:
        tables = form_tables(form)
        values |= tables.classes
        values[tables.no] |= _NO
        values[tables.maybe] |= _MAYBE
    if newlines:
        values[list(LINE_BREAKS)] |= _LINE_BREAK
    if controls:
        values[_removable()] |= _REMOVE
    values[forms(width)] |= _WIDTH
    return two_stage(values)


@njit(cache=True, nogil=True)
def _is_plain(word: np.uint64) -> bool:
    """Eight ASCII bytes, none of them a control other than tab and line feed."""
    control = ~(word + _BELOW_SPACE) & ~((word + _FROM_TAB) & ~(word + _AFTER_LINE_FEED))
    return bool(((control | (word + _DELETE) | word) & _HIGH) == 0)


@njit(cache=True, nogil=True)
def _decode(data: Bytes, at: int, end: int) -> tuple[Int, int]:
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
def _next_special(data: Bytes, at: int, end: int, block_of: UInt16s, blocks: UInt16s) -> tuple[int, int, Int]:
    """(position, bytes, properties) of the next character that has any; (end, 0, 0) if none has."""
    while at < end:
        code: Int = np.int64(data[at])
        width = 1
        if code < 0x80:
            if at + 8 <= end and _is_plain(load64(data, at)):
                at += 8
                continue
        elif (
            0xE0 <= code < 0xF0 and at + 3 <= end and block_of[(code & 0x0F) << 6 | np.int64(data[at + 1] & 0x3F)] == 0
        ):
            at += 3
            continue
        else:
            code, width = _decode(data, at, end)
        block = np.int64(block_of[code >> 6])
        if block:
            found = np.int64(blocks[(block << 6) | (code & 63)])
            if found:
                return at, width, found
        at += width
    return end, 0, 0


@njit(cache=True, nogil=True)
def _contains(ascending: UInt64s, value: np.uint64) -> bool:
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < value:
            low = middle + 1
        else:
            high = middle
    return bool(low < len(ascending) and ascending[low] == value)


@njit(cache=True, nogil=True)
def _composes(
    data: Bytes, row: tuple[int, int], starter_end: int, at: int, combining: Int, lookups: tuple[UInt64s, UInt64s]
) -> bool:
    """Whether the "maybe" character at ``at`` may compose with the character that ends at ``starter_end``."""
    start, end = row
    pairs, composites = lookups
    if starter_end == start:
        return False
    first = starter_end - 1
    while first > start and (data[first] & 0xC0) == 0x80:
        first -= 1
    starter: Int = np.int64(data[first])
    if starter >= 0x80:
        starter = _decode(data, first, end)[0]
    code = _decode(data, at, end)[0]
    if 0x1161 <= code <= 0x11C2:
        return bool(0x1100 <= starter <= 0x1112 or (0xAC00 <= starter <= 0xD7A3 and (starter - 0xAC00) % 28 == 0))
    # A mark may slip below the marks of a composed letter: ụ with a horn is ư with a dot below.
    if combining and _contains(composites, np.uint64(starter)):
        return True
    return _contains(pairs, (np.uint64(starter) << np.uint64(21)) | np.uint64(code))


@njit(cache=True, nogil=True)
def _scan_row(
    data: Bytes, row: tuple[int, int], block_of: UInt16s, blocks: UInt16s, lookups: tuple[UInt64s, UInt64s]
) -> int:
    start, end = row
    outcome = NOTHING
    last_class: Int = 0
    expected = start  # where the next character begins if nothing without properties lies between
    starter_end = start
    at = start
    while True:
        at, width, found = _next_special(data, at, end, block_of, blocks)
        if width == 0:
            return outcome
        if found & _TO_CLEAN:
            return CLEAN
        if at != expected:
            last_class = 0
        combining = found & _CLASS
        if last_class == 0:
            starter_end = at
        if found & _NO or (combining and last_class > combining):
            outcome = COMPOSE
        if outcome == NOTHING and found & _MAYBE and _composes(data, row, starter_end, at, combining, lookups):
            outcome = COMPOSE
        last_class = combining
        at += width
        expected = at


@njit(cache=True, nogil=True)
def _scan_rows(
    data: Bytes,
    offsets: Int64s,
    block_of: UInt16s,
    blocks: UInt16s,
    lookups: tuple[UInt64s, UInt64s],
    todo: Bytes,
) -> None:
    """O(bytes). Looks at rows marked CLEAN. ``lookups``: pairs that compose and what they compose to, ascending."""
    for row in range(len(offsets) - 1):
        if todo[row] == CLEAN:
            todo[row] = _scan_row(data, (offsets[row], offsets[row + 1]), block_of, blocks, lookups)


@njit(cache=True, nogil=True)
def _encode(code: Int, out: Bytes, to: int) -> int:
    """Writes a code point below U+10000; where it ends."""
    if code < 0x80:
        out[to] = code
        return to + 1
    if code < 0x800:
        out[to] = 0xC0 | code >> 6
        out[to + 1] = 0x80 | code & 0x3F
        return to + 2
    out[to] = 0xE0 | code >> 12
    out[to + 1] = 0x80 | code >> 6 & 0x3F
    out[to + 2] = 0x80 | code & 0x3F
    return to + 3


@njit(cache=True, nogil=True)
def _write_usual(form: Int, usual: Int32s, voiced: Int32s, out: Bytes, row_start: int, to: int) -> int:
    """Writes what a width form stands for, a voicing mark into the kana before it; where it ends."""
    if form < _FIRST_FORM:
        out[to] = 0x20
        return to + 1
    if form in (_HALF_WIDTH_VOICED, _HALF_WIDTH_VOICED + 1) and to >= row_start + 3 and out[to - 3] == _KANA_LEAD:
        kana = (np.int64(out[to - 2] & 0x3F) << 6 | np.int64(out[to - 1] & 0x3F)) + _CODE_OF_LEAD - _FIRST_KANA
        if 0 <= kana < voiced.shape[1] and voiced[form - _HALF_WIDTH_VOICED, kana]:
            return _encode(np.int64(voiced[form - _HALF_WIDTH_VOICED, kana]), out, to - 3)
    return _encode(np.int64(usual[form - _FIRST_FORM]), out, to)


@njit(cache=True, nogil=True)
def _clean_row(
    data: Bytes,
    start: int,
    end: int,
    block_of: UInt16s,
    blocks: UInt16s,
    usual: Int32s,
    voiced: Int32s,
    out: Bytes,
    to: int,
) -> tuple[int, int, int, int]:
    """(end in ``out``, bytes taken away of line breaks, of controls, and for width)."""
    row_start = to
    newlines = 0
    controls = 0
    width_bytes = 0
    at = start
    while at < end:
        stop, width, found = _next_special(data, at, end, block_of, blocks)
        copy_bytes(out, to, data, at, stop - at)
        to += stop - at
        at = stop + width
        if found & _LINE_BREAK:
            if data[stop] == 0x0D and at < end and data[at] == 0x0A:
                width += 1
                at += 1
            out[to] = 0x0A
            to += 1
            newlines += width - 1
        elif found & _REMOVE:
            controls += width
        elif found & _WIDTH:
            before = to
            to = _write_usual(_decode(data, stop, end)[0], usual, voiced, out, row_start, to)
            width_bytes += width - (to - before)
    return to, newlines, controls, width_bytes


@njit(cache=True, nogil=True)
def _clean_rows(
    data: Bytes,
    offsets: Int64s,
    todo: Bytes,
    block_of: UInt16s,
    blocks: UInt16s,
    usual: Int32s,
    voiced: Int32s,
    out: Bytes,
    out_offsets: Int64s,
    cut: Int64s,
) -> None:
    """O(bytes). ``out`` has room for all input. ``cut``: int64[rows, 3], see :func:`_clean_row`."""
    to = 0
    for row in range(len(offsets) - 1):
        start, end = offsets[row], offsets[row + 1]
        if todo[row] == CLEAN:
            to, newlines, controls, width = _clean_row(data, start, end, block_of, blocks, usual, voiced, out, to)
            cut[row, 0], cut[row, 1], cut[row, 2] = newlines, controls, width
        else:
            copy_bytes(out, to, data, start, end - start)
            to += end - start
        out_offsets[row + 1] = to


def _lookups(form: Form | None) -> tuple[UInt64s, UInt64s]:
    if form is None:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    tables = form_tables(form)
    return tables.pairs, np.sort(tables.composites).astype(np.uint64)


def scan(view: TextView, form: Form | None, newlines: bool, controls: bool, width: Width = "keep") -> Bytes:
    """uint8[rows]: CLEAN where line breaks, controls or width forms have to be cleaned, else COMPOSE or NOTHING."""
    todo = np.full(len(view.offsets) - 1, CLEAN, np.uint8)
    return _scan(view, todo, _properties(form, newlines, controls, width), form)


def scan_cleaned(view: TextView, todo: Bytes, form: Form | None) -> Bytes:
    """``todo`` with COMPOSE or NOTHING in place of CLEAN, once those rows have been cleaned.

    Only then can it be told: taking a character away may bring a letter and its accent together.
    """
    return _scan(view, todo.copy(), _properties(form, False, False), form)


def _scan(view: TextView, todo: Bytes, properties: TwoStage, form: Form | None) -> Bytes:
    with np.errstate(over="ignore"):
        _scan_rows(view.data, view.offsets, properties.block_of, properties.blocks, _lookups(form), todo)
    return todo


def clean(view: TextView, todo: Bytes, newlines: bool, controls: bool, width: Width = "keep") -> Cleaned:
    """Text with line breaks made line feeds, controls removed and width forms made usual in the rows marked CLEAN."""
    properties = _properties(None, newlines, controls, width)
    rows = len(view.offsets) - 1
    out = np.empty(view.offsets[-1] - view.offsets[0], np.uint8)
    offsets = np.zeros(rows + 1, np.int64)
    cut = np.zeros((rows, 3), np.int64)
    with np.errstate(over="ignore"):
        _clean_rows(*view, todo, *properties, *widths(), out, offsets, cut)
    return Cleaned(read_only(out[: offsets[-1]], offsets), *np.ascontiguousarray(cut.T))
