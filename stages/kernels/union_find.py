"""Connected components by union-find, for graphs that fit into memory.

Path halving (Tarjan and van Leeuwen 1984); of two roots the smaller becomes the parent, so that a component is named by
its smallest vertex, whatever the order of the edges. Linking by index has no constant bound as linking by rank has:
O((v + e) log v) at worst, linear in practice.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Int64s = npt.NDArray[np.int64]
Int = int | np.int64


@njit(cache=True, nogil=True)
def _root(parent: Int64s, vertex: Int) -> Int:
    while parent[vertex] != vertex:
        parent[vertex] = parent[parent[vertex]]
        vertex = parent[vertex]
    return vertex


@njit(cache=True, nogil=True)
def _components(left: Int64s, right: Int64s, parent: Int64s) -> None:
    for edge in range(len(left)):
        one, other = _root(parent, left[edge]), _root(parent, right[edge])
        if one < other:
            parent[other] = one
        elif other < one:
            parent[one] = other
    for vertex in range(len(parent)):
        parent[vertex] = parent[parent[vertex]]  # a parent is smaller than its child, so it knows its root already


def components(left: Int64s, right: Int64s, vertices: int) -> Int64s:
    """int64[vertices]: the smallest vertex of each one's component. ``left``, ``right``: int64[edges], vertices from 0.

    Raises ValueError if an edge ends outside.
    """
    ends = np.concatenate([left, right])
    if len(ends) and not 0 <= ends.min() <= ends.max() < vertices:
        raise ValueError(f"an edge ends outside of 0 … {vertices - 1}")
    parent = np.arange(vertices, dtype=np.int64)
    _components(left, right, parent)
    return parent
