"""Slow twin of :mod:`stages.kernels.word_types`: the different words of a row in a dictionary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def types(row: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """(first place, how often) of each different one in the order of first occurrence, and the number of each word."""
    counts = Counter(row)
    numbers = {value: number for number, value in enumerate(counts)}
    return [row.index(value) for value in counts], list(counts.values()), [numbers[value] for value in row]
