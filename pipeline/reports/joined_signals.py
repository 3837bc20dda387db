"""Signals of all row blocks side by side: for every document that was read, what each block measured.

Each block's table is sorted by address within a partition and has a row for every document that came in, so the
tables are joined by walking along them. Memory: one batch of the first block (65,536 rows) and the rows of the later
blocks that belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.blocks.reading import between
from pipeline.reports.stored_run import StoredRows
from pipeline.store import BlockStore, DataFile
from stages.contract import ADDRESS


@dataclass(frozen=True)
class JoinedBatch:
    """Documents of one partition.

    ``blocks``: each row block's rows of these documents. ``places``: for each block int64[its rows], the position
    of each of its rows among the first block's.
    """

    source: str
    number: int
    blocks: tuple[pa.RecordBatch, ...]
    places: tuple[npt.NDArray[np.int64], ...]

    @property
    def rows(self) -> int:
        return self.blocks[0].num_rows

    def column(self, block: int, name: str) -> pa.Array:
        """A column of a block for all documents, null where the document did not reach it."""
        found = self.blocks[block].column(name)
        if block == 0:
            return found
        places = np.full(self.rows, -1, np.int64)
        places[self.places[block]] = np.arange(len(self.places[block]))
        return found.take(pa.array(places, mask=places < 0))


def joined_signals(blocks: Sequence[StoredRows]) -> Iterator[JoinedBatch]:
    """All documents of a run, partition by partition, in the order of addresses within a partition."""
    for number, part in blocks[0].parts.items():
        later = [
            _Cursor(block.phase.store, block.parts[number].files["signals"]) if number in block.parts else None
            for block in blocks[1:]
        ]
        for first in blocks[0].phase.store.batches(part.files["signals"]):
            if first.num_rows:
                yield _joined(part.source, number, first, blocks, later)


def _joined(
    source: str, number: int, first: pa.RecordBatch, blocks: Sequence[StoredRows], later: Sequence[_Cursor | None]
) -> JoinedBatch:
    addresses = first.column(ADDRESS).to_numpy()
    batches, places = [first], [np.arange(first.num_rows)]
    for block, cursor in zip(blocks[1:], later, strict=True):
        if cursor is None:
            rows = pa.RecordBatch.from_pylist([], schema=signals_schema(block))
        else:
            rows = cursor.until(int(addresses[-1]))
        batches.append(rows)
        places.append(np.searchsorted(addresses, rows.column(ADDRESS).to_numpy()).astype(np.int64))
    return JoinedBatch(source, number, tuple(batches), tuple(places))


def signals_schema(block: StoredRows) -> pa.Schema:
    """Of a block's signals table, as it was written."""
    part = next(iter(block.parts.values()))
    return block.phase.store.open(part.files["signals"]).schema


class _Cursor:
    """Walks along a file sorted by address."""

    def __init__(self, store: BlockStore, file: DataFile) -> None:
        self._batches = store.batches(file)
        self._schema = store.open(file).schema
        self._waiting: pa.RecordBatch | None = next(self._batches, None)

    def until(self, last: int) -> pa.RecordBatch:
        """Rows with an address up to ``last`` that were not taken yet."""
        taken: list[pa.RecordBatch] = []
        while self._waiting is not None:
            head = between(self._waiting, 0, last)
            taken.append(head)
            if head.num_rows < self._waiting.num_rows:
                self._waiting = self._waiting.slice(head.num_rows)
                break
            self._waiting = next(self._batches, None)
        return pa.concat_batches(taken) if taken else pa.RecordBatch.from_pylist([], schema=self._schema)
