"""Lines of an ARPA file, written and read: log10 of the probability, words, log10 of the backoff weight.

A line is ``-1.234567<tab>w1 w2<tab>-0.345678<newline>``. Numbers are written with six decimals, and read in any decimal
form; the backoff weight may be missing, spaces may stand for tabs and CR LF for line feeds. O(bytes).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.loads import copy_bytes

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

NUMBER_BYTES = 12
"""Room for a number: sign, three digits, point, six decimals, and one to spare."""
SLACK = 8
"""Words are copied eight bytes at a time: so many more have to be there behind the last one, and behind the output."""


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
def _gather(data: Bytes, starts: Int64s, offsets: Int64s, out: Bytes) -> None:
    for piece in range(len(starts)):
        for k in range(offsets[piece + 1] - offsets[piece]):
            out[offsets[piece] + k] = data[starts[piece] + k]


def gathered(data: Bytes, starts: Int64s, ends: Int64s) -> tuple[Bytes, Int64s]:
    """The pieces of the data one behind the other with SLACK bytes behind, and int64[pieces + 1], where they begin."""
    offsets = np.cumsum(np.r_[0, ends - starts], dtype=np.int64)
    out = np.zeros(offsets[-1] + SLACK, np.uint8)
    _gather(data, starts, offsets, out)
    return out, offsets


@njit(cache=True, nogil=True)
def write_lines(
    tokens: Int32s,
    places: Int64s,
    n: int,
    words: tuple[Bytes, Int64s],
    logarithms: tuple[Float64s, Float64s],
    has_backoff: bool,
    out: Bytes,
) -> Int:
    """Writes the n-grams that end at the places; returns the bytes used.

    ``words``: bytes, and offsets of each token number's word in them. ``logarithms``: of probabilities and of backoff
    weights, base 10. ``out`` has room for each line's tokens, n + 3 more bytes and two numbers, and SLACK bytes.
    """
    data, offsets = words
    probabilities, backoffs = logarithms
    to: Int = 0
    for row in range(len(places)):
        to = _write_number(probabilities[row], out, to)
        for back in range(n):
            out[to] = 9 if back == 0 else 32
            to += 1
            token = tokens[places[row] - n + 1 + back]
            size = offsets[token + 1] - offsets[token]
            for k in range(0, size, SLACK):
                copy_bytes(out, to + k, data, offsets[token] + k, SLACK)
            to += size
        if has_backoff:
            out[to] = 9
            to = _write_number(backoffs[row], out, to + 1)
        out[to] = 10
        to += 1
    return to


@njit(cache=True, nogil=True)
def token_bytes(tokens: Int32s, places: Int64s, n: int, offsets: Int64s) -> Int:
    """Bytes of all tokens of the n-grams that end at the places."""
    total: Int = 0
    for row in range(len(places)):
        for back in range(n):
            token = tokens[places[row] - back]
            total += offsets[token + 1] - offsets[token]
    return total


class Lines(NamedTuple):
    """What stands in some lines. starts, ends: int64[lines × n], of the words in the data.

    probabilities, backoffs: float64[lines], log10; 0 for a backoff weight that is missing.
    """

    starts: Int64s
    ends: Int64s
    probabilities: Float64s
    backoffs: Float64s


@njit(cache=True, nogil=True)
def _number(data: Bytes, at: Int, end: Int) -> tuple[float, Int]:
    """(decimal number, where it ends); NaN if none stands there."""
    sign = 1.0
    if at < end and (data[at] == 45 or data[at] == 43):
        sign = -1.0 if data[at] == 45 else 1.0
        at += 1
    value, scale, digits = 0.0, 1.0, 0
    while at < end and 48 <= data[at] <= 57:
        value = value * 10 + (data[at] - 48)
        digits += 1
        at += 1
    if at < end and data[at] == 46:
        at += 1
        while at < end and 48 <= data[at] <= 57:
            value = value * 10 + (data[at] - 48)
            scale *= 10
            digits += 1
            at += 1
    if digits == 0:
        return np.nan, at
    value /= scale
    if at < end and (data[at] | 32) == 101:
        down = at + 1 < end and data[at + 1] == 45
        at += 2 if down or (at + 1 < end and data[at + 1] == 43) else 1
        power: Int = 0
        while at < end and 48 <= data[at] <= 57:
            power = power * 10 + np.int64(data[at]) - 48
            at += 1
        value *= 10.0 ** (-power if down else power)
    return sign * value, at


@njit(cache=True, nogil=True)
def _after_spaces(data: Bytes, at: Int, stop: Int) -> Int:
    while at < stop and (data[at] == 9 or data[at] == 32):
        at += 1
    return at


@njit(cache=True, nogil=True)
def _read_line(data: Bytes, at: Int, stop: Int, row: Int, n: int, lines: Lines) -> bool:
    """Whether the line is sound."""
    starts, ends, probabilities, backoffs = lines
    probabilities[row], at = _number(data, at, stop)
    for k in range(row * n, (row + 1) * n):
        if at >= stop or not (data[at] == 9 or data[at] == 32):
            return False
        at += 1
        starts[k] = at
        while at < stop and not (data[at] == 9 or data[at] == 32):
            at += 1
        ends[k] = at
        if starts[k] == at:
            return False
    backoffs[row] = 0.0
    at = _after_spaces(data, at, stop)
    if at < stop:
        backoffs[row], at = _number(data, at, stop)
        at = _after_spaces(data, at, stop)
    return at == stop and not np.isnan(probabilities[row]) and not np.isnan(backoffs[row])


@njit(cache=True, nogil=True)
def _read_lines(data: Bytes, at: Int, n: int, lines: Lines) -> tuple[Int, Int]:
    for row in range(len(lines.probabilities)):
        stop = at
        while stop < len(data) and data[stop] != 10:
            stop += 1
        end = stop - 1 if stop > at and data[stop - 1] == 13 else stop
        if not _read_line(data, at, end, row, n, lines):
            return at, at
        at = stop + 1
    return at, np.int64(-1)


def read_lines(data: Bytes, at: int, n: int, count: int) -> tuple[Lines, int, int]:
    """The next ``count`` lines, of n words each; where the line behind them begins; place of an unsound line or -1."""
    lines = Lines(np.empty(count * n, np.int64), np.empty(count * n, np.int64), np.empty(count), np.empty(count))
    after, wrong = _read_lines(data, at, n, lines)
    return lines, int(after), int(wrong)
