"""Buckets beyond a limit are found wherever their records are, and cut into chunks that have them all."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.blocks.crowded import chunks, parted

NAMES = ("high", "low")
PIECES = st.lists(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 2**64 - 1])), min_size=1, max_size=8).map(sorted),
    max_size=5,
)


def batches(pieces: list[list[tuple[int, int]]]) -> list[pa.RecordBatch]:
    columns = [[np.array([key[k] for key in piece], np.uint64) for k in range(2)] for piece in pieces]
    return [pa.RecordBatch.from_arrays([pa.array(one) for one in column], names=NAMES) for column in columns]


def keys(found: list[pa.RecordBatch]) -> list[tuple[int, ...]]:
    return [tuple(row.values()) for piece in found for row in piece.to_pylist()]


@given(PIECES, st.integers(1, 12))
def test_buckets_beyond_the_limit_are_taken_out(pieces: list[list[tuple[int, int]]], limit: int) -> None:
    """As a count of keys says, in the order of keys; what is left is the rest."""
    rest, buckets = parted(batches(pieces), NAMES, limit)
    counts = Counter(key for piece in pieces for key in piece)
    crowded = sorted(key for key, count in counts.items() if count > limit)
    assert [keys(bucket) for bucket in buckets] == [[key] * counts[key] for key in crowded]
    assert Counter(keys(rest)) == Counter({key: count for key, count in counts.items() if key not in crowded})
    assert all(piece.num_rows for bucket in [rest, *buckets] for piece in bucket)


@given(PIECES.filter(bool), st.integers(1, 10))
def test_chunks_have_all_rows_in_order(pieces: list[list[tuple[int, int]]], rows: int) -> None:
    """None has fewer rows than asked for, unless the bucket has, or more than two such and two pieces."""
    bucket = batches(pieces)
    found = list(chunks(bucket, rows))
    assert [piece for chunk in found for piece in chunk] == bucket
    total, largest = sum(map(len, pieces)), max(map(len, pieces))
    sizes = [sum(piece.num_rows for piece in chunk) for chunk in found]
    assert min(sizes) >= min(rows, total) and max(sizes) < 2 * (rows + largest)
