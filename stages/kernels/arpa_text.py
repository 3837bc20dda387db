"""Lines of an ARPA file: logarithm of the probability, tokens, logarithm of the backoff weight.

Numbers have six decimals. A line is ``-1.234567<tab>w1 w2<tab>-0.345678<newline>``. O(bytes written).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

NUMBER_BYTES = 12
"""Room for a number: sign, three digits, point, six decimals, and one to spare."""


@njit(cache=True, nogil=True)
def _write_number(value: float, out: Bytes, to: Int) -> Int:
    """``value`` is not above 0 by more than rounding, and above -1000."""
    millionths = np.int64(np.floor(abs(value) * 1e6 + 0.5))
    if millionths == 0:
        out[to] = 48
        return to + 1
    if value < 0:
        out[to] = 45
        to += 1
    whole, rest = millionths // 1_000_000, millionths % 1_000_000
    if whole >= 100:
        out[to] = 48 + whole // 100
        to += 1
    if whole >= 10:
        out[to] = 48 + whole // 10 % 10
        to += 1
    out[to], out[to + 1] = 48 + whole % 10, 46
    to += 2
    for place in range(5, -1, -1):
        out[to + place] = 48 + rest % 10
        rest //= 10
    return to + 6


@njit(cache=True, nogil=True)
def write_lines(
    tokens: Int32s,
    places: Int64s,
    n: int,
    words: tuple[Bytes, Int64s, Int64s],
    logarithms: tuple[Float64s, Float64s],
    has_backoff: bool,
    out: Bytes,
) -> Int:
    """Writes the n-grams that end at the places; returns the bytes used.

    ``words``: bytes, and start and end of each token number's word in them. ``logarithms``: of probabilities and of
    backoff weights, base 10. ``out`` has room for each line's tokens, n + 3 more bytes and two numbers.
    """
    data, starts, ends = words
    probabilities, backoffs = logarithms
    to: Int = 0
    for row in range(len(places)):
        to = _write_number(probabilities[row], out, to)
        for back in range(n):
            out[to] = 9 if back == 0 else 32
            to += 1
            token = tokens[places[row] - n + 1 + back]
            for at in range(starts[token], ends[token]):
                out[to] = data[at]
                to += 1
        if has_backoff:
            out[to] = 9
            to = _write_number(backoffs[row], out, to + 1)
        out[to] = 10
        to += 1
    return to


@njit(cache=True, nogil=True)
def token_bytes(tokens: Int32s, places: Int64s, n: int, lengths: Int64s) -> Int:
    """Bytes of all tokens of the n-grams that end at the places."""
    total: Int = 0
    for row in range(len(places)):
        for back in range(n):
            total += lengths[tokens[places[row] - back]]
    return total
