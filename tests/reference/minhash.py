"""Slow, obvious twin of ``stages.kernels.minhash``: a minimum for each permutation."""

from __future__ import annotations

from collections.abc import Sequence

from tests.reference.hashing import mix64, mixed


def permutations(count: int, seed: int) -> list[tuple[int, int]]:
    """(a, b) of each lane: the high halves of the first and the second ``count`` numbers drawn."""
    drawn = [mix64(place, seed) >> 32 for place in range(2 * count)]
    return [(a | 1, b) for a, b in zip(drawn[:count], drawn[count:], strict=True)]


def signature(hashes: Sequence[int], count: int, seed: int) -> list[int]:
    return [
        min(((a * (value >> 32) + b) % 2**32 for value in hashes), default=2**32 - 1)
        for a, b in permutations(count, seed)
    ]


def band_keys(lanes: Sequence[int], bands: int, rows: int) -> list[int]:
    keys = []
    for band in range(bands):
        part = [*lanes[band * rows : (band + 1) * rows], *([0] * (rows % 2))]
        key = band
        for low, high in zip(part[::2], part[1::2], strict=True):
            key = mixed(mixed(key) ^ (low | high << 32))
        keys.append(key)
    return keys


def spread(low: int, high: int, lanes: int) -> list[int]:
    return [mixed(high ^ mixed((low + lane) % 2**64)) >> 32 for lane in range(lanes)]
