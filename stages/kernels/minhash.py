"""MinHash signatures (Broder 1997) and LSH band keys of shingle hashes.

Lane i of a signature is the least value of ``a[i] · h + b[i]`` modulo 2**32 over the shingles of a row, where h is the
high half of a shingle's 64-bit hash, a[i] odd and b[i] any number, both drawn by SplitMix64 from the seed. For odd a
that is a permutation of the 32-bit numbers. The family is only approximately min-wise independent, as are all that are
used in practice (Broder, Charikar, Frieze and Mitzenmacher 2000); h is already well mixed, and tests compare the lanes
with uniformity and the estimates with datasketch's. Two different shingles share h with probability 2**-32: a row of
a million shingles takes one in 4,300 of them for another document's.

Lanes are taken in vectors by the compiler, eight shingles at a time, so that a, b and the minima are loaded and stored
once for the eight.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.arrow_text import TextView
from stages.kernels.hashing import mix64
from stages.kernels.shingle_tables import Units
from stages.kernels.shingles import shingle

Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]

NO_SHINGLE = np.uint32(0xFFFFFFFF)
"""Value of every lane of a row without shingles."""

_GROUP_BYTES = 1 << 18
"""Text whose shingles are made before they are used: their hashes, up to 400 kB for prose, stay in the second-level
cache."""
_SPLIT1 = np.uint64(0xBF58476D1CE4E5B9)
_SPLIT2 = np.uint64(0x94D049BB133111EB)
_HALF = np.uint64(32)


class Signatures(NamedTuple):
    """``lanes``: uint32[rows, permutations]. ``units``: int64[rows]. ``short``: uint64[rows, 2], as in Shingles."""

    lanes: npt.NDArray[np.uint32]
    units: Int64s
    short: npt.NDArray[np.uint64]


@lru_cache(maxsize=8)
def permutations(count: int, seed: int = 0) -> tuple[UInt32s, UInt32s]:
    """(a, b): uint32[count] each, a odd. ``seed``: below 2**64."""
    drawn = mix64(np.arange(2 * count, dtype=np.uint64), seed)
    a, b = (drawn >> _HALF).astype(np.uint32).reshape(2, count)
    a |= np.uint32(1)
    a.flags.writeable = b.flags.writeable = False
    return a, b


@njit(cache=True, nogil=True)
def _least(hashes: UInt64s, a: UInt32s, b: UInt32s, least: UInt32s) -> None:
    """O(shingles · lanes). The last shingle is repeated to fill eight, which changes no minimum."""
    final = len(hashes) - 1
    for start in range(0, len(hashes), 8):
        h0 = np.uint32(hashes[start] >> _HALF)
        h1 = np.uint32(hashes[min(start + 1, final)] >> _HALF)
        h2 = np.uint32(hashes[min(start + 2, final)] >> _HALF)
        h3 = np.uint32(hashes[min(start + 3, final)] >> _HALF)
        h4 = np.uint32(hashes[min(start + 4, final)] >> _HALF)
        h5 = np.uint32(hashes[min(start + 5, final)] >> _HALF)
        h6 = np.uint32(hashes[min(start + 6, final)] >> _HALF)
        h7 = np.uint32(hashes[min(start + 7, final)] >> _HALF)
        for lane in range(len(least)):
            times, plus = a[lane], b[lane]
            one = min(np.uint32(times * h0 + plus), np.uint32(times * h1 + plus))
            two = min(np.uint32(times * h2 + plus), np.uint32(times * h3 + plus))
            three = min(np.uint32(times * h4 + plus), np.uint32(times * h5 + plus))
            four = min(np.uint32(times * h6 + plus), np.uint32(times * h7 + plus))
            least[lane] = min(least[lane], min(min(one, two), min(three, four)))


@njit(cache=True, nogil=True)
def _least_rows(hashes: UInt64s, offsets: Int64s, a: UInt32s, b: UInt32s, lanes: npt.NDArray[np.uint32]) -> None:
    """O(shingles · lanes)."""
    for row in range(len(lanes)):
        lanes[row, :] = NO_SHINGLE
        if offsets[row] < offsets[row + 1]:
            _least(hashes[offsets[row] : offsets[row + 1]], a, b, lanes[row])


@njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:
    value ^= value >> np.uint64(30)
    value *= _SPLIT1
    value ^= value >> np.uint64(27)
    value *= _SPLIT2
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _band_keys(lanes: npt.NDArray[np.uint32], rows: int, keys: npt.NDArray[np.uint64]) -> None:
    """O(lanes), two mixed at a time."""
    for row in range(len(keys)):
        for band in range(keys.shape[1]):
            key = np.uint64(band)
            for place in range(band * rows, (band + 1) * rows, 2):
                pair = np.uint64(lanes[row, place])
                if place + 1 < (band + 1) * rows:
                    pair |= np.uint64(lanes[row, place + 1]) << _HALF
                key = _mix(_mix(key) ^ pair)
            keys[row, band] = key


@njit(cache=True, nogil=True)
def _spread(hashes: npt.NDArray[np.uint64], lanes: npt.NDArray[np.uint32]) -> None:
    for row in range(len(lanes)):
        low, high = hashes[row, 0], hashes[row, 1]
        for lane in range(lanes.shape[1]):
            lanes[row, lane] = np.uint32(_mix(high ^ _mix(low + np.uint64(lane))) >> _HALF)


def signatures(view: TextView, n: int, lanes: int, *, units: Units = "auto", seed: int = 0) -> Signatures:
    """The signatures of all rows over their shingles of n units.

    O(bytes + shingles · lanes). Memory: the signatures, and eight bytes for each shingle of the longest row.
    """
    a, b = permutations(lanes, seed)
    rows = len(view.offsets) - 1
    found = Signatures(np.empty((rows, lanes), np.uint32), np.empty(rows, np.int64), np.empty((rows, 2), np.uint64))
    bounds = _groups(view.offsets)
    scratch = np.empty(int(np.diff(view.offsets[bounds]).max(initial=0)), np.uint64)
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        part = shingle(TextView(view.data, view.offsets[start : end + 1]), n, units, scratch)
        found.units[start:end], found.short[start:end] = part.units, part.short
        with np.errstate(over="ignore"):
            _least_rows(part.hashes, part.offsets, a, b, found.lanes[start:end])
    return found


def _groups(offsets: Int64s) -> Int64s:
    """Bounds of groups of rows: as many as fit :data:`_GROUP_BYTES`, at least one."""
    bounds = [0]
    while bounds[-1] < len(offsets) - 1:
        fitting = int(np.searchsorted(offsets, offsets[bounds[-1]] + _GROUP_BYTES, side="right")) - 1
        bounds.append(max(fitting, bounds[-1] + 1))
    return np.array(bounds, np.int64)


def band_keys(lanes: npt.NDArray[np.uint32], bands: int, rows: int) -> npt.NDArray[np.uint64]:
    """uint64[n, bands]: a hash of each band's number and its lanes, of uint32[n, bands · rows or more].

    Keys of different bands can be sorted together. Among 14 keys of each of 10 billion rows, 530 pairs are equal by
    chance, which verification finds out. Raises ValueError if there are too few lanes.
    """
    if lanes.shape[1] < bands * rows:
        raise ValueError(f"{bands} bands of {rows} rows need {bands * rows} lanes, there are {lanes.shape[1]}")
    keys = np.empty((len(lanes), bands), np.uint64)
    with np.errstate(over="ignore"):
        _band_keys(lanes, rows, keys)
    return keys


def spread(hashes: npt.NDArray[np.uint64], lanes: int) -> npt.NDArray[np.uint32]:
    """uint32[n, lanes]: signatures that stand for 128-bit hashes, uint64[n, 2].

    Equal hashes agree in all lanes, different ones in next to none.
    """
    out = np.empty((len(hashes), lanes), np.uint32)
    with np.errstate(over="ignore"):
        _spread(hashes, out)
    return out
