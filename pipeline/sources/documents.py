"""Batches for readers that find one document after the other in archives, dumps and books."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.sources.contract import SourceBatch
from pipeline.sources.records import BATCH_BYTES, Fault, no_rows, quarantine, row_schema

_BATCH_ROWS = 2**16


@dataclass(frozen=True)
class Document:
    """A row. ``text`` is valid UTF-8; ``more``: the source's own fields."""

    id: str
    text: bytes
    file: str
    offset: int
    url: str | None = None
    date: str | None = None
    license: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


class Collector:
    """Takes what a reader finds, in order, and gives it away as batches of about 16 MB."""

    def __init__(self, source: str, fields: Mapping[str, pa.DataType]) -> None:
        self.source = source
        self.fields = fields
        self._clear()

    def _clear(self) -> None:
        self._documents: list[Document] = []
        self._quarantined: list[pa.RecordBatch] = []
        self._repaired: dict[str, int] = {}
        self._skipped: dict[str, tuple[int, int]] = {}
        self._held_bytes = 0

    def add(self, document: Document) -> None:
        self._documents.append(document)
        self._held_bytes += len(document.text)

    def lose(self, file: str, fault: Fault) -> None:
        """A record that could not be read."""
        record = quarantine(self.source, file, [fault])
        assert record is not None
        self._quarantined.append(record)
        self._held_bytes += len(fault.raw)

    def skip(self, reason: str, size: int) -> None:
        """A sound record that is no document. ``size`` in bytes."""
        records, n_bytes = self._skipped.get(reason, (0, 0))
        self._skipped[reason] = (records + 1, n_bytes + size)

    def repair(self, reason: str) -> None:
        """The last document was mended."""
        self._repaired[reason] = self._repaired.get(reason, 0) + 1

    @property
    def is_full(self) -> bool:
        records = len(self._documents) + len(self._quarantined)
        return self._held_bytes >= BATCH_BYTES or records >= _BATCH_ROWS

    @property
    def is_empty(self) -> bool:
        return not (self._documents or self._quarantined or self._skipped or self._repaired)

    def take(self) -> SourceBatch:
        """What has been collected; the next batch begins."""
        rows = self._rows() if self._documents else no_rows(self.fields)
        records = pa.concat_batches(self._quarantined) if self._quarantined else None
        batch = SourceBatch(rows, records, self._repaired, self._skipped)
        self._clear()
        return batch

    def _rows(self) -> pa.RecordBatch:
        schema = row_schema(self.fields)
        found = self._documents
        columns = []
        for column in schema:
            if column.name == "text":
                texts = pa.array([document.text for document in found], pa.large_binary())
                columns.append(texts.view(pa.large_string()))
            elif column.name in self.fields:
                columns.append(pa.array([document.more.get(column.name) for document in found], column.type))
            else:
                columns.append(pa.array([getattr(document, column.name) for document in found], column.type))
        return pa.record_batch(columns, schema=schema)
