"""How much of a text its most frequent n-grams take, and all n-grams that occur more than once.

An n-gram can occur twice only where both (n-1)-grams in it do. So after all pairs of words have been looked up, each
further n looks only at the places where two repeated (n-1)-grams follow each other: in novels at 43, 9, 1.5 and 0.4 %
of all places for n = 3 to 6, in articles with code and links at 17, 9, 6 and 5 %. The numbers of the two (n-1)-grams
are an exact key, so that nothing but words is ever taken for another, by their 64-bit hashes (some two among 100,000
different words with probability 3e-10). Numbers are places of first occurrence. An entry of the table is such a place
and a few bits of the key's hash, in four bytes, and at most half of the entries are taken, so that the tables of pages
stay in the first two levels of cache.

Two readings (:mod:`stages.kernels.repetition` says whose they are):

* EVERY_COPY: characters are those of words. A fraction is that of the words which lie in some occurrence of the
  most frequent n-gram (of several equally frequent ones, the longest; of these, the first), or of any n-gram that
  occurs twice or more. No character counts twice, and an n-gram that occurs once is no repetition.
* LATER_COPIES: fractions are of all characters of the text. The top n-gram is the first of the most frequent ones,
  even if all occur once; its length with a space between words counts for each occurrence, also where they overlap,
  and the fraction ends at 1. Duplicates are found from left to right: a known n-gram counts the characters of its
  words and the search goes on behind it; one that is not known becomes so.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.loads import load64

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Float64s = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]

Values = npt.NDArray[np.uint64] | npt.NDArray[np.int32]
Numbers = tuple[Int32s, Int32s, Int32s]
"""By place: first place of the same n-gram, and at that place how often it occurs; then the places looked at."""

SHORTEST, LONGEST_TOP, LONGEST = 2, 4, 10
"""n of the first n-grams, of the last whose most frequent one is measured, and of the last."""

MOST_WORDS = 2**30
"""Words that a row may have: places are held in 32 bits."""

_SMALLEST_TABLE_BITS = 6
_ENTRY = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xC2B2AE3D27D4EB4F)
_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_6 = np.uint64(6)
_7 = np.uint64(7)
_32 = np.uint64(32)
_56 = np.uint64(56)
_64 = np.uint64(64)


@njit(cache=True, nogil=True)
def _table_bits(entries: Int) -> Int:
    bits: Int = np.int64(_SMALLEST_TABLE_BITS)
    while (1 << bits) < 2 * entries:
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def _number(values: Values, many: Int, table: UInt32s, numbers: Numbers) -> None:
    """Number the pairs ``values[at], values[at + 1]`` of the first ``many`` places, and count each.

    Entries of the table hold a place, from 1, in their low bits and some of the key's hash above.
    """
    group, count, places = numbers
    bits = _table_bits(many)
    slots = np.int64(1) << bits
    shift, mask = _64 - np.uint64(bits), np.uint64(slots - 1)
    place_mask = np.uint64((np.int64(1) << _table_bits(len(values))) - 1)
    tag_mask = _ENTRY & ~place_mask
    table[:slots] = 0
    for k in range(many):
        at = np.int64(places[k])
        one, two = values[at], values[at + 1]
        key = (np.uint64(one) ^ (np.uint64(two) * _SECOND)) * _MULTIPLIER
        key ^= key >> _32
        key *= _MULTIPLIER
        slot, tag = key >> shift, key & tag_mask
        entry = np.uint64(table[slot])
        found = np.int64(-1)
        while entry != 0:
            if entry & tag_mask == tag:
                first = (entry & place_mask) - _ONE
                if values[first] == one and values[first + _ONE] == two:
                    found = np.int64(first)
                    break
            slot = (slot + _ONE) & mask
            entry = np.uint64(table[slot])
        if found < 0:
            table[slot] = np.uint32(tag | np.uint64(at + 1))
            group[at] = at
            count[at] = 1
        else:
            group[at] = found
            count[found] += 1


@njit(cache=True, nogil=True)
def _repeated(many: Int, numbers: Numbers) -> tuple[Int, Int]:
    """Keep the places of n-grams that occur twice or more: (how many, how often the most frequent occurs)."""
    group, count, places = numbers
    kept, most = np.int64(0), np.int64(0)
    for k in range(many):
        at = places[k]
        often = np.int64(count[group[at]])
        places[kept] = at
        kept += often > 1
        most = max(most, often)
    return kept, most


@njit(cache=True, nogil=True)
def _followed(many: Int, places: Int32s) -> Int:
    """Keep the places whose next place is the next word: how many."""
    kept = np.int64(0)
    for k in range(many - 1):
        at = places[k]
        follows = places[k + 1] == at + 1
        places[kept] = at
        kept += follows
    return kept


@njit(cache=True, nogil=True)
def _top(n: Int, many: Int, most: Int, numbers: Numbers, upto: Int64s, every_copy: bool) -> Int:
    """First place of an n-gram that occurs ``most`` times; the first such, or with ``every_copy`` the longest."""
    group, count, places = numbers
    best, longest = np.int64(-1), np.int64(0)
    for k in range(many):
        at = np.int64(places[k])
        if (group[at] == at) & (count[at] == most):
            size = upto[at + n] - upto[at]
            if best < 0 or (every_copy and size > longest):
                best, longest = at, size
    return best


@njit(cache=True, nogil=True)
def _covered(n: Int, many: Int, only: Int, numbers: Numbers, upto: Int64s) -> Int:
    """Characters of the words in n-grams at the places, each once; ``only``: in those of this number, if not -1."""
    group, _, places = numbers
    total = np.int64(0)
    behind = np.int64(0)
    for k in range(many):
        at = np.int64(places[k])
        if only < 0 or group[at] == only:
            total += upto[at + n] - upto[max(at, behind)]
            behind = at + n
    return total


@njit(cache=True, nogil=True)
def _left_to_right(n: Int, many: Int, numbers: Numbers, upto: Int64s) -> Int:
    """Characters of n-grams that are known when the search comes to them. Negates the counts of what it sees."""
    group, count, places = numbers
    total = np.int64(0)
    behind = np.int64(0)
    for k in range(many):
        at = np.int64(places[k])
        if at < behind:
            continue
        if count[group[at]] < 0:
            total += upto[at + n] - upto[at]
            behind = at + n
        else:
            count[group[at]] = -1
    return total


@njit(cache=True, nogil=True)
def _inside(data: Bytes, at: Int, end: Int) -> Int:
    """Bytes that go on with a character."""
    count: Int = np.int64(0)
    while at + 8 <= len(data):
        left = end - at
        word = load64(data, at)
        flags = (word >> _7) & ~(word >> _6) & _ONES
        if left <= 8:
            return count + np.int64(((flags << np.uint64(8 * (8 - left))) * _ONES) >> _56)
        count += np.int64((flags * _ONES) >> _56)
        at += 8
    while at < end:
        count += data[at] & 0xC0 == 0x80
        at += 1
    return count


@njit(cache=True, nogil=True)
def _characters_before(data: Bytes, starts: Int64s, ends: Int64s, upto: Int64s) -> None:
    """``upto[w]``: characters of the words before word w.

    Few branches that nobody can predict: a single character of three bytes is one, and a word is not looked at if
    nothing beyond ASCII is in the 16 bytes from its start on, however long it is.
    """
    total: Int = np.int64(0)
    upto[0] = 0
    for word in range(len(starts)):
        start = starts[word]
        size = ends[word] - start
        if size == 3 and data[start] >= 0xE0:
            size = 1
        elif start + 16 > len(data) or size > 16 or (load64(data, start) | load64(data, start + 8)) & _HIGH:
            size -= _inside(data, start, ends[word])
        total += size
        upto[word + 1] = total


@njit(cache=True, nogil=True)
def _characters_of(n: Int, many: Int, most: Int, numbers: Numbers, upto: Int64s, every_copy: bool) -> Int:
    """What the top n-gram takes, or all duplicate ones. ``most``: how often the top one occurs, if twice or more."""
    if n > LONGEST_TOP:
        return _covered(n, many, -1, numbers, upto) if every_copy else _left_to_right(n, many, numbers, upto)
    top = _top(n, many, most, numbers, upto, every_copy)
    if not every_copy:
        first = max(top, 0)
        return (upto[first + n] - upto[first] + n - 1) * max(most, 1)
    return _covered(n, many, top, numbers, upto) if top >= 0 else 0


@njit(cache=True, nogil=True)
def _row_fractions(
    hashes: UInt64s,
    upto: Int64s,
    characters: Int,
    every_copy: bool,
    scratch: tuple[UInt32s, Int32s, Int32s, Int32s, Int32s],
    out: Float64s,
) -> None:
    """Fill ``out`` for n from SHORTEST on, as far as there are repetitions; ``characters`` is what 1.0 means."""
    table, shorter, group, count, places = scratch
    many: Int = np.int64(len(hashes) - 1)
    for at in range(many):
        places[at] = at
    for n in range(SHORTEST, min(LONGEST, len(hashes)) + 1):
        if n == SHORTEST:
            _number(hashes, many, table, (group, count, places))
        else:
            shorter, group = group, shorter
            many = _followed(many, places)
            _number(shorter[: len(hashes) - n + 2], many, table, (group, count, places))
        many, most = _repeated(many, (group, count, places))
        part = _characters_of(n, many, most, (group, count, places), upto, every_copy)
        out[n - SHORTEST] = min(1.0, part / characters)
        if not many and n >= LONGEST_TOP:
            return


@njit(cache=True, nogil=True)
def ngram_fractions(
    data: Bytes, offsets: Int64s, rows: Int64s, starts: Int64s, ends: Int64s, hashes: UInt64s, every_copy: bool
) -> Float64s:
    """float64[rows, 9]: for n = 2, 3, 4 the fraction of the top n-gram, for n = 5 to 10 that of all duplicate ones.

    ``rows``, ``starts``, ``ends``, ``hashes``: the words, as in :class:`stages.kernels.word_spans.WordSpans`.
    ``every_copy``: the reading. 0 where there are fewer than n words. O(words) expected, 9 look-ups a word at most.
    """
    found = np.zeros((len(rows) - 1, LONGEST - SHORTEST + 1), np.float64)
    most: Int = np.int64(0)
    for row in range(len(found)):
        most = max(most, rows[row + 1] - rows[row])
    upto = np.empty(most + 1, np.int64)
    scratch = (
        np.empty(1 << _table_bits(most), np.uint32),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
    )
    for row in range(len(found)):
        first, last = rows[row], rows[row + 1]
        if last - first < SHORTEST:
            continue
        _characters_before(data, starts[first:last], ends[first:last], upto)
        characters = upto[last - first]
        if not every_copy:
            characters = offsets[row + 1] - offsets[row] - _inside(data, offsets[row], offsets[row + 1])
        _row_fractions(hashes[first:last], upto, characters, every_copy, scratch, found[row])
    return found
