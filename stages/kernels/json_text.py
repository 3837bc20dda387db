"""Rows of columns as JSON Lines: sizes first, then every value put in its place, without a Python object per row.

Text is escaped as RFC 8259 asks and no further: quotation mark, backslash and the controls below U+0020; all else
stays the UTF-8 that it is. Other values come as JSON already (numbers, ``true``) or as bytes to be shown in
hexadecimal. Every object has all keys in the same order, ``null`` where there is no value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]

JSON = 0
"""The bytes are a JSON value."""
TEXT = 1
"""The bytes are UTF-8 that becomes a string."""
HEX = 2
"""The bytes become a string of hexadecimal digits."""

_QUOTE = np.uint8(0x22)
_BACKSLASH = np.uint8(0x5C)
_NULL = np.frombuffer(b"null", np.uint8)
_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_SHORT = np.zeros(32, np.uint8)
_SHORT[[8, 9, 10, 12, 13]] = np.frombuffer(b"btnfr", np.uint8)
_MORE = np.zeros(256, np.uint8)
_MORE[:32] = np.where(_SHORT > 0, 1, 5)
_MORE[[0x22, 0x5C]] = 1
_STEP = 16
"""Bytes that are looked at, and copied, together: few of them hold something to escape."""


class Column(NamedTuple):
    """A key and its values: row i is ``data[offsets[i]:offsets[i + 1]]``, or null where ``valid`` is false.

    ``form``: :data:`JSON`, :data:`TEXT` or :data:`HEX`. ``offsets``: int64[rows + 1]; a null row's bytes are not read.
    """

    key: str
    data: Bytes
    offsets: Int64s
    valid: npt.NDArray[np.bool_]
    form: int


@njit(cache=True, nogil=True)
def _add_sizes(data: Bytes, offsets: Int64s, valid: npt.NDArray[np.bool_], form: int, sizes: Int64s) -> None:
    """Adds the bytes of each value. O(bytes)."""
    for row in range(len(sizes)):
        start, end = offsets[row], offsets[row + 1]
        if not valid[row]:
            sizes[row] += len(_NULL)
        elif form == TEXT:
            more = 2
            for place in range(start, end):  # comparisons and not the table, so that it is vectorized
                byte = data[place]
                is_short = (byte == 8) | (byte == 9) | (byte == 10) | (byte == 12) | (byte == 13)
                more += 5 * (byte < 32) - 4 * is_short + (byte == 0x22) + (byte == 0x5C)
            sizes[row] += end - start + more
        elif form == HEX:
            sizes[row] += 2 * (end - start) + 2
        else:
            sizes[row] += end - start


@njit(cache=True, nogil=True)
def _put_bytes(out: Bytes, at: int, data: Bytes, start: int, end: int) -> int:
    for place in range(start, end):
        out[at + place - start] = data[place]
    return at + end - start


@njit(cache=True, nogil=True)
def _put_escape(out: Bytes, at: int, byte: int) -> int:
    """A byte that may not stand in a string as it is."""
    out[at] = _BACKSLASH
    if byte >= 32:
        out[at + 1] = byte
        return at + 2
    if _SHORT[byte]:
        out[at + 1] = _SHORT[byte]
        return at + 2
    out[at + 1] = 0x75
    out[at + 2] = out[at + 3] = 0x30
    out[at + 4], out[at + 5] = _DIGITS[byte >> 4], _DIGITS[byte & 15]
    return at + 6


@njit(cache=True, nogil=True)
def _put_text(out: Bytes, at: int, data: Bytes, start: int, end: int) -> int:
    out[at] = _QUOTE
    at += 1
    place = start
    while place < end:
        stop = min(place + _STEP, end)
        special = False
        for i in range(place, stop):
            special |= (data[i] < 32) | (data[i] == 0x22) | (data[i] == 0x5C)
        if not special:
            for i in range(place, stop):
                out[at + i - place] = data[i]
            at += stop - place
        else:
            for i in range(place, stop):
                if _MORE[data[i]]:
                    at = _put_escape(out, at, data[i])
                else:
                    out[at] = data[i]
                    at += 1
        place = stop
    out[at] = _QUOTE
    return at + 1


@njit(cache=True, nogil=True)
def _put_hex(out: Bytes, at: int, data: Bytes, start: int, end: int) -> int:
    out[at] = _QUOTE
    at += 1
    for place in range(start, end):
        out[at], out[at + 1] = _DIGITS[data[place] >> 4], _DIGITS[data[place] & 15]
        at += 2
    out[at] = _QUOTE
    return at + 1


@njit(cache=True, nogil=True)
def _put_column(
    out: Bytes,
    places: Int64s,
    head: Bytes,
    data: Bytes,
    offsets: Int64s,
    valid: npt.NDArray[np.bool_],
    form: int,
) -> None:
    """Writes head and value of each row at ``places``, which move behind them. O(bytes)."""
    for row in range(len(places)):
        start, end = offsets[row], offsets[row + 1]
        at = _put_bytes(out, places[row], head, 0, len(head))
        if not valid[row]:
            at = _put_bytes(out, at, _NULL, 0, len(_NULL))
        elif form == TEXT:
            at = _put_text(out, at, data, start, end)
        elif form == HEX:
            at = _put_hex(out, at, data, start, end)
        else:
            at = _put_bytes(out, at, data, start, end)
        places[row] = at


def json_lines(columns: Sequence[Column], rows: int) -> Bytes:
    """uint8[bytes]: an object with all columns and a line feed for each row."""
    heads = [_head(column.key, first=place == 0) for place, column in enumerate(columns)]
    tail = np.frombuffer(b"}\n" if columns else b"{}\n", np.uint8)
    sizes = np.full(rows, sum(map(len, heads)) + len(tail), np.int64)
    for column in columns:
        _add_sizes(column.data, column.offsets, column.valid, column.form, sizes)
    ends = np.cumsum(sizes)
    out = np.empty(int(ends[-1]) if rows else 0, np.uint8)
    places = ends - sizes
    for head, column in zip(heads, columns, strict=True):
        _put_column(out, places, head, column.data, column.offsets, column.valid, column.form)
    for place, byte in enumerate(tail):
        out[places + place] = byte
    return out


def _head(key: str, first: bool) -> Bytes:
    """``{"key":`` or ``,"key":``."""
    text = np.frombuffer(key.encode(), np.uint8)
    begin = np.frombuffer(b"{" if first else b",", np.uint8)
    quoted = np.empty(6 * len(text) + 2, np.uint8)
    end = _put_text(quoted, 0, text, 0, len(text))
    head = np.concatenate([begin, quoted[:end], np.frombuffer(b":", np.uint8)])
    head.flags.writeable = False
    return head
