"""Cut text into pre-tokens the way Qwen2's tokenizer does: what byte pairs are merged within.

Follows the published regular expression (contractions; letters with one leading character; single digits;
punctuation with a leading space and trailing line breaks; white space) as a scan without backtracking. It feeds the
training of a vocabulary; encoding is the tokenizer library's. Letters and numbers are this Python's ``unicodedata``'s.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.arrow_text import TextView
from stages.kernels.unicode_tables import CODE_POINTS, TwoStage, categories, two_stage

Bytes = npt.NDArray[np.uint8]
UInt16s = npt.NDArray[np.uint16]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]

_OTHER, _LETTER, _NUMBER, _SPACE, _BREAK = 0, 1, 2, 3, 4

WHITE_SPACE = (
    0x09,
    0x0B,
    0x0C,
    0x20,
    0x85,
    0xA0,
    0x1680,
    *range(0x2000, 0x200B),
    0x2028,
    0x2029,
    0x202F,
    0x205F,
    0x3000,
)
"""Unicode's White_Space without line feed and carriage return."""


@cache
def _classes() -> TwoStage:
    values = np.zeros(CODE_POINTS, np.uint16)
    for name, codes in categories().items():
        if name[0] == "L":
            values[codes] = _LETTER
        elif name[0] == "N":
            values[codes] = _NUMBER
    values[list(WHITE_SPACE)] = _SPACE
    values[[0x0A, 0x0D]] = _BREAK
    return two_stage(values)


@njit(cache=True, nogil=True)
def _width(byte: np.uint8) -> Int:
    """Bytes of the UTF-8 character that begins with this byte."""
    if byte < 0xC0:
        return 1
    if byte < 0xE0:
        return 2
    return 3 if byte < 0xF0 else 4


@njit(cache=True, nogil=True)
def _class_at(data: Bytes, at: Int, end: Int, index: UInt16s, blocks: UInt16s) -> Int:
    """Class of the character at ``at``; −1 at the end of the row."""
    if at >= end:
        return -1
    code = np.int64(data[at])
    width = _width(data[at])
    if width > 1:
        code &= 0x7F >> width
        for k in range(1, min(width, end - at)):
            code = (code << 6) | (np.int64(data[at + k]) & 0x3F)
    return np.int64(blocks[(np.int64(index[code >> 6]) << 6) | (code & 63)])


@njit(cache=True, nogil=True)
def _skip(data: Bytes, at: Int, end: Int, kind: Int, index: UInt16s, blocks: UInt16s) -> Int:
    """Past the characters of this class; ASCII letters, most of most text, without a table."""
    if kind == _LETTER:
        while at < end and 0x61 <= data[at] | 0x20 <= 0x7A:
            at += 1
    while at < end and _class_at(data, at, end, index, blocks) == kind:
        at += _width(data[at])
    return at


@njit(cache=True, nogil=True)
def _contraction(data: Bytes, at: Int, end: Int) -> Int:
    """Bytes of 's 't 'm 'd 're 've 'll at ``at``, in any case (ſ folds to s); 0 if there is none."""
    if at + 1 >= end or data[at] != 0x27:
        return 0
    first = data[at + 1] | 0x20
    if first == 0x73 or first == 0x74 or first == 0x6D or first == 0x64:
        return 2
    if at + 2 >= end:
        return 0
    if data[at + 1] == 0xC5 and data[at + 2] == 0xBF:
        return 3
    second = data[at + 2] | 0x20
    ends_in_e = (first == 0x72 or first == 0x76) and second == 0x65
    return 3 if ends_in_e or (first == 0x6C and second == 0x6C) else 0


@njit(cache=True, nogil=True)
def _white_space_end(data: Bytes, at: Int, end: Int, index: UInt16s, blocks: UInt16s) -> Int:
    """End of a piece that begins with white space: after its last line break, else before what the last one leads."""
    after_break: Int = np.int64(-1)
    last = at
    here = at
    kind = _class_at(data, here, end, index, blocks)
    while kind == _SPACE or kind == _BREAK:
        last = here
        here += _width(data[here])
        if kind == _BREAK:
            after_break = here
        kind = _class_at(data, here, end, index, blocks)
    if after_break >= 0:
        return after_break
    return here if here >= end or last == at else last


@njit(cache=True, nogil=True)
def _piece_end(data: Bytes, at: Int, end: Int, index: UInt16s, blocks: UInt16s) -> Int:
    """Where the pre-token that begins at ``at`` ends."""
    contracted = _contraction(data, at, end)
    if contracted > 0:
        return at + contracted
    kind = _class_at(data, at, end, index, blocks)
    after = at + _width(data[at])
    following = _class_at(data, after, end, index, blocks)
    if kind == _LETTER or (following == _LETTER and kind != _NUMBER and kind != _BREAK):
        return _skip(data, after, end, _LETTER, index, blocks)
    if kind == _NUMBER:
        return after
    if kind == _OTHER or (data[at] == 0x20 and following == _OTHER):
        after = _skip(data, after, end, _OTHER, index, blocks)
        return _skip(data, after, end, _BREAK, index, blocks)
    return _white_space_end(data, at, end, index, blocks)


@njit(cache=True, nogil=True)
def _cut_back(data: Bytes, at: Int, end: Int, max_bytes: Int) -> Int:
    """``end``, or the last character boundary that leaves at most ``max_bytes``."""
    if end - at <= max_bytes:
        return end
    end = at + max_bytes
    while end > at + 1 and data[end] & 0xC0 == 0x80:
        end -= 1
    return end


@njit(cache=True, nogil=True)
def _cut(
    data: Bytes, offsets: Int64s, max_bytes: Int, index: UInt16s, blocks: UInt16s, ends: Int64s, rows: Int64s
) -> Int:
    """Ends and rows of all pieces; how many. ``ends`` has room for one piece per byte. O(bytes)."""
    pieces = 0
    for row in range(len(offsets) - 1):
        at: Int = offsets[row]
        end = offsets[row + 1]
        while at < end:
            piece_end = _piece_end(data, at, end, index, blocks)
            while at < piece_end:
                at = _cut_back(data, at, piece_end, max_bytes)
                ends[pieces] = at
                rows[pieces] = row
                pieces += 1
    return pieces


def pretokens(view: TextView, max_bytes: int = 256) -> tuple[Int64s, Int64s]:
    """(end of every pre-token, its row): int64[pieces] each; pieces follow each other without gaps.

    One longer than ``max_bytes`` (a run of Han characters) is cut at characters.
    """
    room = int(view.offsets[-1] - view.offsets[0])
    ends, rows = np.empty(room, np.int64), np.empty(room, np.int64)
    count = _cut(view.data, view.offsets, max_bytes, *_classes(), ends, rows)
    return ends[:count].copy(), rows[:count].copy()
