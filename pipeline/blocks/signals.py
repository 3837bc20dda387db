"""Signals that row stages measured, put beside the documents again: a merge of two files sorted by address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.store import BlockStore, DataFile
from stages.contract import ADDRESS


@dataclass(frozen=True)
class SignalFile:
    """The narrow table of a partition, and the signals that are wanted of it."""

    store: BlockStore
    file: DataFile
    names: tuple[str, ...]

    def fields(self) -> list[pa.Field]:
        """Names and types of the wanted columns."""
        schema = self.store.open(self.file).schema
        return [schema.field(name) for name in self.names]


def with_signals(batches: Iterator[pa.RecordBatch], files: Sequence[SignalFile]) -> Iterator[pa.RecordBatch]:
    """Batches in the order of addresses, with the signals as columns. The tables have more rows, in the same order."""
    readers = [_Reader(file) for file in files]
    for batch in batches:
        for reader in readers:
            batch = reader.added_to(batch)
        yield batch


class _Reader:
    """Reads a narrow table once, as far as the batches of documents have come."""

    def __init__(self, file: SignalFile) -> None:
        self._file = file
        self._coming = file.store.batches(file.file, [ADDRESS, *file.names])
        self._here: pa.RecordBatch | None = None

    def added_to(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        wanted = batch.column(ADDRESS).to_numpy()
        parts = []
        done = 0
        while done < len(wanted):
            if self._here is None:
                self._here = next(self._coming)  # all documents have their row, so there is one
            there = self._here.column(ADDRESS).to_numpy()
            end = int(np.searchsorted(wanted, there[-1], side="right")) if len(there) else done
            places = np.searchsorted(there, wanted[done:end])
            parts.append(self._here.take(pa.array(places)))
            done = end
            if done < len(wanted):
                self._here = None
        found = pa.concat_batches(parts) if parts else None
        for field in self._file.fields():
            values = pa.nulls(0, field.type) if found is None else found.column(field.name)
            batch = batch.append_column(field, values)
        return batch
