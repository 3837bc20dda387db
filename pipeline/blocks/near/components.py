"""Components of the verified edges, in memory: one task, union-find over all of them.

What comes out, here and of :mod:`pipeline.blocks.near.rounds`, is a table of links (u, v), u > v: vertex u belongs to
the component whose smallest vertex is v. Smallest vertices have no link.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.blocks.near.verify import EDGE_COLUMNS
from pipeline.blocks.sorted_runs import ROLE, KeyRange, Run, slices, sort_records, write_sorted
from pipeline.blocks.work import Unit
from pipeline.store import Attempt, BlockStore, Commit

EDGE_BYTES = 128
"""Of memory for an edge: two addresses, both sorted with their places, and the forest over at most two vertices."""
LINK_ORDER = ("u", "v")
LABELLED_ORDER = ("component", "centre", "member")
LABELLED_COLUMNS: Mapping[str, pa.DataType] = {"component": pa.uint64(), **EDGE_COLUMNS}


@dataclass(frozen=True)
class ComponentsUnit:
    """All edges."""

    key: str
    edges: tuple[Run, ...]

    @property
    def label(self) -> str:
        return f"components of {sum(run.rows for run in self.edges):,} pairs"


@dataclass(frozen=True)
class ComponentsWork:
    """The one unit that finds all components in memory."""

    name: str
    store: BlockStore

    def run(self, unit: Unit) -> Commit:
        from stages.kernels.union_find import components

        assert isinstance(unit, ComponentsUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        left, right = edge_ends(unit.edges)
        vertices, places = np.unique(np.concatenate([left, right]), return_inverse=True)
        smallest = components(places[: len(left)], places[len(left) :], len(vertices))
        others = np.flatnonzero(smallest != np.arange(len(vertices)))
        links = links_of(vertices[others], vertices[smallest[others]])
        facts = write_sorted(attempt, ROLE, links, LINK_ORDER)
        return attempt.commit([], facts, {"components": time.perf_counter() - started})


@dataclass(frozen=True)
class EdgesUnit:
    """The edges of a verify task."""

    key: str
    edges: Run

    @property
    def label(self) -> str:
        return f"{self.edges.rows:,} pairs"


@dataclass(frozen=True)
class LabelWork:
    """One unit: edges → the same with the smallest address of their component, sorted by it."""

    name: str
    store: BlockStore
    links: tuple[Run, ...]

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, EdgesUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        pieces = list(slices(unit.edges, KeyRange(0, 1 << 64)))
        schema = pa.schema(list(LABELLED_COLUMNS.items()))
        labelled = pa.RecordBatch.from_pylist([], schema=schema)
        if pieces:
            edges = pa.concat_batches(pieces)
            component = self._component_of(edges.column("centre").to_numpy())
            labelled = pa.RecordBatch.from_arrays([pa.array(component), *edges.columns], schema=schema)
        facts = write_sorted(attempt, ROLE, sort_records(labelled, LABELLED_ORDER), LABELLED_ORDER)
        return attempt.commit([], facts, {"label": time.perf_counter() - started})

    def _component_of(self, vertices: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """uint64[n]: of sorted vertices. A vertex without a link is the smallest of its component itself."""
        found = vertices.copy()
        asked = KeyRange(int(vertices[0]), int(vertices[-1]) + 1)
        for piece in (piece for run in self.links for piece in slices(run, asked)):
            u, v = piece.column("u").to_numpy(), piece.column("v").to_numpy()
            u, v = u[u > v], v[u > v]
            place = np.minimum(np.searchsorted(u, vertices), max(len(u) - 1, 0))
            known = np.flatnonzero(u[place] == vertices) if len(u) else np.zeros(0, np.int64)
            found[known] = v[place[known]]
        return found


def links_of(u: npt.NDArray[np.uint64], v: npt.NDArray[np.uint64]) -> pa.RecordBatch:
    """Pairs of vertices, sorted, without repeats."""
    order = np.lexsort((v, u))
    u, v = u[order], v[order]
    if len(u):
        new = np.r_[True, (u[1:] != u[:-1]) | (v[1:] != v[:-1])]
        u, v = u[new], v[new]
    return pa.RecordBatch.from_arrays([pa.array(u), pa.array(v)], names=list(LINK_ORDER))


def edge_ends(runs: Sequence[Run]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Centres and members, uint64[edges] each."""
    left, right = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    for run in runs:
        for piece in run.store.batches(run.file, ["centre", "member"]):
            left.append(piece.column("centre").to_numpy())
            right.append(piece.column("member").to_numpy())
    return np.concatenate(left), np.concatenate(right)
