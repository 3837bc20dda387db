"""Sentences of tokens as numbers: what n-gram models are counted from.

A sentence is a line, on request only one that has a token. Tokens are what stands between white space (ASCII's), or
single characters; what is spelt as a marker of the model (``<s>``, ``</s>``, ``<unk>``) is passed over. They are told
apart by 64-bit hashes, so two of a million types are taken for one with probability 3e-8. The numbers are the ranks of
the hashes, so they depend on which tokens there are and not on their order. O(bytes).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.kneser_ney import BEGIN, END, FIRST_WORD
from stages.kernels.loads import load64

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

_SPLIT1 = np.uint64(0xBF58476D1CE4E5B9)
_SPLIT2 = np.uint64(0x94D049BB133111EB)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_1 = np.uint64(1)


class Sentences(NamedTuple):
    """tokens: int32, ``<s> … </s>`` sentence by sentence. starts, ends: int64[types], bytes of each word's first place.

    Word number k is ``data[starts[k - 4]:ends[k - 4]]``.
    """

    tokens: Int32s
    starts: Int64s
    ends: Int64s


@njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:
    value ^= value >> np.uint64(30)
    value *= _SPLIT1
    value ^= value >> np.uint64(27)
    value *= _SPLIT2
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _hash(data: Bytes, start: Int, end: Int) -> np.uint64:
    found = np.uint64(end - start)
    for at in range(start, end, 8):
        size = min(end - at, 8)
        if at + 8 <= len(data):
            word = load64(data, at) & (_ALL >> np.uint64(64 - 8 * size))
        else:
            word = np.uint64(0)
            for k in range(size):
                word |= np.uint64(data[at + k]) << np.uint64(8 * k)
        found = _mix(found ^ word)
    return found if found else _1


@njit(cache=True, nogil=True)
def _is_space(byte: Int) -> bool | np.bool:
    return byte == 32 or 9 <= byte <= 13


@njit(cache=True, nogil=True)
def _token_end(data: Bytes, at: Int, stop: Int, characters: bool) -> Int:
    if characters:
        at += 1
        while at < stop and (data[at] & 0xC0) == 0x80:
            at += 1
        return at
    while at < stop and not _is_space(data[at]):
        at += 1
    return at


@njit(cache=True, nogil=True)
def _is_marker(data: Bytes, at: Int, end: Int) -> bool | np.bool:
    """Whether a token is <s>, </s> or <unk>."""
    size = end - at
    if size < 3 or size > 5 or data[at] != 60 or data[end - 1] != 62:
        return False
    if size == 5:
        return data[at + 1] == 117 and data[at + 2] == 110 and data[at + 3] == 107
    return data[end - 2] == 115 and (size == 3 or data[at + 1] == 47)


@njit(cache=True, nogil=True)
def _count(data: Bytes, offsets: Int64s, characters: bool, blank: bool) -> Int:
    count: Int = 0
    for row in range(len(offsets) - 1):
        inside = begun = False
        for at in range(offsets[row], offsets[row + 1]):
            byte = data[at]
            space = _is_space(byte)
            if byte == 10:
                count += 2 * (blank and not begun)
                begun = False
            elif not space:
                count += 2 * (not begun)
                begun = True
                count += (byte & 0xC0) != 0x80 if characters else not inside
            inside = not space
    return count


def count_tokens(data: Bytes, offsets: Int64s, *, characters: bool = False, blank: bool = False) -> int:
    """How many tokens the sentences have, <s> and </s> among them, and markers that are passed over. O(bytes)."""
    return int(_count(data, offsets, characters, blank))


@njit(cache=True, nogil=True)
def _find(table: UInt64s, numbers: Int32s, value: np.uint64) -> Int:
    """Place of a hash in the table, or of the free place where it belongs."""
    mask = np.uint64(len(table) - 1)
    place = value & mask
    while table[place] != np.uint64(0) and table[place] != value:
        place = (place + _1) & mask
    return np.int64(place)


@njit(cache=True, nogil=True)
def _grown(table: UInt64s, numbers: Int32s) -> tuple[UInt64s, Int32s]:
    larger = np.zeros(2 * len(table), np.uint64)
    moved = np.zeros(2 * len(table), np.int32)
    for place in range(len(table)):
        if table[place] != np.uint64(0):
            to = _find(larger, moved, table[place])
            larger[to] = table[place]
            moved[to] = numbers[place]
    return larger, moved


@njit(cache=True, nogil=True)
def _scan(
    data: Bytes, offsets: Int64s, characters: bool, blank: bool, tokens: Int32s
) -> tuple[Int, UInt64s, Int64s, Int64s]:
    """Tokens numbered as they come; the types' hashes and first places."""
    table, numbers = np.zeros(1 << 12, np.uint64), np.zeros(1 << 12, np.int32)
    hashes = np.zeros(1 << 11, np.uint64)
    starts, ends = np.zeros(1 << 11, np.int64), np.zeros(1 << 11, np.int64)
    types = 0
    to: Int = 0
    for row in range(len(offsets) - 1):
        at, stop = offsets[row], offsets[row + 1]
        begun = False
        while at < stop:
            byte = data[at]
            if _is_space(byte):
                if byte == 10 and (begun or blank):
                    if not begun:
                        tokens[to] = BEGIN
                        to += 1
                    tokens[to] = END
                    to += 1
                    begun = False
                at += 1
                continue
            end = _token_end(data, at, stop, characters)
            if not characters and _is_marker(data, at, end):
                at = end
                continue
            if not begun:
                tokens[to] = BEGIN
                to += 1
                begun = True
            value = _hash(data, at, end)
            place = _find(table, numbers, value)
            if table[place] == np.uint64(0):
                if types == len(hashes):
                    hashes = np.concatenate((hashes, np.zeros(types, np.uint64)))
                    starts = np.concatenate((starts, np.zeros(types, np.int64)))
                    ends = np.concatenate((ends, np.zeros(types, np.int64)))
                    table, numbers = _grown(table, numbers)
                    place = _find(table, numbers, value)
                table[place], numbers[place] = value, types
                hashes[types], starts[types], ends[types] = value, at, end
                types += 1
            tokens[to] = FIRST_WORD + numbers[place]
            to += 1
            at = end
        if begun:
            tokens[to] = END
            to += 1
    return to, hashes[:types], starts[:types], ends[:types]


@njit(cache=True, nogil=True)
def _renumber(tokens: Int32s, ranks: Int64s) -> None:
    for at in range(len(tokens)):
        if tokens[at] >= FIRST_WORD:
            tokens[at] = FIRST_WORD + ranks[tokens[at] - FIRST_WORD]


def sentences(data: Bytes, offsets: Int64s, *, characters: bool = False, blank: bool = False) -> Sentences:
    """The sentences of rows ``data[offsets[i]:offsets[i + 1]]``. ``blank``: lines without a token are sentences too."""
    tokens = np.empty(count_tokens(data, offsets, characters=characters, blank=blank), np.int32)
    with np.errstate(over="ignore"):
        used, hashes, starts, ends = _scan(data, offsets, characters, blank, tokens)
    order = np.argsort(hashes, kind="stable")
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    tokens = tokens[:used]
    _renumber(tokens, ranks)
    return Sentences(tokens, starts[order], ends[order])
