"""Sorted runs of small records on disk: written by one unit, read by key range, merged 128 at a time.

Runs are uncompressed Arrow, so that a range is two binary searches in mapped memory. The first key of every
64 Ki rows is in the commit, so a range opens only the batches that it needs. What is sorted by is columns of
uint64, the most significant one first; ranges are of that one, so its equal values are never torn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.blocks.reading import address_bounds, rows_between
from pipeline.store import ArrowSink, Attempt, BlockStore, Commit, DataFile
from stages.contract import ADDRESS, ORDINAL_BITS

BATCH_ROWS = 65536
KEY_LIMIT = 1 << 64
ROLE = "run"
OWN_ROW = np.uint64(1 << 63)
"""Set in the ranks of a run's own rows, so that those of an earlier run come before them."""
KEY_ORDER = ("key_high", "key_low", ADDRESS)
"""What the sketches of exact stages are sorted by."""


@dataclass(frozen=True)
class Run:
    """A file of records sorted by the columns ``by``. ``first_keys``: of the first column, at each batch's start.

    ``keys``: evenly spaced ones of all rows, for choosing ranges. ``moved``: (number in the file, number to be read) of
    the partition of an earlier run whose rows these are; its ranks are then before those of all other runs.
    ``patches``: what the earlier run decided about that partition; rows that it drops are left out.
    """

    store: BlockStore
    file: DataFile
    first_keys: tuple[int, ...]
    by: tuple[str, ...] = KEY_ORDER
    keys: tuple[int, ...] = ()
    moved: tuple[int, int] | None = None
    patches: DataFile | None = None

    @property
    def rows(self) -> int:
        return self.file.rows

    @staticmethod
    def of(store: BlockStore, commit: Commit, by: tuple[str, ...] = KEY_ORDER, role: str = ROLE) -> Run:
        """The run of a commit, written by :func:`write_run` or :func:`write_sorted`."""
        facts = commit.facts.get(role, commit.facts)
        return Run(store, commit.files[role], tuple(facts["first_keys"]), by, tuple(facts.get("keys", ())))


def part_role(role: str, number: int) -> str:
    """The role of one of several files: that of the first one has no number."""
    return f"{role}{number}" if number else role


def part_files(commit: Commit, role: str) -> list[str]:
    """Roles of the files that a unit wrote under :func:`part_role`, in their order."""
    return [name for name in (part_role(role, number) for number in range(len(commit.files))) if name in commit.files]


@dataclass(frozen=True)
class KeyRange:
    """Records with low <= first key < high."""

    low: int
    high: int


EVERYTHING = KeyRange(0, KEY_LIMIT)


def sort_records(records: pa.RecordBatch, by: Sequence[str] = KEY_ORDER) -> pa.RecordBatch:
    """Sort by the columns; rows that are equal in them stay in their order. O(n log n)."""
    columns = [records.column(name).to_numpy() for name in reversed(by)]
    return records.take(pa.array(np.lexsort(columns)))


def without_repeats(records: pa.RecordBatch, by: Sequence[str]) -> pa.RecordBatch:
    """The first of each set of sorted records that agree in the columns. O(n)."""
    if records.num_rows < 2:
        return records
    other = np.zeros(records.num_rows - 1, np.bool_)
    for name in by:
        values = records.column(name).to_numpy()
        other |= values[1:] != values[:-1]
    return records if other.all() else records.filter(pa.array(np.r_[True, other]))


def write_run(sink: ArrowSink, records: Iterator[pa.RecordBatch], key: str = KEY_ORDER[0]) -> list[int]:
    """Write sorted records in batches of :data:`BATCH_ROWS`. Returns the first key of each batch."""
    first_keys: list[int] = []
    waiting: list[pa.RecordBatch] = []
    rows = 0

    def flush() -> None:
        batch = waiting[0] if len(waiting) == 1 else pa.concat_batches(waiting)
        first_keys.append(int(batch.column(key)[0].as_py()))
        sink.write(batch)
        waiting.clear()

    for batch in records:
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, BATCH_ROWS - rows)  # slices, because a copy of what is left would be quadratic
            waiting.append(piece)
            start, rows = start + piece.num_rows, rows + piece.num_rows
            if rows == BATCH_ROWS:
                flush()
                rows = 0
    if rows:
        flush()
    return first_keys


def write_sorted(attempt: Attempt, role: str, records: pa.RecordBatch, by: Sequence[str]) -> dict[str, Any]:
    """Write sorted records as the run of that role. Returns what has to be in the commit's facts."""
    with attempt.arrow(role, records.schema, None) as sink:
        first_keys = write_run(sink, iter([records]), by[0])
    return {"first_keys": first_keys, "keys": key_sample(records, by[0])}


def read_range(runs: Sequence[Run], wanted: KeyRange) -> pa.RecordBatch | None:
    """All records of the range from all runs, sorted; None if there is none."""
    parts = [part for run in runs for part in slices(run, wanted)]
    if not parts:
        return None
    records = pa.concat_batches(parts)
    del parts  # a third of what a task holds
    return sort_records(records, runs[0].by)


def slices(run: Run, wanted: KeyRange) -> Iterator[pa.RecordBatch]:
    """Records of the range from one run, in order, in pieces of at most :data:`BATCH_ROWS` rows."""
    if not run.rows:
        return
    if run.moved is not None:
        for piece in slices(replace(run, moved=None), _before_move(run, wanted)):
            kept = piece if run.patches is None else _kept(piece, _dropped(run.store, run.patches, run.moved[0]))
            if kept.num_rows:
                yield _moved(kept, run.moved)
        return
    first = max(0, int(np.searchsorted(np.array(run.first_keys, np.uint64), np.uint64(wanted.low))) - 1)
    reader = run.store.open(run.file)
    for index in range(first, len(run.first_keys)):
        if run.first_keys[index] >= wanted.high:
            return
        batch = reader.get_batch(index)
        keys = batch.column(run.by[0]).to_numpy()
        start = int(np.searchsorted(keys, np.uint64(wanted.low)))
        end = batch.num_rows if wanted.high >= KEY_LIMIT else int(np.searchsorted(keys, np.uint64(wanted.high)))
        if end > start:
            yield batch.slice(start, end - start)


def _before_move(run: Run, wanted: KeyRange) -> KeyRange:
    """The range as it is in the file of a partition that is moved."""
    if run.by[0] != ADDRESS or run.moved is None:
        return wanted
    was, now = (number << ORDINAL_BITS for number in run.moved)
    rows = 1 << ORDINAL_BITS
    low, high = (min(max(end - now, 0), rows) for end in (wanted.low, wanted.high))
    return KeyRange(was + low, was + high)


@lru_cache(maxsize=128)
def _dropped(store: BlockStore, patches: DataFile, number: int) -> npt.NDArray[np.uint64]:
    """Addresses of a partition's rows that an earlier run drops, sorted."""
    decided = rows_between(store, patches, *address_bounds(number, number))
    return decided.column(ADDRESS).to_numpy()[decided.column("drop").to_numpy(zero_copy_only=False)]


def _kept(piece: pa.RecordBatch, dropped: npt.NDArray[np.uint64]) -> pa.RecordBatch:
    return piece.filter(pa.array(~np.isin(piece.column(ADDRESS).to_numpy(), dropped)))


def _moved(piece: pa.RecordBatch, moved: tuple[int, int]) -> pa.RecordBatch:
    """Rows of an earlier run: with another partition number, and a rank without its highest bit."""
    was, now = (np.uint64(number << ORDINAL_BITS) for number in moved)
    addresses, ranks = piece.column(ADDRESS).to_numpy(), piece.column("rank").to_numpy()
    for name, values in ((ADDRESS, (addresses ^ was) | now), ("rank", ranks & ~OWN_ROW)):
        place = piece.schema.get_field_index(name)
        piece = piece.set_column(place, piece.schema.field(place), pa.array(values))
    return piece


def rows_of(
    run_of: Callable[[int], Run], numbers: npt.NDArray[np.int64], keys: npt.NDArray[np.uint64]
) -> pa.RecordBatch:
    """The rows of sorted, distinct keys, each in the run of its number; numbers ascend. Reads each batch once.

    Raises KeyError for a key that is not there.
    """
    parts = []
    first = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]])
    for start, end in zip(first, np.r_[first[1:], len(numbers)], strict=True):
        asked, run = keys[start:end], run_of(int(numbers[start]))
        for piece in slices(run, KeyRange(int(asked[0]), int(asked[-1]) + 1)):
            there = piece.column(run.by[0]).to_numpy()
            places = np.flatnonzero(np.isin(there, asked, assume_unique=True))
            parts.append(piece.take(pa.array(places)))
    found = pa.concat_batches(parts)
    if found.num_rows != len(keys):
        raise KeyError(f"{len(keys) - found.num_rows} rows have no signature")
    return found


def key_sample(records: pa.RecordBatch, key: str = KEY_ORDER[0], count: int = 64) -> list[int]:
    """Evenly spaced keys of sorted records, for choosing ranges."""
    keys: npt.NDArray[Any] = records.column(key).to_numpy()
    return [int(value) for value in keys[:: max(1, len(keys) // count)]]


def ranges_of(runs: Sequence[Run], rows_per_range: int) -> list[KeyRange]:
    """Ranges of about that many rows of all runs together; one range if there are no rows."""
    return split_ranges([(run.keys, run.rows) for run in runs if run.keys] or [([0], 1)], rows_per_range)


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
