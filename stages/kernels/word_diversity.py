"""How varied a row's words are: distinct words, and the entropy of their distribution.

Both are statistics of RedPajama-Data v2 (Weber et al. 2024, arXiv 2411.12372): the share of distinct words, and
``-sum(p ln p)`` over the words' shares ``p``. The entropy is kept up to date as words are counted, as
``ln n - sum(c ln c) / n``, so that the table is gone through once.

The table holds twice the distinct words that a row of its length can be expected to have, so that it mostly stays in
the cache; a row with more is counted again in a table twice as large.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Float64s = npt.NDArray[np.float64]

_1 = np.uint64(1)
_KNOWN_STEPS = 1024


def _steps() -> Float64s:
    """float64[1024]: how much ``c ln c`` grows from c to c + 1."""
    terms = np.array([count * math.log(count) if count else 0.0 for count in range(_KNOWN_STEPS + 1)])
    return np.diff(terms)


_STEPS = _steps()


@njit(cache=True, nogil=True)
def _table_size(words: Int) -> Int:
    """Twice the distinct words to be expected: short rows hardly repeat one, long ones have one in 16 or fewer."""
    expected = 2 * min(words, 2048 + words // 16)
    size = np.int64(16)
    while size < expected:
        size *= 2
    return size


@njit(cache=True, nogil=True)
def _count_row(hashes: UInt64s, keys: UInt64s, counts: Int64s, size: Int) -> tuple[Int, float]:
    """(distinct words, sum of c ln c); -1 if the table of ``size`` places, a power of two, gets too full."""
    keys[:size] = np.uint64(0)
    counts[:size] = 0
    last = np.uint64(size - 1)
    most = 3 * size // 4
    distinct = np.int64(0)
    terms = 0.0
    for value in hashes:
        place = value & last
        # A new word and one seen before take the same way: which it is cannot be foreseen.
        while (keys[place] != 0) & (keys[place] != value):
            place = (place + _1) & last
        count = counts[place]
        keys[place] = value
        counts[place] = count + 1
        distinct += count == 0
        if count < _KNOWN_STEPS:
            terms += _STEPS[count]
        else:
            terms += (count + 1) * math.log(count + 1) - count * math.log(count)
        if distinct > most:
            return np.int64(-1), 0.0
    return distinct, terms


@njit(cache=True, nogil=True)
def _count_rows(rows: Int64s, hashes: UInt64s, distinct: Int64s, entropy: Float64s) -> None:
    """O(words)."""
    longest = np.int64(0)
    for row in range(len(distinct)):
        longest = max(longest, rows[row + 1] - rows[row])
    keys = np.empty(_table_size(longest), np.uint64)
    counts = np.empty(len(keys), np.int64)
    for row in range(len(distinct)):
        words = hashes[rows[row] : rows[row + 1]]
        size = _table_size(len(words))
        found, terms = _count_row(words, keys, counts, size)
        while found < 0:
            size *= 2
            if size > len(keys):
                keys = np.empty(size, np.uint64)
                counts = np.empty(size, np.int64)
            found, terms = _count_row(words, keys, counts, size)
        distinct[row] = found
        entropy[row] = max(math.log(len(words)) - terms / len(words), 0.0) if len(words) else 0.0


def word_diversity(rows: Int64s, hashes: UInt64s) -> tuple[Int64s, Float64s]:
    """(int64[rows] distinct words, float64[rows] entropy in nats; 0 for a row without words).

    ``rows``: int64[rows + 1], words of row r are ``hashes[rows[r]:rows[r + 1]]``; no hash is 0.
    """
    distinct = np.zeros(len(rows) - 1, np.int64)
    entropy = np.zeros(len(rows) - 1)
    _count_rows(rows, hashes, distinct, entropy)
    return distinct, entropy
