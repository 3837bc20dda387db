"""128-bit hashes of text rows, and mixing of 64-bit numbers.

The hash is MurmurHash3's 128-bit variant for 64-bit machines (Austin Appleby, public domain): good spread, no
key, about one multiplication per 4 bytes. It names content (deduplication keys, sampling, splits) and is not
meant to withstand somebody who constructs collisions: by chance two of 10 billion different documents collide
with probability 1.5e-19. The 16-byte form has the bytes in the order of the reference implementation, so that
other tools' MurmurHash3 digests of the same text compare equal.

The mixer is the finalizer of SplitMix64 (Steele, Lea and Flood 2014), a bijection of 64-bit numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from stages.kernels.arrow_text import text_view
from stages.kernels.loads import load64

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

_C1 = np.uint64(0x87C37B91114253D5)
_C2 = np.uint64(0x4CF5AD432745937F)
_ADD1 = np.uint64(0x52DCE729)
_ADD2 = np.uint64(0x38495AB5)
_FINAL1 = np.uint64(0xFF51AFD7ED558CCD)
_FINAL2 = np.uint64(0xC4CEB9FE1A85EC53)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SPLIT1 = np.uint64(0xBF58476D1CE4E5B9)
_SPLIT2 = np.uint64(0x94D049BB133111EB)
_FIVE = np.uint64(5)
_ONE_WORD = np.uint64(64)
_33 = np.uint64(33)


@njit(cache=True, nogil=True)
def _rotate(value: np.uint64, bits: int) -> np.uint64:
    shift = np.uint64(bits)
    return (value << shift) | (value >> (_ONE_WORD - shift))


@njit(cache=True, nogil=True)
def _finalize(value: np.uint64) -> np.uint64:
    value ^= value >> _33
    value *= _FINAL1
    value ^= value >> _33
    value *= _FINAL2
    return value ^ (value >> _33)


@njit(cache=True, nogil=True)
def _scramble1(word: np.uint64) -> np.uint64:
    return _rotate(word * _C1, 31) * _C2


@njit(cache=True, nogil=True)
def _scramble2(word: np.uint64) -> np.uint64:
    return _rotate(word * _C2, 33) * _C1


@njit(cache=True, nogil=True)
def _partial_word(data: Bytes, start: int, end: int) -> np.uint64:
    """Little-endian number of fewer than eight bytes, or of the first eight."""
    word = np.uint64(0)
    for k in range(min(8, end - start)):
        word |= np.uint64(data[start + k]) << np.uint64(8 * k)
    return word


@njit(cache=True, nogil=True)
def _hash_row(data: Bytes, start: int, end: int, seed: np.uint64) -> tuple[np.uint64, np.uint64]:
    low = seed
    high = seed
    blocks_end = start + ((end - start) & ~15)
    for at in range(start, blocks_end, 16):
        low ^= _scramble1(load64(data, at))
        low = (_rotate(low, 27) + high) * _FIVE + _ADD1
        high ^= _scramble2(load64(data, at + 8))
        high = (_rotate(high, 31) + low) * _FIVE + _ADD2
    if end - blocks_end > 8:
        high ^= _scramble2(_partial_word(data, blocks_end + 8, end))
    if end > blocks_end:
        low ^= _scramble1(_partial_word(data, blocks_end, end))
    length = np.uint64(end - start)
    low ^= length
    high ^= length
    low += high
    high += low
    low = _finalize(low)
    high = _finalize(high)
    low += high
    high += low
    return high, low


@njit(cache=True, nogil=True)
def _hash_rows(data: Bytes, offsets: Int64s, seed: np.uint64, high: UInt64s, low: UInt64s) -> None:
    """O(bytes)."""
    for row in range(len(offsets) - 1):
        high[row], low[row] = _hash_row(data, offsets[row], offsets[row + 1], seed)


@njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:
    value ^= value >> np.uint64(30)
    value *= _SPLIT1
    value ^= value >> np.uint64(27)
    value *= _SPLIT2
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _mix_rows(values: UInt64s, salts: UInt64s, out: UInt64s) -> None:
    """out = mix(value ^ mix(salt + golden ratio)); ``salts`` has one entry for all rows, or one per row. O(rows)."""
    step = 0 if len(salts) == 1 else 1
    for row in range(len(values)):
        out[row] = _mix(values[row] ^ _mix(salts[row * step] + _GOLDEN))


def hash128(array: pa.Array, seed: int = 0) -> tuple[UInt64s, UInt64s]:
    """MurmurHash3 x64 128 of each row's bytes: (high, low), uint64[rows] each.

    ``low`` is the reference implementation's first output word, ``high`` its second. ``seed``: 0 to 2**32 − 1.
    Takes (large_)string and (large_)binary. Raises ValueError for null rows and for a seed out of range.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed {seed} is outside 0 … 2**32 − 1")
    data, offsets = text_view(array)
    high = np.empty(len(array), np.uint64)
    low = np.empty(len(array), np.uint64)
    with np.errstate(over="ignore"):
        _hash_rows(data, offsets, np.uint64(seed), high, low)
    return high, low


def hash128_binary(array: pa.Array, seed: int = 0) -> pa.FixedSizeBinaryArray:
    """:func:`hash128` as ``binary(16)``: low, then high, both little-endian (the reference's byte order)."""
    high, low = hash128(array, seed)
    return u64_to_binary(high, low)


def u64_to_binary(high: UInt64s, low: UInt64s) -> pa.FixedSizeBinaryArray:
    """128-bit numbers as ``binary(16)``, little-endian; the inverse of :func:`binary_to_u64`."""
    words = np.stack([low, high], axis=1).astype("<u8", copy=False)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(low), [None, pa.py_buffer(words)])


def binary_to_u64(array: pa.Array) -> tuple[UInt64s, UInt64s]:
    """(high, low), uint64[rows] each, of a ``binary(16)`` array or slice. Raises TypeError and ValueError (nulls)."""
    if array.type != pa.binary(16):
        raise TypeError(f"expected fixed_size_binary[16], got {array.type}")
    if array.null_count:
        raise ValueError(f"{array.null_count} null hashes")
    if len(array) == 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    words = np.frombuffer(array.buffers()[1], "<u8", 2 * len(array), 16 * array.offset).reshape(-1, 2)
    return np.ascontiguousarray(words[:, 1]), np.ascontiguousarray(words[:, 0])


def mix64(values: UInt64s, seed: int | UInt64s = 0) -> UInt64s:
    """uint64[rows]: a different-looking number for each one; for every seed a bijection.

    ``seed``: one number below 2**64, or one per row (then the result depends on the pair).
    """
    salts = np.atleast_1d(np.asarray(seed, np.uint64))
    if len(salts) not in (1, len(values)):
        raise ValueError(f"{len(salts)} seeds for {len(values)} values")
    out = np.empty(len(values), np.uint64)
    with np.errstate(over="ignore"):
        _mix_rows(np.ascontiguousarray(values, np.uint64), salts, out)
    return out


def salt128(high: UInt64s, low: UInt64s, *salts: UInt64s) -> tuple[UInt64s, UInt64s]:
    """128-bit keys that also tell the ``salts`` apart (uint64[rows] each), as in deduplication within a language.

    For each salt a bijection of each half; the order of the salts matters.
    """
    for salt in salts:
        low = mix64(low, salt)
        high = mix64(high, ~np.asarray(salt, np.uint64))
    return high, low
