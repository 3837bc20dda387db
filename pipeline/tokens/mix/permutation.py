"""Random orders that need no memory: hashes of numbers, and permutations of 0 … n − 1 in closed form.

A permutation is a Feistel network of four rounds on numbers of 2h bits, applied again while the result is n or more
(cycle walking, Black and Rogaway 2002); less than four applications are expected. numpy only.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

UInt64s = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_ROUNDS = 4


def seed_of(*parts: int | str) -> int:
    """64 bits that depend on every part."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:8], "little")


def hashed(numbers: npt.NDArray[np.unsignedinteger], seed: int) -> UInt64s:
    """uint64[n]: SplitMix64's output for each number (Steele, Lea and Flood 2014); a bijection for every seed."""
    value = (numbers.astype(np.uint64) ^ np.uint64(seed)) + _GOLDEN
    value = (value ^ (value >> np.uint64(30))) * _FIRST
    value = (value ^ (value >> np.uint64(27))) * _SECOND
    return value ^ (value >> np.uint64(31))


def permuted(numbers: npt.NDArray[np.int64], size: int, seed: int) -> npt.NDArray[np.int64]:
    """Where the permutation of 0 … size − 1 that belongs to the seed takes each number. int64[n]; O(n)."""
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    out = _feistel(numbers.astype(np.uint64), half, seed)
    outside = np.flatnonzero(out >= size)
    while len(outside):
        out[outside] = _feistel(out[outside], half, seed)
        outside = outside[out[outside] >= size]
    return out.astype(np.int64)


def _feistel(numbers: UInt64s, half: int, seed: int) -> UInt64s:
    bits, mask = np.uint64(half), np.uint64(2**half - 1)
    left, right = numbers >> bits, numbers & mask
    for turn in range(_ROUNDS):
        left, right = right, left ^ (hashed(right, (seed + turn * 0x9E3779B97F4A7C15) % 2**64) & mask)
    return (left << bits) | right
