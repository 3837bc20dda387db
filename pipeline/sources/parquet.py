"""Parquet files, row groups as the smallest part.

Footers are read when the source is split: a missing column is an error before the run, and no partition has more
than 2^24 rows. Reading holds little: pages are streamed, and batches are small, because a row group may hold a
gigabyte and says only how large its rows are on average.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from pipeline.errors import SourceError
from pipeline.sources.columns import ColumnsConfig, check_columns, columnar_batch, fields, leaves, wanted_columns
from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceKind
from pipeline.sources.listing import FoundFile, list_files
from pipeline.sources.records import BATCH_BYTES, Fault, no_rows, quarantine
from pipeline.sources.streams import is_transport_error, open_raw
from stages.contract import ORDINAL_BITS

SUFFIXES = (".parquet", ".parq", ".pq")

_MAX_ROWS = 2**ORDINAL_BITS
_STEP_BYTES = BATCH_BYTES // 2
# A text that comes again and again costs a dictionary-encoded column next to nothing, so its metadata may promise
# short rows where long ones come: 1,024 rows of 100 kB are 100 MB.
_STEP_ROWS = 1024
_PAGE_BUFFER_BYTES = 2**20
_FOOTER_THREADS = 16


class ParquetConfig(ColumnsConfig):
    """Parquet files. Columns may be nested (``meta.url``), but not in lists."""

    split_bytes: int = Field(default=64 * 2**20, gt=0)
    """Uncompressed bytes of the wanted columns that one task reads; at least one row group."""


def split(source: str, config: ParquetConfig) -> Sequence[Partition]:
    """Consecutive row groups of a file, up to ``split_bytes``. Raises SourceError.

    A file whose footer cannot be read becomes one partition, which quarantines it.
    """
    files = list_files(config.path, config.exclude, SUFFIXES)
    with ThreadPoolExecutor(min(_FOOTER_THREADS, len(files))) as pool:
        footers = list(pool.map(lambda file: _footer(file, config), files))
    check_columns(files, [None if footer is None else footer.types for footer in footers], config)
    partitions = []
    for file, footer in zip(files, footers, strict=True):
        for start, end in [(0, 0)] if footer is None else _ranges(footer.groups, config.split_bytes):
            piece = Piece(file.uri, file.relative, start, end, file.size, file.stamp)
            partitions.append(Partition(source, (piece,)))
    return partitions


@dataclass(frozen=True)
class _Footer:
    """``types``: column → type of every leaf that is in no list. ``groups``: (rows, wanted bytes) of row groups."""

    types: Mapping[str, pa.DataType]
    groups: Sequence[tuple[int, int]]


def _footer(file: FoundFile, config: ParquetConfig) -> _Footer | None:
    try:
        with open_raw(file.uri, file.size) as stream:
            parquet = _open(stream)
            types = leaves(parquet.schema_arrow)
            wanted = set(wanted_columns(config).values())
            metadata = parquet.metadata
            columns = [i for i in range(metadata.num_columns) if metadata.schema.column(i).path in wanted]
            groups = [_group(metadata.row_group(i), columns, file, i) for i in range(metadata.num_row_groups)]
            return _Footer(types, groups)
    except (pa.ArrowException, OSError, ValueError) as error:
        if is_transport_error(error):
            raise
        return None


def _group(group: pq.RowGroupMetaData, columns: Sequence[int], file: FoundFile, number: int) -> tuple[int, int]:
    if group.num_rows > _MAX_ROWS:
        raise SourceError(
            f"row group {number} has {group.num_rows:,} rows, more than {_MAX_ROWS:,}",
            where=file.uri,
            remedy="write the file again with smaller row groups",
        )
    return group.num_rows, sum(group.column(i).total_uncompressed_size for i in columns)


def _open(stream: pa.NativeFile) -> pq.ParquetFile:
    return pq.ParquetFile(stream, pre_buffer=False, buffer_size=_PAGE_BUFFER_BYTES, page_checksum_verification=True)


def _ranges(groups: Sequence[tuple[int, int]], split_bytes: int) -> Iterator[tuple[int, int]]:
    start = rows = size = 0
    for number, (group_rows, group_bytes) in enumerate(groups):
        if number > start and (size + group_bytes > split_bytes or rows + group_rows > _MAX_ROWS):
            yield start, number
            start, rows, size = number, 0, 0
        rows += group_rows
        size += group_bytes
    yield start, len(groups)


def read(partition: Partition, config: ParquetConfig) -> Iterator[SourceBatch]:
    """The partition's rows, about 8 MB a batch; what cannot be read is one quarantine record a row group or file.

    Raises SourceError if a file is gone or has changed.
    """
    for piece in partition.pieces:
        with open_raw(piece.uri, piece.size) as stream:
            yield from _Reader(partition.source, piece, config).batches(stream)


class _Reader:
    def __init__(self, source: str, piece: Piece, config: ParquetConfig) -> None:
        self.source = source
        self.piece = piece
        self.config = config

    def batches(self, stream: pa.NativeFile) -> Iterator[SourceBatch]:
        piece = self.piece
        try:
            parquet = _open(stream)
            types = leaves(parquet.schema_arrow)
        except (pa.ArrowException, OSError, ValueError) as error:
            yield self._unreadable(error, 0, piece.size)
            return
        metadata = parquet.metadata
        end = piece.end or metadata.num_row_groups
        first = sum(metadata.row_group(i).num_rows for i in range(piece.start))
        for number in range(piece.start, end):
            yield from self._group(parquet, types, number, first)
            first += metadata.row_group(number).num_rows

    def _group(
        self, parquet: pq.ParquetFile, types: Mapping[str, pa.DataType], number: int, first: int
    ) -> Iterator[SourceBatch]:
        columns = sorted({column for column in wanted_columns(self.config).values() if column in types})
        done = first
        try:
            for raw in _steps(parquet, number, columns):
                yield columnar_batch(self.source, self.piece.relative, raw, types, done, self.config)
                done += raw.num_rows
        except (pa.ArrowException, OSError) as error:
            group = parquet.metadata.row_group(number)
            last = first + group.num_rows - 1
            size = sum(group.column(i).total_compressed_size for i in range(group.num_columns))
            yield self._unreadable(error, done, size, f" (rows {done:,} to {last:,})")

    def _unreadable(self, error: Exception, offset: int, size: int, rows: str = "") -> SourceBatch:
        if is_transport_error(error):
            raise error
        fault = Fault(offset, size, "unreadable", f"{error}{rows}", b"")
        return SourceBatch(no_rows(fields(self.config)), quarantine(self.source, self.piece.relative, [fault]))


def _steps(parquet: pq.ParquetFile, number: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """A row group in batches of about 8 MB."""
    group = parquet.metadata.row_group(number)
    size = sum(
        group.column(i).total_uncompressed_size
        for i in range(group.num_columns)
        if group.column(i).path_in_schema in columns
    )
    step_rows = max(1, min(_STEP_ROWS, _STEP_BYTES * group.num_rows // max(size, 1)))
    held: list[pa.RecordBatch] = []
    held_bytes = 0
    for batch in parquet.iter_batches(step_rows, [number], list(columns), use_threads=False):
        held.append(batch)
        held_bytes += batch.nbytes
        if held_bytes >= _STEP_BYTES:
            yield pa.concat_batches(held)
            held, held_bytes = [], 0
    if held:
        yield pa.concat_batches(held)


SOURCE = SourceKind(
    kind="parquet", version=1, config=ParquetConfig, split=split, read=read, fields=fields, libraries=("pyarrow",)
)
