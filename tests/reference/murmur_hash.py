"""Slow, obvious twin of ``stages.kernels.ngram_table.word_hash``: MurmurHash64A with seed 0, as published."""

from __future__ import annotations

MULTIPLIER = 0xC6A4A7935BD1E995
BITS = 2**64 - 1


def murmur_hash(data: bytes) -> int:
    """64 bits."""
    found = len(data) * MULTIPLIER & BITS
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        word = int.from_bytes(data[at : at + 8], "little") * MULTIPLIER & BITS
        word = (word ^ word >> 47) * MULTIPLIER & BITS
        found = (found ^ word) * MULTIPLIER & BITS
    if data[whole:]:
        found = (found ^ int.from_bytes(data[whole:], "little")) * MULTIPLIER & BITS
    found = (found ^ found >> 47) * MULTIPLIER & BITS
    return found ^ found >> 47
