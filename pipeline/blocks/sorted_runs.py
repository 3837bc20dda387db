"""Sorted runs of small keyed records on disk: written per partition, read by key range, merged 128 at a time.

Runs are uncompressed Arrow, so that a range is two binary searches in mapped memory. The first key of every
64 Ki rows is in the commit, so a range opens only the batches that it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.store import ArrowSink, BlockStore, Commit, DataFile
from stages.contract import ADDRESS

BATCH_ROWS = 65536
KEY_LIMIT = 1 << 64
ROLE = "run"


@dataclass(frozen=True)
class Run:
    """A file of records sorted by (key_high, key_low, address). ``first_keys``: key_high at each batch's start."""

    store: BlockStore
    file: DataFile
    first_keys: tuple[int, ...]

    @property
    def rows(self) -> int:
        return self.file.rows

    @staticmethod
    def of(store: BlockStore, commit: Commit) -> Run:
        return Run(store, commit.files[ROLE], tuple(commit.facts["first_keys"]))


@dataclass(frozen=True)
class KeyRange:
    """Records with low <= key_high < high."""

    low: int
    high: int


def sort_records(records: pa.RecordBatch) -> pa.RecordBatch:
    """Sort by key and address."""
    keys = [records.column(name).to_numpy() for name in (ADDRESS, "key_low", "key_high")]
    return records.take(pa.array(np.lexsort(keys)))


def write_run(sink: ArrowSink, records: Iterator[pa.RecordBatch]) -> list[int]:
    """Write sorted records in batches of :data:`BATCH_ROWS`. Returns the first key_high of each batch."""
    first_keys: list[int] = []
    waiting: list[pa.RecordBatch] = []
    rows = 0

    def flush() -> None:
        nonlocal rows
        batch = pa.concat_batches(waiting)
        head, rest = batch.slice(0, BATCH_ROWS), batch.slice(BATCH_ROWS)
        first_keys.append(int(head.column("key_high")[0].as_py()))
        sink.write(head)
        waiting[:] = [rest] if rest.num_rows else []
        rows = rest.num_rows

    for batch in records:
        if batch.num_rows:
            waiting.append(batch)
            rows += batch.num_rows
        while rows >= BATCH_ROWS:
            flush()
    while rows:
        flush()
    return first_keys


def read_range(runs: Sequence[Run], wanted: KeyRange) -> pa.RecordBatch | None:
    """All records of the range from all runs, sorted; None if there is none."""
    parts = [part for run in runs for part in _slices(run, wanted)]
    if not parts:
        return None
    return sort_records(pa.concat_batches(parts))


def _slices(run: Run, wanted: KeyRange) -> Iterator[pa.RecordBatch]:
    if not run.rows:
        return
    first = max(0, int(np.searchsorted(np.array(run.first_keys, np.uint64), np.uint64(wanted.low))) - 1)
    reader = run.store.open(run.file)
    for index in range(first, len(run.first_keys)):
        if run.first_keys[index] >= wanted.high:
            return
        batch = reader.get_batch(index)
        keys = batch.column("key_high").to_numpy()
        start = int(np.searchsorted(keys, np.uint64(wanted.low)))
        end = batch.num_rows if wanted.high >= KEY_LIMIT else int(np.searchsorted(keys, np.uint64(wanted.high)))
        if end > start:
            yield batch.slice(start, end - start)


def key_sample(records: pa.RecordBatch, count: int = 64) -> list[int]:
    """Evenly spaced keys of sorted records, for choosing ranges."""
    keys: npt.NDArray[Any] = records.column("key_high").to_numpy()
    return [int(key) for key in keys[:: max(1, len(keys) // count)]]


def split_ranges(samples: Sequence[tuple[Sequence[int], int]], rows_per_range: int) -> list[KeyRange]:
    """Ranges of about that many rows, from (evenly spaced keys, rows) of every run."""
    total = sum(rows for _, rows in samples)
    count = max(1, -(-total // rows_per_range))
    keys = np.array([key for sample, _ in samples for key in sample], np.uint64)
    weights = np.array([rows / len(sample) for sample, rows in samples for _ in sample])
    order = np.argsort(keys, kind="stable")
    reached = np.cumsum(weights[order])
    places = np.searchsorted(reached, np.arange(1, count) * (total / count))
    bounds = sorted({int(keys[order[place]]) for place in places if place < len(order)} - {0})
    return [KeyRange(low, high) for low, high in zip([0, *bounds], [*bounds, KEY_LIMIT], strict=True)]
