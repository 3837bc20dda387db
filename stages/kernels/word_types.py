"""The different words of each row, numbered: what is the same for each occurrence of a word is then looked at once.

A page of 1,300 words has 490 different ones. Letters, case, length and whether it is a stop word are judged for these,
counts are multiplied, and n-grams are compared by the numbers of their words. Words are told apart by their hashes.

The table holds twice the different words that a row of its length can be expected to have, so that it mostly stays in
the first level of cache, and grows for a row that has more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_runs import flat

Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]

_SMALLEST_TABLE = 16


class WordTypes(NamedTuple):
    """The different words of some rows, row by row in the order of their first occurrences.

    rows: int64[rows + 1], number of the first of each row: those of row r are ``rows[r]:rows[r + 1]``.
    firsts: int64[types], the word that is the first such. counts: int32[types], how often it occurs in the row.
    of_words: int32[words], the number of each word.
    """

    rows: Int64s
    firsts: Int64s
    counts: Int32s
    of_words: Int32s


@njit(cache=True, nogil=True)
def _table_size(words: Int) -> Int:
    """Twice the types to be expected: short rows hardly repeat a word, long ones have one in 16 or fewer."""
    expected = 2 * min(words, 2048 + words // 16)
    size = np.int64(_SMALLEST_TABLE)
    while size < expected:
        size *= 2
    return size


@njit(cache=True, nogil=True)
def _number(
    hashes: Any, span: tuple[Int, Int], table: Any, size: Int, keys: Any, known: Int, base: Int, found: tuple[Any, ...]
) -> tuple[Int, Int]:
    """Numbers words from ``span[0]`` on until the table is three quarters full: (the next word, types known then).

    The table holds numbers within the row, from 1, and has a place that is not used behind its ``size``. ``keys``: hash
    by number. At place 0 is the one looked for, so that the search ends at an empty place as at a known word: a branch
    for new ones, which cannot be foreseen, took half of the time.
    """
    firsts, counts, of_words = found
    last, unused = np.uint64(size - 1), np.int64(size)
    most = 3 * size // 4
    at, end = span
    while at < end and known < most:
        value = hashes[at]
        place = value & last
        entry = np.int64(table[place])
        keys[0] = value
        while keys[entry] != value:
            place = (place + np.uint64(1)) & last
            entry = np.int64(table[place])
        # What may soon be read is not written again: the next reader would have to wait. What is written beyond the
        # last type is none yet.
        keys[known + 1], firsts[base + known], counts[base + known] = value, at, 0
        is_new = np.int64(entry == 0)
        known += is_new
        number = entry + is_new * known
        table[unused + is_new * (np.int64(place) - unused)] = np.uint32(number)
        counts[base + number - 1] += 1
        of_words[at] = base + number - 1
        at += 1
    return at, known


@njit(cache=True, nogil=True)
def _clear(table: Any, size: Int) -> None:
    for place in range(size):
        table[place] = np.uint32(0)


@njit(cache=True, nogil=True)
def _refill(table: Any, size: Int, keys: Any, known: Int) -> None:
    """Puts the known types into a table of another size."""
    _clear(table, size)
    last = np.uint64(size - 1)
    for number in range(1, known + 1):
        place = keys[number] & last
        while table[place] != 0:
            place = (place + np.uint64(1)) & last
        table[place] = np.uint32(number)


@njit(cache=True, nogil=True)
def _number_rows(rows: Int64s, hashes: UInt64s, type_rows: Int64s, found: tuple[Int64s, Int32s, Int32s]) -> None:
    """O(words) expected."""
    longest = np.int64(0)
    for row in range(len(rows) - 1):
        longest = max(longest, rows[row + 1] - rows[row])
    table = np.empty(_table_size(longest) + 1, np.uint32)
    keys = np.zeros(longest + 2, np.uint64)
    flat_hashes, flat_found = flat(hashes), (flat(found[0]), flat(found[1]), flat(found[2]))
    for row in range(len(rows) - 1):
        at, end, base = rows[row], rows[row + 1], type_rows[row]
        size = _table_size(end - at)
        _clear(flat(table), size)
        at, known = _number(flat_hashes, (at, end), flat(table), size, flat(keys), np.int64(0), base, flat_found)
        while at < end:
            size *= 4
            if size >= len(table):
                table = np.empty(size + 1, np.uint32)
            _refill(flat(table), size, flat(keys), known)
            at, known = _number(flat_hashes, (at, end), flat(table), size, flat(keys), known, base, flat_found)
        type_rows[row + 1] = base + known


def word_types(rows: Int64s, hashes: UInt64s) -> WordTypes:
    """The types of words by their hashes, of which none is 0; words of row r are ``hashes[rows[r]:rows[r + 1]]``."""
    type_rows = np.zeros(len(rows), np.int64)
    firsts, of_words = np.empty(len(hashes) + 1, np.int64), np.empty(len(hashes), np.int32)
    counts = np.empty(len(hashes) + 1, np.int32)
    _number_rows(rows, hashes, type_rows, (firsts, counts, of_words))
    return WordTypes(type_rows, firsts[: type_rows[-1]], counts[: type_rows[-1]], of_words)
