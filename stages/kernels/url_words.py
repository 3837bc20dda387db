"""What the host and the words of a URL say: look-ups of hosts, of words between signs, and of letters in the host.

A host counts with all hosts below it: ``wikipedia.org`` is found in ``de.wikipedia.org``. For that its bytes are hashed
from the end, and looked up where a label begins. Words are runs of ASCII letters in any case. What a web archive keeps
(``web.archive.org/web/2020/https://…``) counts as the page that it is of. O(bytes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]

BY_HOST, BY_HOST_WORD, BY_PATH_WORD = range(3)
"""Columns of the result: the host is on the list; a word or some letters of the host; a word behind it."""

_BASIS = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_ARCHIVE = np.frombuffer(b"web.archive.org", np.uint8)


class UrlTables(NamedTuple):
    """What is looked up. Hash tables have a power of two of slots, and 0 in those that are empty.

    ``hosts``, ``words``: uint64[slots] hashes; ``host_bits``, ``word_bits``: uint32[slots], what an entry stands for,
    one bit each. ``stems``: uint8, all stems; ``stem_ends``: int64[stems + 1]; ``stem_bits``: uint32[stems].
    """

    hosts: UInt64s
    host_bits: UInt32s
    words: UInt64s
    word_bits: UInt32s
    stems: Bytes
    stem_ends: Int64s
    stem_bits: UInt32s


def url_tables(hosts: Mapping[str, int], words: Mapping[str, int], stems: Mapping[str, int]) -> UrlTables:
    """Tables from lower-case entries and their bits."""
    joined = "".join(stems).encode()
    ends = np.cumsum([0, *(len(stem.encode()) for stem in stems)]).astype(np.int64)
    bits = np.array(list(stems.values()), np.uint32)
    host_table = _table((_hash(host.encode()[::-1]), value) for host, value in hosts.items())
    word_table = _table((_hash(word.encode()), value) for word, value in words.items())
    return UrlTables(*host_table, *word_table, np.frombuffer(joined, np.uint8), ends, bits)


def _hash(text: bytes) -> int:
    found = int(_BASIS)
    for byte in text:
        found = ((found ^ byte) * int(_PRIME)) & 0xFFFFFFFFFFFFFFFF
    return found or 1


def _table(entries: Iterable[tuple[int, int]]) -> tuple[UInt64s, UInt32s]:
    listed = list(entries)
    size = 16
    while size < 4 * len(listed):
        size *= 2
    keys, values = np.zeros(size, np.uint64), np.zeros(size, np.uint32)
    for key, value in listed:
        slot = (key ^ key >> 32) & (size - 1)
        while keys[slot] not in (0, key):
            slot = (slot + 1) & (size - 1)
        keys[slot] = key
        values[slot] |= np.uint32(value)
    return keys, values


@njit(cache=True, nogil=True)
def _look_up(keys: UInt64s, values: UInt32s, key: np.uint64) -> np.uint32:
    last = np.uint64(len(keys) - 1)
    slot = (key ^ (key >> np.uint64(32))) & last
    while keys[np.int64(slot)] != 0:
        if keys[np.int64(slot)] == key:
            return values[np.int64(slot)]
        slot = (slot + np.uint64(1)) & last
    return np.uint32(0)


@njit(cache=True, nogil=True)
def _lower(byte: Int) -> np.int64:
    return np.int64(byte + 32 if 65 <= byte <= 90 else byte)


@njit(cache=True, nogil=True)
def _after_scheme(data: Bytes, start: Int, stop: Int) -> Int:
    """Where the host begins: behind the first ``://`` or ``:/``, or at the start where there is none."""
    for at in range(start, stop - 1):
        if data[at] == 58 and data[at + 1] == 47:
            at += 2
            return at + 1 if at < stop and data[at] == 47 else at
        if data[at] in (47, 63, 35):
            break
    return start


@njit(cache=True, nogil=True)
def _host(data: Bytes, start: Int, stop: Int) -> tuple[Int, Int, Int]:
    """Start and end of the host without user and port, and where the path begins."""
    path = start
    while path < stop and data[path] not in (47, 63, 35):
        path += 1
    first, end = start, path
    for at in range(start, path):
        if data[at] == 64:
            first, end = at + 1, path
    for at in range(first, path):
        if data[at] == 58:
            end = at
            break
    if end > first and data[end - 1] == 46:
        end -= 1
    return first, end, path


@njit(cache=True, nogil=True)
def _is_archive(data: Bytes, start: Int, end: Int) -> bool | np.bool:
    if end - start != len(_ARCHIVE):
        return False
    for k in range(len(_ARCHIVE)):
        if _lower(np.int64(data[start + k])) != _ARCHIVE[k]:
            return False
    return True


@njit(cache=True, nogil=True)
def _archived(data: Bytes, start: Int, stop: Int) -> Int:
    """Where the kept page's host begins, or -1."""
    for at in range(start, stop - 1):
        if data[at] == 58 and data[at + 1] == 47:
            at += 2
            return at + 1 if at < stop and data[at] == 47 else at
    return -1


@njit(cache=True, nogil=True)
def _host_bits(data: Bytes, start: Int, end: Int, hosts: UInt64s, host_bits: UInt32s) -> np.uint32:
    found = np.uint32(0)
    key = _BASIS
    for at in range(end - 1, start - 1, -1):
        key = (key ^ np.uint64(_lower(np.int64(data[at])))) * _PRIME
        if at == start or data[at - 1] == 46:
            found |= _look_up(hosts, host_bits, key if key else np.uint64(1))
    return found


@njit(cache=True, nogil=True)
def _word_bits(data: Bytes, start: Int, end: Int, words: UInt64s, word_bits: UInt32s) -> np.uint32:
    found = np.uint32(0)
    key = _BASIS
    inside = False
    for at in range(start, end + 1):
        byte = _lower(np.int64(data[at])) if at < end else np.int64(0)
        if 97 <= byte <= 122:
            key = (key ^ np.uint64(byte)) * _PRIME
            inside = True
        elif inside:
            found |= _look_up(words, word_bits, key if key else np.uint64(1))
            key, inside = _BASIS, False
    return found


@njit(cache=True, nogil=True)
def _stem_bits(data: Bytes, start: Int, end: Int, stems: Bytes, ends: Int64s, bits: UInt32s) -> np.uint32:
    found = np.uint32(0)
    for stem in range(len(bits)):
        first, size = ends[stem], ends[stem + 1] - ends[stem]
        for at in range(start, end - size + 1):
            k = 0
            while k < size and _lower(np.int64(data[at + k])) == stems[first + k]:
                k += 1
            if k == size:
                found |= bits[stem]
                break
    return found


@njit(cache=True, nogil=True)
def url_words(data: Bytes, offsets: Int64s, tables: UrlTables) -> UInt32s:
    """uint32[rows, 3]: bits of all entries that each URL has, by where they were found. O(bytes)."""
    found = np.zeros((len(offsets) - 1, 3), np.uint32)
    for row in range(len(found)):
        stop = offsets[row + 1]
        start, end, path = _host(data, _after_scheme(data, offsets[row], stop), stop)
        if _is_archive(data, start, end):
            kept = _archived(data, path, stop)
            if kept >= 0:
                start, end, path = _host(data, kept, stop)
        found[row, BY_HOST] = _host_bits(data, start, end, tables.hosts, tables.host_bits)
        by_word = _word_bits(data, start, end, tables.words, tables.word_bits)
        found[row, BY_HOST_WORD] = by_word | _stem_bits(
            data, start, end, tables.stems, tables.stem_ends, tables.stem_bits
        )
        found[row, BY_PATH_WORD] = _word_bits(data, path, stop, tables.words, tables.word_bits)
    return found
