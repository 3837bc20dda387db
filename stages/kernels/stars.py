"""Candidate pairs of LSH buckets: each row with the best one of its bucket, and with the next better one.

All pairs of a bucket would be quadratic, and a page copied 100,000 times makes such a bucket in every band. Here a row
has two edges at most. The first makes a star around the row that is to survive, which is all that is needed where the
rows of a bucket are alike. The second finds rows that are alike but unlike the centre, into whose bucket they came by
chance or for a banner: without it 0.9 % of the planted pairs of similarity .8 to .9 that shared a key were never
compared, and with it 0.1 % (``python -m benchmarks.near_recall``). Buckets of up to three rows give all their pairs.
Rows go by rank, then address, which is their place in the recipe's order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

UInt64s = npt.NDArray[np.uint64]


@njit(cache=True, nogil=True)
def _star_edges(key: UInt64s, address: UInt64s, rank: UInt64s, centre: UInt64s, member: UInt64s) -> int:
    """Fill ``centre`` and ``member`` (room for two a record); how many. O(n log m) for buckets of m records."""
    found = 0
    start = 0
    while start < len(key):
        end = start + 1
        while end < len(key) and key[end] == key[start]:
            end += 1
        if end == start + 1:
            start = end
            continue
        order = np.argsort(rank[start:end], kind="mergesort")  # stable, and addresses ascend
        best = address[start + order[0]]
        for place in range(1, len(order)):
            row = address[start + order[place]]
            centre[found], member[found] = best, row
            found += 1
            if place > 1:
                centre[found], member[found] = address[start + order[place - 1]], row
                found += 1
        start = end
    return found


def star_edges(key: UInt64s, address: UInt64s, rank: UInt64s) -> tuple[UInt64s, UInt64s]:
    """(centre, member): addresses, uint64[edges] each, ``centre`` the better one by the smaller (rank, address).

    ``key``: uint64[records], equal ones side by side, in order of ``address``; an address may be in a bucket once only.
    A bucket of m > 1 rows has 2 m − 3 edges.
    """
    centre, member = np.empty(2 * len(key), np.uint64), np.empty(2 * len(key), np.uint64)
    found = _star_edges(key, address, rank, centre, member)
    for ends in (centre, member):
        ends.resize(found, refcheck=False)
    return centre, member
