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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import xxhash

from pipeline.blocks.reading import address_bounds, between, rows_between
from pipeline.blocks.sketch import CorpusSpec, check_schema
from pipeline.blocks.sorted_runs import (
    ROLE,
    KeyRange,
    Run,
    ranges_of,
    read_range,
    sort_records,
    without_repeats,
    write_sorted,
)
from pipeline.blocks.work import Unit
from pipeline.store import Attempt, BlockStore, Commit, DataFile
from stages.contract import ADDRESS, CANDIDATE_COLUMNS, ORDINAL_BITS, RELATION_COLUMNS, SPAN_COLUMNS

LINK_ROWS = 2_000_000
"""Records that one link task sorts in memory: 64 MB of keys and addresses, about 200 MB with its copies."""
RESOLVE_ROWS = 4_000_000
"""Rows of the partitions that one resolve task answers for."""
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

    ``earlier``: numbers of partitions of earlier runs, whose rows are no members.
    """

    name: str
    store: BlockStore
    spec: CorpusSpec
    runs: tuple[Run, ...]
    earlier: frozenset[int] = frozenset()

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, LinkUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        stage, order = self.spec.stage, self.order
        records = read_range(self.runs, unit.wanted)
        linked = pa.RecordBatch.from_pylist([], schema=pa.schema(list(self.columns.items())))
        if records is not None:
            linked = stage.link(records, self.spec.config)
            check_schema(linked, self.columns, "what was linked", self.spec)
            linked = sort_records(linked, order)
        if stage.verify is not None:
            facts = write_sorted(attempt, ROLE, without_repeats(self._without_earlier(linked), order), order)
            return attempt.commit([], facts, {"link": time.perf_counter() - started})
        with attempt.arrow("relations", linked.schema, None) as sink:
            for start in range(0, linked.num_rows, 65536):
                sink.write(linked.slice(start, 65536))
        return attempt.commit([], {}, {"link": time.perf_counter() - started})

    def _without_earlier(self, candidates: pa.RecordBatch) -> pa.RecordBatch:
        if not self.earlier:
            return candidates
        numbers = candidates.column("member").to_numpy() >> np.uint64(ORDINAL_BITS)
        known = np.fromiter(self.earlier, np.uint64, len(self.earlier))
        return candidates.filter(pa.array(~np.isin(numbers, known)))

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
    there); the commit keeps it, so that a survivor can be found.
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
        facts = {"digests": digests, **({"earlier": dict(self.earlier)} if self.earlier else {})}
        return attempt.commit([], facts, {"resolve": time.perf_counter() - started})

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


def link_units(runs: Sequence[Run], key: str) -> list[LinkUnit]:
    """Key ranges of about :data:`LINK_ROWS` records."""
    ranges = ranges_of(runs, LINK_ROWS)
    return [LinkUnit(f"{key}-link-{index:06d}", wanted) for index, wanted in enumerate(ranges)]


def resolve_units(partitions: Sequence[tuple[int, int]], key: str) -> list[ResolveUnit]:
    """Groups of partitions, (number, rows) in order of number, of about :data:`RESOLVE_ROWS` rows."""
    units: list[ResolveUnit] = []
    numbers: list[int] = []
    waiting = 0
    for number, rows in [*sorted(partitions), (-1, 0)]:
        if numbers and (number < 0 or waiting + rows > RESOLVE_ROWS):
            units.append(ResolveUnit(f"{key}-resolve-{len(units):06d}", tuple(numbers)))
            numbers, waiting = [], 0
        numbers.append(number)
        waiting += rows
    return units
