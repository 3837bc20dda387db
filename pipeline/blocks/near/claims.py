"""Who stands for whom: the first row that is not yet claimed survives and claims its neighbours, and so on.

First in the order of (rank, place), component by component. So every dropped row was verified to be like the one that
it is dropped for, there is always a survivor, and of a chain in which each is like the next only about a half survives.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.blocks.near.components import LABELLED_ORDER
from pipeline.blocks.partition_list import PartitionList
from pipeline.blocks.sorted_runs import KeyRange, Run, read_range, without_repeats
from pipeline.blocks.work import Unit
from pipeline.store import Attempt, BlockStore, Commit
from stages.contract import RELATION_COLUMNS

CLAIM_ROWS = 2_000_000
"""Edges of whole components that one claim task holds."""


@dataclass(frozen=True)
class ClaimUnit:
    """A range of components."""

    key: str
    wanted: KeyRange

    @property
    def label(self) -> str:
        return f"components {self.wanted.low:016x}…"


@dataclass(frozen=True)
class ClaimWork:
    """One unit: the edges of a range of components → relations by address."""

    name: str
    store: BlockStore
    edges: tuple[Run, ...]
    partitions: PartitionList

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, ClaimUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        schema = pa.schema(list(RELATION_COLUMNS.items()))
        edges = read_range(self.edges, unit.wanted)
        relations = pa.RecordBatch.from_pylist([], schema=schema)
        if edges is not None:
            relations = relations_of(without_repeats(edges, LABELLED_ORDER), self.partitions)
        with attempt.arrow("relations", schema, None) as sink:
            for start in range(0, relations.num_rows, 65536):
                sink.write(relations.slice(start, 65536))
        return attempt.commit([], {}, {"claim": time.perf_counter() - started})


def relations_of(edges: pa.RecordBatch, partitions: PartitionList) -> pa.RecordBatch:
    """Relations by address of edges (centre, member, their ranks, similarity), each given once, of whole components.

    Rows that stand for themselves alone have none. O(e log e).
    """
    from stages.kernels.claims import claim

    ends = [edges.column(name).to_numpy() for name in ("centre", "member")]
    ranks = [edges.column(f"{name}_rank").to_numpy() for name in ("centre", "member")]
    addresses, first, places = np.unique(np.concatenate(ends), return_index=True, return_inverse=True)
    rank = np.concatenate(ranks)[first]
    left, right = places[: len(ends[0])], places[len(ends[0]) :]
    survivor = claim(left, right, np.lexsort((partitions.places(addresses), rank)))

    similarity = np.ones(len(addresses), np.float32)
    for claimer, claimed in ((left, right), (right, left)):
        chosen = np.flatnonzero((survivor[claimed] == claimer) & (claimed != claimer))
        similarity[claimed[chosen]] = edges.column("similarity").to_numpy()[chosen]
    size = np.bincount(survivor, minlength=len(addresses))[survivor]
    listed = np.flatnonzero(size > 1)
    arrays = [addresses[listed], addresses[survivor[listed]], similarity[listed], size[listed].astype(np.uint32)]
    schema = pa.schema(list(RELATION_COLUMNS.items()))
    return pa.RecordBatch.from_arrays([pa.array(values) for values in arrays], schema=schema)
