"""Slow, obvious twin of ``stages.kernels.byte_pairs``: count all pairs anew before every join."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise


def train_merges(
    words: list[bytes], counts: list[int], byte_ids: list[int], ids: int, min_count: int
) -> list[tuple[int, int, int]]:
    """(left, right, made) of every merge."""
    split = [[byte_ids[byte] for byte in word] for word in words]
    spelt = {bytes([byte]): byte_ids[byte] for byte in range(256)}
    merges: dict[tuple[int, int], int] = {}
    while len(spelt) < ids and len(merges) < 2 * ids:
        pairs: Counter[tuple[int, int]] = Counter()
        for word, count in zip(split, counts, strict=True):
            for pair in pairwise(word):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < min_count:
            break
        if best not in merges:
            by_id = {number: text for text, number in spelt.items()}
            merges[best] = spelt.setdefault(by_id[best[0]] + by_id[best[1]], len(spelt))
        split = [joined(word, best, merges[best]) for word in split]
    return [(left, right, made) for (left, right), made in merges.items()]


def joined(word: list[int], pair: tuple[int, int], made: int) -> list[int]:
    """The word with every occurrence of the pair, from the left, replaced."""
    out: list[int] = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] = made
        else:
            out.append(symbol)
    return out
