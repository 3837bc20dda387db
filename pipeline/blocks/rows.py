"""Row blocks: read a partition, run the stages batch by batch, write documents, signals, samples, quarantine.

One task is one partition. Memory is bounded by a batch (about 16 MB of text, or one document) times what
the stages make of it, never by the size of a file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.blocks.models import models_of
from pipeline.blocks.patches import CorpusUse, patched
from pipeline.blocks.reading import (
    BlockUnit,
    SourceReader,
    SourceUnit,
    read_block,
    read_partition,
    sample_mask,
    with_base_columns,
)
from pipeline.blocks.rechunk import Rechunker
from pipeline.blocks.samples import KEPT, Samples
from pipeline.blocks.stall import TRIAL_SHARE
from pipeline.blocks.steps import (
    BatchLog,
    Rows,
    Step,
    StepRunner,
    Watch,
    columns_asked,
    conform,
    rule_names,
    signal_columns,
    written_columns,
)
from pipeline.blocks.work import Unit
from pipeline.books import NO_LANGUAGE, READ, Books, group_by
from pipeline.sources.contract import QUARANTINE_SCHEMA
from pipeline.store import ArrowSink, Attempt, BlockStore, Commit
from stages.contract import ADDRESS, ORDINAL_BITS
from stages.kernels.arrow_text import byte_lengths

SAMPLE = "sample"
NOT_SAMPLED = "not_sampled"
RAW_BYTES = 65536


class Fatal(NamedTuple):
    """What a row does to the process: ``crash`` or ``timeout``, in which stage."""

    reason: str
    stage: str


Skip = Mapping[int, Fatal]
"""Ordinal of a row in its partition → what it does."""


@dataclass(frozen=True)
class RowsWork:
    """What a row block does. ``readers``: source → how to read it (first block only); ``schema``: of its documents."""

    name: str
    store: BlockStore
    steps: tuple[Step, ...]
    schema: pa.Schema
    readers: Mapping[str, SourceReader] = field(default_factory=dict)
    corpus: CorpusUse | None = None
    sample: float | None = None
    seed: int = 0
    compression: Literal["none", "lz4", "zstd"] = "none"
    stall_seconds: float | None = None

    @property
    def codec(self) -> str | None:
        """Arrow's name of the compression."""
        return None if self.compression == "none" else self.compression

    def run(self, unit: Unit) -> Commit:
        return self.run_with(unit, {})

    def run_with(
        self, unit: Unit, skip: Skip, watch: Watch | None = None, only: tuple[int, int] | None = None
    ) -> Commit:
        """Like :meth:`run`, leaving out rows that crash.

        ``watch`` sees each stage start on a batch; ``only``: first and last ordinal of the rows to look at.
        """
        assert isinstance(unit, SourceUnit | BlockUnit)
        return _PartitionRun(self, unit, skip, watch, only).run()

    def drop_reasons(self) -> list[str]:
        """``stage:rule`` of everything that can drop a row here, in the order in which rows meet it."""
        first = [f"{self.corpus.name}:{self.corpus.rule}"] if self.corpus else []
        return [*first, *rule_names(self.steps)]

    def signals_schema(self) -> pa.Schema:
        """Of the narrow table beside the documents: one row for every row read, kept or dropped."""
        first = [("id", pa.string()), ("url", pa.string()), ("content_hash", pa.binary(16))] if self.readers else []
        fixed = [(name, pa.string()) for name in ("source", "language_in", "language", "domain")]
        named = {name for name, _ in [*first, *fixed]}
        path = [(field_.name, field_.type) for field_ in self.schema if field_.name in self.path_columns() - named]
        left = [(f"{self.corpus.name}.bytes", pa.int64())] if self.corpus and self.corpus.cut else []
        signals = [*left, *signal_columns(self.steps).items()]
        measured = [("bytes_in", pa.int64()), *signals, ("dropped_by", pa.string())]
        return pa.schema([(ADDRESS, pa.uint64()), *first, *fixed, *path, *measured])

    def path_columns(self) -> set[str]:
        """Columns that decide which stages a row meets, as it comes in: kept beside the signals, for ``whatif``."""
        written = {*written_columns(self.steps), *(self.corpus.columns if self.corpus else ())}
        return columns_asked(self.steps) - written


class _PartitionRun:
    """One attempt at one partition."""

    def __init__(
        self,
        work: RowsWork,
        unit: SourceUnit | BlockUnit,
        skip: Skip,
        watch: Watch | None,
        only: tuple[int, int] | None,
    ) -> None:
        self.work = work
        self.unit = unit
        self.skip = skip
        self.only = only
        self.watch = watch
        self.books = Books()
        self.samples = Samples()
        limit = work.stall_seconds
        self.runner = StepRunner(
            work.steps,
            models_of(work.steps),
            watch,
            first_rule=1 if work.corpus else 0,
            stall_seconds=limit * TRIAL_SHARE if limit and only else limit,
        )
        self.reasons = pa.array(work.drop_reasons(), pa.string())
        self.signals_schema = work.signals_schema()
        self.quarantine: list[pa.RecordBatch] = []
        self.read_seconds = self.write_seconds = 0.0

    def run(self) -> Commit:
        started = time.perf_counter()
        attempt = Attempt(self.work.store, self.unit.key)
        docs_chunks, signal_chunks = Rechunker(), Rechunker(max_rows=65536, measure=None)
        with (
            attempt.arrow("docs", self.work.schema, self.work.codec) as docs,
            attempt.arrow("signals", self.signals_schema, "zstd") as signals,
        ):
            for batch, patches in self._timed_batches():
                kept, log = self._run_batch(batch, patches)
                self._write(docs, docs_chunks.add(kept))
                self._write(signals, signal_chunks.add(self._signal_rows(batch, log)))
            self._write(docs, docs_chunks.finish())
            self._write(signals, signal_chunks.finish())
        self._write_small(attempt)
        total = time.perf_counter() - started
        seconds = {"read": self.read_seconds, "write": self.write_seconds, **self.runner.seconds, "total": total}
        facts = {"number": self.unit.number, "source": self.unit.source, "quarantined": self._quarantined()}
        return attempt.commit(self.books.rows(), facts, seconds)

    def _timed_batches(self) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch | None]]:
        batches = self._source_batches() if isinstance(self.unit, SourceUnit) else read_block(self.unit)
        while True:
            started = time.perf_counter()
            found = next(batches, None)
            self.read_seconds += time.perf_counter() - started
            if found is None:
                return
            batch, patches = found
            batch = self._without_crashing(batch) if self.skip or self.only else batch
            if batch.num_rows:
                yield batch, patches

    def _source_batches(self) -> Iterator[tuple[pa.RecordBatch, None]]:
        assert isinstance(self.unit, SourceUnit)
        reader = self.work.readers[self.unit.source]
        ordinal = 0
        for read in read_partition(reader, self.unit):
            if read.quarantined is not None and read.quarantined.num_rows:
                self._quarantine(read.quarantined, READ)
            for reason, documents in read.repaired.items():
                self.books.add(READ, self.unit.source, NO_LANGUAGE, "repaired", reason, documents, 0)
            self.books.add_skipped(self.unit.source, read.skipped)
            batch = with_base_columns(reader, self.unit.number, ordinal, read.rows)
            ordinal += batch.num_rows
            self._book_all(READ, batch, None)
            yield self._sampled(batch), None

    def _sampled(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self.work.sample is None:
            return batch
        mask = sample_mask(batch, self.work.sample, self.work.seed)
        self._book_all(SAMPLE, batch, mask, NOT_SAMPLED)
        return batch.filter(pa.array(mask))

    def _run_batch(self, batch: pa.RecordBatch, patches: pa.RecordBatch | None) -> tuple[pa.RecordBatch, BatchLog]:
        log = BatchLog.of(batch.num_rows)
        rows = Rows(batch, np.arange(batch.num_rows))
        if self.work.corpus is not None:
            if self.watch:
                self.watch(self.work.corpus.name, batch)
            rows = self._patched(self.work.corpus, rows, patches, log)
        rows = self.runner.run(rows, self.unit.source, self.books, log)
        for rule, dropped in log.dropped_rows:
            self.samples.add(self.reasons[rule].as_py(), dropped)
        if rows.batch.num_rows:
            self.samples.add(KEPT, rows.batch)
        return conform(rows.batch, self.work.schema), log

    def _patched(self, corpus: CorpusUse, rows: Rows, patches: pa.RecordBatch | None, log: BatchLog) -> Rows:
        """Drop rows, cut text, add columns as the corpus stage decided. Patches are sorted by address, as rows are."""
        batch, drop, cut = patched(rows.batch, patches, corpus)
        self._book_all(corpus.name, batch, ~drop, corpus.rule, cut)
        if corpus.cut is not None:
            groups = group_by(batch.column("language"))
            self.books.add_rows(corpus.name, self.unit.source, groups, "cut", corpus.cut, cut, cut > 0)
            log.record(f"{corpus.name}.bytes", rows.positions, pa.array(byte_lengths(batch.column("text"))))
        rows = Rows(batch, rows.positions)
        if drop.any():
            log.drop(0, rows.keep(drop))
        return rows.keep(~drop)

    def _signal_rows(self, batch: pa.RecordBatch, log: BatchLog) -> pa.RecordBatch:
        """The narrow table's rows for a batch: one for every row that came in."""
        known = {name: batch.column(name) for name in batch.schema.names}
        known["language_in"] = batch.column("language")
        known["bytes_in"] = pa.array(byte_lengths(batch.column("text")))
        known["dropped_by"] = self.reasons.take(pa.array(log.dropped, mask=log.dropped < 0))
        for name in ("language", "domain"):
            known[name] = log.signal(name, pa.string()).fill_null(known[name])
        arrays = []
        for field_ in self.signals_schema:
            arrays.append(known[field_.name] if field_.name in known else log.signal(field_.name, field_.type))
        return pa.RecordBatch.from_arrays(arrays, schema=self.signals_schema)

    def _write(self, sink: ArrowSink, chunks: Iterator[pa.RecordBatch]) -> None:
        started = time.perf_counter()
        for chunk in chunks:
            sink.write(chunk)
        self.write_seconds += time.perf_counter() - started

    def _write_small(self, attempt: Attempt) -> None:
        samples = self.samples.finish()
        with attempt.arrow("samples", samples.schema, "zstd") as sink:
            sink.write(samples)
        if self.quarantine:
            with attempt.arrow("quarantine", QUARANTINE_SCHEMA, "zstd") as sink:
                sink.write(pa.concat_batches(self.quarantine))

    def _quarantined(self) -> int:
        return sum(batch.num_rows for batch in self.quarantine)

    def _quarantine(self, records: pa.RecordBatch, stage: str) -> None:
        """Take in records that could not be read (or that crash a stage) and book them."""
        self.quarantine.append(records)
        self.books.add_quarantined(stage, self.unit.source, records)

    def _without_crashing(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        ordinals = batch.column(ADDRESS).to_numpy() & np.uint64((1 << ORDINAL_BITS) - 1)
        if self.only:
            asked = (ordinals >= self.only[0]) & (ordinals <= self.only[1])
            batch, ordinals = batch.filter(pa.array(asked)), ordinals[asked]
        crashing = np.isin(ordinals, np.fromiter(self.skip, np.uint64))
        for row in np.flatnonzero(crashing):
            fatal = self.skip[int(ordinals[row])]
            self._quarantine(fatal_record(batch, int(row), fatal), fatal.stage)
        return batch.filter(pa.array(~crashing))

    def _book_all(
        self, stage: str, batch: pa.RecordBatch, kept: npt.NDArray[np.bool_] | None, rule: str = "",
        cut: npt.NDArray[np.int64] | None = None,
    ) -> None:  # fmt: skip
        """Book rows as they are when the stage is done with them; ``cut``: bytes that it cut out of each."""
        groups, sizes = group_by(batch.column("language")), byte_lengths(batch.column("text"))
        self.books.add_rows(stage, self.unit.source, groups, "in", "", sizes if cut is None else sizes + cut)
        self.books.add_rows(stage, self.unit.source, groups, "out", "", sizes, kept)
        if kept is not None:
            self.books.add_rows(stage, self.unit.source, groups, "dropped", rule, sizes, ~kept)


_FATAL = {
    "crash": "the process died while this stage worked on this row",
    "timeout": "this stage did not end on this row (execution.stall_seconds)",
}


def fatal_record(batch: pa.RecordBatch, row: int, fatal: Fatal) -> pa.RecordBatch:
    """The quarantine record of a row that a stage dies of."""
    values = {name: batch.column(name)[row].as_py() for name in ("source", "file", "offset", "text")}
    text = values.pop("text").encode()
    record = {**values, "bytes": len(text), "reason": f"{fatal.reason}:{fatal.stage}", "raw": text[:RAW_BYTES]}
    record["detail"] = _FATAL[fatal.reason]
    return pa.RecordBatch.from_pylist([record], schema=QUARANTINE_SCHEMA)
