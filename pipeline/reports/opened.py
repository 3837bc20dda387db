"""``gristmill.open(run)``: what a run holds, as Arrow tables.

Large things (documents, signals, drops, clusters, tokens) come as :class:`Batches`, which are read as they are asked
for; small ones (samples, quarantine) as tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.books import Books
from pipeline.errors import RunNotFound
from pipeline.reports.cluster_tables import CLUSTER_SCHEMA, cluster_rows
from pipeline.reports.collect import collect_samples
from pipeline.reports.joined_signals import JoinedBatch, joined_signals, signals_schema
from pipeline.reports.report import read_report
from pipeline.reports.stored_run import StoredRun
from pipeline.sources.contract import QUARANTINE_SCHEMA
from stages.contract import ADDRESS

FIXED = (ADDRESS, "id", "url", "content_hash", "source", "language_in", "language", "domain", "bytes_in", "dropped_by")
"""Columns of signals that are the same for every run."""


class Batches:
    """Rows that need not fit memory. ``schema``: of every batch."""

    def __init__(self, schema: pa.Schema, read: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        self.schema = schema
        self._read = read

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Record batches, one after the other; only some columns if asked."""
        for batch in self._read():
            if batch.num_rows:
                yield batch if columns is None else batch.select(list(columns))

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows in memory."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        return pa.Table.from_batches(self.batches(columns), schema=schema)

    def reader(self) -> pa.RecordBatchReader:
        """For engines that take an Arrow stream (DuckDB, Polars, pandas)."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches()


class OpenedRun:
    """A run, finished or interrupted. ``folder``: of the run; ``status``: running, finished or failed."""

    def __init__(self, folder: str) -> None:
        self.stored = StoredRun.open(folder)
        self.folder = folder

    def __repr__(self) -> str:
        return f"<gristmill run {self.stored.run.name!r}, {self.status}, in {self.folder}>"

    @property
    def status(self) -> str:
        return self.stored.run.status

    @property
    def recipe(self) -> str:
        """The resolved recipe, YAML."""
        return self.stored.recipe_text

    @property
    def report(self) -> dict[str, Any]:
        """What ``report.json`` holds (of an unfinished run: of what is complete)."""
        return read_report(self.folder).model_dump(mode="json", by_alias=True)

    @property
    def books(self) -> Books:
        """What became of every document, by stage, source and language."""
        return self.stored.books()

    def documents(self) -> Batches:
        """The finished documents: base columns and what stages added. Raises RunNotFound before there are any."""
        if not self.stored.complete:
            raise RunNotFound(f"run {self.stored.run.name} is not finished", remedy="run its recipe again")
        last = self.stored.rows[-1]

        def read() -> Iterator[pa.RecordBatch]:
            for part in last.parts.values():
                yield from last.phase.store.batches(part.files["docs"])

        return Batches(last.block.schema, read)

    def signals(self) -> Batches:
        """A row for every document that was read: what every stage measured, and ``dropped_by`` (null: kept).

        Values are null where a document did not get that far.
        """
        blocks = self.stored.rows
        schemas = [signals_schema(block) for block in blocks]
        measured: list[tuple[int, pa.Field]] = []
        for index, found in enumerate(schemas):
            seen = {*FIXED, *(field.name for _, field in measured)}
            measured += [(index, field) for field in found if field.name not in seen]
        fixed = [schemas[0].field(name) for name in FIXED]
        schema = pa.schema([*fixed[:-1], *(field for _, field in measured), fixed[-1]])

        def read() -> Iterator[pa.RecordBatch]:
            for joined in joined_signals(blocks):
                columns = _fixed_columns(joined) | {field.name: joined.column(i, field.name) for i, field in measured}
                yield pa.RecordBatch.from_arrays([columns[field.name] for field in schema], schema=schema)

        return Batches(schema, read)

    def drops(self) -> Batches:
        """Documents that a rule or a corpus stage dropped: who they are, and by what."""
        blocks = self.stored.rows
        names = [name for name in FIXED if name != "language_in"]
        schema = pa.schema([signals_schema(blocks[0]).field(name) for name in names])

        def read() -> Iterator[pa.RecordBatch]:
            for joined in joined_signals(blocks):
                columns = _fixed_columns(joined)
                batch = pa.RecordBatch.from_arrays([columns[name] for name in names], schema=schema)
                yield batch.filter(batch.column("dropped_by").is_valid())

        return Batches(schema, read)

    def clusters(self) -> Batches:
        """Members of clusters that corpus stages found, with who stands for them, and how similar they are to it.

        The same tables are in the run's folder, as ``clusters/<stage>.parquet``.
        """
        schema = pa.schema([("stage", pa.string()), *CLUSTER_SCHEMA])

        def read() -> Iterator[pa.RecordBatch]:
            for phase in self.stored.phases_of("resolve"):
                for batch in cluster_rows(self.stored, phase):
                    stage = pa.repeat(pa.scalar(phase.name, pa.string()), batch.num_rows)
                    yield pa.RecordBatch.from_arrays([stage, *batch.columns], schema=schema)

        return Batches(schema, read)

    def tokens(self) -> Batches:
        """Token shards: a row for every document, with ``tokens``. Raises RunNotFound if the run has none."""
        from pipeline.tokens.shards import SHARD_SCHEMA, TokenShards

        folder = self.stored.folder.child("tokens")
        if not folder.exists("index.arrow"):
            raise RunNotFound(f"run {self.stored.run.name} has no tokens", remedy="add `tokenize` to its recipe")
        shards = TokenShards.open(folder.uri)
        return Batches(SHARD_SCHEMA, lambda: (shards.group(number) for number in range(shards.groups)))

    def samples(self) -> pa.Table:
        """A few dropped documents of each rule and a few kept ones, cut and masked."""
        return pa.Table.from_batches([collect_samples(self.stored)])

    def quarantine(self) -> pa.Table:
        """Records that could not be used: where they are, why, and their first bytes."""
        found = [
            batch
            for phase in self.stored.phases
            for file in phase.files("quarantine")
            for batch in phase.store.batches(file)
        ]
        return pa.Table.from_batches(found, schema=QUARANTINE_SCHEMA)


def _fixed_columns(joined: JoinedBatch) -> dict[str, pa.Array]:
    """The columns of :data:`FIXED`; language, domain and ``dropped_by`` as of the last block that the row reached."""
    columns = {name: joined.blocks[0].column(name) for name in FIXED}
    blocks = range(len(joined.blocks) - 1, -1, -1)
    for name in ("language", "domain", "dropped_by"):
        columns[name] = pc.coalesce(*(joined.column(block, name) for block in blocks))
    return columns
