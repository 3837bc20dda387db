"""Merging sorted runs, 128 at a time, so that a phase that reads by key range never opens more files than that."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.blocks.sorted_runs import (
    ROLE,
    KeyRange,
    Run,
    key_sample,
    ranges_of,
    read_range,
    without_repeats,
    write_run,
)
from pipeline.blocks.work import Unit
from pipeline.store import Attempt, BlockStore, Commit

FAN_IN = 128
MERGE_BYTES = 2**26
"""Bytes of records that a merge holds at a time, about."""


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
    """One unit: many runs → one, range by range, so that memory does not grow with the runs.

    ``unique``: of records that agree in all columns that they are sorted by, one is kept.
    """

    name: str
    store: BlockStore
    unique: bool = False

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, MergeUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        by = unit.runs[0].by
        keys: list[int] = []

        def records() -> Iterator[pa.RecordBatch]:
            for wanted in unit.ranges:
                found = read_range(unit.runs, wanted)
                if found is not None:
                    found = without_repeats(found, by) if self.unique else found
                    keys.extend(key_sample(found, by[0]))
                    yield found

        schema = unit.runs[0].store.open(unit.runs[0].file).schema
        with attempt.arrow(ROLE, schema, None) as sink:
            first_keys = write_run(sink, records(), by[0])
        facts = {"first_keys": first_keys, "keys": keys}
        return attempt.commit([], facts, {"merge": time.perf_counter() - started})


def merge_units(runs: Sequence[Run], key: str) -> list[MergeUnit]:
    """Groups of :data:`FAN_IN` runs; none if there are few enough already."""
    if len(runs) <= FAN_IN:
        return []
    units = []
    for start in range(0, len(runs), FAN_IN):
        group = runs[start : start + FAN_IN]
        units.append(MergeUnit(f"{key}-merge-{start:06d}", tuple(group), tuple(ranges_of(group, _rows_at_once(group)))))
    return units


def _rows_at_once(runs: Sequence[Run]) -> int:
    rows, size = sum(run.rows for run in runs), sum(run.file.bytes for run in runs)
    return max(1, MERGE_BYTES * rows // size) if rows else 1
