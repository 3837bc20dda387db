"""Corpus blocks: sketch every partition, link records of equal key, resolve to patches by address.

::

    partition ─sketch▶ sorted run ─(merge, 128 at a time)▶ runs ─link, by key range▶ relations
                                                      ─resolve, by address range▶ patches

Documents are not touched: the next row block applies the patches while it reads. A sketch depends on its
partition alone and is kept; link and resolve see all partitions, so their units are named by all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import xxhash

from pipeline.blocks.reading import BlockUnit, address_bounds, between, rows_between
from pipeline.blocks.sorted_runs import (
    ROLE,
    KeyRange,
    Run,
    key_sample,
    read_range,
    sort_records,
    split_ranges,
    write_run,
)
from pipeline.blocks.work import Unit
from pipeline.errors import StageBug
from pipeline.store import Attempt, BlockStore, Commit, DataFile
from stages import catalogue
from stages.contract import ADDRESS, RELATION_COLUMNS, CorpusStage, StageConfig

FAN_IN = 128
LINK_ROWS = 2_000_000
"""Records that one link task sorts in memory: 64 MB of keys and addresses, about 200 MB with its copies."""
RESOLVE_ROWS = 4_000_000
"""Rows of the partitions that one resolve task answers for."""


@dataclass(frozen=True)
class CorpusSpec:
    """A use of a corpus stage."""

    name: str
    kind: str
    config: StageConfig

    @property
    def stage(self) -> CorpusStage:
        stage = catalogue.stage(self.kind)
        if not isinstance(stage, CorpusStage):
            raise StageBug(f"{self.kind} is not a corpus stage")
        return stage


@dataclass(frozen=True)
class SketchWork:
    """One unit: a partition → a sorted run of its records."""

    name: str
    store: BlockStore
    spec: CorpusSpec

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, BlockUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        stage, config = self.spec.stage, self.spec.config
        wanted = [ADDRESS, *stage.reads(config)]
        sketches = [stage.sketch(batch, config) for batch in unit.store.batches(unit.file, wanted)]
        if not sketches:
            empty = pa.RecordBatch.from_pylist([], schema=unit.store.open(unit.file).schema)
            sketches = [stage.sketch(empty.select(wanted), config)]
        records = sort_records(pa.concat_batches(sketches))
        with attempt.arrow(ROLE, records.schema, None) as sink:
            first_keys = write_run(sink, iter([records]))
        facts = {"first_keys": first_keys, "keys": key_sample(records)}
        return attempt.commit([], facts, {"sketch": time.perf_counter() - started})


@dataclass(frozen=True)
class MergeUnit:
    """Up to :data:`FAN_IN` runs to be merged into one."""

    key: str
    runs: tuple[Run, ...]
    ranges: tuple[KeyRange, ...]

    @property
    def label(self) -> str:
        return f"merge of {len(self.runs)} runs"


@dataclass(frozen=True)
class MergeWork:
    """One unit: many runs → one, range by range, so that memory does not grow with the runs."""

    name: str
    store: BlockStore

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, MergeUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        keys: list[int] = []

        def records() -> Iterator[pa.RecordBatch]:
            for wanted in unit.ranges:
                found = read_range(unit.runs, wanted)
                if found is not None:
                    keys.extend(key_sample(found))
                    yield found

        schema = unit.runs[0].store.open(unit.runs[0].file).schema
        with attempt.arrow(ROLE, schema, None) as sink:
            first_keys = write_run(sink, records())
        facts = {"first_keys": first_keys, "keys": keys}
        return attempt.commit([], facts, {"merge": time.perf_counter() - started})


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
    """One unit: the records of a key range → relations, sorted by address."""

    name: str
    store: BlockStore
    spec: CorpusSpec
    runs: tuple[Run, ...]

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, LinkUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        records = read_range(self.runs, unit.wanted)
        schema = pa.schema(list(RELATION_COLUMNS.items()))
        relations = pa.RecordBatch.from_pylist([], schema=schema)
        if records is not None:
            relations = self.spec.stage.link(records, self.spec.config)
            relations = relations.take(pa.array(np.argsort(relations.column(ADDRESS).to_numpy(), kind="stable")))
        with attempt.arrow("relations", schema, None) as sink:
            for start in range(0, relations.num_rows, 65536):
                sink.write(relations.slice(start, 65536))
        return attempt.commit([], {}, {"link": time.perf_counter() - started})


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
    """One unit: the relations of some partitions → their patches, with a digest for each partition."""

    name: str
    store: BlockStore
    spec: CorpusSpec
    relations: tuple[DataFile, ...]

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, ResolveUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        schema = pa.schema(
            [
                (ADDRESS, pa.uint64()),
                ("drop", pa.bool_()),
                ("survivor", pa.uint64()),
                ("similarity", pa.float32()),
                *self.spec.stage.columns(self.spec.config).items(),
            ]
        )
        patches = self.spec.stage.resolve(self._relations(unit), self.spec.config)
        if patches.schema != schema:
            raise StageBug(f"patches have columns {patches.schema.names}", where=self.spec.name)
        digests = {}
        with attempt.arrow("patches", schema, "lz4") as sink:
            for number in unit.numbers:
                # copied, because the bytes of a slice hold some of the rows behind it
                part = pa.concat_batches([between(patches, *address_bounds(number, number))])
                if part.num_rows:
                    digests[f"{number:010x}"] = xxhash.xxh3_128_hexdigest(part.serialize())
                    sink.write(part)
        return attempt.commit([], {"digests": digests}, {"resolve": time.perf_counter() - started})

    def _relations(self, unit: ResolveUnit) -> pa.RecordBatch:
        bounds = address_bounds(unit.numbers[0], unit.numbers[-1])
        found = pa.concat_batches([rows_between(self.store, file, *bounds) for file in self.relations])
        return found.take(pa.array(np.argsort(found.column(ADDRESS).to_numpy(), kind="stable")))


def merge_units(runs: Sequence[Run], commits: Sequence[Commit], key: str) -> list[MergeUnit]:
    """Groups of :data:`FAN_IN` runs; none if there are few enough already."""
    if len(runs) <= FAN_IN:
        return []
    units = []
    for start in range(0, len(runs), FAN_IN):
        group = slice(start, start + FAN_IN)
        samples = [(commit.facts["keys"], run.rows) for run, commit in zip(runs[group], commits[group], strict=True)]
        units.append(
            MergeUnit(f"{key}-merge-{start:06d}", tuple(runs[group]), tuple(split_ranges(_present(samples), LINK_ROWS)))
        )
    return units


def link_units(runs: Sequence[Run], commits: Sequence[Commit], key: str) -> list[LinkUnit]:
    """Key ranges of about :data:`LINK_ROWS` records."""
    samples = [(commit.facts["keys"], run.rows) for run, commit in zip(runs, commits, strict=True)]
    ranges = split_ranges(_present(samples), LINK_ROWS)
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


def _present(samples: list[tuple[list[int], int]]) -> list[tuple[list[int], int]]:
    return [(keys, rows) for keys, rows in samples if keys] or [([0], 1)]
