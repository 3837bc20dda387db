"""Character references (``&amp;``, ``&#8220;``) to UTF-8.

All 2,231 names of the HTML Living Standard (13.5), those that may lack their semicolon too, and numbers with the
replacements of 13.2.5.80: Windows-1252 for 0x80 to 0x9F, U+FFFD for surrogates and what is no code point. As Python's
``html.unescape``, which the tests compare it with; numbers of control characters and noncharacters give nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stages.kernels.compiled import kernel
from stages.kernels.html_tables import K_REFERENCE, SLOT_BITS, SLOTS, Tables

Bytes = npt.NDArray[np.uint8]

MAX_REFERENCE_BYTES = 34
"""``&``, a name of up to 32 bytes, ``;``."""
_LONGEST_WITHOUT_SEMICOLON = 6

_WINDOWS_1252 = np.array(
    [
        0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D, 0x17D,
        0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0x9D,
        0x17E, 0x178,
    ],
    np.int64,
)  # fmt: skip


@kernel
def write_code_point(code: int, out: Bytes, to: int) -> int:
    """Write one code point as UTF-8; returns the place behind it."""
    if code < 0x80:
        out[to] = code
        return to + 1
    if code < 0x800:
        out[to], out[to + 1] = 0xC0 | code >> 6, 0x80 | code & 63
        return to + 2
    if code < 0x10000:
        out[to], out[to + 1], out[to + 2] = 0xE0 | code >> 12, 0x80 | (code >> 6) & 63, 0x80 | code & 63
        return to + 3
    out[to], out[to + 1] = 0xF0 | code >> 18, 0x80 | (code >> 12) & 63
    out[to + 2], out[to + 3] = 0x80 | (code >> 6) & 63, 0x80 | code & 63
    return to + 4


@kernel
def _numeric(data: Bytes, at: int, end: int, out: Bytes, to: int) -> tuple[int, int]:
    """As :func:`write_reference`, for ``&#``."""
    place = at + 2
    is_hex = place < end and (data[place] | 32) == 120
    place += 1 if is_hex else 0
    first = place
    code = np.int64(0)
    while place < end:
        byte = np.int64(data[place])
        if 48 <= byte <= 57:
            digit = byte - 48
        elif is_hex and 97 <= (byte | 32) <= 102:
            digit = (byte | 32) - 87
        else:
            break
        code = min(code * (16 if is_hex else 10) + digit, np.int64(0x110000))
        place += 1
    if place == first:
        return at, to
    if place < end and data[place] == 59:
        place += 1
    if 0x80 <= code < 0xA0:
        code = _WINDOWS_1252[code - 0x80]
    if code == 0 or 0xD800 <= code < 0xE000 or code >= 0x110000:
        code = np.int64(0xFFFD)
    is_control = (code < 32 and code != 9 and code != 10 and code != 12 and code != 13) or code == 127
    if is_control or 0xFDD0 <= code < 0xFDF0 or code & 0xFFFE == 0xFFFE:
        return place, to
    return place, write_code_point(code, out, to)


@kernel
def _known(value: int, length: int, tables: Tables) -> np.int64:
    """Number of the reference with that hash and length, 0 if there is none."""
    first, second = value, np.uint64(length) ^ K_REFERENCE
    mixed = (first * np.uint64(0x9E3779B97F4A7C15)) ^ (second * np.uint64(0xC2B2AE3D27D4EB4F))
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    slot = np.int64(mixed >> np.uint64(64 - SLOT_BITS))
    while tables.numbers[slot] != 0:
        if tables.keys[0, slot] == first and tables.keys[1, slot] == second:
            return np.int64(tables.numbers[slot])
        slot = (slot + 1) & (SLOTS - 1)
    return np.int64(0)


@kernel
def _named(data: Bytes, at: int, end: int, tables: Tables) -> tuple[int, np.int64]:
    """Place behind the longest name that is known, and its number; (at, 0) if none is. O(1): names have an end."""
    value = np.uint64(0xCBF29CE484222325)
    behind, number = at, np.int64(0)
    place = at + 1
    last = min(end, at + MAX_REFERENCE_BYTES)
    while place < last:
        byte = data[place]
        is_end = byte == 59
        if not (is_end or 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122):
            break
        value = (value ^ np.uint64(byte)) * np.uint64(0x100000001B3)
        place += 1
        length = place - at - 1
        if is_end or 2 <= length <= _LONGEST_WITHOUT_SEMICOLON:
            found = _known(value, length, tables)
            if found:
                behind, number = place, found
        if is_end:
            break
    return behind, number


@kernel
def write_reference(data: Bytes, at: int, end: int, tables: Tables, out: Bytes, to: int) -> tuple[int, int]:
    """Write what the reference whose ``&`` is at ``at`` stands for: at most 7 bytes.

    Returns the places behind it in ``data`` and in ``out``; (at, to) if it is none and the ``&`` means itself.
    """
    if at + 1 < end and data[at + 1] == 35:
        return _numeric(data, at, end, out, to)
    behind, number = _named(data, at, end, tables)
    if number:
        for column in range(8):
            byte = tables.references[number, column]
            if byte == 0:
                break
            out[to] = byte
            to += 1
    return behind, to
