"""Components of more edges than fit into memory: rounds of large-star and small-star over sorted files.

Large-star: every larger neighbour of a vertex is linked to the smallest of the vertex and its neighbours instead.
Small-star: the vertex itself and its smaller neighbours are. Neither joins or parts components; the rounds end when
nothing was moved, and then each vertex is linked to the smallest of its component alone. O(log² n) rounds are proven
for the two in turn, about log n are seen.

Files hold links (u, v), sorted. What large-star reads has each edge in both directions; what small-star reads has
u > v. A task holds the links of a range of u, or those of one u if they are more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.blocks.near.components import LINK_ORDER, EdgesUnit, edge_ends, links_of
from pipeline.blocks.sorted_runs import ROLE, KeyRange, Run, read_range, write_sorted
from pipeline.blocks.work import Unit
from pipeline.store import Attempt, BlockStore, Commit

ROUND_ROWS = 4_000_000
"""Links that a task of a round reads: 64 MB, and five times that with its copies."""
UInts = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class SpreadWork:
    """One unit: edges → links in both directions."""

    name: str
    store: BlockStore

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, EdgesUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        facts = write_sorted(attempt, ROLE, _both_ways(*edge_ends([unit.edges])), LINK_ORDER)
        return attempt.commit([], facts, {"spread": time.perf_counter() - started})


@dataclass(frozen=True)
class StarUnit:
    """A range of vertices."""

    key: str
    wanted: KeyRange

    @property
    def label(self) -> str:
        return f"vertices {self.wanted.low:016x}…"


@dataclass(frozen=True)
class StarWork:
    """One unit: the links of a range of vertices → links of large-star (u > v) or small-star (both directions).

    The commit says how many were ``moved``.
    """

    name: str
    store: BlockStore
    star: Literal["large", "small"]
    links: tuple[Run, ...]

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, StarUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        found = read_range(self.links, unit.wanted)
        none = np.zeros(0, np.uint64)
        ends = (none, none) if found is None else tuple(found.column(name).to_numpy() for name in LINK_ORDER)
        child, parent, moved = (large_star if self.star == "large" else small_star)(*ends)
        links = links_of(child, parent) if self.star == "large" else _both_ways(child, parent)
        facts = write_sorted(attempt, ROLE, links, LINK_ORDER)
        return attempt.commit([], {**facts, "moved": moved}, {f"{self.star}_star": time.perf_counter() - started})


def _both_ways(u: UInts, v: UInts) -> pa.RecordBatch:
    return links_of(np.concatenate([u, v]), np.concatenate([v, u]))


def large_star(u: UInts, v: UInts) -> tuple[UInts, UInts, int]:
    """Of sorted links (u, v), both ways: (every v > u, the smallest of u and its neighbours), and how many moved."""
    smallest = np.minimum(_first_of(u, v), u)
    larger = v > u
    return v[larger], smallest[larger], int((smallest != u)[larger].sum())


def small_star(u: UInts, v: UInts) -> tuple[UInts, UInts, int]:
    """Of sorted links (u, v), u > v: (u and every other v, the smallest v), and how many moved."""
    smallest = _first_of(u, v)
    others = v != smallest
    child, parent = np.concatenate([u, v[others]]), np.concatenate([smallest, smallest[others]])
    return child, parent, int(others.sum())


def _first_of(u: UInts, v: UInts) -> UInts:
    """uint64[n]: the first v of each link's u."""
    first = np.flatnonzero(np.r_[True, u[1:] != u[:-1]][: len(u)])
    return np.repeat(v[first], np.diff(np.r_[first, len(u)]))
