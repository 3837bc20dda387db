"""How much of a text its most frequent n-grams take, and all n-grams that occur more than once.

An n-gram can occur twice only where both (n-1)-grams in it do. So each n looks only at the places where two repeated
(n-1)-grams follow each other, beginning with words (:mod:`stages.kernels.word_types`): in novels at 44, 43, 9, 1.5 and
0.4 % of all places for n = 2 to 6, in articles with code and links at 62, 17, 9, 6 and 5 %. The numbers of the two
(n-1)-grams are an exact key, so that nothing but words is ever taken for another, by their 64-bit hashes (some two
among 100,000 different words with probability 3e-10). Numbers are places of first occurrence. Tables hold such places,
in four bytes, and those of pages stay in the first level of cache.

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

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_runs import flat, word_at
from stages.kernels.word_spans import WordSpans
from stages.kernels.word_types import WordTypes

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Float64s = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]

Scratch = tuple[Any, Any, Any, Any, Any]
"""The table, numbers of n-grams and of shorter ones, counts and places; all pointers."""
Numbers = tuple[Any, Any, Any]
"""By place: first place of the same n-gram, and at that place how often it occurs; then the places looked at."""

SHORTEST, LONGEST_TOP, LONGEST = 2, 4, 10
"""n of the first n-grams, of the last whose most frequent one is measured, and of the last."""

MOST_WORDS = 2**30
"""Words that a row may have: places are held in 32 bits."""

_SMALLEST_TABLE, _SMALL_TABLE = 64, 4096
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xC2B2AE3D27D4EB4F)
_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_6 = np.uint64(6)
_7 = np.uint64(7)
_32 = np.uint64(32)
_56 = np.uint64(56)


@njit(cache=True, nogil=True)
def _table_size(entries: Int) -> Int:
    """Two to eight times the entries where that stays in the first level of cache, else two to four times."""
    size: Int = np.int64(_SMALLEST_TABLE)
    while size < 2 * entries + min(2 * entries, _SMALL_TABLE):
        size *= 2
    return size


@njit(cache=True, nogil=True)
def _number(values: Any, many: Int, table: Any, numbers: Numbers) -> None:
    """Number the pairs ``values[at], values[at + 1]`` of the first ``many`` places, and count each.

    The table holds places, from 1, and has a place that is not used behind its size.
    """
    group, count, places = numbers
    slots = _table_size(many)
    mask, unused = slots - 1, slots
    for place in range(slots):
        table[place] = np.uint32(0)
    for k in range(many):
        at = np.int64(places[k])
        one, two = values[at], values[at + 1]
        slot: Int = np.int64((np.uint64(one) * _MULTIPLIER + np.uint64(two) * _SECOND) >> _32) & mask
        entry = np.int64(table[slot])
        # One number, so that there is one branch: whether the pair is new cannot be foreseen.
        while entry * ((values[max(entry - 1, 0)] ^ one) | (values[entry] ^ two)) != 0:
            slot = (slot + 1) & mask
            entry = np.int64(table[slot])
        # What may soon be read is not written again: the next reader would have to wait.
        is_new = np.int64(entry == 0)
        first = entry - 1 + is_new * (at + 1)
        table[unused + is_new * (slot - unused)] = np.uint32(at + 1)
        group[at], count[at] = first, 0
        count[first] += 1


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
def _followed(many: Int, places: Any) -> Int:
    """Keep the places whose next place is the next word: how many."""
    kept = np.int64(0)
    for k in range(many - 1):
        at = places[k]
        follows = places[k + 1] == at + 1
        places[kept] = at
        kept += follows
    return kept


@njit(cache=True, nogil=True)
def _top(n: Int, many: Int, most: Int, numbers: Numbers, upto: Any, every_copy: bool) -> Int:
    """First place of an n-gram that occurs ``most`` times; the first such, or with ``every_copy`` the longest."""
    group, count, places = numbers
    best, longest = np.int64(-1), np.int64(0)
    for k in range(many):
        at = np.int64(places[k])
        # One number, so that there is one branch, which is hardly ever taken.
        if (group[at] ^ at) | (count[at] ^ most) == 0:
            size = upto[at + n] - upto[at]
            if best < 0 or (every_copy and size > longest):
                best, longest = at, size
    return best


@njit(cache=True, nogil=True)
def _covered(n: Int, many: Int, only: Int, numbers: Numbers, upto: Any) -> Int:
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
def _left_to_right(n: Int, many: Int, numbers: Numbers, upto: Any) -> Int:
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
def _inside(text: Any, limit: Int, at: Int, end: Int) -> Int:
    """Bytes that go on with a character; none from ``limit`` on is read."""
    count: Int = np.int64(0)
    while at + 8 <= limit:
        left = end - at
        word = word_at(text, at)
        flags = (word >> _7) & ~(word >> _6) & _ONES
        if left <= 8:
            return count + np.int64(((flags << np.uint64(8 * (8 - left))) * _ONES) >> _56)
        count += np.int64((flags * _ONES) >> _56)
        at += 8
    while at < end:
        count += text[at] & 0xC0 == 0x80
        at += 1
    return count


@njit(cache=True, nogil=True)
def _measure_types(data: Bytes, starts: Int64s, ends: Int64s, firsts: Int64s, sizes: Int32s) -> None:
    """``sizes``: characters of each type.

    Few branches that nobody can predict: a single character of three bytes is one, and a word is not looked at if
    nothing beyond ASCII is in the 16 bytes from its start on, however long it is.
    """
    text, limit = flat(data), len(data)
    flat_starts, flat_ends = flat(starts), flat(ends)
    for kind in range(len(sizes)):
        word = firsts[kind]
        start, end = flat_starts[word], flat_ends[word]
        size = end - start
        if size == 3 and text[start] >= 0xE0:
            size = 1
        elif start + 16 > limit or size > 16 or (word_at(text, start) | word_at(text, start + 8)) & _HIGH:
            size -= _inside(text, limit, start, end)
        sizes[kind] = size


@njit(cache=True, nogil=True)
def _begin(span: tuple[Int, Int], types: tuple[Any, Any, Any], upto: Any, numbers: Any, places: Any) -> Int:
    """Fill ``upto[w]``: characters of the row's words before its word w, and ``numbers``: the type of each word.

    Writes the places of two words which both occur twice or more, and returns how many there are.
    """
    of_words, counts, sizes = types
    total, many, before = np.int64(0), np.int64(0), False
    upto[0] = 0
    for at in range(span[1] - span[0]):
        kind = of_words[span[0] + at]
        total += sizes[kind]
        upto[at + 1] = total
        numbers[at] = kind
        again = counts[kind] > 1
        places[many] = at - 1
        many += again & before
        before = again
    return many


@njit(cache=True, nogil=True)
def _characters_of(n: Int, many: Int, most: Int, numbers: Numbers, upto: Any, every_copy: bool) -> Int:
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
    words: Int, many: Int, upto: Any, characters: Int, every_copy: bool, scratch: Scratch, out: Float64s
) -> None:
    """Fill ``out`` for n from SHORTEST on, as far as there are repetitions; ``characters`` is what 1.0 means.

    ``many``: places in ``scratch`` where two words follow each other that occur again.
    """
    table, group, shorter, count, places = scratch
    for n in range(SHORTEST, min(LONGEST, words) + 1):
        shorter, group = group, shorter
        if n > SHORTEST:
            many = _followed(many, places)
        _number(shorter, many, table, (group, count, places))
        many, most = _repeated(many, (group, count, places))
        part = _characters_of(n, many, most, (group, count, places), upto, every_copy)
        out[n - SHORTEST] = min(1.0, part / characters)
        if not many and (every_copy or n >= LONGEST_TOP):
            return


@njit(cache=True, nogil=True)
def _measure_rows(
    view: tuple[Bytes, Int64s],
    rows: Int64s,
    types: tuple[Int32s, Int32s, Int32s],
    scratch: tuple[Int64s, UInt32s, Int32s],
    every_copy: bool,
    found: Float64s,
) -> None:
    """Goes through pointers, as arrays that are passed on count references."""
    data, offsets = view
    upto, table, numbers = scratch
    text, limit = flat(data), len(data)
    of_words = flat(types[0]), flat(types[1]), flat(types[2])
    places = flat(numbers[3])
    flat_scratch = flat(table), flat(numbers[0]), flat(numbers[1]), flat(numbers[2]), places
    for row in range(len(found)):
        first, last = rows[row], rows[row + 1]
        if last - first < SHORTEST:
            continue
        many = _begin((first, last), of_words, flat(upto), flat_scratch[1], places)
        characters = upto[last - first]
        if not every_copy:
            characters = offsets[row + 1] - offsets[row] - _inside(text, limit, offsets[row], offsets[row + 1])
        _row_fractions(last - first, many, flat(upto), characters, every_copy, flat_scratch, found[row])


def ngram_fractions(data: Bytes, offsets: Int64s, words: WordSpans, types: WordTypes, every_copy: bool) -> Float64s:
    """float64[rows, 9]: for n = 2, 3, 4 the fraction of the top n-gram, for n = 5 to 10 that of all duplicate ones.

    ``words``, ``types``: of the same rows. ``every_copy``: the reading. 0 where there are fewer than n words. O(words)
    expected, 9 look-ups a word at most.
    """
    found = np.zeros((len(words.rows) - 1, LONGEST - SHORTEST + 1), np.float64)
    most = int(np.diff(words.rows).max(initial=0))
    sizes = np.empty(len(types.firsts), np.int32)
    scratch = (
        np.empty(most + 1, np.int64),
        np.empty(_table_size(most) + 1, np.uint32),
        np.empty((4, most + 1), np.int32),
    )
    with np.errstate(over="ignore"):
        _measure_types(data, words.starts, words.ends, types.firsts, sizes)
        numbered = types.of_words, types.counts, sizes
        _measure_rows((data, offsets), words.rows, numbered, scratch, every_copy, found)
    return found
