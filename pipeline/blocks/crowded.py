"""Buckets that are too large for a task: found among sorted records, and cut into chunks.

A line of every page, or a page that was copied ten million times, is one bucket, which a range of keys never tears.
Each of its chunks is linked with the bucket's best row beside it, so the same is decided, in the memory of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

Pieces = list[pa.RecordBatch]
Key = tuple[int, ...]


def parted(pieces: Pieces, names: Sequence[str], limit: int) -> tuple[Pieces, list[Pieces]]:
    """(records of other buckets, records of each bucket of more than ``limit``): slices of the pieces.

    Each piece is sorted by the key, the columns ``names``.
    """
    buckets = []
    for key in _crowded(pieces, names, limit):
        inside, outside = [], []
        for piece in pieces:
            start, end = _bounds(piece, names, key)
            inside.append(piece.slice(start, end - start))
            outside += [piece.slice(0, start), piece.slice(end)]
        buckets.append([piece for piece in inside if piece.num_rows])
        pieces = [piece for piece in outside if piece.num_rows]
    return pieces, buckets


def chunks(bucket: Pieces, rows: int) -> Iterator[Pieces]:
    """The bucket in chunks of at least that many rows, and less than three times as many; pieces are not larger."""
    left = sum(piece.num_rows for piece in bucket)
    chunk: Pieces = []
    for piece in bucket:
        chunk.append(piece)
        have = sum(one.num_rows for one in chunk)
        if have >= rows and left - have >= rows:
            yield chunk
            chunk, left = [], left - have
    yield chunk


def _crowded(pieces: Pieces, names: Sequence[str], limit: int) -> list[Key]:
    """Keys of buckets of more than ``limit`` records, sorted. One of the pieces has its share of such a bucket."""
    if sum(piece.num_rows for piece in pieces) <= limit:
        return []
    likely = {key for piece in pieces for key in _frequent(piece, names, limit // len(pieces))}
    sizes = {key: sum(end - start for start, end in (_bounds(piece, names, key) for piece in pieces)) for key in likely}
    return sorted(key for key, size in sizes.items() if size > limit)


def _frequent(piece: pa.RecordBatch, names: Sequence[str], times: int) -> Iterator[Key]:
    """Keys that a piece has more than so many times."""
    columns = [piece.column(name).to_numpy() for name in names]
    new = np.zeros(piece.num_rows - 1, np.bool_)
    for column in columns:
        new |= column[1:] != column[:-1]
    first = np.r_[0, np.flatnonzero(new) + 1]
    for place in first[np.diff(np.r_[first, piece.num_rows]) > times]:
        yield tuple(int(column[place]) for column in columns)


def _bounds(piece: pa.RecordBatch, names: Sequence[str], key: Key) -> tuple[int, int]:
    start, end = 0, piece.num_rows
    for name, value in zip(names, key, strict=True):
        column = piece.column(name).to_numpy()[start:end]
        low, high = (int(np.searchsorted(column, np.uint64(value), side=side)) for side in ("left", "right"))
        start, end = start + low, start + high
    return start, end
