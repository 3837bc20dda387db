"""Slow, obvious twin of ``stages.kernels.distinct``."""

from __future__ import annotations

from collections.abc import Sequence


def count_distinct(rows: Sequence[bytes], groups: Sequence[int], weights: Sequence[int]) -> list[tuple[int, int]]:
    """(number of the first row, sum of weights) of every distinct (group, bytes)."""
    first: dict[tuple[int, bytes], int] = {}
    total: dict[tuple[int, bytes], int] = {}
    for number, key in enumerate(zip(groups, rows, strict=True)):
        first.setdefault(key, number)
        total[key] = total.get(key, 0) + weights[number]
    return [(first[key], total[key]) for key in first]
