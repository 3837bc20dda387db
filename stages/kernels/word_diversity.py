"""How varied a row's words are: distinct words, and the entropy of their distribution.

Both are statistics of RedPajama-Data v2 (Weber et al. 2024, arXiv 2411.12372): the share of distinct words, and
``-sum(p ln p)`` over the words' shares ``p``. The entropy is kept up to date as words are counted, as
``ln n - sum(c ln c) / n``. Words are looked up as types (:mod:`stages.kernels.word_types`): which types are the same
in lower case is found once for each type.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_runs import flat
from stages.kernels.word_types import WordTypes, word_types

Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Float64s = npt.NDArray[np.float64]

_KNOWN_STEPS = 1024


def _steps() -> Float64s:
    """float64[1024]: how much ``c ln c`` grows from c to c + 1."""
    terms = np.array([count * math.log(count) if count else 0.0 for count in range(_KNOWN_STEPS + 1)])
    return np.diff(terms)


_STEPS = _steps()


@njit(cache=True, nogil=True)
def _terms(span: tuple[Int, Int], of_words: Any, of_types: Any, counts: Any) -> float:
    """Sum of c ln c over the counts of what the words are, kept up to date word by word; ``counts`` are 0 before."""
    terms = 0.0
    for at in range(span[0], span[1]):
        kind = of_types[of_words[at]]
        count = np.int64(counts[kind])
        counts[kind] = count + 1
        if count < _KNOWN_STEPS:
            terms += _STEPS[count]
        else:
            terms += (count + 1) * math.log(count + 1) - count * math.log(count)
    return terms


@njit(cache=True, nogil=True)
def _entropies(rows: Int64s, of_words: Int32s, of_types: Int32s, counts: Int32s, entropy: Float64s) -> None:
    """O(words)."""
    words, types, flat_counts = flat(of_words), flat(of_types), flat(counts)
    for row in range(len(entropy)):
        size = rows[row + 1] - rows[row]
        if size:
            terms = _terms((rows[row], rows[row + 1]), words, types, flat_counts)
            entropy[row] = max(math.log(size) - terms / size, 0.0)


def word_diversity(rows: Int64s, types: WordTypes, hashes: UInt64s) -> tuple[Int64s, Float64s]:
    """(int64[rows] distinct words, float64[rows] entropy in nats; 0 for a row without words).

    ``rows``: int64[rows + 1], first word of each row. ``types``: of these words. ``hashes``: uint64[types], by which
    types are told apart here, as in lower case; none is 0.
    """
    folded = word_types(types.rows, hashes)
    entropy = np.zeros(len(rows) - 1)
    _entropies(rows, types.of_words, folded.of_words, np.zeros(len(folded.firsts), np.int32), entropy)
    return np.diff(folded.rows), entropy
