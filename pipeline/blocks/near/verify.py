"""Candidates and signatures are joined twice, by member and by centre, and what is not similar enough goes.

A row has at most one candidate a band in which it is the member, but may be the centre of a million. So members'
signatures travel with the candidates (a range of members is never larger than asked for), while those of centres are
looked up once per range and the candidates stream past them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.blocks.corpus import CANDIDATE_ORDER
from pipeline.blocks.partition_list import PartitionList
from pipeline.blocks.sketch import CorpusSpec
from pipeline.blocks.sorted_runs import (
    ROLE,
    KeyRange,
    Run,
    part_role,
    read_range,
    rows_of,
    slices,
    sort_records,
    without_repeats,
    write_sorted,
)
from pipeline.blocks.work import Unit
from pipeline.errors import StageBug
from pipeline.store import Attempt, BlockStore, Commit
from stages.contract import ADDRESS, ORDINAL_BITS

JOIN_BYTES = 2**26
"""Bytes of signatures that a gather or verify task joins. It holds about four times as much, with its copies."""
EDGE_ROWS = 1_000_000
"""Edges that a verify task sorts at a time; those of a larger star are several files."""
CARRIED_ORDER = ("centre", "member")
EDGE_ORDER = ("centre", "member")
EDGE_COLUMNS: Mapping[str, pa.DataType] = {
    "centre": pa.uint64(),
    "member": pa.uint64(),
    "centre_rank": pa.uint64(),
    "member_rank": pa.uint64(),
    "similarity": pa.float32(),
}
BINS = 50
"""Of the histogram of similarities that verify leaves, from 0 to 1."""


@dataclass(frozen=True)
class JoinUnit:
    """A range of members (gather) or of centres (verify)."""

    key: str
    wanted: KeyRange

    @property
    def label(self) -> str:
        return f"rows {self.wanted.low:016x}…"


@dataclass(frozen=True)
class GatherWork:
    """One unit: the candidates of a range of members, without repeats, with the members' signatures; by centre."""

    name: str
    store: BlockStore
    candidates: tuple[Run, ...]
    partitions: PartitionList

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, JoinUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        found = read_range(self.candidates, unit.wanted)
        carried = self._carried(found if found is not None else _nothing(self.candidates[0]))
        facts = write_sorted(attempt, ROLE, carried, CARRIED_ORDER)
        return attempt.commit([], facts, {"gather": time.perf_counter() - started})

    def _carried(self, candidates: pa.RecordBatch) -> pa.RecordBatch:
        """Sorted before the signatures are put beside them, because those are what is large."""
        candidates = sort_records(without_repeats(candidates, CANDIDATE_ORDER), CARRIED_ORDER)
        members, place = np.unique(candidates.column("member").to_numpy(), return_inverse=True)
        table = signatures_of(self.partitions, members).take(pa.array(place))
        fields = [*candidates.schema, *(field for field in table.schema if field.name != ADDRESS)]
        columns = [*candidates.columns, *(table.column(field.name) for field in fields[2:])]
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


@dataclass(frozen=True)
class VerifyWork:
    """One unit: the candidates of a range of centres → edges, of which the stage says that they are similar enough."""

    name: str
    store: BlockStore
    spec: CorpusSpec
    carried: tuple[Run, ...]
    partitions: PartitionList

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, JoinUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        histogram = np.zeros(BINS, np.int64)
        facts: dict[str, Any] = {}
        verified = 0
        for number, edges in enumerate(_collected(self._edges(unit.wanted, histogram))):
            role = part_role(ROLE, number)
            facts[role] = write_sorted(attempt, role, sort_records(edges, EDGE_ORDER), EDGE_ORDER)
            verified += edges.num_rows
        facts |= {"candidates": int(histogram.sum()), "verified": verified, "similarities": histogram.tolist()}
        return attempt.commit([], facts, {"verify": time.perf_counter() - started})

    def _edges(self, wanted: KeyRange, histogram: npt.NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
        centres = [
            np.unique(piece.column("centre").to_numpy()) for run in self.carried for piece in slices(run, wanted)
        ]
        if not centres:
            return
        known = np.unique(np.concatenate(centres))
        table = signatures_of(self.partitions, known)
        for run in self.carried:
            for piece in slices(run, wanted):
                place = np.searchsorted(known, piece.column("centre").to_numpy())
                similarity = self._similarity(piece, table, place)
                histogram += np.bincount(np.minimum(similarity * BINS, BINS - 1).astype(np.int64), minlength=BINS)
                yield self._similar(piece, table, place, similarity)

    def _similarity(
        self, piece: pa.RecordBatch, table: pa.RecordBatch, place: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        verify = self.spec.stage.verify
        assert verify is not None
        signatures = piece.select(table.schema.names[1:]).add_column(0, ADDRESS, piece.column("member"))
        found = verify.similarity(signatures, table, place, self.spec.config)
        if found.shape != place.shape or found.dtype != np.float32:
            raise StageBug(f"similarities: {found.dtype}{list(found.shape)} for {len(place)} pairs", where=self.name)
        if not ((found >= 0) & (found <= 1)).all():
            raise StageBug("a similarity is not between 0 and 1", where=self.name)
        return found

    def _similar(
        self, piece: pa.RecordBatch, table: pa.RecordBatch, place: npt.NDArray[np.int64],
        similarity: npt.NDArray[np.float32],
    ) -> pa.RecordBatch:  # fmt: skip
        verify = self.spec.stage.verify
        assert verify is not None
        kept = np.flatnonzero(similarity >= np.float32(verify.threshold(self.spec.config)))
        rows = piece.select(["centre", "member", "rank"]).take(pa.array(kept))
        ranks = table.column("rank").to_numpy()[place[kept]]
        arrays = [rows.column("centre"), rows.column("member"), pa.array(ranks), rows.column("rank")]
        arrays.append(pa.array(similarity[kept]))
        return pa.RecordBatch.from_arrays(arrays, schema=_no_edges().schema)


def _collected(pieces: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The edges in batches of :data:`EDGE_ROWS` at least, but for the last; one if there are none."""
    waiting = [_no_edges()]
    for piece in pieces:
        waiting.append(piece)
        if sum(one.num_rows for one in waiting) >= EDGE_ROWS:
            yield pa.concat_batches(waiting)
            waiting = [_no_edges()]
    yield pa.concat_batches(waiting)


def signatures_of(partitions: PartitionList, addresses: npt.NDArray[np.uint64]) -> pa.RecordBatch:
    """Signatures of sorted, distinct addresses, in their order."""
    if not len(addresses):
        some = partitions.any_signatures()
        return pa.RecordBatch.from_pylist([], schema=some.store.open(some.file).schema)
    return rows_of(partitions.signatures, (addresses >> np.uint64(ORDINAL_BITS)).astype(np.int64), addresses)


def rows_to_join(signatures: Sequence[Run]) -> int:
    """Rows whose signatures take :data:`JOIN_BYTES`, as far as their mean size tells."""
    rows, size = sum(run.rows for run in signatures), sum(run.file.bytes for run in signatures)
    return max(1, JOIN_BYTES * rows // size) if rows else 1


def _nothing(run: Run) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=run.store.open(run.file).schema)


def _no_edges() -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=pa.schema(list(EDGE_COLUMNS.items())))
