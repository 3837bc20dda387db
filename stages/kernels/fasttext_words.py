"""Reads text for a fastText model: the sum of the values of its words, of their n-grams and of word n-grams.

A few thousand bytes at a time go through short loops, each with few branches that cannot be foretold: where words begin
and end, their keys, what the table has of them, n-grams, sums. What will be looked up is fetched ahead, so that the
memory's delays overlap. Words that are not found at first sight take a longer way. What the character n-grams of an
unknown word come to is kept for the next time, in a cache that each call has for itself. A word's sum is the same, to
the last bit, from the cache or made anew, and pieces are counted from the beginning of the text: the same text has the
same sum in any batch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_masks import LANES, byte, mask_of, trailing_zeros
from stages.kernels.byte_runs import flat
from stages.kernels.fasttext_network import (
    BUCKETS,
    EIGHT,
    END_OF_LINE,
    ENTRY,
    KEY,
    LONGEST,
    SLOT_BYTES,
    WORD_NGRAMS,
    WORDS,
    WordNetwork,
    add_rows,
    eight,
    kept_rows,
    make_spelling,
    slot_shift,
    spell,
    word_hash,
    word_key,
)
from stages.kernels.loads import fetch, high_product

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]

PIECE = 2048
"""Bytes that go through the loops together: their words' buffers fit into the nearest cache."""
CACHED = 1 << 13
"""Unknown words that are kept."""

_START, _SIZE = 1, 2
"""Columns of keys, behind KEY."""
_HEAD, _TAIL, _TAG_SIZE, _FEATURES = range(4)
"""Columns of tags."""
_MOST_CACHED = 16
"""Bytes of the longest word that its first and last eight tell."""
_0, _1, _32 = np.uint64(0), np.uint64(1), np.uint64(32)
_LANES = np.uint64(LANES)
_32_BITS = np.uint64(0xFFFFFFFF)
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
_FACTOR = np.uint64(116049371)
_END_OF_LINE_HASH = np.uint64(0xD79C9359)  # of "</s>"
_LABEL = np.uint64(int.from_bytes(b"__label_", "little"))
_UNDERSCORE = np.uint8(ord("_"))
_SOLID = np.ones(256, np.uint8)
_SOLID[[0x00, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20]] = 0
_white = mask_of(byte(0x20), byte((0x09, 0x0D)), byte(0x00))


class Room(NamedTuple):
    """Memory of a call: of the words of a piece, and for words that are spelled.

    ``bounds``: int64, where they begin and end by turns. ``keys``: uint64[words, 3], key, start, size. ``hashes``:
    uint64, the library's, of some words before and of these. ``others``: int64, words that take the longer way.
    ``rows``: uint64, rows of values. ``chains``: uint64, hashes of n-grams. ``spelling``: of :func:`make_spelling`.
    ``tags``: uint64[places + 1, 4], of a cached word first and last 8 bytes, size (0 for an empty place), number of
    features; the last place is for words that are not kept. ``sums``: float32[places + 1, n]. ``spelled``: float64[n].
    """

    bounds: Int64s
    keys: UInt64s
    hashes: UInt64s
    others: Int64s
    rows: UInt64s
    chains: UInt64s
    spelling: tuple[Bytes, Int64s, UInt32s, UInt64s]
    tags: UInt64s
    sums: Float32s
    spelled: Float64s


@njit(cache=True, nogil=True)
def _remainder(value: np.uint64, divisor: np.uint64, reciprocal: np.uint64) -> np.uint64:
    """64-bit ``value % divisor`` without division (Barrett 1986); reciprocal: (2**64 − 1) // divisor."""
    rest = value - high_product(value, reciprocal) * divisor
    for _ in range(2):
        rest = rest - divisor if rest >= divisor else rest
    return rest


@njit(cache=True, nogil=True)
def _extended(hashed: np.uint64) -> np.uint64:
    """The lower 32 bits, their sign extended, as the library's hashes of word n-grams take them."""
    return np.uint64(np.int64(hashed << _32) >> np.int64(32))


@njit(cache=True, nogil=True)
def _word_bounds(data: Bytes, at: Int, stop: Int, solid_before: Int, bounds: Int64s, count: Int) -> tuple[Int, Int]:
    """Adds the places where words begin and end by turns; their count, and whether the last byte is in a word."""
    text, before, place = flat(data), np.uint64(solid_before), at
    while place < stop and place + LANES <= len(data):
        size = np.uint64(min(stop - place, LANES))
        within = _ALL_BITS >> (_LANES - size)
        solid = ~_white(text, place)
        changes = (solid ^ ((solid << _1) | before)) & within
        before = (solid >> (size - _1)) & _1
        while changes != _0:
            bounds[count] = place + trailing_zeros(changes)
            changes &= changes - _1
            count += 1
        place += np.int64(size)
    for rest in range(place, stop):
        inside = np.uint64(_SOLID[data[rest]])
        bounds[count] = rest
        count += np.int64(inside ^ before)
        before = inside
    return count, np.int64(before)


@njit(cache=True, nogil=True)
def _read_words(data: Bytes, bounds: Int64s, pairs: Int, table: UInt64s, keys: UInt64s) -> Int:
    """Fills ``keys`` and has the table's places brought near; labels are no words."""
    shift, near = slot_shift(len(table)), flat(table)
    count: Int = 0
    for pair in range(pairs):
        start, size = bounds[2 * pair], bounds[2 * pair + 1] - bounds[2 * pair]
        head = eight(data, start, size)
        key = word_key(data, start, size, head)
        fetch(near, np.int64(key >> shift) * SLOT_BYTES)
        keys[count, KEY], keys[count, _START], keys[count, _SIZE] = key, np.uint64(start), np.uint64(size)
        is_label = head == _LABEL and size > EIGHT and data[start + EIGHT] == _UNDERSCORE
        count += 0 if is_label else 1
    return count


@njit(cache=True, nogil=True)
def _look_up(
    keys: UInt64s, count: Int, table: UInt64s, summed: Int, rows: UInt64s, hashes: UInt64s, held: Int, others: Int64s
) -> Int:
    """Numbers of words that stand where they are looked for first, in ``rows``; hashes behind the ``held`` ones.

    Places of those that do not, or that have no sum, are put into ``others``; how many.
    """
    shift = slot_shift(len(table))
    left, found = _0, _0  # unsigned, as an index that may be below 0 costs a test each time
    for k in range(count):
        slot = keys[k, KEY] >> shift
        entry = table[slot, ENTRY]
        hashes[held + k] = _extended(entry >> _32)
        rows[found] = entry & _32_BITS
        others[left] = k
        is_found = np.uint64((table[slot, KEY] == keys[k, KEY]) & (np.int64(entry & _32_BITS) < summed))
        found += is_found
        left += _1 - is_found
    return np.int64(left)


@njit(cache=True, nogil=True)
def _find(key: np.uint64, table: UInt64s, shift: np.uint64) -> Int:
    """Number of a word, or -1."""
    slot = np.int64(key >> shift)
    while table[slot, KEY] != _0:
        if table[slot, KEY] == key:
            return np.int64(table[slot, ENTRY] & _32_BITS)
        slot = (slot + 1) & (len(table) - 1)
    return -1


@njit(cache=True, nogil=True)
def _add_others(data: Bytes, network: WordNetwork, room: Room, count: Int, held: Int, total: Float64s) -> Int:
    """Finds the other words, or spells them, adds them up and sets their hashes; how many features they have."""
    # Taken out first: arrays in a tuple cost reference counts at each use, ten times the work itself.
    keys, others, hashes, tags, cached = room.keys, room.others, room.hashes, room.tags, room.sums
    spelling, spelled, table, settings = room.spelling, room.spelled, network.table, network.settings
    values, kept, sums, features = network.values, network.kept, network.sums, network.features
    shift, cache_shift = slot_shift(len(table)), slot_shift(len(tags) - 1)
    added: Int = 0
    for place in range(count):
        k = others[place]
        start, size = np.int64(keys[k, _START]), np.int64(keys[k, _SIZE])
        number = _find(keys[k, KEY], table, shift)
        if settings[WORD_NGRAMS] > 1:
            hashes[held + k] = _extended(word_hash(data, start, start + size))
        if 0 <= number < len(sums):
            for column in range(len(total)):
                total[column] += np.float64(sums[number, column])
            added += np.int64(features[number]) if len(features) else 1
        elif settings[LONGEST]:
            slot = np.int64(keys[k, KEY] >> cache_shift) if size <= _MOST_CACHED else len(tags) - 1
            head, tail = eight(data, start, size), eight(data, max(start, start + size - EIGHT), size)
            same = tags[slot, _HEAD] == head and tags[slot, _TAIL] == tail and tags[slot, _TAG_SIZE] == keys[k, _SIZE]
            if size > _MOST_CACHED or not same:
                tags[slot, _HEAD], tags[slot, _TAIL], tags[slot, _TAG_SIZE] = head, tail, keys[k, _SIZE]
                tags[slot, _FEATURES] = spell(data, start, size, number, values, kept, settings, spelling, spelled)
                for column in range(len(total)):
                    cached[slot, column] = spelled[column]
            for column in range(len(total)):
                total[column] += np.float64(cached[slot, column])
            added += np.int64(tags[slot, _FEATURES])
    return added


@njit(cache=True, nogil=True)
def _add_ngrams(network: WordNetwork, room: Room, first: Int, last: Int, total: Float64s) -> Int:
    """Adds the n-grams of words that end with one of those whose hashes are in the range; how many are kept."""
    settings, kept, hashes, chains, rows = network.settings, network.kept, room.hashes, room.chains, room.rows
    words, buckets, values = np.uint64(settings[WORDS]), np.uint64(settings[BUCKETS]), network.values
    reciprocal, row_bytes, near = _ALL_BITS // buckets, 4 * values.shape[1], flat(values)
    found: Int = 0
    for end in range(last):
        chains[end] = hashes[end]
    for size in range(2, settings[WORD_NGRAMS] + 1):
        for end in range(last - 1, size - 2, -1):
            chains[end] = chains[end - 1] * _FACTOR + hashes[end]
        begin = max(first, size - 1)
        for end in range(begin, last):
            row = words + _remainder(chains[end], buckets, reciprocal)
            rows[found + end - begin] = row
            fetch(near, np.int64(row) * row_bytes)
        found += max(last - begin, 0)
    if len(kept):
        found = kept_rows(rows, found, settings[WORDS], kept)
    add_rows(values, rows, found, total)
    return found


@njit(cache=True, nogil=True)
def _add_piece(
    data: Bytes, pairs: Int, network: WordNetwork, room: Room, held: Int, total: Float64s
) -> tuple[Int, Int]:  # fmt: skip
    """Adds the words between ``pairs`` of bounds and their n-grams; how many features, and words."""
    rows, sums, features = room.rows, network.sums, network.features
    count = _read_words(data, room.bounds, pairs, network.table, room.keys)
    left = _look_up(room.keys, count, network.table, len(sums), rows, room.hashes, held, room.others)
    add_rows(sums, rows, count - left, total)
    added = count - left
    if len(features):
        added = 0
        for k in range(count - left):
            added += np.int64(features[rows[k]])
    added += _add_others(data, network, room, left, held, total)
    if network.settings[WORD_NGRAMS] > 1:
        added += _add_ngrams(network, room, held, held + count, total)
    return added, count


@njit(cache=True, nogil=True)
def add_text(
    data: Bytes, start: Int, end: Int, network: WordNetwork, room: Room, held: Int, total: Float64s, piece: Int
) -> tuple[Int, Int]:
    """Adds the values of a text's features to ``total``, float64[n].

    ``held``: how many words before the text have their hashes in ``room``, for n-grams that begin with them. Gives how
    many features there are, and ``held`` for the text that follows. O(bytes × longest n-gram + words × n).
    """
    bounds, hashes = room.bounds, room.hashes
    reach = max(network.settings[WORD_NGRAMS] - 1, 0)
    added: Int = 0
    open_word: Int = 0
    solid: Int = 0
    at = start
    while at < end:
        stop = min(at + piece, end)
        bounds[0] = open_word
        count, solid = _word_bounds(data, at, stop, solid, bounds, solid)
        if stop == end and solid:
            bounds[count] = end
            count += 1
        found, words = _add_piece(data, count // 2, network, room, held, total)
        added += found
        open_word = bounds[count - 1] if count & 1 else 0
        kept = min(held + words, reach)
        for k in range(kept):
            hashes[k] = hashes[held + words - kept + k]
        held = kept
        at = stop
    return added, held


@njit(cache=True, nogil=True)
def add_end(network: WordNetwork, room: Room, held: Int, total: Float64s) -> Int:
    """Adds the word that ends each line, and its n-grams; how many features."""
    values, end_of_line, hashes = network.values, network.settings[END_OF_LINE], room.hashes
    if end_of_line < 0:
        return 0
    for column in range(len(total)):
        total[column] += np.float64(values[end_of_line, column])
    hashes[held] = _extended(_END_OF_LINE_HASH)
    return 1 + (_add_ngrams(network, room, held, held + 1, total) if network.settings[WORD_NGRAMS] > 1 else 0)


@njit(cache=True, nogil=True)
def make_room(network: WordNetwork, longest: Int, piece: Int) -> Room:
    """For texts of so many bytes at most, or less."""
    settings = network.settings
    ngrams = max(settings[WORD_NGRAMS], 1)
    words = piece // 2 + 2
    spelled = settings[LONGEST] > 0
    cached = CACHED if spelled else 1
    return Room(
        np.empty(piece + 3, np.int64),
        np.empty((words, 3), np.uint64),
        np.empty(words + ngrams, np.uint64),
        np.empty(words, np.int64),
        np.empty(words * ngrams + 1, np.uint64),
        np.empty(words + ngrams, np.uint64),
        make_spelling(settings, longest if spelled else 0),
        np.zeros((cached + 1, 4), np.uint64),
        np.empty((cached + 1, network.values.shape[1]), np.float32),
        np.empty(network.values.shape[1], np.float64),
    )
