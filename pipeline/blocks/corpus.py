"""Corpus blocks: sketch every partition, link records of equal key, resolve to patches by address.

::

    partition ─sketch▶ sorted run ─(merge, 128 at a time)▶ runs ─link, by key range▶ relations
                                                      ─resolve, by address range▶ patches

That is the way of stages whose keys decide. Between link and resolve of a stage that verifies stand the phases of
:mod:`pipeline.blocks.near`. Documents are not touched: the next row block applies the patches while it reads. A sketch
depends on its partition alone and is kept; the other phases see all partitions, so their units are named by all of
them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from pipeline.blocks.crowded import Pieces, chunks, parted
from pipeline.blocks.partition_list import PartitionList
from pipeline.blocks.reading import address_bounds, between, rows_between
from pipeline.blocks.sketch import CorpusSpec, check_schema
from pipeline.blocks.sorted_runs import (
    ROLE,
    KeyRange,
    Run,
    part_role,
    ranges_of,
    slices,
    sort_records,
    without_repeats,
    write_sorted,
)
from pipeline.blocks.work import Unit
from pipeline.store import Attempt, BlockStore, Commit, DataFile
from stages.contract import ADDRESS, CANDIDATE_COLUMNS, ORDINAL_BITS, RELATION_COLUMNS, SPAN_COLUMNS

LINK_ROWS = 2_000_000
"""Records of a link task, which holds up to 144 bytes for each, and those of its last bucket."""
BUCKET_ROWS = 500_000
"""A larger bucket is linked in chunks of so many, and candidates are then pairs with its best row alone."""
RELATIONS = "relations"
RESOLVE_ROWS = 4_000_000
"""Rows of the partitions that one resolve task answers for, or relations of these."""
CANDIDATE_ORDER = ("member", "centre")
"""By the member first: a row has one candidate a band at most, but may be the centre of any number."""


@dataclass(frozen=True)
class LinkUnit:
    """A key range over all runs."""

    key: str
    wanted: KeyRange

    @property
    def label(self) -> str:
        return f"keys {self.wanted.low:016x}…"


@dataclass(frozen=True)
class LinkWork:
    """One unit: the records of a key range → relations (or spans) by address; candidates by member, without repeats.

    The stage is given places in ``partitions`` for addresses, so that what comes first in the recipe is the lower
    number. ``earlier``: how many of these, the first ones, are of earlier runs, whose rows are no members.
    """

    name: str
    store: BlockStore
    spec: CorpusSpec
    runs: tuple[Run, ...]
    partitions: PartitionList
    earlier: int = 0

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, LinkUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        facts: dict[str, Any] = {}
        for number, linked in enumerate(self._linked(unit.wanted)):
            ordered = sort_records(linked, self.order)
            if self.spec.stage.verify is not None:
                ordered = without_repeats(self._without_earlier(ordered), self.order)
            role = part_role(ROLE if self.spec.stage.verify else RELATIONS, number)
            facts[role] = write_sorted(attempt, role, ordered, self.order)
        return attempt.commit([], facts, {"link": time.perf_counter() - started})

    def _linked(self, wanted: KeyRange) -> Iterator[pa.RecordBatch]:
        """What the stage links, all in one but for buckets of more than :data:`BUCKET_ROWS`."""
        pieces = [piece for run in self.runs for piece in slices(run, wanted)]
        pieces, crowded = parted(pieces, self.spec.record_order[:-1], BUCKET_ROWS)
        yield self._link(pieces)
        for bucket in crowded:
            yield from self._in_chunks(bucket)

    def _link(self, pieces: Pieces) -> pa.RecordBatch:
        if not pieces:
            return pa.RecordBatch.from_pylist([], schema=pa.schema(list(self.columns.items())))
        records = pa.concat_batches([_with_values(piece, ADDRESS, self.partitions.places) for piece in pieces])
        records = sort_records(records, self.spec.record_order)
        linked = self.spec.stage.link(records, self.spec.config)
        del records  # before its addresses are looked up
        check_schema(linked, self.columns, "what was linked", self.spec)
        for name in self._addresses:
            linked = _with_values(linked, name, self.partitions.addresses)
        return linked

    def _in_chunks(self, bucket: Pieces) -> Iterator[pa.RecordBatch]:
        """What the stage links of one bucket: every row with the best one. Other pairs of candidates are left out."""
        best, records = np.uint64(0), Pieces()
        for chunk in chunks(bucket, BUCKET_ROWS):
            linked = self._link([*records, *chunk])
            if not linked.num_rows:
                return  # the stage has no use for such buckets
            best = self._best(linked)
            records = [piece.filter(_is(piece, ADDRESS, best)) for piece in (*records, *chunk)]
        rows = sum(piece.num_rows for piece in bucket)
        for number, chunk in enumerate(chunks(bucket, BUCKET_ROWS)):
            others = [piece.filter(pc.invert(_is(piece, ADDRESS, best))) for piece in chunk]
            linked = self._link([*records, *others])
            linked = linked.filter(_is(linked, "centre" if self.spec.stage.verify else "survivor", best))
            if number and ADDRESS in self.columns:
                linked = linked.filter(pc.invert(_is(linked, ADDRESS, best)))
            if "cluster_size" in self.columns:
                linked = _with_values(linked, "cluster_size", lambda sizes: np.full_like(sizes, rows))
            yield linked

    def _best(self, linked: pa.RecordBatch) -> np.uint64:
        """The best of a bucket's rows, of which ``linked`` is made."""
        if self.spec.stage.verify is None:
            best: np.uint64 = linked.column("survivor").to_numpy()[0]
            return best
        return np.uint64(np.setdiff1d(*(linked.column(name).to_numpy() for name in ("centre", "member")))[0])

    def _without_earlier(self, candidates: pa.RecordBatch) -> pa.RecordBatch:
        if not self.earlier:
            return candidates
        places = self.partitions.places(candidates.column("member").to_numpy()) >> np.uint64(ORDINAL_BITS)
        return candidates.filter(pa.array(places >= self.earlier))

    @property
    def _addresses(self) -> list[str]:
        return [name for name in (ADDRESS, "survivor", *CANDIDATE_COLUMNS) if name in self.columns]

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """Column → type of what the stage links."""
        stage = self.spec.stage
        return dict(CANDIDATE_COLUMNS if stage.verify else SPAN_COLUMNS if stage.cut else RELATION_COLUMNS)

    @property
    def order(self) -> tuple[str, ...]:
        """What it is sorted by."""
        stage = self.spec.stage
        return CANDIDATE_ORDER if stage.verify else (ADDRESS, "start") if stage.cut else (ADDRESS,)


@dataclass(frozen=True)
class ResolveUnit:
    """Partitions, by number, that one task answers for."""

    key: str
    numbers: tuple[int, ...]

    @property
    def label(self) -> str:
        return f"patches of {len(self.numbers)} partitions"


@dataclass(frozen=True)
class ResolveWork:
    """One unit: the relations of some partitions → their patches, with a digest for each partition.

    ``earlier``: number of a partition of an earlier run, as survivors' addresses have it → (run's folder, its number
    there); the commit keeps those of its survivors, so that they can be found.
    """

    name: str
    store: BlockStore
    spec: CorpusSpec
    relations: tuple[DataFile, ...]
    earlier: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, ResolveUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        patches = self.spec.stage.resolve(self._relations(unit), self.spec.config)
        check_schema(patches, self.columns, "patches", self.spec)
        digests = {}
        with attempt.arrow("patches", patches.schema, "lz4") as sink:
            for number in unit.numbers:
                # copied, because the bytes of a slice hold some of the rows behind it
                part = pa.concat_batches([between(patches, *address_bounds(number, number))])
                if part.num_rows:
                    digests[f"{number:010x}"] = xxhash.xxh3_128_hexdigest(part.serialize())
                    sink.write(part)
        facts = {"digests": digests, **({"earlier": self._earlier(patches)} if self.earlier else {})}
        return attempt.commit([], facts, {"resolve": time.perf_counter() - started})

    def _earlier(self, patches: pa.RecordBatch) -> dict[str, tuple[str, int]]:
        numbers = np.unique(patches.column("survivor").to_numpy() >> np.uint64(ORDINAL_BITS))
        return {name: self.earlier[name] for name in map("{:010x}".format, numbers.tolist()) if name in self.earlier}

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """Column → type of the patches."""
        stage = self.spec.stage
        fixed = {ADDRESS: pa.uint64(), "drop": pa.bool_(), "survivor": pa.uint64(), "similarity": pa.float32()}
        spans = {"start": pa.int64(), "end": pa.int64()} if stage.cut else {}
        return {**fixed, **spans, **stage.columns(self.spec.config)}

    def _relations(self, unit: ResolveUnit) -> pa.RecordBatch:
        bounds = address_bounds(unit.numbers[0], unit.numbers[-1])
        found = pa.concat_batches([rows_between(self.store, file, *bounds) for file in self.relations])
        return sort_records(found, (ADDRESS, "start") if self.spec.stage.cut else (ADDRESS,))


def _with_values(
    batch: pa.RecordBatch, name: str, made: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
) -> pa.RecordBatch:
    """The batch with other values in one column."""
    place = batch.schema.get_field_index(name)
    return batch.set_column(place, batch.schema.field(place), pa.array(made(batch.column(place).to_numpy())))


def _is(batch: pa.RecordBatch, name: str, address: np.uint64) -> pa.Array:
    return pc.equal(batch.column(name), pa.scalar(int(address), pa.uint64()))


def link_units(runs: Sequence[Run], key: str) -> list[LinkUnit]:
    """Key ranges of about :data:`LINK_ROWS` records."""
    ranges = ranges_of(runs, LINK_ROWS)
    return [LinkUnit(f"{key}-link-{index:06d}", wanted) for index, wanted in enumerate(ranges)]


def resolve_units(partitions: Sequence[tuple[int, int]], relations: int, key: str) -> list[ResolveUnit]:
    """Groups of partitions, given as (number, rows), of about :data:`RESOLVE_ROWS` rows.

    Less where there are more ``relations`` than rows, as spans may be: they are what a task holds.
    """
    each = max(1, -(-relations // max(1, sum(rows for _, rows in partitions))))
    units: list[ResolveUnit] = []
    numbers: list[int] = []
    waiting = 0
    for number, rows in [*sorted(partitions), (-1, 0)]:
        if numbers and (number < 0 or waiting + each * rows > RESOLVE_ROWS):
            units.append(ResolveUnit(f"{key}-resolve-{len(units):06d}", tuple(numbers)))
            numbers, waiting = [], 0
        numbers.append(number)
        waiting += each * rows
    return units
