"""Simplified and traditional Chinese: counts of characters that exist in one form only, and conversion by dictionary.

Most characters are the same in both forms. Some are written in one only (发 and 發), and these tell which form a text
has; some belong to both with another meaning (后 is empress in both, and behind in simplified text only) and tell
nothing.

Conversion is OpenCC's (https://github.com/BYVoid/OpenCC, Apache-2.0): at each place the longest key of the dictionary
is replaced, so that a phrase decides where one character has several counterparts (头发 → 頭髮, 发展 → 發展). Keys lie
in a trie whose edges are in one hash table, (node, code point) → node. That table does not fit the cache, so each node
has 64 bits that say which code points may follow, by their lower six bits: 1.4 times as fast on simplified text. A run
of ASCII is passed over in words; only its end may begin a key (SQL注入).

Rows are UTF-8; bytes that are not stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.arrow_text import TextView, read_only
from stages.kernels.loads import copy_bytes, load64
from stages.kernels.unicode_tables import CODE_POINTS, TwoStage, two_stage

Bytes = npt.NDArray[np.uint8]
UInt16s = npt.NDArray[np.uint16]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

HAN, SIMPLIFIED, TRADITIONAL, OTHER_DENSE, COMPATIBILITY = range(5)
"""Columns of :func:`count_forms`: Han characters, those of one form only, kana and Hangul syllables, and compatibility
ideographs (U+F900 to U+FAFF and U+2F800 to U+2FA1F), which look like others."""

_HAN_RANGES = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFD))
_COMPATIBILITY_RANGES = ((0xF900, 0xFAFF), (0x2F800, 0x2FA1F))
_DENSE_RANGES = ((0x3041, 0x3096), (0x30A1, 0x30FA), (0xFF66, 0xFF9D), (0xAC00, 0xD7A3))
_ASCII = "".join(map(chr, range(0x80)))
_HIGH = np.uint64(0x8080808080808080)
_CODE_BITS = np.uint64(21)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)


class Replacements(NamedTuple):
    """What is replaced by what, as a trie over code points.

    ``roots``: int32[code points], the node of each key's first character, 0 for none. ``follow``: uint64[nodes], bit i
    is set if a code point that ends in the bits i may follow. ``edges``: uint64[power of two], hash table of
    ``node << 21 | code point``; ``children``: int32, the node that the edge leads to. ``values``: int32[nodes], number
    of the replacement of the key that ends in a node, -1 for none; replacement i is
    ``texts[text_offsets[i]:text_offsets[i + 1]]``. ``growth``: at most so many bytes come of one. ``reach``: ASCII
    characters that a key begins with, at most.
    """

    roots: Int32s
    follow: UInt64s
    edges: UInt64s
    children: Int32s
    values: Int32s
    texts: Bytes
    text_offsets: Int64s
    growth: float
    reach: int


def form_table(simplified: Set[str], traditional: Set[str]) -> TwoStage:
    """Code point → bits ``1 << column`` of :func:`count_forms`, given the characters of one form only."""
    bits = np.zeros(CODE_POINTS, np.uint16)
    for column, ranges in ((HAN, _HAN_RANGES), (OTHER_DENSE, _DENSE_RANGES), (COMPATIBILITY, _COMPATIBILITY_RANGES)):
        for first, last in ranges:
            bits[first : last + 1] |= 1 << column
    for column, characters in ((SIMPLIFIED, simplified), (TRADITIONAL, traditional)):
        bits[[ord(character) for character in characters]] |= 1 << column
    return two_stage(bits)


@njit(cache=True, nogil=True)
def _decode(data: Bytes, at: Int, end: Int) -> tuple[Int, int]:
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
def _skip_ascii(data: Bytes, at: Int, end: Int) -> Int:
    """Where the next byte that is not ASCII stands, or ``end``."""
    while at + 8 <= end and load64(data, at) & _HIGH == 0:
        at += 8
    while at < end and data[at] < 0x80:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _count_rows(data: Bytes, offsets: Int64s, block_of: UInt16s, blocks: UInt16s, counts: Int64s) -> None:
    """O(bytes)."""
    seen = np.empty(32, np.int64)
    for row in range(len(counts)):
        at, end = offsets[row], offsets[row + 1]
        seen[:] = 0
        while at < end:
            if data[at] < 0x80:
                at = _skip_ascii(data, at, end)
                continue
            code, width = _decode(data, at, end)
            seen[blocks[(np.int64(block_of[code >> 6]) << 6) | (code & 63)]] += 1
            at += width
        for bits in range(32):
            for column in range(5):
                counts[row, column] += seen[bits] * (bits >> column & 1)


def count_forms(view: TextView, table: TwoStage) -> Int64s:
    """int64[rows, 5]: characters of each row by the columns above; ``table`` is made by :func:`form_table`."""
    counts = np.zeros((len(view.offsets) - 1, 5), np.int64)
    _count_rows(*view, *table, counts)
    return counts


@njit(cache=True, nogil=True)
def _slot(edges: UInt64s, edge: np.uint64) -> np.int64:
    """Where the edge stands in the table, or the empty slot where it would."""
    mask = np.uint64(len(edges) - 1)
    slot = ((edge * _MULTIPLIER) >> np.uint64(40)) & mask
    while edges[slot] != edge and edges[slot] != _EMPTY:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@njit(cache=True, nogil=True)
def _longest_key(
    data: Bytes,
    at: Int,
    end: Int,
    node: Int,
    follow: UInt64s,
    edges: UInt64s,
    children: Int32s,
    values: Int32s,
) -> tuple[Int, Int]:
    """(number of the longest key's replacement, its end); ``node`` has the first character, which ends at ``at``."""
    best, best_end = np.int64(values[node]), at
    while at < end:
        code: Int = np.int64(data[at])
        width = 1
        if code >= 0x80:
            code, width = _decode(data, at, end)
        if (follow[node] >> np.uint64(code & 63)) & np.uint64(1) == 0:
            break
        slot = _slot(edges, (np.uint64(node) << _CODE_BITS) | np.uint64(code))
        if edges[slot] == _EMPTY:
            break
        node = np.int64(children[slot])
        at += width
        if values[node] >= 0:
            best, best_end = np.int64(values[node]), at
    return best, best_end


@njit(cache=True, nogil=True)
def _replace_row(
    data: Bytes,
    row: tuple[Int, Int],
    trie: tuple[Int32s, UInt64s, UInt64s, Int32s, Int32s],
    replacements: tuple[Bytes, Int64s],
    reach: int,
    out: Bytes,
    to: Int,
) -> Int:
    """End in ``out``. What is between replacements is copied in one go."""
    roots, follow, edges, children, values = trie
    texts, text_offsets = replacements
    at, end = row
    copied = at
    while at < end:
        code: Int = np.int64(data[at])
        width = 1
        if code < 0x80:
            stop = _skip_ascii(data, at, end)
            at = max(at, stop - reach)
            if at == stop:
                continue
            code = np.int64(data[at])
        else:
            code, width = _decode(data, at, end)
        node = np.int64(roots[code]) if code < len(roots) else np.int64(0)
        if node == 0:
            at += width
            continue
        value, stop = _longest_key(data, at + width, end, node, follow, edges, children, values)
        if value < 0:
            at += width
            continue
        copy_bytes(out, to, data, copied, at - copied)
        to += at - copied
        size = text_offsets[value + 1] - text_offsets[value]
        copy_bytes(out, to, texts, text_offsets[value], size)
        to += size
        at = stop
        copied = at
    copy_bytes(out, to, data, copied, end - copied)
    return to + end - copied


@njit(cache=True, nogil=True)
def _replace_rows(
    data: Bytes,
    offsets: Int64s,
    chosen: npt.NDArray[np.bool_],
    trie: tuple[Int32s, UInt64s, UInt64s, Int32s, Int32s],
    replacements: tuple[Bytes, Int64s],
    reach: int,
    out: Bytes,
    out_offsets: Int64s,
) -> None:
    """O(bytes × longest key). ``out`` has room for what may come."""
    to: Int = 0
    for row in range(len(chosen)):
        start, end = offsets[row], offsets[row + 1]
        if chosen[row]:
            to = _replace_row(data, (start, end), trie, replacements, reach, out, to)
        else:
            copy_bytes(out, to, data, start, end - start)
            to += end - start
        out_offsets[row + 1] = to


def replace(view: TextView, chosen: npt.NDArray[np.bool_], replacements: Replacements) -> TextView:
    """The text with the keys replaced in the rows that are chosen (bool[rows]), others as they are."""
    room = int((view.offsets[-1] - view.offsets[0]) * replacements.growth) + 1
    out, offsets = np.empty(room, np.uint8), np.zeros(len(view.offsets), np.int64)
    with np.errstate(over="ignore"):
        _replace_rows(*view, chosen, replacements[:5], replacements[5:7], replacements.reach, out, offsets)
    return read_only(out[: offsets[-1]], offsets)


@njit(cache=True, nogil=True)
def _insert_keys(
    keys: Int32s,
    key_offsets: Int64s,
    roots: Int32s,
    follow: UInt64s,
    edges: UInt64s,
    children: Int32s,
    values: Int32s,
) -> int:
    """Number of nodes. O(characters)."""
    nodes = 1
    for key in range(len(key_offsets) - 1):
        first = key_offsets[key]
        if roots[keys[first]] == 0:
            roots[keys[first]] = nodes
            nodes += 1
        node = np.int64(roots[keys[first]])
        for place in range(first + 1, key_offsets[key + 1]):
            edge = (np.uint64(node) << _CODE_BITS) | np.uint64(keys[place])
            follow[node] |= np.uint64(1) << np.uint64(keys[place] & 63)
            slot = _slot(edges, edge)
            if edges[slot] == _EMPTY:
                edges[slot] = edge
                children[slot] = nodes
                nodes += 1
            node = np.int64(children[slot])
        values[node] = key
    return nodes


def replacements_of(pairs: Mapping[str, str]) -> Replacements:
    """The trie of these keys and their replacements. Raises ValueError for a key that is all ASCII or empty."""
    reach = max((len(key) - len(key.lstrip(_ASCII)) for key in pairs), default=0)
    if any(not key.lstrip(_ASCII) for key in pairs):
        raise ValueError("expected keys with a character that is not ASCII")
    keys = np.frombuffer("".join(pairs).encode("utf-32-le"), np.int32)
    key_offsets = np.cumsum([0, *map(len, pairs)], dtype=np.int64)
    texts = [text.encode() for text in pairs.values()]
    edges = np.full(1 << (len(keys) + 2).bit_length(), _EMPTY, np.uint64)
    follow = np.zeros(len(keys) + 1, np.uint64)
    roots = np.zeros(int(keys.max(initial=0)) + 1, np.int32)
    children, values = np.zeros(len(edges), np.int32), np.full(len(keys) + 1, -1, np.int32)
    with np.errstate(over="ignore"):
        nodes = _insert_keys(keys, key_offsets, roots, follow, edges, children, values)
    growth = max((len(text) / len(key.encode()) for key, text in zip(pairs, texts, strict=True)), default=1.0)
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    data = np.frombuffer(b"".join(texts), np.uint8)
    return Replacements(roots, follow[:nodes], edges, children, values[:nodes], data, offsets, max(growth, 1.0), reach)
