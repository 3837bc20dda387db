"""Rows and fields of delimited text: CSV, TSV.

A row ends with LF or CR LF outside of quotes. A field that begins with the quote ends with the next quote that is not
doubled, and the row's end or the delimiter has to follow (RFC 4180, section 2); elsewhere a quote stands for itself.
Blank lines are no rows.

A quote that does not end where a field may end has no certain meaning, and everything behind it might be inside or
outside. Then only the row's first line is given up, or the first lines up to 1/64 of what had to be looked at to find
out: so a stray quote costs little, and input made of them is still scanned in linear time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.loads import copy_bytes

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]

COLUMN_COUNT, STRAY_QUOTE, UNCLOSED_QUOTE, NUL_BYTE = range(4)
REASONS = ("column_count", "stray_quote", "unclosed_quote", "nul_byte")

MORE, ENDS, FULL = range(3)
"""What is behind the data: more of it; nothing; more, but no row may be longer than what is here."""

NO_QUOTE = -1

START, STOP, DOUBLED = range(3)
"""Of a cell: where its value begins and ends, without quotes; how many doubled quotes are inside."""

BAD_START, BAD_STOP, BAD_CODE, BAD_VALUE = range(4)

_GIVE_UP = 64
_LINE_FEED = 10
_RETURN = 13


class Rows(NamedTuple):
    """What a scan found. ``next``: where to go on; where the scan began if its first row is not whole.

    ``starts``, ``stops``: int64[rows], each row with its line end. ``cells``: int64[rows, slots, 3].
    ``bad``: int64[bad, 4]: start, stop, code, and the columns found or the byte of the row at fault.
    """

    next: int
    starts: Int64s
    stops: Int64s
    cells: Int64s
    bad: Int64s


class Room(NamedTuple):
    """Arrays that scans write to, over and over."""

    starts: Int64s
    stops: Int64s
    cells: Int64s
    bad: Int64s


def make_room(rows: int, slots: int) -> Room:
    """For that many rows, and as many bad ones."""
    return Room(
        np.empty(rows, np.int64),
        np.empty(rows, np.int64),
        np.empty((rows, slots, 3), np.int64),
        np.empty((rows, 4), np.int64),
    )


@njit(cache=True, nogil=True)
def _resume(data: Bytes, start: int, seen: int, stop: int, behind: int) -> int:
    """Behind the first line feed from 1/64 of the way from ``start`` to ``seen`` on; -1 if none is here."""
    for at in range(start + (seen - start) // _GIVE_UP, stop):
        if data[at] == _LINE_FEED:
            return at + 1
    return stop if behind == ENDS else -1


@njit(cache=True, nogil=True)
def _plain(data: Bytes, at: int, stop: int, delimiter: int, nul: int) -> tuple[int, int]:
    """(place of the delimiter or line feed, or ``stop``; first NUL or -1)."""
    while at < stop:
        byte = data[at]
        if byte == delimiter or byte == _LINE_FEED:
            break
        if byte == 0 and nul < 0:
            nul = at
        at += 1
    return at, nul


@njit(cache=True, nogil=True)
def _quoted(data: Bytes, at: int, stop: int, quote: int, nul: int) -> tuple[int, int, int]:
    """(place of the closing quote or ``stop``, doubled quotes, first NUL or -1) from the first byte on."""
    doubled = 0
    while at < stop:
        byte = data[at]
        if byte == quote:
            if at + 1 == stop or data[at + 1] != quote:
                return at, doubled, nul
            doubled += 1
            at += 2
            continue
        if byte == 0 and nul < 0:
            nul = at
        at += 1
    return stop, doubled, nul


@njit(cache=True, nogil=True)
def _note(bad: Int64s, faults: int, start: int, stop: int, code: int, value: int) -> int:
    """Write down a bad row; how many there are now."""
    bad[faults, BAD_START], bad[faults, BAD_STOP] = start, stop
    bad[faults, BAD_CODE], bad[faults, BAD_VALUE] = code, value
    return faults + 1


@njit(cache=True, nogil=True)
def _scan(
    data: Bytes,
    begin: int,
    stop: int,
    behind: int,
    delimiter: int,
    quote: int,
    slots: Int64s,
    starts: Int64s,
    stops: Int64s,
    cells: Int64s,
    bad: Int64s,
) -> tuple[int, int, int]:
    """(next, rows, bad rows). O(bytes), times 64 where every quote is stray."""
    columns = len(slots)
    rows = faults = 0
    at = begin
    while at < stop and rows < len(starts) and faults < len(bad):
        start = at
        if data[at] == _LINE_FEED:
            at += 1
            continue
        if data[at] == _RETURN:
            if at + 1 == stop and behind != ENDS:
                return start, rows, faults
            if at + 1 == stop or data[at + 1] == _LINE_FEED:
                at = min(at + 2, stop)
                continue
        field = 0
        nul = -1
        fault = -1
        while True:
            doubled = 0
            if at < stop and data[at] == quote:
                first = at + 1
                last, doubled, nul = _quoted(data, first, stop, quote, nul)
                at = last + 1
                if last == stop:
                    if behind == MORE:
                        return start, rows, faults
                    fault, at = UNCLOSED_QUOTE, stop
                    break
                if at == stop and behind != ENDS:
                    return start, rows, faults
                if at < stop and data[at] == _RETURN:
                    if at + 1 == stop and behind != ENDS:
                        return start, rows, faults
                    if at + 1 == stop or data[at + 1] == _LINE_FEED:
                        at += 1
                if at < stop and data[at] != delimiter and data[at] != _LINE_FEED:
                    fault = STRAY_QUOTE
                    break
            else:
                first = at
                at, nul = _plain(data, at, stop, delimiter, nul)
                if at == stop and behind != ENDS:
                    return start, rows, faults
                last = at
                if last > first and data[last - 1] == _RETURN and (at == stop or data[at] == _LINE_FEED):
                    last -= 1
            if field < columns and slots[field] >= 0:
                cells[rows, slots[field], START] = first
                cells[rows, slots[field], STOP] = last
                cells[rows, slots[field], DOUBLED] = doubled
            field += 1
            if at == stop or data[at] == _LINE_FEED:
                break
            at += 1
        if fault >= 0:
            seen = at
            at = _resume(data, start, seen, stop, behind)
            if at < 0:
                return start, rows, faults
            faults = _note(bad, faults, start, at, fault, seen - start)
            if behind == FULL:
                return at, rows, faults
            continue
        at = min(at + 1, stop)
        if field != columns:
            faults = _note(bad, faults, start, at, COLUMN_COUNT, field)
        elif nul >= 0:
            faults = _note(bad, faults, start, at, NUL_BYTE, nul - start)
        else:
            starts[rows], stops[rows] = start, at
            rows += 1
    return at, rows, faults


def scan(
    data: Bytes, begin: int, stop: int, behind: int, delimiter: int, quote: int, slots: Int64s, room: Room
) -> Rows:
    """Rows of ``data[begin:stop]``, as many as there is room for.

    ``behind``: MORE, ENDS or FULL. With FULL the first row is one that does not end here: if that is for a quote, the
    row is bad. ``quote``: its byte, or NO_QUOTE. ``slots``: int64[columns], where a column's cells go, -1 for nowhere.
    """
    next_, rows, faults = _scan(_read_only(data), begin, stop, behind, delimiter, quote, slots, *room)
    return Rows(next_, room.starts[:rows], room.stops[:rows], room.cells[:rows], room.bad[:faults])


@njit(cache=True, nogil=True)
def _gather(data: Bytes, cells: Int64s, slot: int, quote: int, offsets: Int64s) -> Bytes:
    total = 0
    for row in range(len(cells)):
        total += cells[row, slot, STOP] - cells[row, slot, START] - cells[row, slot, DOUBLED]
        offsets[row + 1] = total
    out = np.empty(total, np.uint8)
    for row in range(len(cells)):
        at, stop, to = cells[row, slot, START], cells[row, slot, STOP], offsets[row]
        for _ in range(cells[row, slot, DOUBLED]):
            run = at
            while data[run] != quote:
                run += 1
            copy_bytes(out, to, data, at, run + 1 - at)
            to += run + 1 - at
            at = run + 2
        copy_bytes(out, to, data, at, stop - at)
    return out


def gather(data: Bytes, cells: Int64s, slot: int, quote: int) -> tuple[Bytes, Int64s]:
    """(uint8 content, int64[rows + 1] offsets) of one slot's values, doubled quotes made one. O(bytes)."""
    offsets = np.zeros(len(cells) + 1, np.int64)
    return _gather(_read_only(data), cells, slot, quote, offsets), offsets


def _read_only(data: Bytes) -> Bytes:
    """A view that Numba takes for the same type wherever the bytes come from."""
    view = data.view()
    view.flags.writeable = False
    return view
