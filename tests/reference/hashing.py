"""Slow, obvious twins of ``stages.kernels.hashing``, on Python's numbers of any size."""

from __future__ import annotations

WORD = 2**64 - 1


def rotated(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & WORD


def finalized(value: int) -> int:
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & WORD
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 & WORD
    return value ^ value >> 33


def hash128(text: bytes, seed: int = 0) -> tuple[int, int]:
    """(high, low) of MurmurHash3 x64 128."""
    first = second = seed
    multiplier, other = 0x87C37B91114253D5, 0x4CF5AD432745937F
    for start in range(0, len(text), 16):
        block = text[start : start + 16]
        one = rotated(int.from_bytes(block[:8], "little") * multiplier & WORD, 31) * other & WORD
        two = rotated(int.from_bytes(block[8:], "little") * other & WORD, 33) * multiplier & WORD
        first ^= one
        if len(block) < 16:
            second ^= two
            break
        first = ((rotated(first, 27) + second) * 5 + 0x52DCE729) & WORD
        second = ((rotated(second ^ two, 31) + first) * 5 + 0x38495AB5) & WORD
    first ^= len(text)
    second ^= len(text)
    first = (first + second) & WORD
    second = (second + first) & WORD
    first, second = finalized(first), finalized(second)
    first = (first + second) & WORD
    return (second + first) & WORD, first


def mixed(value: int) -> int:
    value ^= value >> 30
    value = value * 0xBF58476D1CE4E5B9 & WORD
    value ^= value >> 27
    value = value * 0x94D049BB133111EB & WORD
    return value ^ value >> 31


def mix64(value: int, salt: int) -> int:
    return mixed(value ^ mixed((salt + 0x9E3779B97F4A7C15) & WORD))
