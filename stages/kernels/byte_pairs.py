"""Training of byte-pair merges on counted words (Sennrich, Haddow and Birch 2016).

Repeatedly joins the most frequent pair of neighbouring symbols. Exactly deterministic: of equally frequent pairs
the one with the smallest (left id, right id) wins, as in Hugging Face's trainer. Symbols of a word are a linked
list; a pair keeps the positions where it was seen, which are looked through when it is its turn, and counts are
kept up to date at every join, so that a join costs only where it happens.

Limits: about 100 bytes of memory per byte of distinct words; fewer than 700 million such bytes.
"""

from __future__ import annotations

import heapq
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.typed import Dict

from stages.kernels.arrow_text import TextView

Int = int | np.int64
Bytes = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Ids = Any
"""A Numba dictionary from int64 to int64."""

MAX_BYTES = 2**31 // 3


class Merges(NamedTuple):
    """``left``, ``right``: int32[merges], the ids joined, most frequent first. ``made``: int32[merges], the id made.

    Ids below 256 are single bytes; ``made`` counts up from 256, except that two pairs that spell the same bytes
    make one id.
    """

    left: Int32s
    right: Int32s
    made: Int32s


class _Book(NamedTuple):
    """All that changes while merging: positions, pairs and sightings of pairs.

    By position (byte of a word): ``symbols`` (−1: joined to the left), ``following`` and ``preceding`` (−1: none),
    ``word``, ``slot`` of the pair that begins there; ``weights`` by word. By slot: ``key``, ``frequency``, first and
    last sighting (``head``, ``tail``), the join that last ``touched`` it, the id ``made`` of it (−1: not joined yet).
    By sighting: ``position``, ``link`` to the next. ``used``: slots and sightings taken.
    """

    symbols: Int32s
    following: Int32s
    preceding: Int32s
    word: Int32s
    slot: Int32s
    weights: Int64s
    key: Int64s
    frequency: Int64s
    head: Int32s
    tail: Int32s
    touched: Int32s
    made: Int32s
    position: Int32s
    link: Int32s
    used: Int64s


class _Spelling(NamedTuple):
    """Bytes of every id: id i is ``data[starts[i]:starts[i + 1]]``."""

    data: Bytes
    starts: Int64s


def _empty_book(view: TextView, ids: Int32s, weights: Int64s) -> _Book:
    positions = len(view.data)
    place = np.arange(positions, dtype=np.int32)
    following, preceding = place + np.int32(1), place - np.int32(1)
    filled = view.offsets[1:] > view.offsets[:-1]
    following[view.offsets[1:][filled] - 1] = -1
    preceding[view.offsets[:-1][filled]] = -1
    word = np.repeat(np.arange(len(weights), dtype=np.int32), np.diff(view.offsets))
    # every byte is one sighting at first, and a join, which removes a position, adds two
    sightings = 3 * positions
    return _Book(
        symbols=ids[view.data],
        following=following,
        preceding=preceding,
        word=word,
        slot=np.empty(positions, np.int32),
        weights=weights,
        key=np.empty(sightings, np.int64),
        frequency=np.empty(sightings, np.int64),
        head=np.empty(sightings, np.int32),
        tail=np.empty(sightings, np.int32),
        touched=np.empty(sightings, np.int32),
        made=np.empty(sightings, np.int32),
        position=np.empty(sightings, np.int32),
        link=np.empty(sightings, np.int32),
        used=np.zeros(2, np.int64),
    )


@njit(cache=True, nogil=True)
def _key(left: Int, right: Int) -> Int:
    return (np.int64(left) << 32) | np.int64(right)


@njit(cache=True, nogil=True)
def _see(book: _Book, slots: Ids, at: Int) -> Int:
    """Book the pair that begins at ``at``; its slot."""
    key = _key(book.symbols[at], book.symbols[book.following[at]])
    slot = slots[key] if key in slots else book.used[0]
    if slot == book.used[0]:
        book.used[0] += 1
        slots[key] = slot
        book.key[slot] = key
        book.frequency[slot] = 0
        book.head[slot] = -1
        book.touched[slot] = -1
        book.made[slot] = -1
    sighting = book.used[1]
    book.used[1] += 1
    book.position[sighting] = at
    book.link[sighting] = -1
    if book.head[slot] < 0:
        book.head[slot] = sighting
    else:
        book.link[book.tail[slot]] = sighting
    book.tail[slot] = sighting
    book.frequency[slot] += book.weights[book.word[at]]
    book.slot[at] = slot
    return slot


@njit(cache=True, nogil=True)
def _forget(book: _Book, at: Int) -> None:
    """The pair that begins at ``at`` is about to go."""
    book.frequency[book.slot[at]] -= book.weights[book.word[at]]


@njit(cache=True, nogil=True)
def _is_pair(book: _Book, at: Int, left: Int, right: Int) -> bool:
    after = book.following[at]
    return book.symbols[at] == left and after >= 0 and book.symbols[after] == right


@njit(cache=True, nogil=True)
def _positions(book: _Book, slot: Int, left: Int, right: Int) -> Int32s:
    """Where the pair still stands, ascending, so that overlaps (aaa) join from the left. Empties its sightings."""
    total = 0
    for fill in range(2):
        if fill == 1:
            found = np.empty(total, np.int32)
            total = 0
        sighting = book.head[slot]
        while sighting >= 0:
            at = book.position[sighting]
            if _is_pair(book, at, left, right):
                if fill == 1:
                    found[total] = at
                total += 1
            sighting = book.link[sighting]
    book.head[slot] = -1
    return np.sort(found)


@njit(cache=True, nogil=True)
def _join_at(book: _Book, slots: Ids, at: Int, made: Int) -> tuple[Int, Int]:
    """Join the symbol at ``at`` with the next; slots of the two pairs that this makes, −1 for none."""
    right = book.following[at]
    before, after = book.preceding[at], book.following[right]
    if before >= 0:
        _forget(book, before)
    if after >= 0:
        _forget(book, right)
    _forget(book, at)
    book.symbols[at] = made
    book.symbols[right] = -1
    book.following[at] = after
    if after >= 0:
        book.preceding[after] = at
    one = _see(book, slots, before) if before >= 0 else np.int64(-1)
    two = _see(book, slots, at) if after >= 0 else np.int64(-1)
    return one, two


@njit(cache=True, nogil=True)
def _join(book: _Book, slots: Ids, slot: Int, made: Int, heap: list[tuple[Int, Int]]) -> None:
    """Join the pair everywhere and queue the pairs that this makes."""
    left, right = book.key[slot] >> 32, book.key[slot] & 0xFFFFFFFF
    book.made[slot] = made
    touched = [np.int64(slot)]
    book.touched[slot] = made
    for at in _positions(book, slot, left, right):
        if _is_pair(book, at, left, right):
            for new in _join_at(book, slots, at, made):
                if new >= 0 and book.touched[new] != made:
                    book.touched[new] = made
                    touched.append(np.int64(new))
    for new in touched:
        if book.frequency[new] > 0:
            heapq.heappush(heap, (-book.frequency[new], book.key[new]))


@njit(cache=True, nogil=True)
def _spelt(spelling: _Spelling, known: Ids, left: Int, right: Int, ids: Int) -> Int:
    """The id whose bytes are those of ``left`` and ``right``; a new one, ``ids``, if there is none."""
    start = spelling.starts[ids]
    end = start
    digest = np.uint64(14695981039346656037)
    for part in (left, right):
        for at in range(spelling.starts[part], spelling.starts[part + 1]):
            spelling.data[end] = spelling.data[at]
            digest = (digest ^ np.uint64(spelling.data[at])) * np.uint64(1099511628211)
            end += 1
    place = np.int64(digest >> np.uint64(2))
    while place in known:
        found = known[place]
        begin = spelling.starts[found]
        if np.array_equal(spelling.data[begin : spelling.starts[found + 1]], spelling.data[start:end]):
            return found
        place += 1
    known[place] = ids
    spelling.starts[ids + 1] = end
    return ids


@njit(cache=True, nogil=True)
def _most_frequent(book: _Book, slots: Ids, heap: list[tuple[Int, Int]]) -> Int:
    """Take the slot of the most frequent pair off the queue, whose counts may be too high; −1 if none is left."""
    while len(heap) > 0:
        negative, key = heapq.heappop(heap)
        slot = slots[key]
        if book.frequency[slot] == -negative:
            return slot
        if book.frequency[slot] > 0:
            heapq.heappush(heap, (-book.frequency[slot], key))
    return np.int64(-1)


@njit(cache=True, nogil=True)
def _train(book: _Book, spelling: _Spelling, min_count: Int, out: Int32s) -> Int:
    """Fill ``out`` (int32[room, 3]: left, right, made); how many rows. O(bytes + joins · log pairs)."""
    slots = Dict.empty(types.int64, types.int64)
    known = Dict.empty(types.int64, types.int64)
    for at in range(len(book.symbols)):
        if book.following[at] >= 0:
            _see(book, slots, at)
    heap = [(-book.frequency[slot], book.key[slot]) for slot in range(book.used[0])]
    heapq.heapify(heap)
    merges = 0
    ids: Int = 256
    while ids < len(spelling.starts) - 1 and merges < len(out):
        slot = _most_frequent(book, slots, heap)
        if slot < 0 or book.frequency[slot] < min_count:
            break
        made: Int = np.int64(book.made[slot])
        if made < 0:
            left, right = book.key[slot] >> 32, book.key[slot] & 0xFFFFFFFF
            made = _spelt(spelling, known, left, right, ids)
            if made == ids:
                ids += 1
            out[merges, 0], out[merges, 1], out[merges, 2] = left, right, made
            merges += 1
        _join(book, slots, slot, made, heap)
    return merges


def train_merges(view: TextView, counts: Int64s, byte_ids: Int32s, ids: int, min_count: int = 2) -> Merges:
    """Merges until there are ``ids`` ids (256 or more, the bytes among them) or no pair occurs ``min_count`` times.

    ``view``: distinct words, contiguous from 0; ``counts``: int64[words]; ``byte_ids``: int32[256], a permutation.
    Raises ValueError for more text than 32-bit positions can hold.
    """
    if len(view.data) > MAX_BYTES:
        raise ValueError(f"{len(view.data)} bytes of distinct words, at most {MAX_BYTES}; keep fewer pre-tokens")
    longest = int(np.diff(view.offsets).max(initial=1))
    spelling = _Spelling(np.empty(ids * longest + 256, np.uint8), np.empty(ids + 1, np.int64))
    spelling.data[byte_ids] = np.arange(256, dtype=np.uint8)
    spelling.starts[:257] = np.arange(257)
    out = np.empty((2 * ids, 3), np.int32)
    with np.errstate(over="ignore"):
        merges = out[: _train(_empty_book(view, byte_ids, counts), spelling, min_count, out)]
    return Merges(merges[:, 0].copy(), merges[:, 1].copy(), merges[:, 2].copy())
