"""Runs read by key range are one sort of everything, however the ranges were chosen."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.blocks import sorted_runs
from pipeline.blocks.sorted_runs import (
    KEY_LIMIT,
    KeyRange,
    Run,
    key_sample,
    read_range,
    sort_records,
    split_ranges,
    write_run,
)
from pipeline.storage import Folder
from pipeline.store import Attempt, BlockStore
from stages.contract import ADDRESS

EDGES = [0, 1, 2, 2**63, KEY_LIMIT - 2, KEY_LIMIT - 1]
KEYS = st.sampled_from(EDGES) | st.integers(0, KEY_LIMIT - 1)
RUNS = st.lists(st.lists(st.tuples(KEYS, st.sampled_from(EDGES)), max_size=40), min_size=1, max_size=6)


def records(keys: Sequence[tuple[int, int]], first_address: int = 0) -> pa.RecordBatch:
    """Sketch records with a column of the stage's own."""
    high = np.array([key for key, _ in keys], np.uint64)
    low = np.array([key for _, key in keys], np.uint64)
    return batch(high, low, np.arange(first_address, first_address + len(keys), dtype=np.uint64)[::-1].copy())


def batch(high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64], address: npt.NDArray[np.uint64]) -> pa.RecordBatch:
    arrays = [pa.array(high), pa.array(low), pa.array(address), pa.array((address % np.uint64(7)).astype(np.uint16))]
    return pa.RecordBatch.from_arrays(arrays, names=["key_high", "key_low", ADDRESS, "rank"])


def write(store: BlockStore, name: str, found: pa.RecordBatch) -> tuple[Run, list[int]]:
    """A sorted run in the store, and its sample of keys."""
    attempt = Attempt(store, name)
    ordered = sort_records(found)
    with attempt.arrow(sorted_runs.ROLE, found.schema, None) as sink:
        first_keys = write_run(sink, iter([ordered.slice(0, 3), ordered.slice(3)]))
    return Run.of(store, attempt.commit([], {"first_keys": first_keys}, {})), key_sample(ordered)


def rows(found: pa.RecordBatch | None) -> list[tuple[int, ...]]:
    return [] if found is None else [tuple(row.values()) for row in found.to_pylist()]


def check_tiling(ranges: Sequence[KeyRange]) -> None:
    """Ranges follow each other from 0 to 2**64 without gap or overlap."""
    assert ranges[0].low == 0 and ranges[-1].high == KEY_LIMIT
    assert all(one.high == other.low for one, other in zip(ranges, ranges[1:], strict=False))
    assert all(wanted.low < wanted.high for wanted in ranges)


@settings(max_examples=60)
@given(RUNS, st.integers(1, 30), st.integers(2, 9))
def test_ranges_give_the_sort_of_everything(
    runs: list[list[tuple[int, int]]], rows_per_range: int, batch_rows: int
) -> None:
    """All ranges of all runs, one after the other, are one sort of all records by key and address."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_runs, "BATCH_ROWS", batch_rows)
        store = BlockStore(Folder(folder))
        parts = [records(keys, 1000 * index) for index, keys in enumerate(runs)]
        written = [write(store, f"r{index}", part) for index, part in enumerate(parts)]
        ranges = split_ranges([(keys, run.rows) for run, keys in written if keys] or [([0], 1)], rows_per_range)
        check_tiling(ranges)
        found = [row for wanted in ranges for row in rows(read_range([run for run, _ in written], wanted))]
    everything = [row for part in parts for row in rows(part)]
    assert found == sorted(everything, key=lambda row: row[:3])


@given(st.lists(st.tuples(st.lists(KEYS, min_size=1, max_size=9).map(sorted), st.integers(1, 10**9)), min_size=1))
def test_ranges_tile_all_keys(samples: list[tuple[list[int], int]]) -> None:
    """Whatever was sampled, ranges cover every key once."""
    check_tiling(split_ranges(samples, 1_000_000))


def test_ranges_are_of_about_the_asked_size() -> None:
    """For even keys no range holds more than twice the asked rows, and there are not twice as many ranges."""
    rng = np.random.default_rng(1)
    parts = [np.sort(rng.integers(0, KEY_LIMIT, size, np.uint64, endpoint=False)) for size in (100_000, 5_000, 70_000)]
    samples = [(key_sample(batch(part, part, part)), len(part)) for part in parts]
    ranges = split_ranges(samples, 10_000)
    keys = np.concatenate(parts)
    bounds = [wanted.low for wanted in ranges]
    sizes = np.bincount(np.searchsorted(np.array(bounds, np.uint64), keys, side="right"))[1:]
    assert sizes.sum() == 175_000
    assert sizes.max() < 20_000
    assert 12 <= len(ranges) <= 18


class Counted:
    """A reader that counts the batches that it gives."""

    def __init__(self, reader: pa.ipc.RecordBatchFileReader, given: list[int]) -> None:
        self.reader, self.given = reader, given

    def get_batch(self, index: int) -> pa.RecordBatch:
        self.given.append(index)
        return self.reader.get_batch(index)


def test_a_range_never_tears_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One key repeated 200,000 times, across batches and runs, lies in one range; a range reads its batches alone."""
    store = BlockStore(Folder(str(tmp_path)))
    key = np.full(100_000, 12345, np.uint64)
    some = np.arange(0, 3_000_000, 1000, dtype=np.uint64)
    runs = []
    for number in range(2):
        high = np.concatenate([key, some])
        address = np.arange(len(high), dtype=np.uint64) + np.uint64(number << 30)
        runs.append(write(store, f"r{number}", batch(high, high, address)))
    ranges = split_ranges([(keys, run.rows) for run, keys in runs], 1000)
    check_tiling(ranges)
    given: list[int] = []
    with monkeypatch.context() as patch:
        opened = BlockStore.open
        patch.setattr(BlockStore, "open", lambda self, file: Counted(opened(self, file), given))
        found = [read_range([run for run, _ in runs], wanted) for wanted in ranges]
    assert len(given) <= sum(len(run.first_keys) + len(ranges) for run, _ in runs)
    assert sum(part.num_rows for part in found if part) == 206_000
    holding = [part for part in found if part and np.isin(np.uint64(12345), part.column("key_high").to_numpy())]
    [part] = holding
    chosen = part.column("key_high").to_numpy() == 12345
    addresses = part.column(ADDRESS).to_numpy()[chosen]
    assert len(addresses) == 200_000
    assert (np.diff(addresses.astype(np.int64)) > 0).all()


@pytest.mark.parametrize("sizes", [[10_000], [7] * 1000, [3000, 1, 6999]])
def test_a_run_is_written_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int]) -> None:
    """Rows are copied twice, into a batch and into its file, however large the batches are that come."""
    monkeypatch.setattr(sorted_runs, "BATCH_ROWS", 64)
    copied: list[int] = []
    joined = pa.concat_batches

    def counting(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        copied.extend(one.num_rows for one in batches)
        return joined(batches)

    rows = np.arange(sum(sizes), dtype=np.uint64)
    bounds = np.cumsum([0, *sizes])
    attempt = Attempt(BlockStore(Folder(str(tmp_path))), "one")
    found = batch(rows, rows, rows)
    pieces = [found.slice(start, end - start) for start, end in zip(bounds, bounds[1:], strict=False)]
    with monkeypatch.context() as patch, attempt.arrow(sorted_runs.ROLE, found.schema, None) as sink:
        patch.setattr(pa, "concat_batches", counting)
        first_keys = write_run(sink, iter(pieces))
    assert first_keys == list(range(0, sum(sizes), 64))
    assert sum(copied) <= 2 * sum(sizes)


def test_empty_runs(tmp_path: Path) -> None:
    """Runs without records can be written, read beside others, and alone give None."""
    store = BlockStore(Folder(str(tmp_path)))
    empty, keys = write(store, "empty", records([]))
    full, _ = write(store, "full", records([(5, 1), (KEY_LIMIT - 1, 2)]))
    assert (empty.rows, empty.first_keys, keys) == (0, (), [])
    everything = KeyRange(0, KEY_LIMIT)
    assert read_range([empty], everything) is None
    assert [row[0] for row in rows(read_range([empty, full], everything))] == [5, KEY_LIMIT - 1]
    assert read_range([empty, full], KeyRange(6, KEY_LIMIT - 1)) is None


def test_batches_of_a_run_are_full(tmp_path: Path) -> None:
    """A run has batches of 65,536 rows whatever came in, and the first key of each is known."""
    store = BlockStore(Folder(str(tmp_path)))
    high = np.arange(150_000, dtype=np.uint64) * np.uint64(3)
    run, keys = write(store, "r", batch(high, high, high))
    reader = store.open(run.file)
    assert [reader.get_batch(i).num_rows for i in range(3)] == [65536, 65536, 150_000 - 131072]
    assert run.first_keys == (0, 65536 * 3, 131072 * 3)
    assert keys == sorted(keys) and 64 <= len(keys) <= 65
