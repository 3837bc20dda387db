"""From a partition to batches with the base columns: sources, ingested streams, and blocks with their patches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.blocks.signals import SignalFile, with_signals
from pipeline.errors import StoreError
from pipeline.fingerprint import digest, library_versions
from pipeline.sources import catalogue
from pipeline.sources.contract import Partition, SourceBatch, SourceConfig, SourceKind
from pipeline.store import BlockStore, DataFile
from stages.contract import ADDRESS, BASE_COLUMNS, ORDINAL_BITS, UNKNOWN_LANGUAGE
from stages.kernels.hashing import binary_to_u64, hash128_binary

READER_COLUMNS = ("id", "text", "url", "date", "license", "file", "offset")
"""What every reader yields; the rest of the base columns is added here."""


@dataclass(frozen=True)
class SourceReader:
    """A source of a recipe, ready to be read. ``columns``: name → type of the extra columns of all its sources."""

    name: str
    kind: str
    config: SourceConfig
    columns: Mapping[str, pa.DataType] = field(default_factory=dict)

    @property
    def source(self) -> SourceKind:
        return catalogue.source(self.kind)

    @property
    def fingerprint(self) -> str:
        """Of everything but the files: which file is read, and from where to where, is in the partition's key."""
        settings = self.config.model_dump(mode="json", exclude=set(self.source.chooses))
        return digest([self.kind, self.source.version, settings, library_versions(self.source.libraries)])

    def extra_columns(self) -> dict[str, pa.DataType]:
        """Columns beyond the base that this source has: fields of its records and constants."""
        names = {**self.source.fields(self.config), **dict.fromkeys(self.config.columns, pa.string())}
        return {name: kind for name, kind in names.items() if name not in BASE_COLUMNS}


@dataclass(frozen=True)
class IngestedPart:
    """An Arrow file made of a part of a stream that cannot be split."""

    store: BlockStore
    file: DataFile


@dataclass(frozen=True)
class SourceUnit:
    """A partition of a source, read from the file itself or, for a stream, from its ingested part."""

    key: str
    number: int
    source: str
    partition: Partition
    ingested: IngestedPart | None = None

    @property
    def label(self) -> str:
        files = ", ".join(piece.relative for piece in self.partition.pieces[:2])
        more = f" and {len(self.partition.pieces) - 2} more" if len(self.partition.pieces) > 2 else ""
        return f"{self.source}: {files}{more}"


@dataclass(frozen=True)
class Patches:
    """What a corpus stage decided about the rows of some partitions: a file sorted by address."""

    store: BlockStore
    file: DataFile


@dataclass(frozen=True)
class BlockUnit:
    """A unit of the block before, as input. ``patches`` is None where no corpus stage stands between.

    ``signals``: what was measured of its rows, where a stage asks for it.
    """

    key: str
    number: int
    source: str
    store: BlockStore
    file: DataFile
    patches: Patches | None = None
    signals: tuple[SignalFile, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.source}: partition {self.number:010x}"


def read_partition(use: SourceReader, unit: SourceUnit) -> Iterator[SourceBatch]:
    """Batches of a source's partition as its reader yields them."""
    if unit.ingested is None:
        yield from use.source.read(unit.partition, use.config)
    else:
        for batch in unit.ingested.store.batches(unit.ingested.file):
            yield SourceBatch(batch)


def with_base_columns(use: SourceReader, number: int, first_ordinal: int, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Add what is the same for all sources. Raises StoreError past 2**24 rows in a partition."""
    n = rows.num_rows
    if first_ordinal + n > 1 << ORDINAL_BITS:
        remedy = "give the source a smaller split_bytes or ingest_above_bytes"
        raise StoreError(f"a partition of source {use.name} has more than {1 << ORDINAL_BITS:,} rows", remedy=remedy)
    addresses = np.arange(first_ordinal, first_ordinal + n, dtype=np.uint64) | np.uint64(number << ORDINAL_BITS)
    columns: dict[str, pa.Array] = dict(zip(rows.schema.names, rows.columns, strict=True))
    constants = {"source": use.name, **use.config.columns}
    fallbacks = {"domain": use.config.domain, "language": UNKNOWN_LANGUAGE}
    columns |= {ADDRESS: pa.array(addresses), "content_hash": hash128_binary(columns["text"])}
    columns |= {name: _constant(value, n) for name, value in constants.items()}
    for name, value in fallbacks.items():
        columns[name] = columns[name].fill_null(value) if name in columns else _constant(value, n)
    wanted = {**BASE_COLUMNS, **use.columns}
    arrays = [_typed(columns.get(name), kind, n) for name, kind in wanted.items()]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(list(wanted.items())))


def sample_mask(batch: pa.RecordBatch, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """bool[n]: documents whose content's hash falls into the share; the same ones in every run with that seed."""
    _, low = binary_to_u64(batch.column("content_hash"))
    mixed = (low ^ np.uint64(seed * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)) * np.uint64(0xD6E8FEB86659FD93)
    return (mixed >> np.uint64(11)).astype(np.float64) < share * float(1 << 53)


def read_block(unit: BlockUnit) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch | None]]:
    """Batches of the block before with the unit's signals, each with its patches (sorted by address), or None."""
    patches = None if unit.patches is None else _partition_patches(unit)
    for batch in with_signals(unit.store.batches(unit.file), unit.signals):
        yield batch, None if patches is None else _patches_of(batch, patches)


def _partition_patches(unit: BlockUnit) -> pa.RecordBatch:
    assert unit.patches is not None
    return rows_between(unit.patches.store, unit.patches.file, *address_bounds(unit.number, unit.number))


def address_bounds(first_number: int, last_number: int) -> tuple[int, int]:
    """First and last address of the partitions from one number to another."""
    return first_number << ORDINAL_BITS, ((last_number + 1) << ORDINAL_BITS) - 1


def between(batch: pa.RecordBatch, first: int, last: int) -> pa.RecordBatch:
    """Rows of a batch sorted by address with first <= address <= last."""
    addresses = batch.column(ADDRESS).to_numpy()
    start = int(np.searchsorted(addresses, np.uint64(first)))
    end = int(np.searchsorted(addresses, np.uint64(last), side="right"))
    return batch.slice(start, end - start)


def rows_between(store: BlockStore, file: DataFile, first: int, last: int) -> pa.RecordBatch:
    """Rows of a file sorted by address, no batch of it empty, with first <= address <= last."""
    reader = store.open(file)

    def first_address(index: int) -> int:
        return int(reader.get_batch(index).column(ADDRESS)[0].as_py())

    # a patch file has a batch per partition: reading from its beginning would be quadratic in partitions
    start = bisect_right(range(reader.num_record_batches), first, key=first_address)
    found = []
    for index in range(max(0, start - 1), reader.num_record_batches):
        batch = reader.get_batch(index)
        if batch.column(ADDRESS)[0].as_py() > last:
            break
        rows = between(batch, first, last)
        if rows.num_rows:
            found.append(rows)
    if not found:
        return pa.RecordBatch.from_pylist([], schema=reader.schema)
    return pa.concat_batches(found)


def _patches_of(batch: pa.RecordBatch, patches: pa.RecordBatch) -> pa.RecordBatch:
    if not batch.num_rows:
        return patches.slice(0, 0)
    addresses = batch.column(ADDRESS)
    return between(patches, addresses[0].as_py(), addresses[-1].as_py())


def _constant(value: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.string()), rows)


def _typed(values: Any, kind: pa.DataType, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, kind)
    return values if values.type == kind else values.cast(kind)
