"""Ingest: a stream that cannot be split (a large ``.gz``, one zstd frame) is read once into Arrow parts.

Later blocks, resume and ``why`` read the parts, each of which is a partition of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from pipeline.blocks.reading import IngestedPart, SourceReader, SourceUnit, read_partition
from pipeline.blocks.rechunk import Rechunker
from pipeline.blocks.work import Unit
from pipeline.books import NO_LANGUAGE, READ, Books
from pipeline.fingerprint import digest
from pipeline.sources.contract import QUARANTINE_SCHEMA
from pipeline.store import Attempt, BlockStore, Commit
from stages.kernels.arrow_text import byte_lengths

PART_BYTES = 128 * 2**20
"""Text of a part. Smaller parts spread one file over more workers; larger ones cost fewer tasks."""
PART_ROWS = 1 << 22


@dataclass(frozen=True)
class IngestWork:
    """Reads one stream per unit into parts."""

    name: str
    store: BlockStore
    readers: Mapping[str, SourceReader]

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, SourceUnit)
        return _Ingest(self, unit).run()


class _Ingest:
    def __init__(self, work: IngestWork, unit: SourceUnit) -> None:
        self.work = work
        self.unit = unit
        self.books = Books()
        self.quarantine: list[pa.RecordBatch] = []
        self.rows = 0

    def run(self) -> Commit:
        started = time.perf_counter()
        attempt = Attempt(self.work.store, self.unit.key)
        parts = 0
        groups = _groups(self._rows())
        group = next(groups, None)
        while group is not None:
            with attempt.arrow(_role(parts), group.schema) as sink:
                written = 0
                while group is not None and written < PART_BYTES and sink.rows < PART_ROWS:
                    sink.write(group)
                    written += int(byte_lengths(group.column("text")).sum())
                    group = next(groups, None)
            parts += 1
        if self.quarantine:
            with attempt.arrow("quarantine", QUARANTINE_SCHEMA, "zstd") as sink:
                sink.write(pa.concat_batches(self.quarantine))
        quarantined = sum(batch.num_rows for batch in self.quarantine)
        facts = {"parts": parts, "source": self.unit.source, "rows": self.rows, "quarantined": quarantined}
        seconds = {"ingest": time.perf_counter() - started}
        return attempt.commit(self.books.rows(), facts, seconds)

    def _rows(self) -> Iterator[pa.RecordBatch]:
        source = self.unit.source
        for read in read_partition(self.work.readers[source], self.unit):
            if read.quarantined is not None and read.quarantined.num_rows:
                self.quarantine.append(read.quarantined)
                self.books.add_quarantined(READ, source, read.quarantined)
            for reason, documents in read.repaired.items():
                self.books.add(READ, source, NO_LANGUAGE, "repaired", reason, documents, 0)
            self.books.add_skipped(source, read.skipped)
            if read.rows.num_rows:
                self.rows += read.rows.num_rows
                yield read.rows


def ingested_units(unit: SourceUnit, commit: Commit, store: BlockStore) -> list[SourceUnit]:
    """The partitions that a stream has become."""
    units = []
    for index in range(commit.facts["parts"]):
        number = int(digest([unit.number, "part", index])[:10], 16)
        part = IngestedPart(store, commit.files[_role(index)])
        units.append(SourceUnit(digest([unit.key, index])[:24], number, unit.source, unit.partition, part))
    return units


def _role(index: int) -> str:
    return f"part-{index:05d}"


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    chunks = Rechunker()
    for batch in batches:
        yield from chunks.add(batch)
    yield from chunks.finish()
