"""Who survives: in the order of a policy, a row that nobody claimed yet survives and claims its unclaimed neighbours.

The greedy choice of a maximal independent set, in the policy's order. So the best row of every component survives,
no row goes for one that it was not found similar to (a chain of pages, each like the next only, is not wiped for its
first), and no survivor has a better neighbour that survives.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Int64s = npt.NDArray[np.int64]

_UNCLAIMED = -1


@njit(cache=True, nogil=True)
def _neighbours(left: Int64s, right: Int64s, starts: Int64s, others: Int64s) -> None:
    """Neighbours of vertex v are ``others[starts[v]:starts[v + 1]]``, by counting. O(vertices + edges)."""
    for edge in range(len(left)):
        starts[left[edge] + 1] += 1
        starts[right[edge] + 1] += 1
    for vertex in range(1, len(starts)):
        starts[vertex] += starts[vertex - 1]
    filled = starts.copy()
    for edge in range(len(left)):
        one, other = left[edge], right[edge]
        others[filled[one]] = other
        filled[one] += 1
        others[filled[other]] = one  # after the step above: a loop has two places
        filled[other] += 1


@njit(cache=True, nogil=True)
def _claim(order: Int64s, starts: Int64s, others: Int64s, owner: Int64s) -> None:
    """O(vertices + edges)."""
    for vertex in order:
        if owner[vertex] != _UNCLAIMED:
            continue
        owner[vertex] = vertex
        for place in range(starts[vertex], starts[vertex + 1]):
            if owner[others[place]] == _UNCLAIMED:
                owner[others[place]] = vertex


def claim(left: Int64s, right: Int64s, order: Int64s) -> Int64s:
    """int64[vertices]: the row that stands for each vertex, itself if it survives.

    ``left``, ``right``: int64[edges], in any order and direction; repeats and loops do no harm. ``order``:
    int64[vertices], all vertices, best first. Memory: 16 bytes an edge and 24 a vertex beyond the arguments.
    """
    starts, others = np.zeros(len(order) + 1, np.int64), np.empty(2 * len(left), np.int64)
    _neighbours(left, right, starts, others)
    owner = np.full(len(order), _UNCLAIMED, np.int64)
    _claim(order, starts, others, owner)
    return owner
