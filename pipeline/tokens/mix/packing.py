"""Documents → sequences of at most ``capacity`` tokens, nothing thrown away.

Best fit decreasing, as in "Fewer Truncations Improve Language Modeling" (Ding et al. 2024, arXiv 2404.10830): a
document longer than a sequence gives full sequences of its own; what remains goes, longest first, where it leaves the
least room. 1,024 documents at a time fill 99.7 % of the sequences and keep the choice independent of all others.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]


class Packed(NamedTuple):
    """Pieces of documents by sequence: those of sequence i are ``bounds[i]:bounds[i + 1]`` of the other arrays.

    ``document``: position in the window; the piece is its tokens ``start`` to ``stop``. int64 each.
    """

    bounds: Int64s
    document: Int64s
    start: Int64s
    stop: Int64s

    @property
    def sequences(self) -> int:
        return len(self.bounds) - 1

    def tokens(self) -> Int64s:
        """int64[sequences]: tokens of each."""
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.stop - self.start)])
        return ends[self.bounds[1:]] - ends[self.bounds[:-1]]


def pack(lengths: npt.NDArray[np.integer], capacity: int) -> Packed:
    """Pack documents of these lengths (tokens). Pieces of a sequence come in the order of the documents. O(n log n)."""
    sizes = lengths.astype(np.int64)
    full = sizes // capacity
    document = np.repeat(np.arange(len(sizes)), full)
    start = (np.arange(len(document)) - np.repeat(np.cumsum(full) - full, full)) * capacity
    rest = sizes - full * capacity
    partial = np.flatnonzero(rest)
    bins = _best_fit(rest[partial], capacity) + len(document)
    sequence = np.concatenate([np.arange(len(document)), bins])
    document = np.concatenate([document, partial])
    start = np.concatenate([start, (full * capacity)[partial]])
    order = np.lexsort((document, sequence))
    sequence, document, start = sequence[order], document[order], start[order]
    count = int(sequence[-1]) + 1 if len(sequence) else 0
    bounds = np.searchsorted(sequence, np.arange(count + 1))
    return Packed(bounds, document, start, np.minimum(start + capacity, sizes[document]))


def _best_fit(sizes: Int64s, capacity: int) -> Int64s:
    """Bin of each item, int64[n]; of bins with equal room the first one."""
    bins = np.empty(len(sizes), np.int64)
    rooms: list[tuple[int, int]] = []  # (room, bin), ascending
    used = 0
    ordered = sizes.tolist()
    for item in np.argsort(-sizes, kind="stable").tolist():
        place = bisect_left(rooms, (ordered[item], -1))
        if place < len(rooms):
            room, chosen = rooms.pop(place)
        else:
            room, chosen, used = capacity, used, used + 1
        bins[item] = chosen
        if room > ordered[item]:
            insort(rooms, (room - ordered[item], chosen))
    return bins
