"""Which stream sample n comes from, in closed form, evenly spread from the first sample to the last.

Sample n stands at point (n · stride + shift) mod N of a circle of N points on which each stream owns an arc as long
as its number of samples. With a stride near N / golden ratio, any stretch of samples has each stream's share to
within a sample or two (Weyl sequence; Steinhaus's three gaps). How many samples of a stream came before n is
a sum of floors, known in O(log N), so any sample can be found without those before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import gcd

import numpy as np
import numpy.typing as npt

_GOLDEN_RATIO = 0x9E3779B97F4A7C15  # of 2**64


class Schedule:
    """``counts``: samples of each stream. ``seed`` shifts the circle."""

    def __init__(self, counts: Sequence[int], seed: int) -> None:
        self.ends = [0]
        for count in counts:
            self.ends.append(self.ends[-1] + count)
        self.samples = self.ends[-1]
        self._stride = self.samples * _GOLDEN_RATIO >> 64
        while self.samples and gcd(self._stride, self.samples) != 1:
            self._stride += 1
        self._shift = seed % self.samples if self.samples else 0

    def look_up(self, first: int, last: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(stream, number of the sample within its stream) of samples first … last − 1, int64[n] each.

        Raises IndexError outside the schedule.
        """
        if not 0 <= first <= last <= self.samples:
            raise IndexError(f"samples {first} to {last} of {self.samples}")
        point = (first * self._stride + self._shift) % max(self.samples, 1)
        streams = np.empty(last - first, np.int64)
        ranks = np.empty(last - first, np.int64)
        before = self.before(first)
        ends = np.array(self.ends[1:], np.int64)
        for index in range(last - first):
            stream = int(np.searchsorted(ends, point, side="right"))
            streams[index], ranks[index] = stream, before[stream]
            before[stream] += 1
            point = (point + self._stride) % self.samples
        return streams, ranks

    def before(self, sample: int) -> list[int]:
        """How many of the samples before this one belong to each stream."""
        below = [self._below(sample, end) for end in self.ends]
        return [upper - lower for lower, upper in pairwise(below)]

    def _below(self, sample: int, end: int) -> int:
        """How many of the first samples stand at a point below ``end``."""
        if not self.samples:
            return 0
        total = _floor_sum(sample, self.samples, self._stride, self._shift)
        return total - _floor_sum(sample, self.samples, self._stride, self._shift + self.samples - end) + sample


def _floor_sum(count: int, divisor: int, step: int, offset: int) -> int:
    """Sum of (step · i + offset) // divisor for i in 0 … count − 1, all non-negative. O(log divisor)."""
    total = 0
    while True:
        total += count * (count - 1) // 2 * (step // divisor) + count * (offset // divisor)
        step, offset = step % divisor, offset % divisor
        last = step * count + offset
        if last < divisor:
            return total
        count, offset = divmod(last, divisor)
        divisor, step = step, divisor
