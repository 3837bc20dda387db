"""Candidate pairs of LSH buckets: each row with the best one of its bucket, and with the one before it.

All pairs of a bucket would be quadratic, and a page copied 100,000 times makes such a bucket in every band. Here a row
has two edges at most. The first makes a star around the row that is to survive, which is all that is needed where the
rows of a bucket are alike. The second finds rows that are alike but unlike the centre, into whose bucket they came by
chance or for a banner: without it 0.9 % of the planted pairs of similarity .8 to .9 that shared a key were never
compared, and with it 0.1 % (``python -m benchmarks.near_recall``). Buckets of up to three rows give all their pairs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

UInt64s = npt.NDArray[np.uint64]


@njit(cache=True, nogil=True)
def _better(one: int, other: int, address: UInt64s, rank: UInt64s) -> bool:
    return rank[one] < rank[other] or (rank[one] == rank[other] and address[one] < address[other])


@njit(cache=True, nogil=True)
def _star_edges(key: UInt64s, address: UInt64s, rank: UInt64s, centre: UInt64s, member: UInt64s) -> int:
    """Fill ``centre`` and ``member`` (room for two a record); how many. O(records)."""
    found = 0
    start = 0
    while start < len(key):
        end, best = start + 1, start
        while end < len(key) and key[end] == key[start]:
            if _better(end, best, address, rank):
                best = end
            end += 1
        before = best
        for place in range(start, end):
            if place == best:
                continue
            centre[found], member[found] = address[best], address[place]
            found += 1
            if before != best:
                better, worse = (before, place) if _better(before, place, address, rank) else (place, before)
                centre[found], member[found] = address[better], address[worse]
                found += 1
            before = place
        start = end
    return found


def star_edges(key: UInt64s, address: UInt64s, rank: UInt64s) -> tuple[UInt64s, UInt64s]:
    """(centre, member): addresses, uint64[edges] each, ``centre`` the better one by the smaller (rank, address).

    ``key``: uint64[records], equal ones side by side; an address may be in a bucket once only. A bucket of m > 1 rows
    has 2 m − 3 edges.
    """
    centre, member = np.empty(2 * len(key), np.uint64), np.empty(2 * len(key), np.uint64)
    found = _star_edges(key, address, rank, centre, member)
    return centre[:found].copy(), member[:found].copy()
