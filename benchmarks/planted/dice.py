"""Random choices that are the same on every machine and Python version: each is a hash of a key and a counter.

``random.Random`` is not used because the standard library does not promise that ``choice`` and ``sample`` draw the
same values in later versions, and the committed corpus has to come out byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A stream of choices named by its key."""

    def __init__(self, *key: object) -> None:
        """Start the stream of this key."""
        self._key = repr(key)
        self._count = 0

    def below(self, bound: int) -> int:
        """A number in 0 … bound − 1; the bias of the remainder is under bound / 2**64."""
        self._count += 1
        drawn = hashlib.sha256(f"{self._key}/{self._count}".encode()).digest()[:8]
        return int.from_bytes(drawn, "big") % bound

    def choice(self, values: Sequence[T]) -> T:
        """One of the values."""
        return values[self.below(len(values))]

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """The values in another order (Fisher–Yates)."""
        order = list(values)
        for last in range(len(order) - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order

    def sample(self, values: Sequence[T], count: int) -> list[T]:
        """``count`` different ones, in the order in which they stand."""
        places = sorted(self.shuffled(range(len(values)))[:count])
        return [values[place] for place in places]
